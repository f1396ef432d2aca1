"""The projects and clusters of the server, asked for once in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from reconciler.app.planning.questions import ask_briefly
from reconciler.core.projects.names import ProjectName
from reconciler.core.projects.resolution import Resolution, leave_unresolved, resolve_names
from reconciler.core.protocol.api_results import (
    ApiResult,
    ClusterList,
    Method,
    NotShown,
    ProjectPage,
)
from reconciler.core.protocol.live import ServerCluster, ServerProject
from reconciler.engine.refresh import unless_ended

if TYPE_CHECKING:
    from reconciler.app.session import Session

# 20,000 projects.
_MOST_PAGES = 40
_NOT_FOUND = 404


class ServerProjects:
    """The projects that the server lists, as far as anybody has asked for them."""

    def __init__(self, session: Session, *, discovery: bool) -> None:
        self._session = session
        self._next: int | None = 0
        self._pages = 0
        self.listed: dict[str, ServerProject] = {}
        self.unlisted = "" if discovery else "discovery is off"

    async def read(self, *, until: Collection[str] | None = None, patient: bool = False) -> bool:
        """List all projects, or pages of them until these ids are among them.

        False where the server does not let us look: `unlisted` says why. Who is patient asks until
        the deadline. Raises UnreachableError when the run ends meanwhile.
        """
        while self._next is not None and not self.unlisted:
            if until is not None and self.listed.keys() >= set(until):
                break
            if self._pages == _MOST_PAGES:
                break
            page = await self._read_page(self._next, patient=patient)
            if not isinstance(page, ProjectPage):
                self.unlisted = page.description
                break
            self._pages += 1
            self.listed |= {project.id: project for project in page.projects}
            self._next = page.next
        return not self.unlisted

    @property
    def ids(self) -> dict[str, str]:
        """The id of each project that has its name for itself, among those that were listed."""
        counts = Counter(project.name for project in self.listed.values())
        return {p.name: p.id for p in self.listed.values() if counts[p.name] == 1}

    async def find_gone(self, project_ids: Iterable[str]) -> set[str]:
        """Those of these projects that the server says it does not have.

        A list leaves out what a login may not see: what it lacks is asked for by its id.
        """
        gone: set[str] = set()
        for project_id in sorted(set(project_ids).difference(self.listed)):
            call = partial(self._session.api.live.read_project, project_id)
            answer = await ask_briefly(self._session, call, expected=ProjectPage)
            if isinstance(answer, NotShown) and answer.status == _NOT_FOUND:
                gone.add(project_id)
        return gone

    async def find_unseen(self, project_ids: Iterable[str]) -> dict[str, str]:
        """Those of these projects that the server does not show, and its words for it."""
        unseen: dict[str, str] = {}
        for project_id in sorted(set(project_ids).difference(self.listed)):
            call = partial(self._session.api.live.read_project, project_id)
            answer = await ask_briefly(self._session, call, expected=ProjectPage)
            if not isinstance(answer, ProjectPage):
                unseen[project_id] = answer.description
        return unseen

    async def _read_page(self, offset: int, *, patient: bool) -> ApiResult:
        session = self._session
        call = partial(session.api.live.list_projects, offset=offset)
        if not patient:
            return await ask_briefly(session, call, expected=ProjectPage)
        with unless_ended():
            return await session.dispatcher.send(Method.GET, lambda _: call())

    async def resolve(
        self, names: Iterable[ProjectName], *, pins: Mapping[str, str], aliases: Collection[str]
    ) -> Resolution:
        """What names mean here: one list of all projects, and one of clusters if a name needs it.

        `pins` is what they meant before. Raises UnreachableError when the run ends meanwhile.
        """
        names = tuple(names)
        if not await self.read(patient=True):
            return leave_unresolved(names, self.unlisted, pins=pins)
        if self._next is not None:
            return leave_unresolved(names, f"there are over {len(self.listed)} projects", pins=pins)
        clusters: tuple[ServerCluster, ...] = ()
        if self._need_clusters(names):
            with unless_ended():
                answer = await self._session.dispatcher.send(
                    Method.GET, lambda _: self._session.api.live.list_clusters()
                )
            # A server of 2.23 does not tell them: what then cannot be decided says so.
            clusters = answer.clusters if isinstance(answer, ClusterList) else ()
        return resolve_names(
            names, tuple(self.listed.values()), clusters, pins=pins, aliases=aliases
        )

    def _need_clusters(self, names: Iterable[ProjectName]) -> bool:
        """Whether a name cannot be decided, or its problem not be told, by the ids of clusters."""
        for name in names:
            namesakes = [p.cluster_id for p in self.listed.values() if p.name == name.name]
            if len(namesakes) > 1 and not name.cluster:
                return True
            if namesakes and name.cluster and name.cluster not in namesakes:
                return True
        return False

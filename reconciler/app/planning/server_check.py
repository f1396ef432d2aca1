"""Has the server check new specs before anybody applies them, by dry runs of their creates.

A server that does not know the dry run creates what it was asked only to check. So a version must
speak for it, a canary has to prove it before any spec is sent, and what carries the mark of a dry
run and exists is deleted in the end, whoever left it behind.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired, Json, Remote
from reconciler.core.protocol.api_results import (
    FORBIDDEN,
    Accepted,
    Acknowledged,
    ApiResult,
    ClusterVersions,
    Conflict,
    DryRunPassed,
    Method,
    NotFound,
    Refused,
    Unauthorised,
    is_from_elsewhere,
)
from reconciler.core.protocol.body import create_body
from reconciler.core.protocol.capabilities import agree_on_dry_run
from reconciler.core.protocol.changes import VISIBLE
from reconciler.core.protocol.marker import DRY_RUN, STACK, read_annotations, with_annotations
from reconciler.engine.refresh import unless_ended
from reconciler.errors import RefusedError, UnreachableError
from reconciler.ports import ActionEntry, EventListener
from reconciler.report.error_field import find_field
from reconciler.specs.loaded import Loaded
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.state.sqlite import SqliteStore

COMMAND = "validate --server"
# Between two looks for what was created and is not to be seen yet.
_PAUSE = 2.0
_NO_DRY_RUN = "it does not know dry runs: declare its version in api_version"
_VERSION_HINT = "set api_version in reconciler.yaml to the server's, if that is 2.25 or later"
# Suspended, so that no pod is ever made of it, should it exist.
_CANARY_SPEC: Json = {
    "suspend": True,
    "template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "canary", "image": "canary"}]}
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck:
    """What the server said about the specs.

    `checked` counts those that it has looked at, `named` are those of which only the name was
    checked, since a workload of that name exists. `removed` was left behind by an earlier run, and
    `unlisted` says why nothing of the kind could be looked for.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    checked: int = 0
    named: tuple[Address, ...] = ()
    removed: tuple[Address, ...] = ()
    unlisted: str = ""


async def check_on_server(
    loaded: Loaded, settings: Settings, *, connector: Connector, say: EventListener
) -> ServerCheck:
    """Ask the server about every spec that the state does not record.

    Holds the state, where there is one, so that no apply meets what a server without the dry run
    may create. Raises RefusedError for a server that is not proven to know it, UnreachableError
    where it cannot be asked, LockedError.
    """
    _need_declared(settings)
    _need_allowed(loaded, settings)
    with open_beside_server(
        settings, connector, say, hold_as=f"reconciler {COMMAND}", may_be_missing=True
    ) as state:
        recorded = () if state.store is None else tuple(state.store.read())
        taken = {row.address for row in recorded}
        new = [spec for spec in loaded.desired if spec.address not in taken]
        named = tuple(spec.address for spec in loaded.desired if spec.address in taken)
        # Also where nothing is new: a wrong address is told today, not with the next new spec.
        state.confirm_server()
        if not new:
            return ServerCheck(named=named)
        async with state.connect() as session:
            await _need_dry_run(settings, session)
            run = _DryRuns(
                session=session,
                settings=settings,
                loaded=loaded,
                store=state.store,
                known={row.id for row in recorded},
                mark=str(uuid.UUID(int=session.rng.getrandbits(128), version=4)),
            )
            result = await run.check(new)
    return replace(result, named=tuple(sorted((*named, *result.named))))


def _need_declared(settings: Settings) -> None:
    if settings.api_version is not None and not settings.capabilities.can_dry_run:
        raise RefusedError(
            f"a server of version {settings.api_version} would create what it is to check",
            hint=_VERSION_HINT,
        )


def _need_allowed(loaded: Loaded, settings: Settings) -> None:
    outside = {spec.address.project for spec in loaded.desired} - set(settings.allowed_projects)
    if settings.allowed_projects and outside:
        raise RefusedError(
            f"limits.allowed_projects does not hold {', '.join(sorted(outside))}",
            hint="nothing was sent",
        )


async def _need_dry_run(settings: Settings, session: Session) -> None:
    """Raise RefusedError unless a declared version or all clusters speak for the dry run."""
    if settings.capabilities.can_dry_run:
        return
    with unless_ended():
        answer = await session.dispatcher.send(
            Method.GET, lambda _: session.api.find_cluster_versions()
        )
    versions = answer.versions if isinstance(answer, ClusterVersions) else ()
    if not agree_on_dry_run(versions):
        seen = f"its clusters are of {', '.join(versions)}" if versions else answer.description
        raise RefusedError(
            f"nothing shows that the server knows dry runs ({seen}): one that does not would "
            "create what it is to check",
            hint=_VERSION_HINT,
        )


@dataclass(kw_only=True)
class _DryRuns:
    """The dry runs of one command; `known` are ids that are none of theirs.

    `mark` is in every body in the place of an operation: what carries it is nobody's workload.
    """

    session: Session
    settings: Settings
    loaded: Loaded
    store: SqliteStore | None
    known: set[str | None]
    mark: str
    # What answers have named; where the server has no list, this is all there is to look at.
    ids: set[str] = field(default_factory=set)
    is_created: bool = False
    unlisted: str = ""

    async def check(self, specs: Sequence[Desired]) -> ServerCheck:
        """The canary first, then every spec, and in any case a search for what was created."""
        projects = sorted({spec.address.project for spec in specs})
        name = f"dry-run-canary-{self.mark.rpartition('-')[2]}"
        canary = Address(project=projects[0], name=name)
        entry = replace(
            edit_entry(COMMAND, {}),
            id=self.mark,
            started=self._now(),
            finished=None,
            took=None,
            exit_code=None,
        )
        if self.store is not None:
            # Before the first byte: if this run is killed, the history says what may exist.
            self.store.begin_run(entry)
            self.store.add_actions(
                entry.id, [ActionEntry(address=str(canary), action="dry-run", outcome="sent")]
            )
        result, failure = ServerCheck(), None
        try:
            await self._prove(canary)
            result = await self._check_specs(specs)
        except (RefusedError, UnreachableError) as error:
            failure = error
        try:
            found = await self._sweep(projects, until=canary if self.is_created else None)
        except UnreachableError as error:
            # What went wrong first is the reason; the next run of this command looks again.
            raise failure or error from None
        if self.store is not None:
            code = failure.exit_code if failure else 0
            self.store.end_run(replace(entry, finished=self._now(), exit_code=code))
        created = [
            remote
            for remote in found
            if read_annotations(remote.raw_manifest)[DRY_RUN] == self.mark
        ]
        if created:
            listed = ", ".join(f"{remote.address} ({remote.id})" for remote in created)
            raise RefusedError(
                f"the server creates what it was asked only to check; deleted again: {listed}",
                hint=_NO_DRY_RUN,
            )
        if failure is not None:
            raise failure
        removed = tuple(sorted(remote.address for remote in found))
        return replace(result, removed=removed, unlisted=self.unlisted)

    def _now(self) -> str:
        return self.session.clock.now().isoformat(timespec="milliseconds")

    async def _prove(self, canary: Address) -> None:
        """Raise RefusedError unless the server shows that a dry run creates nothing.

        The same is asked twice. Names are unique at once, while a look may come too early to see
        what was created: the second answer of a server that created is that the name is taken.
        """
        manifest = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": canary.name},
            "spec": _CANARY_SPEC,
        }
        metadata = {"name": canary.name, "projectId": canary.project}
        for _ in range(2):
            answer = await self._send(metadata, manifest, encoded=False)
            if _is_undecided(answer):
                raise _unanswered(answer, "the server could not be asked for a dry run")
            if isinstance(answer, Conflict):
                self.is_created = True
                raise RefusedError(
                    f"the server has created {canary}, which it was asked only to check; it is not "
                    "to be seen yet, and carries the mark of a dry run",
                    hint=f"{_NO_DRY_RUN}; {COMMAND} of a version that knows them deletes it",
                )
            if not isinstance(answer, DryRunPassed):
                raise RefusedError(
                    f"the server refuses even a Job that does nothing ({answer.description}), so "
                    "nothing shows that a dry run creates nothing",
                    hint=f"the account needs the right to create a Job in project {canary.project}",
                )

    async def _check_specs(self, specs: Sequence[Desired]) -> ServerCheck:
        # How many are in flight at a time is for the dispatcher to say. Each is heard to its end,
        # so that the search for what was created comes after all of them.
        answers = await asyncio.gather(
            *(self._send(spec.metadata, spec.manifest, encoded=spec.encoded) for spec in specs),
            return_exceptions=True,
        )
        diagnostics, named, undecided = [], [], []
        for spec, answer in zip(specs, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if _is_undecided(answer):
                undecided.append(answer)
            elif isinstance(answer, Conflict):
                named.append(spec.address)
            elif not isinstance(answer, DryRunPassed):
                diagnostics.append(self._diagnostic(spec, answer))
        if undecided:
            count = f"{len(undecided)} of {len(specs)} specs could not be checked"
            raise _unanswered(undecided[0], count)
        return ServerCheck(
            diagnostics=tuple(diagnostics), checked=len(specs) - len(named), named=tuple(named)
        )

    def _diagnostic(self, spec: Desired, answer: ApiResult) -> Diagnostic:
        """What the server objects to, at the line of the field that it names."""
        pointer, where = find_field(answer.message, spec.spec), spec.source
        if pointer is not None:
            with suppress(KeyError):
                where = self.loaded.locate(spec.address, pointer)
        is_forbidden = isinstance(answer, Refused) and answer.status == FORBIDDEN
        reason = "permission denied" if is_forbidden else "the server refuses it"
        return make_diagnostic(
            "refused-by-server",
            f"{reason}: {answer.description}",
            where,
            pointer=pointer or "",
            address=str(spec.address),
        )

    async def _send(self, metadata: Json, manifest: Json, *, encoded: bool) -> ApiResult:
        annotations = {DRY_RUN: self.mark, STACK: self.settings.stack}
        body = create_body(metadata, with_annotations(manifest, annotations), encoded=encoded)
        with unless_ended():
            answer = await self.session.dispatcher.send(
                Method.POST, lambda _: self.session.api.create(body, dry_run=True)
            )
        if isinstance(answer, DryRunPassed) and answer.id is not None:
            self.ids.add(answer.id)
        return answer

    async def _sweep(self, projects: Sequence[str], *, until: Address | None) -> list[Remote]:
        """Delete what carries the mark of a dry run of this owner, of whichever run.

        Where something was created, it is looked for `until` it is to be seen. Raises RefusedError
        for what could not be deleted.
        """
        found: dict[str, Remote] = {}
        ends = self.session.clock.monotonic() + VISIBLE.total_seconds()
        while True:
            ids = set(self.ids)
            if self.settings.discovery:
                try:
                    ids |= {*await list_ids(self.session, projects)}
                except UnreachableError as error:
                    # The canary has proven what the server does; this would only find what others
                    # have left behind.
                    self.unlisted = error.message
            marked = await read_each(
                self.session,
                sorted(ids - self.known),
                lambda remote: remote if self._is_marked(remote) else None,
            )
            found |= {id_: remote for id_, remote in marked.items() if remote is not None}
            is_seen = until is None or any(remote.address == until for remote in found.values())
            if is_seen or self.session.clock.monotonic() > ends:
                break
            await self.session.clock.sleep(_PAUSE)
        for remote in found.values():
            await self._delete(remote)
        return list(found.values())

    async def _delete(self, remote: Remote) -> None:
        with unless_ended():
            answer = await self.session.dispatcher.send(
                Method.DELETE, lambda _: self.session.api.delete(remote.id)
            )
        if not isinstance(answer, Accepted | Acknowledged | NotFound):
            raise RefusedError(
                f"a dry run has created {remote.address}, and it cannot be deleted: "
                f"{answer.description}",
                hint=f"delete workload {remote.id}; the next {COMMAND} tries it again",
            )

    def _is_marked(self, remote: Remote) -> bool:
        annotations = read_annotations(remote.raw_manifest)
        is_ours = annotations.get(STACK) == self.settings.stack
        return DRY_RUN in annotations and is_ours and not remote.is_leaving


def _is_undecided(answer: ApiResult) -> bool:
    """Whether nobody has judged what was sent: no answer, or one that is not the API's."""
    is_verdict = isinstance(answer, DryRunPassed | Conflict | Refused | NotFound)
    return not is_verdict or is_from_elsewhere(answer)


def _unanswered(answer: ApiResult, what: str) -> UnreachableError:
    hint = "check the credentials" if isinstance(answer, Unauthorised) else "run it again"
    return UnreachableError(f"{what}: {answer.description}", hint=hint)

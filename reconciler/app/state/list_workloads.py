"""Everything that the server shows in some projects, each workload read by its id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from reconciler.app.refused import GuardError
from reconciler.app.session import Session
from reconciler.core.model import Remote
from reconciler.core.protocol.api_results import Accepted, ApiResult, Listed, Method, NotFound
from reconciler.engine.refresh import unless_ended
from reconciler.errors import UnreachableError

Kept = TypeVar("Kept")

# So often a list is read whose pages overlap, or hold fewer than the server counts.
_WALKS = 3
# As many as wait for an answer at once; how many are sent is for the dispatcher to say.
_READERS = 1024


async def list_ids(session: Session, projects: Sequence[str]) -> list[str]:
    """Everything that lives in the projects; raises UnreachableError without a list to believe."""
    ids: dict[str, None] = {}
    for project in projects:
        ids |= dict.fromkeys(await _list_whole(session, project))
    return list(ids)


async def _list_whole(session: Session, project: str) -> dict[str, None]:
    """Every id of a project, from as many walks through its pages as it takes.

    The API has no snapshot: what is created or deleted between two pages shifts the next one.
    """
    ids: dict[str, None] = {}
    counted: int | None = None
    for _ in range(_WALKS):
        with unless_ended():
            response = await session.dispatcher.send(
                Method.GET, lambda _: session.api.find_all(project)
            )
        if not (isinstance(response, Listed) and response.trusted):
            raise UnreachableError(
                f"the server's list of project {project} cannot be used: {response.description}",
                hint="adopt the workloads one by one: reconciler state adopt ADDRESS --id ID",
            )
        # What one walk missed another may show, so all of them count together.
        ids |= dict.fromkeys(response.ids)
        counted = response.counted
        is_whole = not response.repeated if counted is None else len(ids) >= counted
        if is_whole:
            return ids
    lacks = "repeats itself" if counted is None else f"shows {len(ids)} of {counted} workloads"
    raise UnreachableError(
        f"the server's list of project {project} is not complete: it {lacks}, read {_WALKS} times",
        hint="run it again when nothing changes there; nothing was written",
    )


async def read_each(
    session: Session, ids: Sequence[str], keep: Callable[[Remote], Kept]
) -> dict[str, Kept | None]:
    """What `keep` makes of each listed workload, in the order of the ids.

    None for one that is gone meanwhile or was not submitted through this API. Raises
    UnreachableError for one that cannot be read: a state that lacks it would be worse than none.
    Raises GuardError for one of another tenant than the state's.
    """

    def take(workload_id: str, response: ApiResult) -> Kept | None:
        match response:
            case Accepted(remote=remote):
                return None if remote.is_gone else keep(remote)
            case NotFound(trusted=True):
                return None
            case _:
                raise UnreachableError(
                    f"workload {workload_id} is listed and cannot be read: {response.description}",
                    hint="nothing was written; run it again",
                )

    return await visit_each(session, ids, take)


async def visit_each(
    session: Session, ids: Sequence[str], take: Callable[[str, ApiResult], Kept]
) -> dict[str, Kept]:
    """What `take` makes of the answer about each id, in the order of the ids.

    Raises UnreachableError where the run ends before that, GuardError for another tenant's
    workload, and either as `take` does.
    """
    results: dict[str, Kept] = {}
    queue = iter(ids)

    async def read_on() -> None:
        for workload_id in queue:
            # What `take` drops of a body is gone before this waits for its next turn.
            results[workload_id] = take(workload_id, await read_by_id(session, workload_id))

    try:
        # A task for each of a hundred thousand ids would cost more than the reading.
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_READERS, len(ids))):
                group.create_task(read_on())
    except* (UnreachableError, GuardError) as errors:
        # The first is enough for a person; the others are mostly the same.
        raise errors.exceptions[0] from None
    return {workload_id: results[workload_id] for workload_id in ids}


async def read_by_id(session: Session, workload_id: str) -> ApiResult:
    """GET one workload.

    Raises UnreachableError where the run ends before that, GuardError for another tenant's.
    """
    with unless_ended():
        response = await session.dispatcher.send(
            Method.GET, lambda _: session.api.read(workload_id)
        )
    if isinstance(response, Accepted):
        session.need_tenant(response.remote.tenant_id)
    return response

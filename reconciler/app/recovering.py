"""Rebuilds a lost state from the server's list and the markers that our workloads carry."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.app.claiming import Claim
from reconciler.app.planning import met_target, need_same_target
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.states import read_state
from reconciler.app.surgery import amend
from reconciler.core.answers import Accepted, Answer, Listed, Method, NotFound
from reconciler.core.marker import read_marker
from reconciler.core.model import Address, Desired, Recorded, Remote
from reconciler.core.redact import Redactor
from reconciler.core.selection import Selection
from reconciler.engine.records import adopt_found
from reconciler.errors import RefusedError, StateError, UnreachableError, UsageError
from reconciler.ports import Say
from reconciler.state.sqlite import SqliteStore, create_state, is_there


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look and what to take; `lineage` chooses among the states that made workloads."""

    declared: tuple[Desired, ...] = ()
    projects: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    lineage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was put back, or would be, and what was seen of others on the way.

    `others` counts workloads without our stack's marker, `elsewhere` those of our stack by the
    lineage of the other state that made them.
    """

    rows: tuple[Recorded, ...]
    lineage: str
    others: int
    elsewhere: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One workload of our stack, and the lineage of the state that made it."""

    lineage: str
    row: Recorded


async def recover(
    settings: Settings, claim: Claim, search: Search, *, connector: Connector, say: Say
) -> Recovered:
    """Record every workload of this stack that the server shows in the projects searched.

    A state that is not there is made; to one that is, what it does not know is added. Nothing is
    sent but GETs. Raises UnreachableError where the server has no list that can be believed, and
    RefusedError where the workloads of several states are found and none is chosen.
    """
    wanted = {desired.address: desired for desired in search.declared}
    projects = sorted({*search.projects, *(address.project for address in wanted)})
    if not projects:
        raise UsageError("there is no project to look in", hint="give --project, or a folder")
    with ExitStack() as files:
        store = _open(settings, claim, files) if is_there(settings.state) else None
        async with connector.open(settings, say) as session:
            if store is not None:
                need_same_target(store.header, met_target(settings, session))
            ids = await _list_ids(session, projects)
            found = await _find(session, ids, settings.stack, wanted)
            lineage = _choose(found, search.lineage, store)
            rows = _new_rows(found, lineage, search.selection, store)
            if not rows or not claim.confirm(rows):
                return _recovered((), lineage, found, others=len(ids) - len(found))
            if not claim.dry_run:
                if store is None:
                    create_state(settings.state, met_target(settings, session)).close()
                    store = _open(settings, claim, files)
                _write(store, claim, rows, lineage)
            return _recovered(rows, lineage, found, others=len(ids) - len(found))


def _recovered(
    rows: tuple[Recorded, ...], lineage: str, found: Sequence[_Found], *, others: int
) -> Recovered:
    elsewhere = Counter(each.lineage for each in found if each.lineage != lineage)
    return Recovered(rows=rows, lineage=lineage, others=others, elsewhere=elsewhere)


def _open(settings: Settings, claim: Claim, files: ExitStack) -> SqliteStore:
    store = files.enter_context(read_state(settings.state))
    if not claim.dry_run:
        store.hold(claim.command)
    return store


async def _list_ids(session: Session, projects: Sequence[str]) -> list[str]:
    """Everything that lives in the projects; raises UnreachableError without a list to believe."""
    ids: list[str] = []
    for project in projects:
        answer = await _list(session, project)
        if not (isinstance(answer, Listed) and answer.trusted):
            words = answer.message or type(answer).__name__
            raise UnreachableError(
                f"the server's list of project {project} cannot be used: {words}",
                hint="adopt the workloads one by one: reconciler state adopt ADDRESS --id ID",
            )
        ids += answer.ids
    return list(dict.fromkeys(ids))


async def _list(session: Session, project: str) -> Answer:
    return await session.dispatcher.send(Method.GET, lambda _: session.api.find_all(project))


async def _find(
    session: Session, ids: Sequence[str], stack: str, wanted: Mapping[Address, Desired]
) -> list[_Found]:
    """Those of the listed workloads that are of our stack."""
    at = session.dispatcher.server.now()

    async def find(workload_id: str) -> _Found | None:
        remote = await _read(session, workload_id)
        if remote is None:
            return None
        return _identify(remote, stack, wanted.get(remote.address), at)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(find(workload_id)) for workload_id in ids]
    except* UnreachableError as errors:
        raise errors.exceptions[0] from None
    return [found for task in tasks if (found := task.result())]


async def _read(session: Session, workload_id: str) -> Remote | None:
    """One listed workload, None where it is gone meanwhile or was not submitted through this API.

    Raises UnreachableError for one that cannot be read: a state that lacks it would be worse.
    """
    answer = await session.dispatcher.send(Method.GET, lambda _: session.api.read(workload_id))
    match answer:
        case Accepted(remote=remote):
            return None if remote.is_gone else remote
        case NotFound(trusted=True):
            return None
        case _:
            words = answer.message or type(answer).__name__
            raise UnreachableError(
                f"workload {workload_id} is listed and cannot be read: {words}",
                hint="nothing was written; run it again",
            )


def _identify(remote: Remote, stack: str, desired: Desired | None, at: datetime) -> _Found | None:
    """The record of a workload of our stack, as the state that made it would have it."""
    marker = read_marker(remote.raw_manifest)
    if marker is None or marker.stack != stack:
        return None
    redactor = Redactor(marker.lineage)
    row = adopt_found(remote, marker.op, redactor=redactor, desired=desired, at=at)
    return _Found(lineage=marker.lineage, row=replace(row, marker=str(marker)))


def _choose(found: Sequence[_Found], lineage: str | None, store: SqliteStore | None) -> str:
    """Whose workloads to take: a state that has written takes its own only."""
    if store is not None and store.header.serial > 0:
        if lineage not in (None, store.header.lineage):
            raise RefusedError(
                f"the state {store.path} is of lineage {store.header.lineage}",
                hint="recover another lineage into a state of its own: --state FILE",
            )
        return store.header.lineage
    counts = Counter(each.lineage for each in found)
    if lineage is not None:
        return lineage
    if not counts:
        raise StateError(
            "no workload there carries the marker of this stack",
            hint="check --stack and --project; unmarked ones can be adopted: "
            "reconciler state adopt ADDRESS --id ID",
        )
    if len(counts) > 1:
        listed = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
        raise RefusedError(
            f"{len(counts)} states made workloads of this stack: {listed}",
            hint="choose one with --lineage",
        )
    return next(iter(counts))


def _new_rows(
    found: Sequence[_Found], lineage: str, selection: Selection, store: SqliteStore | None
) -> tuple[Recorded, ...]:
    known = store.read() if store is not None else ()
    there = {row.id for row in known} | {row.op for row in known}
    rows = (each.row for each in found if each.lineage == lineage)
    new = (r for r in rows if selection.takes(r.address) and there.isdisjoint({r.id, r.op}))
    return tuple(sorted(new, key=lambda row: row.address))


def _write(store: SqliteStore, claim: Claim, rows: Sequence[Recorded], lineage: str) -> None:
    taken = lineage if store.header.lineage != lineage else None
    amend(store, claim.command, "recover", rows, lineage=taken)

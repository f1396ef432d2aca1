"""Rebuilds a lost state from the server's list and the markers that our workloads carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.app.session import Connector, Session, met_target
from reconciler.app.settings import Settings
from reconciler.app.state.claiming import ResolveRequest
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.app.state.state_edits import amend
from reconciler.app.state.states import read_state
from reconciler.app.target import PinnedTarget
from reconciler.core.model import Address, Desired, Recorded, Remote
from reconciler.core.planning.selection import Selection
from reconciler.core.protocol.marker import read_marker
from reconciler.core.redact import Redactor
from reconciler.engine.records import adopt_found
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import Say
from reconciler.state.sqlite import SqliteStore, create_state, is_there


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverSearch:
    """Where to look and what to take; `lineage` chooses among the states that made workloads."""

    declared: tuple[Desired, ...] = ()
    projects: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    lineage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverResult:
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
    settings: Settings,
    claim: ResolveRequest,
    search: RecoverSearch,
    *,
    connector: Connector,
    say: Say,
) -> RecoverResult:
    """Record every workload of this stack that the server shows in the projects searched.

    A state that is not there is made; to one that is, what it does not know is added. Nothing is
    sent but GETs. Raises UnreachableError where the server has no list that can be believed,
    RefusedError where the workloads of several states are found and none is chosen, and UsageError
    for a pattern that matches none.
    """
    wanted = {desired.address: desired for desired in search.declared}
    projects = sorted({*search.projects, *(address.project for address in wanted)})
    if not projects:
        raise UsageError("there is no project to look in", hint="give --project, or a folder")
    with ExitStack() as files:
        store = _open(settings, claim, files) if is_there(settings.state) else None
        pin = PinnedTarget(target=store.header.target) if store is not None else None
        async with connector.open(settings, pin, say) as session:
            ids = await list_ids(session, projects)
            found = await _find(session, ids, settings, wanted)
            lineage = _choose(found, search.lineage, store)
            _check_patterns(found, lineage, search.selection)
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
) -> RecoverResult:
    elsewhere = Counter(each.lineage for each in found if each.lineage != lineage)
    return RecoverResult(rows=rows, lineage=lineage, others=others, elsewhere=elsewhere)


def _open(settings: Settings, claim: ResolveRequest, files: ExitStack) -> SqliteStore:
    store = files.enter_context(read_state(settings.state))
    if not claim.dry_run:
        store.hold(claim.command)
    return store


async def _find(
    session: Session, ids: Sequence[str], settings: Settings, wanted: Mapping[Address, Desired]
) -> list[_Found]:
    """Those of the listed workloads that are of our stack."""
    at = session.dispatcher.server.latest()

    def keep(remote: Remote) -> _Found | None:
        return _identify(remote, settings, wanted.get(remote.address), at)

    read = await read_each(session, ids, keep)
    return [found for found in read.values() if found is not None]


def _identify(
    remote: Remote, settings: Settings, desired: Desired | None, at: datetime
) -> _Found | None:
    """The record of a workload of our stack, as the state that made it would have it."""
    marker = read_marker(remote.raw_manifest)
    if marker is None or marker.stack != settings.stack:
        return None
    redactor = Redactor(marker.lineage, settings.rules)
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


def _check_patterns(found: Sequence[_Found], lineage: str, selection: Selection) -> None:
    """A pattern that means nothing is more likely misspelt than meant."""
    ours = [each.row.address for each in found if each.lineage == lineage]
    for pattern in selection.targets:
        one = Selection(targets=(pattern,))
        if not any(one.takes(address) for address in ours):
            raise UsageError(
                f"no workload of this state matches {pattern} on the server",
                hint="patterns are globs on <projectId>/<name>; nothing was written",
            )


def _new_rows(
    found: Sequence[_Found], lineage: str, selection: Selection, store: SqliteStore | None
) -> tuple[Recorded, ...]:
    known = store.read() if store is not None else ()
    there = {row.id for row in known} | {row.op for row in known}
    rows = (each.row for each in found if each.lineage == lineage)
    new = (r for r in rows if selection.takes(r.address) and there.isdisjoint({r.id, r.op}))
    return tuple(sorted(new, key=lambda row: row.address))


def _write(
    store: SqliteStore, claim: ResolveRequest, rows: Sequence[Recorded], lineage: str
) -> None:
    taken = lineage if store.header.lineage != lineage else None
    amend(store, claim.command, "recover", rows, lineage=taken)

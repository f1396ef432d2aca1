"""Settles by hand what is in doubt: by a workload's id, by looking again, or by giving it up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from reconciler.app.applying.applying import ApplyResult, run_plan
from reconciler.app.planning.deciding import plan_target
from reconciler.app.planning.planning import PlanResult
from reconciler.app.provenance import provenance_of
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.list_workloads import read_by_id
from reconciler.app.state.state_edits import Confirm, amend
from reconciler.app.state.states import edit_state, find_records, project_ids
from reconciler.core.model import (
    ENDS,
    Address,
    Own,
    Purpose,
    Recorded,
    Remote,
    ended_text,
    join_reasons,
)
from reconciler.core.planning.actions import Reason, Resolve
from reconciler.core.planning.holds import commands_to_readopt
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import Accepted, NotFound
from reconciler.core.protocol.marker import Marker, read_marker
from reconciler.core.protocol.transitions import Evidence, advance, end, outlived_by
from reconciler.core.redact import Redactor
from reconciler.engine.records import accept, without_other_id
from reconciler.engine.run import ApplyOptions
from reconciler.errors import RefusedError, StateError, UnreachableError
from reconciler.ports import EventListener
from reconciler.values import dataclass

IN_DOUBT = (Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE)
# What can be looked up again, or given up: also a delete that does not come to its end.
UNSETTLED = (*IN_DOUBT, Own.DELETING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveRequest:
    """What somebody asks for: a record, and how to go about it."""

    address: str
    command: str
    confirm: Confirm
    dry_run: bool = False

    @property
    def hold_as(self) -> str:
        """In whose name the state is held; empty where nothing will be written."""
        return "" if self.dry_run else self.command


async def resolve_by_id(
    settings: Settings,
    request: ResolveRequest,
    workload_id: str,
    *,
    connector: Connector,
    say: EventListener,
) -> Sequence[Recorded]:
    """Settle a doubt: this workload is what became of the create, or lives on after a delete.

    A marker decides which operation made it; a workload without one is taken at the caller's word.
    Returns what is settled, or would be; nothing where it was not confirmed.
    """
    with open_beside_server(settings, connector, say, hold_as=request.hold_as) as state:
        store = state.open()
        ids = project_ids(store, settings.projects)
        rows = find_records(store.read(), request.address, ids)
        deleting = next(
            (row for row in rows if row.own is Own.DELETING and row.id == workload_id), None
        )
        doubts = [] if deleting else _doubts(rows)
        async with state.connect() as session:
            remote = await fetch_workload(session, workload_id)
            marker = _marker_of_ours(remote, rows[0].address, store.header.lineage, settings.stack)
            # A create that comes true late may be one of what was missing when this one was asked
            # for.
            lost = [row for row in rows if row.own is Own.ACCEPTED]
            if deleting:
                settled = _taken_back(deleting, remote, marker)
            else:
                row = _made_by(marker, doubts, lost, workload_id)
                redactor = Redactor(store.header.lineage, settings.rules)
                settled = replace(
                    accept(without_other_id(row, remote), remote, redactor),
                    seen=remote.seen,
                    marker=row.marker if marker else "",
                )
            if not request.confirm([settled]):
                return ()
            if not request.dry_run:
                # Two of ours cannot have one name: what else is recorded under it is gone.
                outlived = outlived_by(settled, rows, session.dispatcher.server.earliest())
                amend(store, request.command, "resolve", [settled], beside=outlived)
            return [settled]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """What was in doubt, or would not be any more, and what of it stays down, if anything.

    `dropped` is one record; empty where it was not confirmed.
    """

    dropped: Sequence[Recorded] = ()
    down: Recorded | None = None


def abandon(settings: Settings, request: ResolveRequest) -> Abandoned:
    """Drop a doubt on somebody's word that nothing of it lives or will live; nothing is read.

    A delete is not dropped but given up: its id stays on record, and its name taken. What was
    deleted to be replaced stays on record until its replacement is there.
    """
    with edit_state(settings.state, request.command, dry_run=request.dry_run) as store:
        ids = project_ids(store, settings.projects)
        rows = find_records(store.read(), request.address, ids)
        doubts = _doubts(rows, UNSETTLED)
        if not request.confirm(doubts):
            return Abandoned()
        dropped = [abandoned_record(row) for row in doubts]
        if not request.dry_run:
            amend(store, request.command, "abandon", dropped[:1], beside=dropped[1:])
        latest = {row.op: row for row in (*rows, *dropped)}
        down = next((row for row in latest.values() if row.is_down), None)
        return Abandoned(dropped=dropped[:1], down=down)


def abandoned_record(row: Recorded) -> Recorded:
    """What a record is on somebody's word that nothing more will become of it."""
    if row.purpose is Purpose.GIVEN_UP:
        return row
    if row.own is Own.DELETING and row.purpose in ENDS:
        # Nothing waits for its name, since it is not made again.
        return advance(row, Evidence.ENDED, message=f"{ended_text(row)}; abandoned by hand")
    if row.own is Own.DELETING:
        # Its workload may well be running: the record is all that still knows its id.
        message = join_reasons(row.message, "its deletion was given up by hand")
        return replace(row, purpose=Purpose.GIVEN_UP, message=message)
    return end(row, Evidence.RELEASED, message="abandoned by hand")


async def recheck(
    settings: Settings, request: ResolveRequest, *, connector: Connector, say: EventListener
) -> ApplyResult:
    """Look for the evidence again, by GETs only; what it proves is recorded."""
    with open_beside_server(settings, connector, say, hold_as=request.hold_as) as state:
        store = state.open()
        recorded = tuple(store.read())
        # One look at the name settles everything under it.
        ids = project_ids(store, settings.projects)
        row, *_ = _doubts(find_records(recorded, request.address, ids), UNSETTLED)
        action = Resolve(
            address=row.address,
            reason=Reason.REQUESTED,
            detail="looked up, and not sent again",
            recorded=row,
        )
        async with state.connect() as session:
            # As a plan of this one action it has the locks, the history and the end of an apply.
            plan = Plan(
                target=plan_target(settings, session, store.header),
                lineage=store.header.lineage,
                serial=store.header.serial,
                actions=(action,),
                provenance=provenance_of(settings.root),
            )
            planned = PlanResult(plan=plan, refusals=(), recorded=recorded, tenant_id=None)
            if request.dry_run or not request.confirm([row]):
                return ApplyResult(planned=planned, finished=None)
            return await run_plan(
                planned,
                store,
                session,
                settings,
                options=ApplyOptions(wait=False),
                command=request.command,
            )


async def fetch_workload(session: Session, workload_id: str) -> Remote:
    """GET one workload; raises StateError where the server has none of that id."""
    response = await read_by_id(session, workload_id)
    match response:
        case Accepted(remote=remote) if not remote.is_gone:
            return remote
        # A 404 of something between says nothing about the workload.
        case Accepted() | NotFound(trusted=True):
            raise StateError(
                f"the server has no workload {workload_id}",
                hint="take the id from the control plane's own list; nothing was changed",
            )
        case _:
            raise UnreachableError(
                f"workload {workload_id} cannot be read: {response.description}",
                hint="check the id and --url; nothing was changed",
            )


def _marker_of_ours(remote: Remote, address: Address, lineage: str, stack: str) -> Marker | None:
    """The marker of a workload that may be ours; raises RefusedError where it cannot be."""
    if remote.address != address:
        raise RefusedError(
            f"workload {remote.id} is {remote.address}, not {address}",
            hint="check the id; nothing was changed",
        )
    marker = read_marker(remote.raw_manifest)
    if marker is not None and not marker.is_of(lineage, stack):
        raise RefusedError(
            f"workload {remote.id} belongs to stack {marker.stack!r} (state {marker.lineage})",
            hint="only the state that made it may change it; nothing was changed",
        )
    return marker


def _doubts(rows: Sequence[Recorded], kinds: Collection[Own] = IN_DOUBT) -> list[Recorded]:
    """What is in doubt of the records of one address, first what decides about it."""
    doubts = [row for row in rows if row.own in kinds and not (row.is_down and not row.ambiguous)]
    if doubts:
        return sorted(doubts, key=lambda row: row.own is Own.LATE_CREATE_POSSIBLE)
    address = rows[0].address
    down = next((row for row in rows if row.is_down), None)
    if down is not None:
        raise StateError(
            f"{address} is down, and not in doubt: {down.ending}, and nothing of ours runs there "
            "now",
            hint="the next apply makes its replacement; to forget what was deleted: "
            f"reconciler state rm {address}",
        )
    raise StateError(
        f"{address} is not in doubt",
        hint=f"look at it: reconciler state show {address}; nothing was changed",
    )


def _taken_back(row: Recorded, remote: Remote, marker: Marker | None) -> Recorded:
    """The record of a delete that a person takes back, of a workload that lives on.

    Only a person can: a DELETE that was never answered may still be carried out.
    """
    if remote.is_leaving:
        raise RefusedError(
            f"the server is deleting workload {remote.id}; nothing was changed",
            hint=f"once it is gone: reconciler state resolve {row.address} --recheck",
        )
    if row.marker and (marker is None or str(marker) != row.marker):
        raise RefusedError(
            f"workload {remote.id} no longer carries the mark that it had; nothing was changed",
            hint=f"if it is yours: {commands_to_readopt(row)}",
        )
    return advance(
        row, Evidence.DELETE_REJECTED, purpose=None, kept=None, message="", seen=remote.seen
    )


def _made_by(
    marker: Marker | None, doubts: Sequence[Recorded], lost: Sequence[Recorded], workload_id: str
) -> Recorded:
    """The operation that made a workload, as its marker says, or the only one there is."""
    if marker is None and len(doubts) == 1:
        return doubts[0]
    for row in (*doubts, *lost):
        if marker is not None and row.op == marker.op:
            return row
    origin = f"was made by operation {marker.op}" if marker else "carries no marker"
    raise RefusedError(
        f"workload {workload_id} {origin}, and {len(doubts)} other operations are in doubt",
        hint=f"run: reconciler state resolve {doubts[0].address} --recheck",
    )

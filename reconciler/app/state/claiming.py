"""Settles by hand what is in doubt: by a workload's id, by looking again, or by giving it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from reconciler.app.applying.applying import ApplyResult, run_plan
from reconciler.app.planning.planning import PlanResult, plan_target
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.list_workloads import read_by_id
from reconciler.app.state.state_edits import Confirm, amend
from reconciler.app.state.states import find_records, read_state
from reconciler.core.model import Address, Own, Purpose, Recorded, Remote, join_reasons
from reconciler.core.planning.actions import Reason, Resolve
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import Accepted, NotFound
from reconciler.core.protocol.marker import Marker, read_marker
from reconciler.core.protocol.transitions import Evidence, end, outlived_by
from reconciler.core.redact import Redactor
from reconciler.engine.records import accept, without_other_id
from reconciler.engine.run import ApplyOptions
from reconciler.errors import RefusedError, StateError, UnreachableError, UsageError
from reconciler.ports import Say
from reconciler.state.sqlite import SqliteStore

IN_DOUBT = (Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE)
# What can be looked up again, or given up: also a delete that does not come to its end.
UNSETTLED = (*IN_DOUBT, Own.DELETING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveRequest:
    """What somebody asks for: a record, a workload, and how to go about it."""

    address: str
    command: str
    confirm: Confirm
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResolveRun:
    """A state held for writing beside a session with its server."""

    store: SqliteStore
    session: Session
    stack: str

    def owns(self, marker: Marker) -> bool:
        return marker.is_of(self.store.header.lineage, self.stack)

    def settle(self, claim: ResolveRequest, row: Recorded) -> Sequence[Recorded]:
        """Ask, and write the row and what it has outlived; returns what is settled, or would be."""
        if not claim.confirm([row]):
            return ()
        if not claim.dry_run:
            at = self.session.dispatcher.server.earliest()
            rows = find_records(self.store.read(), str(row.address))
            beside = outlived_by(row, rows, at)
            amend(self.store, claim.command, "resolve", [row], beside=beside)
        return [row]


async def resolve_by_id(
    settings: Settings, claim: ResolveRequest, workload_id: str, *, connector: Connector, say: Say
) -> Sequence[Recorded]:
    """Settle a doubt: this workload is what became of the create.

    A marker decides which operation made it; a workload without one is taken at the caller's word.
    """
    async with _open_bench(settings, claim, connector, say) as bench:
        rows = find_records(bench.store.read(), claim.address)
        doubts = _doubts(rows)
        # A create that comes true late may be one of what was missing when this one was asked for.
        lost = [row for row in rows if row.own is Own.ACCEPTED]
        remote = await read_workload(bench.session, workload_id)
        marker = _check_claim(bench, remote, doubts[0].address)
        row = _pick(doubts, lost, marker, workload_id)
        redactor = Redactor(bench.store.header.lineage, settings.rules)
        settled = replace(
            accept(without_other_id(row, remote), remote, redactor),
            seen=remote.seen,
            marker=row.marker if marker else "",
        )
        return bench.settle(claim, settled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """What was in doubt, or would not be any more, and what of it stays down, if anything.

    `dropped` is one record; empty where it was not confirmed.
    """

    dropped: Sequence[Recorded] = ()
    down: Recorded | None = None


def abandon(settings: Settings, claim: ResolveRequest) -> Abandoned:
    """Drop a doubt on somebody's word that nothing of it lives or will live; nothing is read.

    A delete is not dropped but given up: its id stays on record, and its name taken. What was
    deleted to be replaced stays on record until its successor is there.
    """
    with read_state(settings.state) as store:
        if not claim.dry_run:
            store.hold(claim.command)
        rows = find_records(store.read(), claim.address)
        doubts = _doubts(rows, UNSETTLED)
        if not claim.confirm(doubts):
            return Abandoned()
        dropped = [_abandon(row) for row in doubts]
        if not claim.dry_run:
            amend(store, claim.command, "abandon", dropped[:1], beside=dropped[1:])
        left = {row.op: row for row in (*rows, *dropped)}
        down = next((row for row in left.values() if row.is_down), None)
        return Abandoned(dropped=dropped[:1], down=down)


async def recheck(
    settings: Settings, claim: ResolveRequest, *, connector: Connector, say: Say
) -> ApplyResult:
    """Look for the evidence again, by GETs only; what it proves is recorded."""
    async with _open_bench(settings, claim, connector, say) as bench:
        recorded = tuple(bench.store.read())
        # One look at the name settles everything under it.
        row, *_ = _doubts(find_records(recorded, claim.address), UNSETTLED)
        look = Resolve(
            address=row.address,
            reason=Reason.REQUESTED,
            detail="looked up, and not sent again",
            recorded=row,
        )
        plan = Plan(
            target=plan_target(settings, bench.session, bench.store.header),
            lineage=bench.store.header.lineage,
            serial=bench.store.header.serial,
            actions=(look,),
        )
        planned = PlanResult(plan=plan, refusals=(), recorded=recorded, tenant_id=None)
        if claim.dry_run or not claim.confirm([row]):
            return ApplyResult(planned=planned, finished=None)
        return await run_plan(
            planned,
            bench.store,
            bench.session,
            settings,
            options=ApplyOptions(wait=False),
            command=claim.command,
        )


@asynccontextmanager
async def _open_bench(
    settings: Settings, claim: ResolveRequest, connector: Connector, say: Say
) -> AsyncIterator[_ResolveRun]:
    """The state before the network, as an apply does."""
    hold_as = "" if claim.dry_run else claim.command
    with open_beside_server(settings, connector, say, hold_as=hold_as) as state:
        async with state.connect() as session:
            yield _ResolveRun(store=state.open(), session=session, stack=settings.stack)


def parse_address(text: str) -> Address:
    """An address as somebody typed it; raises UsageError."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="give it as the plan shows it") from None


async def read_workload(session: Session, workload_id: str) -> Remote:
    """GET one workload; raises StateError where the server has none of that id."""
    answer = await read_by_id(session, workload_id)
    match answer:
        case Accepted(remote=remote) if not remote.is_gone:
            return remote
        case Accepted() | NotFound(trusted=True):
            raise StateError(
                f"the server has no workload {workload_id}",
                hint="take the id from the control plane's own list; nothing was changed",
            )
        case _:
            words = answer.description
            raise UnreachableError(
                f"workload {workload_id} cannot be read: {words}",
                hint="check the id and --url; nothing was changed",
            )


def _check_claim(bench: _ResolveRun, remote: Remote, address: Address) -> Marker | None:
    """The marker of a workload that may be ours; raises RefusedError where it cannot be."""
    if remote.address != address:
        raise RefusedError(
            f"workload {remote.id} is {remote.address}, not {address}",
            hint="check the id; nothing was changed",
        )
    marker = read_marker(remote.raw_manifest)
    if marker is not None and not bench.owns(marker):
        raise RefusedError(
            f"workload {remote.id} belongs to stack {marker.stack!r} (state {marker.lineage})",
            hint="only the state that made it may change it; nothing was changed",
        )
    return marker


def _abandon(row: Recorded) -> Recorded:
    if row.own is Own.DELETING:
        message = join_reasons(row.message, "its deletion was given up by hand")
        return replace(row, purpose=Purpose.GIVEN_UP, message=message)
    return end(row, Evidence.RELEASED, message="abandoned by hand")


def _doubts(rows: Sequence[Recorded], kinds: Collection[Own] = IN_DOUBT) -> list[Recorded]:
    """What is in doubt of the records of one address, first what decides about it."""
    doubts = [row for row in rows if row.own in kinds and not (row.is_down and not row.ambiguous)]
    if doubts:
        return sorted(doubts, key=lambda row: row.own is Own.LATE_CREATE_POSSIBLE)
    address = rows[0].address
    down = next((row for row in rows if row.is_down), None)
    if down is not None:
        raise StateError(
            f"{address} is down, and not in doubt: {down.ending}, and nothing runs there now",
            hint="the next apply makes its successor; to forget what was deleted: "
            f"reconciler state rm {address}",
        )
    raise StateError(
        f"{address} is not in doubt",
        hint=f"look at it: reconciler state show {address}; nothing was changed",
    )


def _pick(
    doubts: Sequence[Recorded], lost: Sequence[Recorded], marker: Marker | None, workload_id: str
) -> Recorded:
    """The operation that made a workload, as its marker says, or the only one there is."""
    if marker is None and len(doubts) == 1:
        return doubts[0]
    for row in (*doubts, *lost):
        if marker is not None and row.op == marker.op:
            return row
    found = f"was made by operation {marker.op}" if marker else "carries no marker"
    raise RefusedError(
        f"workload {workload_id} {found}, and {len(doubts)} other operations are in doubt",
        hint=f"let the tool look: reconciler state resolve {doubts[0].address} --recheck",
    )

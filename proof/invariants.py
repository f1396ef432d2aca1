"""The promises of the protocol as code, judged by the server's book and world.

The client's own opinion counts only where a promise is about what it says (I7, I13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from proof.simulation.disk import Disk
from proof.simulation.process import Process, Watcher
from proof.simulation.server import Entry, Server, Workload
from proof.simulation.weather import Said
from proof.updates.invariants import UpdateReferee
from reconciler.core.history.events import ActionEnded, Event
from reconciler.core.history.outcome import Failed, InDoubt, Succeeded, message_of
from reconciler.core.lifecycle import (
    OnRemove,
)
from reconciler.core.model import (
    Address,
    Own,
    Recorded,
)
from reconciler.core.protocol.retry import AMBIGUOUS_SENDS
from reconciler.engine.apply import LET_GO

IN_DOUBT = (Own.CREATING, Own.UNCONFIRMED)
_MAY_EXIST = (*IN_DOUBT, Own.LATE_CREATE_POSSIBLE)
# After the switch is pulled, what is in flight may take this long to come home.
DRAIN = 5.0
# A process rounds, and its last words take no time, but its last write may.
_EPSILON = 1.0
# Requests that one run may need for one workload, however bad the weather is.
MOST_REQUESTS = 60
_CERTAINLY_NOT_DONE = (Said.SLOW_DOWN, Said.NO, Said.UNSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was broken, and when."""

    invariant: str
    at: float
    message: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f} s: {self.message}"


class Referee(Watcher):
    """Watches one history; `found` are the violations, the first one first.

    `copies` says that states are copied about: what one copy does not know, another one may.
    `wanted` is asked whether an address is declared at this moment.
    """

    def __init__(self, server: Server, disk: Disk, *, copies: bool = False) -> None:
        self.server = server
        self.disk = disk
        self.copies = copies
        self.found: list[Violation] = []
        self.wanted: Callable[[Address], bool] = lambda _: True
        self._by_op: dict[str, list[Workload]] = {}
        self._posts: dict[str, list[Entry]] = {}
        self._released: set[str] = set()
        self.updates = UpdateReferee(server, self._report, copies=copies)
        server.on_birth = self._born

    def sending(self, process: Process, entry: Entry, disk: Disk) -> None:
        """I4, I3, I9 and I18 at the instant at which a request reaches the server."""
        if process.is_replaced:
            # An id is never used twice, so a DELETE that is late finds what it was meant for.
            if entry.method in ("POST", "PUT"):
                self._report("I18", f"{entry.method} {entry.target} by a run that was replaced")
            return
        if entry.method == "POST":
            self._check_intent(entry, disk)
            self._posts.setdefault(entry.op or "", []).append(entry)
        elif entry.method == "DELETE":
            self._check_delete(process, entry, disk)
            self.updates.deleting(process, entry)
        elif entry.method == "PUT":
            self.updates.sending(process, entry, disk)
        if process.halted_at is not None and entry.method in ("POST", "PUT", "DELETE"):
            self._report("I9", f"{entry.method} {entry.target} after the run was stopped")

    def wrote(
        self, disk: Disk, before: Sequence[Recorded | None], rows: Sequence[Recorded]
    ) -> None:
        """I1, I5 and I6 at the instant at which rows become durable."""
        self.server.catch_up()
        for old, new in zip(before, rows, strict=True):
            self._check_id(old, new)
            self.updates.wrote(new)
            if self._is_release(old, new):
                self._released.add(new.op)
            for workload in self._by_op.get(new.op, ()):
                self._check_known(workload, disk)

    def said(self, process: Process, event: Event) -> None:
        """I7 at the instant at which something is told."""
        if process.is_replaced:
            # What was so when it stood still is somebody else's by now.
            return
        self.updates.said(process, event)
        match event:
            case ActionEnded(action="delete", outcome=Succeeded(id=str() as id_, detail=detail)):
                self._check_told_gone(process.disk, id_, under_way=bool(detail))
            case ActionEnded(action="create" | "replace", outcome=Succeeded(id=str() as id_)):
                self._check_told_made(process.disk, id_, str(event.address))
            case ActionEnded(action="resolve", outcome=Succeeded(id=str() as id_)):
                self._check_told_made(process.disk, id_, str(event.address))
            case ActionEnded(action="create", outcome=Failed(id=str() as id_)):
                self._check_told_made(process.disk, id_, str(event.address))
            case _:
                pass

    def ended(self, process: Process) -> None:
        """I1, I2, I9, I13 and I18 when a process has ended or was killed."""
        self.check_world()
        self._check_length(process)
        if process.dead:
            return
        if not process.is_replaced:
            self._check_doubts(process)
        elif process.was_refused and process.exit_code not in (6, 130):
            self._report("I18", f"run {process.number} was replaced: {process.exit_code}, not 6")

    def check_world(self) -> None:
        """I1 and I2 now."""
        live = [w for w in self.server.live() if w.ours]
        twice = [a for a, count in Counter(w.address for w in live).items() if count > 1]
        if twice:
            self._report("I2", f"{twice[0]} lives more than once")
        if not self.copies:
            for workload in live:
                self._check_known(workload, self.disk)

    def check_reach(self, addresses: Iterable[Address]) -> None:
        """I1 for addresses that the present state can know of."""
        within = set(addresses)
        for workload in self.server.live():
            if workload.ours and workload.address in within:
                self._check_known(workload, self.disk, thorough=True)

    def report(self, invariant: str, message: str) -> None:
        """Note a violation that only the history can see (I8)."""
        self._report(invariant, message)

    def is_released(self, op: str) -> bool:
        """Whether a spec has let go of what this operation made."""
        return op in self._released

    def _born(self, workload: Workload) -> None:
        op = workload.marker.op if workload.marker else ""
        self._by_op.setdefault(op, []).append(workload)
        if not self.copies:
            self._check_known(workload, self.disk)

    def _check_known(self, workload: Workload, disk: Disk, *, thorough: bool = False) -> None:
        if not workload.lives(self.server.timeline.now) or workload.marker is None:
            return
        op = workload.marker.op
        row = disk.durable.get(op)
        if op in self._released:
            return
        if row is None or not _covers(row, workload):
            if self.copies and row is None and not thorough:
                return
            if any(r.id == workload.id and r.own is not Own.GONE for r in disk.durable.values()):
                return
            words = "nothing" if row is None else f"{row.own} with id {row.id}"
            self._report(
                "I1", f"{workload.address} {workload.id} lives, and the state has {words} for {op}"
            )

    def _is_release(self, old: Recorded | None, new: Recorded) -> bool:
        """Whether a spec that is gone had said that its workload is to be left alone."""
        return (
            old is not None
            and old.own is Own.ACCEPTED
            and new.own is Own.GONE
            and old.lifecycle.on_remove is OnRemove.FORGET
            and not self.wanted(old.address)
        )

    def _check_id(self, old: Recorded | None, new: Recorded) -> None:
        if old is None or old.id is None or old.own is Own.GONE:
            return
        if new.id not in (None, old.id):
            self._report("I6", f"{new.address}: id {old.id} was overwritten by {new.id}")
        lost = new.id is None or new.own is Own.GONE
        workload = self.server.workloads.get(old.id)
        if not lost or workload is None or self._is_release(old, new):
            return
        if workload.lives(self.server.timeline.now):
            self._report("I5", f"{new.address}: {old.id} was given up while it lives")

    def _check_intent(self, entry: Entry, disk: Disk) -> None:
        row = disk.durable.get(entry.op or "")
        if row is None or row.own is not Own.CREATING or str(row.address) != entry.target:
            words = "nothing" if row is None else row.own
            self._report("I4", f"POST {entry.target} {entry.op}, and the state has {words}")
            return
        earlier = self._posts.get(entry.op or "", ())
        if row.attempts <= len(earlier) and not self.copies:
            self._report("I4", f"POST {entry.target}: {row.attempts} sends noted")
        if any(_is_open(post) for post in earlier) and not row.ambiguous:
            self._report("I4", f"POST {entry.target} again, and the doubt is not durable")
        mine = [post for post in earlier if post.process == entry.process and post.heard]
        unclear = sum(post.said in (Said.LOST, Said.TIMEOUT, Said.ERROR) for post in mine)
        if unclear >= AMBIGUOUS_SENDS:
            self._report("I9", f"POST {entry.target} after {unclear} unclear ones in one run")

    def _check_delete(self, process: Process, entry: Entry, disk: Disk) -> None:
        target = self.server.workloads.get(entry.target)
        rows = [r for r in disk.durable.values() if r.id == entry.target and r.own is Own.DELETING]
        if not rows:
            self._report("I4", f"DELETE {entry.target} without a durable intent")
        if target is None or not target.ours:
            self._report("I3", f"DELETE {entry.target}, which is not ours")
        elif any(row.address != target.address for row in rows):
            self._report("I3", f"DELETE {entry.target}, which is {target.address}")
        if entry.target not in process.verified:
            self._report("I3", f"DELETE {entry.target}, which was not read in this run")
        elif process.verified[entry.target] is None and any(row.marker for row in rows):
            self._report("I3", f"DELETE {entry.target}, which has lost the mark that it had")
        if self._selects_not(process, rows):
            self._report("I3", f"DELETE {entry.target} outside the run's targets")

    def _selects_not(self, process: Process, rows: Sequence[Recorded]) -> bool:
        selection = process.circumstances.request.selection
        return any(not selection.takes(row.address) for row in rows)

    def _check_told_made(self, disk: Disk, workload_id: str, address: str) -> None:
        known = [r for r in disk.durable.values() if r.id == workload_id]
        if workload_id not in self.server.workloads:
            self._report("I7", f"{address} was told with the unknown id {workload_id}")
        if not any(row.own in (Own.ACCEPTED, Own.DELETING) for row in known):
            self._report("I7", f"{address} {workload_id} was told before it was durable")

    def _check_told_gone(self, disk: Disk, workload_id: str, *, under_way: bool) -> None:
        states = {r.own for r in disk.durable.values() if r.id == workload_id}
        if not states <= ({Own.GONE, Own.DELETING} if under_way else {Own.GONE}):
            self._report("I7", f"{workload_id} was told as deleted before it was durable")

    def _check_length(self, process: Process) -> None:
        end = process.began + process.circumstances.deadline
        if process.halted_at is not None:
            end = min(end, process.halted_at)
        # Who stands still cannot end.
        end = max(end, self.server.resumed_at)
        assert process.ended_at is not None
        if process.ended_at > end + DRAIN + _EPSILON and not process.dead:
            late = process.ended_at - end
            self._report("I9", f"run {process.number} ended {late:.1f} s after it had to")
        most = MOST_REQUESTS * max(1, len(process.specs))
        if process.requests > most:
            self._report("I9", f"run {process.number} sent {process.requests} requests")

    def _check_doubts(self, process: Process) -> None:
        """I13; a run that ended before its apply, or lost its state, has told another story."""
        finished = process.finished
        if finished is None:
            return
        selection = process.circumstances.request.selection
        rows = [r for r in process.disk.read() if selection.takes(r.address)]
        doubtful = {row.address for row in rows if row.own in IN_DOUBT}
        possible = {row.address for row in rows if row.own in _MAY_EXIST}
        ended = [event for event in process.events if isinstance(event, ActionEnded)]
        told = [event for event in ended if isinstance(event.outcome, InDoubt)]
        listed = {event.address for event in told}
        for address in sorted(doubtful - listed):
            self._report("I13", f"{address} is in doubt, and nobody was told")
        # Of what was let go at the end, the answer may have come while the last row was written.
        let_go = {event.address for event in told if message_of(event.outcome) == LET_GO}
        for address in sorted(listed - possible - let_go):
            self._report("I13", f"{address} was told to be in doubt, and is not")
        code = 130 if finished.stopped_by == "SIGINT" else 8
        if listed and finished.stopped_by in ("", "SIGINT", "deadline", "fail-fast"):
            if process.exit_code != code:
                self._report("I13", f"doubts, and exit code {process.exit_code}")
        elif not listed and process.exit_code == 8:
            self._report("I13", "exit code 8, and nothing is in doubt")

    def _report(self, invariant: str, message: str) -> None:
        now = self.server.timeline.now
        self.found.append(Violation(invariant=invariant, at=now, message=message))


def _covers(row: Recorded, workload: Workload) -> bool:
    """Whether a row accounts for a living workload of its operation."""
    if row.own is Own.GONE:
        return False
    return row.id == workload.id or row.own in _MAY_EXIST or row.ambiguous


def _is_open(post: Entry) -> bool:
    """Whether nobody could tell, from what was heard, if this POST was or will be carried out."""
    if not post.heard:
        return True
    return post.said not in (Said.ANSWER, *_CERTAINLY_NOT_DONE)

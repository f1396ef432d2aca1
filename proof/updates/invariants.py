"""The promises about updates, judged by the server's book and world: I15, I16 and I17."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proof.simulation.disk import Disk
from proof.simulation.forms import FOREIGN, Form
from proof.simulation.process import Process
from proof.simulation.server import Entry, Server, Workload
from proof.simulation.weather import LATEST, Said
from reconciler.core.digest import canonical
from reconciler.core.history.events import ActionEnded, Event
from reconciler.core.history.outcome import Failed, Succeeded
from reconciler.core.model import Address, Desired, LastSeen, Own, Recorded
from reconciler.core.planning.actions import Reason, Replace, Update
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.marker import read_marker, read_rev
from reconciler.core.secrets.marks import MARK
from reconciler.engine.waiting.wait import REFUSED_UPDATE

Report = Callable[[str, str], None]

_CERTAINLY_NOT_DONE = (Said.SLOW_DOWN, Said.NO, Said.UNSENT, Said.NO_CALL)


class UpdateReferee:
    """Watches the updates of one history; `copies` as for the referee that it works for."""

    def __init__(self, server: Server, report: Report, *, copies: bool) -> None:
        self._server = server
        self._report = report
        self._copies = copies
        self._bodies: dict[str, str] = {}
        self._puts: dict[str, list[Entry]] = {}
        self._synced: set[str] = set()

    def sending(self, process: Process, entry: Entry, disk: Disk) -> None:
        """I15 and I16 at the instant at which a PUT reaches the server."""
        body = entry.body or {}
        rev, target = read_rev(body["manifest"]), entry.target
        row = _row_of(disk, target)
        under_way = row.change.open if row is not None else None
        if under_way is None or under_way.rev != rev:
            self._report("I15", f"PUT {target} {rev}, which is not durable")
        if self._bodies.setdefault(rev, canonical(body)) != canonical(body):
            self._report("I15", f"PUT {target}: rev {rev} has two bodies")
        workload = self._server.workloads.get(target)
        proven = row.change.confirmed if row is not None else ""
        self._check_repetition(target, rev, body, proven)
        if workload is not None and read_marker(body["manifest"]) != workload.marker:
            self._report("I15", f"PUT {target}: the mark of its creator is not what it was")
        if MARK.search(canonical(body)):
            self._report("I10", f"PUT {target} with the stand-in of a secret")
        read = process.read.get(target)
        if read is not None:
            there, sent = (m.get("spec", {}).get(FOREIGN) for m in (read, body["manifest"]))
            if there != sent:
                self._report("I16", f"PUT {target}: others wrote {there}, and {sent} is sent")
        if row is not None and not self._copies:
            self._check_known(row, rev, target)
        self._puts.setdefault(target, []).append(entry)

    def _check_repetition(
        self, target: str, rev: str, body: Mapping[str, Any], proven: str
    ) -> None:
        """What may have been carried out is repeated as it was, or not at all.

        One that was proven is over: where a late one has landed on it, another follows.
        """
        sent = self._puts.get(target, ())
        before = sent[-1] if sent else None
        if before is None or before.body is None or not _is_open(before) or self._copies:
            return
        other = read_rev(before.body["manifest"])
        if other not in (rev, proven) and canonical(before.body).replace(other, rev) == canonical(
            body
        ):
            self._report("I15", f"PUT {target}: {other} is repeated as {rev}")

    def _check_known(self, row: Recorded, rev: str, target: str) -> None:
        """Whatever may still land beside this one is on record."""
        now = self._server.timeline.now
        for entry in self._puts.get(target, ()):
            other = read_rev((entry.body or {})["manifest"])
            if other in (rev, *row.change.revs) or now - entry.at > LATEST:
                continue
            if _is_open(entry):
                self._report("I15", f"PUT {target} {rev}: {other} may land, and is forgotten")

    def deleting(self, process: Process, entry: Entry) -> None:
        """I17 at the instant at which a DELETE reaches the server."""
        workload = self._server.workloads.get(entry.target)
        if workload is None or process.planned is None:
            return
        plan = process.planned.plan
        action = next((a for a in plan.actions if a.address == workload.address), None)
        if isinstance(action, Update):
            self._report("I17", f"DELETE {workload.address}, which was to be updated")
        if not isinstance(action, Replace) or action.recorded.own is Own.DELETING:
            return
        if process.circumstances.api_version == "2.23":
            return
        if action.reason in (Reason.SPEC_CHANGED, Reason.DRIFTED):
            self._report("I17", f"{workload.address} is replaced for what an update changes")
        updated = any(read_rev(form.manifest) for form in workload.forms)
        if action.reason is Reason.SYNC_FAILED and updated:
            if workload.id in self._synced and not self._copies:
                self._report("I17", f"{workload.address} is replaced since its update failed")
            elif not workload.forms[-1].refused:
                self._report("I17", f"{workload.address} is replaced for a stale Failed")

    def wrote(self, row: Recorded) -> None:
        """Remember what was known to have been in sync."""
        if row.id is not None and (row.seen is LastSeen.SYNCED or row.change.was_synced):
            self._synced.add(row.id)

    def said(self, process: Process, event: Event) -> None:
        """I7 at the instant at which something is told of an update."""
        match event:
            case ActionEnded(action="update", outcome=Succeeded(id=str() as id_, detail=detail)):
                row = _row_of(process.disk, id_)
                if row is not None and row.change.open is not None:
                    self._report("I7", f"{event.address} was told before it was proven")
                elif row is not None and process.circumstances.wait and not detail:
                    self._check_status(row, LastSeen.SYNCED)
            case ActionEnded(action="update", outcome=Failed(id=str() as id_, message=message)):
                row = _row_of(process.disk, id_)
                if row is not None and message.startswith(REFUSED_UPDATE):
                    self._check_status(row, LastSeen.FAILED)
            case _:
                pass

    def _check_status(self, row: Recorded, told: LastSeen) -> None:
        """What the status is worth: whether it is about the update that was told."""
        workload = self._server.workloads.get(row.id or "")
        forms = _forms_of(workload, row.change.confirmed) if workload is not None else []
        now = self._server.timeline.now
        if forms and not any(form.seen(now) is told for form in forms):
            self._report("I7", f"{row.address} was told as {told}: a word about what was before")

    def check_peace(self, wanted: Mapping[Address, Desired], plan: Plan, disk: Disk) -> None:
        """I16: the live declared fields are those of the specs, what a plan reports aside."""
        drift = {d.address: {c.pointer for c in d.changes} for d in plan.drift}
        told = {hold.address for hold in plan.failing}
        # What a server that merges does not take away stays open until a person decides.
        told |= {a.address for a in plan.changes if self._server.merges and isinstance(a, Update)}
        if plan.unwell_wave is not None:
            # What comes after something that the cluster refuses waits for a person, as it does.
            told |= {a.address for a in plan.changes if a.wave > plan.unwell_wave}
        for workload in self._server.live():
            desired = wanted.get(workload.address)
            row = _row_of(disk, workload.id)
            if desired is None or row is None or workload.address in told or not workload.has_mark:
                continue
            if row.ambiguous and not any(read_rev(form.manifest) for form in workload.forms):
                # Never updated, and what others did before it was first read cannot be told.
                continue
            live, spec = workload.manifest["spec"], desired.manifest["spec"]
            # Of what was found, nobody knows what had been declared: only what is counts.
            # So it is with what only another copy of the state has declared.
            found = row.attempts == 0 or self._copies
            # Nor is it seen on a server that merges, where a late repetition of the last update has
            # landed on a late one before it: its rev is shown, and fields of both are there.
            found = found or (self._server.merges and bool(row.change.superseded))
            known = {*spec} if found else {*spec, *live} - {FOREIGN}
            for name in sorted(known):
                pointer = f"/manifest/spec/{name}"
                # Others write numbers from 100 on; nothing else can be drift.
                theirs = isinstance(live.get(name), int) and live[name] >= 100
                reported = theirs and pointer in drift.get(workload.address, set())
                if live.get(name) != spec.get(name) and not reported:
                    self._report("I16", f"{workload.address}: {pointer} is not as declared")


def _is_open(put: Entry) -> bool:
    """Whether nobody could tell, from what was heard, if this was or will be carried out."""
    return not put.heard or put.said not in (Said.ANSWER, *_CERTAINLY_NOT_DONE)


def _row_of(disk: Disk, workload_id: str) -> Recorded | None:
    rows = [row for row in disk.durable.values() if row.id == workload_id]
    return next((row for row in rows if row.own is not Own.GONE), None)


def _forms_of(workload: Workload, rev: str) -> list[Form]:
    forms: list[Any] = [form for form in workload.forms if read_rev(form.manifest) == rev]
    return forms

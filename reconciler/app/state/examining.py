"""Decides of a workload on the server whether it can be recorded, and what then becomes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime

from reconciler.app.planning.deciding import plan_target
from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.app.state.claiming import IN_DOUBT
from reconciler.core.model import Address, Desired, Header, Own, Recorded, Remote
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import DRY_RUN, Marker, read_marker, read_own_annotations
from reconciler.core.redact import Redactor
from reconciler.engine.records import adopt_found
from reconciler.engine.run import mint_op
from reconciler.values import dataclass

Examined = Adoption | NotAdopted


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionTerms:
    """What may be recorded: what a spec declares, and what somebody asks for besides.

    `take_over` takes what another stack or state has marked, `undeclared` what no spec declares.
    """

    declared: Iterable[Desired] = ()
    take_over: bool = False
    undeclared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionRules:
    """What every decision about a workload may look at; collects the tenants that were met."""

    session: Session
    terms: AdoptionTerms
    target: PlanTarget
    can_update: CanUpdate
    lineage: str
    at: datetime
    rows: Mapping[Address, Sequence[Recorded]]
    ids: Collection[str | None]
    ops: Mapping[str, Recorded]
    declared: Mapping[Address, Desired]
    redactor: Redactor
    tenants: set[int] = field(default_factory=set)

    @property
    def tenant(self) -> int | None:
        """Whose workloads these are, as far as the server says so."""
        return min(self.tenants, default=None)

    @classmethod
    def of(
        cls,
        header: Header,
        recorded: Sequence[Recorded],
        session: Session,
        settings: Settings,
        terms: AdoptionTerms,
        *,
        can_update: CanUpdate,
    ) -> AdoptionRules:
        """The rules for what is recorded, declared and asked for; each record is looked at once.

        `can_update` decides what the next plan does about a difference, which is shown.
        """
        rows: dict[Address, list[Recorded]] = {}
        for row in recorded:
            rows.setdefault(row.address, []).append(row)
        return cls(
            session=session,
            terms=terms,
            target=plan_target(settings, session, header),
            can_update=can_update,
            lineage=header.lineage,
            at=session.dispatcher.server.latest(),
            rows=rows,
            # What was forgotten at its end may be taken back.
            ids={row.id for row in recorded if row.own is not Own.ENDED},
            ops={row.op: row for row in recorded},
            declared={spec.address: spec for spec in terms.declared},
            redactor=Redactor(header.lineage, settings.rules),
        )

    def examine(self, remote: Remote) -> Examined:
        """What becomes of a workload that the server shows."""
        if remote.tenant_id is not None:
            self.tenants.add(remote.tenant_id)
        marker = read_marker(remote.raw_manifest)
        return (
            self.find_record(remote.address, remote.id)
            or self._find_obstacle(remote, marker)
            or self._adopt(remote, marker)
        )

    def find_record(self, address: Address, workload_id: str) -> NotAdopted | None:
        """What the state has that speaks against recording a workload.

        What was deleted to be replaced waits for just that: a workload of its name.
        """
        rows = [
            row
            for row in self.rows.get(address, ())
            if row.own is not Own.ENDED and (not row.is_down or row.ambiguous)
        ]
        doubt = next((row for row in rows if row.own in IN_DOUBT), None)
        if doubt is not None:
            return NotAdopted(
                id=workload_id,
                address=address,
                why=NotAdoptedReason.IN_DOUBT,
                message=f"{address} is in doubt ({doubt.own.label}): an earlier create is not "
                "settled",
                hint=f"settle it: reconciler state resolve {address} --id {workload_id}",
            )
        if rows or workload_id in self.ids:
            recorded = rows[-1].id if rows else workload_id
            return NotAdopted(
                id=workload_id,
                address=address,
                why=NotAdoptedReason.RECORDED,
                message=f"{address} is recorded already, as workload {recorded}",
                hint=f"look at it: reconciler state show {address}",
            )
        return None

    def _owns(self, marker: Marker) -> bool:
        return marker.is_of(self.lineage, self.target.stack)

    def _find_obstacle(self, remote: Remote, marker: Marker | None) -> NotAdopted | None:
        """What a workload itself has that speaks against recording it."""
        if remote.is_leaving:
            return _skip(
                remote,
                NotAdoptedReason.LEAVING,
                message=f"workload {remote.id} ({remote.address}) is being deleted on the server",
                hint="there is nothing to record once it is gone",
            )
        if DRY_RUN in read_own_annotations(remote.raw_manifest):
            return _skip(
                remote,
                NotAdoptedReason.DRY_RUN,
                message=f"workload {remote.id} ({remote.address}) was created by a dry run, on a "
                "server that does not know dry runs",
                hint="'reconciler validate --server' of its stack deletes it",
            )
        is_ours = marker is not None and self._owns(marker)
        if marker is not None and is_ours and marker.op in self.ops:
            # One operation makes one workload, so one of the two is a copy of the other's manifest.
            return _skip(
                remote,
                NotAdoptedReason.COPIED,
                message=f"workload {remote.id} carries the mark of {self.ops[marker.op].address}: "
                "its manifest was copied, annotations and all",
                hint="make it again without the annotations workload-reconciler/*",
            )
        is_altered = marker is not None and marker.lineage == self.lineage
        if marker is not None and not is_ours and (is_altered or not self.terms.take_over):
            hint = "run 'state rm' in that state first, then add --take-over; nothing was changed"
            return _skip(
                remote,
                NotAdoptedReason.FOREIGN,
                message=f"workload {remote.id} belongs to stack {marker.stack!r} "
                f"(state {marker.lineage})",
                hint="that is this state: somebody changed the annotation" if is_altered else hint,
            )
        if not self.terms.undeclared and remote.address not in self.declared:
            return _skip(
                remote,
                NotAdoptedReason.UNDECLARED,
                message=f"no spec declares {remote.address}: once recorded, it would be deleted by "
                "the next apply",
                hint="declare it first; or --undeclared, and a spec before the next apply",
            )
        return None

    def _adopt(self, remote: Remote, marker: Marker | None) -> Adoption:
        desired = self.declared.get(remote.address)
        is_ours = marker is not None and self._owns(marker)
        row = adopt_found(
            remote,
            # Under its own operation a workload of ours is the one that this state once made.
            marker.op if marker and is_ours else mint_op(self.at, self.session.rng),
            redactor=self.redactor,
            desired=desired,
            at=self.at,
        )
        # No create of this state made what does not carry its mark, so none can come true late.
        row = replace(row, marker=str(marker) if marker else "", ambiguous=is_ours)
        # What the next plan does about it is what somebody is asked about.
        plan = make_plan(
            [desired] if desired else [],
            [row],
            {remote.id: remote},
            target=self.target,
            lineage=self.lineage,
            options=PlanOptions(can_update=self.can_update),
            rules=self.redactor.rules,
        )
        return Adoption(row=row, then=plan.actions[0], owner=None if is_ours else marker)


def _skip(remote: Remote, why: NotAdoptedReason, *, message: str, hint: str) -> NotAdopted:
    return NotAdopted(id=remote.id, address=remote.address, why=why, message=message, hint=hint)

"""Reads a saved plan back into the approval that was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import ABSENT, FieldChange, Origin
from reconciler.core.digest import digest
from reconciler.core.history.provenance import Provenance
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Address,
    Desired,
    Own,
    Recorded,
)
from reconciler.core.planning.actions import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
    Update,
)
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.planning.plan import Drift, Plan, PlanTarget
from reconciler.core.planning.selection import Selection
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.quotas.project_quota import ProjectQuota
from reconciler.core.review.approval import Approval, Binding
from reconciler.errors import Where

Json = Mapping[str, Any]


def plan_checksum(document: Json) -> str:
    """Covers all of a saved plan but the checksum itself."""
    saved = {key: value for key, value in document["saved"].items() if key != "checksum"}
    return digest({**document, "saved": saved})


def read_saved(document: Json) -> Approval:
    """The plan of a document that its schema accepts; its actions have no bodies."""
    saved = document["saved"]
    options, selection = saved["options"], saved["selection"]
    return Approval(
        id=saved["id"],
        plan=_read_plan(document),
        bindings=tuple(
            Binding(**{**binding, "address": Address.parse(binding["address"])})
            for binding in saved["bindings"]
        ),
        options=PlanOptions(
            **{
                **options,
                "on_drift": OnDrift(options["on_drift"]),
                "replace": tuple(options["replace"]),
            }
        ),
        selection=Selection(
            project=selection["project"],
            **{name: tuple(selection[name]) for name in ("targets", "excludes", "places")},
        ),
        allow_missing=saved["allow_missing"],
        allow_empty=saved["allow_empty"],
        # A plan that was saved before there were names accepts none.
        accept_projects=saved.get("accept_projects", {}),
    )


def _read_plan(document: Json) -> Plan:
    saved = document["saved"]
    # A plan that was saved before this was kept names none of them.
    unknown, failing = set(saved["unknown"]), set(saved.get("failing", ()))
    forbidden = set(saved.get("forbidden", ()))
    # `absent` has one entry for each action and then one for each drift, in the document's order.
    count = len(document["actions"])
    actions = [
        _read_action(
            action,
            absent,
            known=action["address"] not in unknown,
            since=saved["since"].get(action["address"]),
            fails=action["address"] in failing,
            forbidden=action["address"] in forbidden,
        )
        for action, absent in zip(document["actions"], saved["absent"][:count], strict=True)
    ]
    # The published document only counts what stays as it is; the sums of GPUs need each of them.
    unchanged = [
        Keep(
            address=Address.parse(address),
            reason=Reason.ALREADY_OWNED,
            gpus=GpuEffect(before=gpus, after=gpus, known=address not in unknown),
            recorded=_record_without_body(Address.parse(address), None),
        )
        for address, gpus in saved["unchanged"].items()
    ]
    # The published form leaves it out where no action depends on it.
    target = dict(document["target"])
    can_update = target.pop("can_update", None)
    return Plan(
        target=PlanTarget(**target, can_update=CanUpdate(can_update) if can_update else None),
        lineage=document["state"]["lineage"],
        serial=document["state"]["serial"],
        actions=tuple(sorted((*actions, *unchanged), key=lambda a: (a.wave, a.address))),
        drift=tuple(
            Drift(
                address=Address.parse(drift["address"]),
                changes=_read_changes(drift["changes"], absent),
                returned=drift.get("returned", False),
            )
            for drift, absent in zip(document["drift"], saved["absent"][count:], strict=True)
        ),
        diagnostics=tuple(map(_read_diagnostic, document["diagnostics"])),
        complete=document["complete"],
        named=document["digest"],
        at_work=document.get("at_work", ""),
        quotas=tuple(map(ProjectQuota.from_json, document.get("quota", {}).get("projects", ()))),
        quota_note=document.get("quota", {}).get("note", ""),
        project_names=saved.get("project_names", {}),
        provenance=Provenance.from_json(document.get("provenance", {})),
    )


def _read_action(
    action: Json,
    absent: Sequence[str],
    *,
    known: bool,
    since: str | None,
    fails: bool,
    forbidden: bool,
) -> AnyAction:
    address = Address.parse(action["address"])
    source = Where(**action["source"]) if action["source"] else None
    common: dict[str, Any] = {
        "address": address,
        "reason": Reason(action["reason"]),
        "detail": action["detail"],
        "source": source,
        "wave": action["wave"],
        "gpus": GpuEffect(
            before=action["gpus"]["before"],
            after=action["gpus"]["after"],
            peak=action["gpus"].get("peak"),
            known=known,
            since=since,
        ),
        "changes": _read_changes(action["changes"], absent[: len(action["changes"])]),
    }
    # Of a body that is not sent, what every view of a plan names.
    record = _record_without_body(
        address,
        action["id"],
        spec={"manifest": {"kind": action["kind"]}} if "kind" in action else {},
        source=action.get("declared_in", ""),
    )
    desired = Desired(
        address=address,
        source=source or Where(file=""),
        metadata={},
        manifest={},
        lifecycle=Lifecycle(wave=action["wave"]),
    )
    document = action.get("document")
    match action["action"]:
        case "create":
            return Create(**common, desired=desired, document=document)
        case "replace":
            return Replace(**common, recorded=record, desired=desired, document=document)
        case "update":
            overwrites = _read_changes(action["overwrites"], absent[len(action["changes"]) :])
            return Update(
                **common,
                recorded=record,
                desired=desired,
                overwrites=overwrites,
                document=document,
            )
        case "delete":
            return Delete(**common, recorded=record)
        case "adopt":
            return Adopt(**common, recorded=record)
        case "forget":
            return Forget(**common, recorded=record)
        case "resolve":
            return Resolve(
                **common,
                recorded=record,
                desired=desired if document is not None else None,
                document=document,
            )
        case "record":
            return Record(**common, recorded=record, desired=desired)
        case _:
            held = record if action["id"] or record.spec else None
            return Hold(**common, recorded=held, fails=fails, forbidden=forbidden)


def _record_without_body(
    address: Address, workload_id: str | None, *, spec: Json | None = None, source: str = ""
) -> Recorded:
    # A file holds no secrets, so no bodies: an apply plans again, compares that plan with the
    # bindings of this one (`recheck`), and sends what the new plan has.
    return Recorded(
        op="",
        address=address,
        own=Own.ACCEPTED,
        digest="",
        spec=spec or {},
        id=workload_id,
        source=source,
    )


def _read_changes(changes: Sequence[Json], absent: Sequence[str]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(
            pointer=change["pointer"],
            before=ABSENT if side == "before" else change["before"],
            after=ABSENT if side == "after" else change["after"],
            forces_replace=change["forces_replace"],
            origin=Origin(change["origin"]),
            ignored=change.get("ignored", False),
            reason=change.get("reason", ""),
        )
        for change, side in zip(changes, absent, strict=True)
    )


def _read_diagnostic(diagnostic: Json) -> Diagnostic:
    place = ("file", "line", "column", "end_line", "end_column")
    return Diagnostic(
        severity=Severity(diagnostic["severity"]),
        code=diagnostic["code"],
        message=diagnostic["message"],
        where=Where(**{name: diagnostic[name] for name in place}),
        hint=diagnostic["hint"] or "",
        pointer=diagnostic["pointer"],
        address=diagnostic["address"] or "",
    )

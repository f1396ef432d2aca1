"""Saved plans: the published document with what an apply needs to hold it to its word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import ABSENT, FieldChange, Origin
from reconciler.core.digest import digest
from reconciler.core.model import Address, Desired, Lifecycle, Own, Recorded
from reconciler.core.planning.approval import Approval, Binding
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.planning.plan import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Drift,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Plan,
    PlanTarget,
    Reason,
    Record,
    Replace,
    Resolve,
)
from reconciler.core.planning.selection import Selection
from reconciler.errors import Where
from reconciler.report.machine.documents import plan_document

Json = Mapping[str, Any]


def saved_document(approval: Approval, created_at: datetime) -> dict[str, Any]:
    """A plan as `schemas/plan.schema.json` has it, with the part that only saved plans have."""
    plan = approval.plan
    document = plan_document(plan, created_at)
    shown = (*plan.changes, *plan.holds)
    document["saved"] = {
        "id": approval.id,
        "options": _lists(asdict(approval.options)),
        "selection": _lists(asdict(approval.selection)),
        "allow_missing": approval.allow_missing,
        "allow_empty": approval.allow_empty,
        "bindings": [
            {**asdict(binding), "address": str(binding.address)} for binding in approval.bindings
        ],
        "since": {str(a.address): a.gpus.since for a in shown if a.gpus.since},
        "unknown": [str(a.address) for a in plan.actions if not a.gpus.known],
        "unchanged": {
            str(kept.address): kept.gpus.before for kept in plan.actions if isinstance(kept, Keep)
        },
        "absent": [_absent(each.changes) for each in (*shown, *plan.drift)],
    }
    document["saved"]["checksum"] = checksum(document)
    return document


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(x) if isinstance(x, tuple) else x for name, x in values.items()}


def checksum(document: Json) -> str:
    """Covers all of a saved plan but the checksum itself."""
    saved = {key: value for key, value in document["saved"].items() if key != "checksum"}
    return digest({**document, "saved": saved})


def _absent(changes: Iterable[FieldChange]) -> list[str]:
    """Which sides of the changes have no value; the document has null for both."""
    return [
        "before" if change.before is ABSENT else "after" if change.after is ABSENT else ""
        for change in changes
    ]


def read_saved(document: Json) -> Approval:
    """The plan of a document that its schema accepts; its actions have no bodies."""
    saved = document["saved"]
    return Approval(
        id=saved["id"],
        plan=_read_plan(document),
        bindings=tuple(
            Binding(**{**binding, "address": Address.parse(binding["address"])})
            for binding in saved["bindings"]
        ),
        options=_read_options(saved["options"]),
        selection=_read_selection(saved["selection"]),
        allow_missing=saved["allow_missing"],
        allow_empty=saved["allow_empty"],
    )


def _read_options(options: Json) -> PlanOptions:
    return PlanOptions(
        **{
            **options,
            "on_drift": OnDrift(options["on_drift"]),
            "replace": tuple(options["replace"]),
        }
    )


def _read_selection(selection: Json) -> Selection:
    lists = {name: tuple(selection[name]) for name in ("targets", "excludes", "places")}
    return Selection(project=selection["project"], **lists)


def _read_plan(document: Json) -> Plan:
    saved = document["saved"]
    unknown, since = set(saved["unknown"]), saved["since"]
    count = len(document["actions"])
    actions = [
        _read_action(
            action,
            absent,
            known=action["address"] not in unknown,
            since=since.get(action["address"]),
        )
        for action, absent in zip(document["actions"], saved["absent"][:count], strict=True)
    ]
    kept = [
        _keep(Address.parse(address), gpus, known=address not in unknown)
        for address, gpus in saved["unchanged"].items()
    ]
    return Plan(
        target=PlanTarget(**document["target"]),
        lineage=document["state"]["lineage"],
        serial=document["state"]["serial"],
        actions=tuple(sorted((*actions, *kept), key=lambda a: (a.wave, a.address))),
        drift=tuple(
            Drift(
                address=Address.parse(drift["address"]),
                changes=_read_changes(drift["changes"], absent),
            )
            for drift, absent in zip(document["drift"], saved["absent"][count:], strict=True)
        ),
        diagnostics=tuple(map(_read_diagnostic, document["diagnostics"])),
        complete=document["complete"],
        named=document["digest"],
        at_work=document.get("at_work", ""),
    )


def _keep(address: Address, gpus: float, *, known: bool) -> Keep:
    return Keep(
        address=address,
        reason=Reason.ALREADY_OWNED,
        gpus=GpuEffect(before=gpus, after=gpus, known=known),
        recorded=_without_body(address, None),
    )


def _read_action(
    action: Json, absent: Sequence[str], *, known: bool, since: str | None
) -> AnyAction:
    address = Address.parse(action["address"])
    source = Where(**action["source"]) if action["source"] else None
    common: dict[str, Any] = {
        "address": address,
        "reason": Reason(action["reason"]),
        "detail": action["detail"],
        "source": source,
        "wave": action["wave"],
        "gpus": GpuEffect(**action["gpus"], known=known, since=since),
        "changes": _read_changes(action["changes"], absent),
    }
    row = _without_body(address, action["id"])
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
            return Replace(**common, recorded=row, desired=desired, document=document)
        case "delete":
            return Delete(**common, recorded=row)
        case "adopt":
            return Adopt(**common, recorded=row)
        case "forget":
            return Forget(**common, recorded=row)
        case "resolve":
            return Resolve(
                **common,
                recorded=row,
                desired=desired if document is not None else None,
                document=document,
            )
        case "record":
            return Record(**common, recorded=row, desired=desired)
        case _:
            return Hold(**common, recorded=row if action["id"] else None)


def _without_body(address: Address, workload_id: str | None) -> Recorded:
    return Recorded(op="", address=address, own=Own.ACCEPTED, digest="", spec={}, id=workload_id)


def _read_changes(changes: Sequence[Json], absent: Sequence[str]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(
            pointer=change["pointer"],
            before=ABSENT if side == "before" else change["before"],
            after=ABSENT if side == "after" else change["after"],
            forces_replace=change["forces_replace"],
            origin=Origin(change["origin"]),
            ignored=change.get("ignored", False),
        )
        for change, side in zip(changes, absent, strict=True)
    )


def _read_diagnostic(finding: Json) -> Diagnostic:
    where = ("file", "line", "column", "end_line", "end_column")
    return Diagnostic(
        severity=Severity(finding["severity"]),
        code=finding["code"],
        message=finding["message"],
        where=Where(**{name: finding[name] for name in where}),
        hint=finding["hint"] or "",
        pointer=finding["pointer"],
        address=finding["address"] or "",
    )

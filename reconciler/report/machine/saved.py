"""Saved plans: the published document with what an apply needs to hold it to its word."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from reconciler.core.diff.diff import ABSENT
from reconciler.core.planning.actions import Keep, overwrites_of
from reconciler.core.review.approval import Approval
from reconciler.core.review.saved_plan import plan_checksum
from reconciler.report.machine.documents import plan_document


def saved_document(approval: Approval, created_at: datetime) -> dict[str, Any]:
    """A plan as `schemas/plan.schema.json` has it, with the part that only saved plans have."""
    plan = approval.plan
    document = plan_document(plan, created_at)
    actions = (*plan.changes, *plan.holds)
    options = _lists(asdict(approval.options))
    # An apply finds them out again: a server may have changed since.
    del options["can_update"], options["keeps_removed"]
    document["saved"] = {
        "id": approval.id,
        "options": options,
        "selection": _lists(asdict(approval.selection)),
        "allow_missing": approval.allow_missing,
        "allow_empty": approval.allow_empty,
        "accept_projects": dict(approval.accept_projects),
        "project_names": dict(plan.project_names),
        "bindings": [
            {**asdict(binding), "address": str(binding.address)} for binding in approval.bindings
        ],
        "since": {str(a.address): a.gpus.since for a in actions if a.gpus.since},
        "failing": [str(hold.address) for hold in plan.failing],
        "forbidden": [str(hold.address) for hold in plan.forbidden],
        "unknown": [str(a.address) for a in plan.actions if not a.gpus.known],
        "unchanged": {str(a.address): a.gpus.before for a in plan.actions if isinstance(a, Keep)},
        # The published changes have null for a side without a value, and for a value of null.
        "absent": [
            [
                "before" if change.before is ABSENT else "after" if change.after is ABSENT else ""
                for change in (*entry.changes, *overwrites_of(entry))
            ]
            for entry in (*actions, *plan.drift)
        ],
    }
    document["saved"]["checksum"] = plan_checksum(document)
    return document


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    # JSON has no tuples, and the checksum is over what a reader of the file gets.
    return {name: list(x) if isinstance(x, tuple) else x for name, x in values.items()}

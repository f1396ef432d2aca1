"""Whether what was approved is still what would be done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.api.urls import normalise_url
from reconciler.app.refused import OutdatedPlanError
from reconciler.app.settings import Settings
from reconciler.core.model import Header, Json
from reconciler.core.review.approval import Approval
from reconciler.core.review.plan_differences import EntryDifference, compare_entries
from reconciler.errors import StalePlanError, UsageError
from reconciler.ports import RunEntry
from reconciler.report.machine.documents import action_document
from reconciler.resources import load_schema
from reconciler.specs.loaded import Loaded
from reconciler.specs.source.fileaccess import ReadBoundary
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanResult

PLAN_AGAIN = "plan again and have the new plan approved"


_DIGEST = "sha256:"
_MOST_BYTES = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPlan:
    """What `--expect-digest` names: a plan by its digest, and its entries where a file has them."""

    digest: str
    actions: Sequence[Json] | None = None


def read_approved(text: str) -> ApprovedPlan:
    """Read a digest, or the file of a plan as JSON; raises UsageError for anything else."""
    if text.startswith(_DIGEST):
        return ApprovedPlan(digest=text)
    path = Path(text)
    data = ReadBoundary.around(path.parent).read(path, max_bytes=_MOST_BYTES)
    try:
        document = json.loads(data) if isinstance(data, bytes) else None
    except (ValueError, RecursionError):
        document = None
    # Only here: most plans are compared with none that was approved.
    from jsonschema import Draft202012Validator

    if isinstance(document, dict) and Draft202012Validator(load_schema("plan")).is_valid(document):
        return ApprovedPlan(digest=document["digest"], actions=document["actions"])
    raise UsageError(
        f"--expect-digest {text}: neither a digest nor the file of a plan",
        hint="pass sha256:… as a plan shows it, or the file of 'plan -o json=FILE'",
    )


def check_expected(planned: PlanResult, expected: ApprovedPlan | None) -> None:
    """Raise OutdatedPlanError for a plan with another digest than the one that was approved."""
    if expected is None or expected.digest == planned.plan.digest:
        return
    hint = "read the plan above; if it is meant, have it approved and pass its digest"
    differences: tuple[EntryDifference, ...] = ()
    if expected.actions is None:
        hint += ". The file of the approved plan in the digest's place shows what differs"
    else:
        present = [action_document(action) for action in planned.plan.published]
        differences = compare_entries(expected.actions, present)
    raise OutdatedPlanError(
        f"the plan is no longer the one that was approved: its digest is {planned.plan.digest}",
        hint=hint,
        planned=replace(planned, differences=differences),
    )


def check_saved_digest(approval: Approval, expected: ApprovedPlan | None) -> None:
    """Raise StalePlanError for a saved plan that is not the one with this digest."""
    if expected is not None and expected.digest != approval.plan.digest:
        raise StalePlanError(
            "the saved plan is not the one that was approved: its digest is "
            f"{approval.plan.digest}",
            hint="give the file that was approved, or have this one approved",
        )


def check_unused(approval: Approval, runs: Sequence[RunEntry]) -> None:
    """Raise StalePlanError for a plan that has been carried out, or begun to be."""
    for run in runs:
        if run.plan == approval.id:
            raise StalePlanError(
                f"this plan has been applied already, by run {run.id} at {run.started}",
                hint=f"{PLAN_AGAIN}; 'reconciler runs show {run.id}' tells what came of it",
            )


def check_state(approval: Approval, header: Header) -> None:
    """Raise StalePlanError for a plan that was made from another state.

    One that was made without a state is for the first apply to a new one.
    """
    lineage = approval.plan.lineage
    if lineage == header.lineage or (lineage is None and header.serial == 0):
        return
    origin = f"from the state of lineage {lineage}" if lineage else "when there was no state yet"
    raise StalePlanError(
        f"this plan was made {origin}, and this state is of lineage {header.lineage}",
        hint=f"give the state that it was made from, or {PLAN_AGAIN}",
    )


def check_named_projects(approval: Approval, loaded: Loaded) -> None:
    """Raise StalePlanError for a plan in which a name means another project than it does now."""
    meant = loaded.ids
    for name, planned in approval.plan.target.projects.items():
        current = meant.get(name, planned)
        if current != planned:
            raise StalePlanError(
                f"in this plan the project '{name}' is {planned}, and it is {current} now",
                hint=PLAN_AGAIN,
            )


def check_plan_target(approval: Approval, settings: Settings) -> None:
    """Raise StalePlanError for a plan that is for another server, stack or version of the API."""
    target = approval.plan.target
    pairs = (
        ("server", target.url, normalise_url(settings.need_url())),
        ("stack", target.stack, settings.stack),
        (
            "version of the API",
            target.api_version or "unknown",
            settings.api_version or "unknown",
        ),
    )
    for field, planned, current in pairs:
        if planned != current:
            raise StalePlanError(
                f"this plan is for {field} {planned}, and this run is for {current}",
                hint=f"give the same settings as for the plan, or {PLAN_AGAIN}",
            )

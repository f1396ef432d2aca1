"""Keeps a plan in a file, and takes one back only as it was written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.app.planning.planning import PlanRequest, PlanResult
from reconciler.app.settings import Settings
from reconciler.app.wholefiles import write_whole
from reconciler.core.model import Header
from reconciler.core.planning.approval import Approval, bind
from reconciler.core.planning.plan import PLAN_FORMAT_VERSION, Plan
from reconciler.core.planning.saved_plan import checksum, read_saved
from reconciler.errors import InvalidInputError, ReconcilerError, StalePlanError
from reconciler.ports import RunEntry
from reconciler.specs.source.fileaccess import ReadBoundary, ReadFailure
from reconciler.specs.source.quoting import quote

# The plan of a hundred thousand workloads; more was not written by this program.
MOST_BYTES = 1024**3
PLAN_AGAIN = "plan again and have the new plan approved"


def save_plan(path: Path, planned: PlanResult, request: PlanRequest, now: datetime) -> None:
    """Write a plan for a later apply, wholly or not at all; raises ReconcilerError."""
    from reconciler.report.machine.documents import to_text
    from reconciler.report.machine.saved import saved_document

    approval = Approval(
        id=str(uuid.uuid4()),
        plan=planned.plan,
        bindings=bind(planned.plan, refreshed=request.options.refreshed),
        options=request.options,
        selection=request.selection,
        allow_missing=request.allow_missing,
        allow_empty=request.allow_empty,
    )
    try:
        write_whole(path, to_text(saved_document(approval, now)) + "\n")
    except OSError as error:
        raise ReconcilerError(
            f"the plan cannot be saved to {path}: {error.strerror or error}", hint="check --save"
        ) from error


def load_plan(path: Path) -> tuple[Approval, datetime]:
    """A saved plan, and when it was made.

    Raises InvalidInputError for what is not a saved plan as this program wrote it, and
    StalePlanError for one of another version.
    """
    document = _read(path)
    if "format_version" not in document:
        raise InvalidInputError(
            f"{path} is not a saved plan", hint="make one with 'reconciler plan --save'"
        )
    version = document["format_version"]
    if version != PLAN_FORMAT_VERSION:
        raise StalePlanError(
            f"{path} is a plan of format {version}, and this program knows {PLAN_FORMAT_VERSION}",
            hint=PLAN_AGAIN,
        )
    if "saved" not in document:
        raise InvalidInputError(
            f"{path} shows a plan, but was not written by 'plan --save'",
            hint="only a saved plan can be applied or shown: reconciler plan --save FILE",
        )
    _check_schema(path, document)
    if checksum(document) != document["saved"]["checksum"]:
        raise InvalidInputError(
            f"{path} is not as it was saved: its checksum does not match", hint=PLAN_AGAIN
        )
    return read_saved(document), datetime.fromisoformat(document["created_at"])


def _read(path: Path) -> dict[str, Any]:
    data = ReadBoundary.around(path.parent).read(path, max_bytes=MOST_BYTES)
    if isinstance(data, ReadFailure):
        raise InvalidInputError(
            f"the plan {path} {data.message}",
            hint="make one with 'reconciler plan --save FILE'",
        )
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{path} is not a saved plan: {error}", hint="make one with 'reconciler plan --save'"
        ) from error
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{path} is not a saved plan", hint="make one with 'reconciler plan --save'"
        )
    return document


def _check_schema(path: Path, document: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    from reconciler.resources import load_schema

    error = best_match(Draft202012Validator(load_schema("plan")).iter_errors(document))
    if error is not None:
        raise InvalidInputError(
            f"{path} is not a whole plan: {quote(error.json_path)}: {quote(error.message, 200)}",
            hint=PLAN_AGAIN,
        )


def check_expected(plan: Plan, expected: str | None) -> None:
    """Raise StalePlanError for a plan with another digest than the one that was approved."""
    if expected is not None and expected != plan.digest:
        raise StalePlanError(
            f"the plan is no longer the one that was approved: its digest is {plan.digest}",
            hint="plan again, have the new plan approved, and pass its digest",
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
    made = f"from the state of lineage {lineage}" if lineage else "when there was no state yet"
    raise StalePlanError(
        f"this plan was made {made}, and this state is of lineage {header.lineage}",
        hint=f"give the state that it was made from, or {PLAN_AGAIN}",
    )


def check_plan_target(approval: Approval, settings: Settings) -> None:
    """Raise StalePlanError for a plan that is for another server, stack or version of the API."""
    from reconciler.api.urls import normalise_url

    target = approval.plan.target
    pairs = (
        ("server", target.url, normalise_url(settings.need_url())),
        ("stack", target.stack, settings.stack),
        ("version of the API", target.api_version, settings.api_version),
    )
    for what, planned, met in pairs:
        if planned != met:
            raise StalePlanError(
                f"this plan is for {what} {planned}, and this run is for {met}",
                hint=f"give the same settings as for the plan, or {PLAN_AGAIN}",
            )

"""Keeps a plan in a file, and takes one back only as it was written."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from pathlib import Path

from reconciler.app.planning.approval_checks import PLAN_AGAIN, check_state, check_unused
from reconciler.app.planning.planning import PlanRequest, PlanResult
from reconciler.app.planning.workspace import MOST_PLAN_BYTES
from reconciler.app.state.states import read_state
from reconciler.app.wholefiles import write_whole
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import PLAN_FORMAT_VERSION
from reconciler.core.review.approval import Approval, bind
from reconciler.core.review.saved_plan import plan_checksum, read_saved
from reconciler.core.states.places import StatePlace
from reconciler.errors import InvalidInputError, ReconcilerError, StalePlanError
from reconciler.report.machine.documents import to_text
from reconciler.report.machine.saved import saved_document
from reconciler.resources import load_schema
from reconciler.specs.source.fileaccess import ReadBoundary, ReadFailure
from reconciler.specs.source.quoting import quote
from reconciler.state.places import is_there

SAVE = "make one with 'reconciler plan --save FILE'"


def save_plan(path: Path, planned: PlanResult, request: PlanRequest, now: datetime) -> None:
    """Write a plan for a later apply, wholly or not at all; raises ReconcilerError."""
    approval = Approval(
        id=str(uuid.uuid4()),
        plan=planned.plan,
        bindings=bind(planned.plan, refreshed=request.options.refreshed),
        options=request.options,
        selection=request.selection,
        allow_missing=request.allow_missing,
        allow_empty=request.allow_empty,
        accept_projects=request.accept_projects,
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
    data = ReadBoundary.around(path.parent).read(path, max_bytes=MOST_PLAN_BYTES)
    if isinstance(data, ReadFailure):
        raise InvalidInputError(f"the plan {path} {data.message}", hint=SAVE)
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not a saved plan: {error}", hint=SAVE) from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise InvalidInputError(f"{path} is not a saved plan", hint=SAVE)
    # The version before anything else: another one may have another shape.
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
    # Only here: most plans are neither saved nor loaded.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    # The schema before the checksum, which takes the document's shape for granted.
    violation = best_match(Draft202012Validator(load_schema("plan")).iter_errors(document))
    if violation is not None:
        raise InvalidInputError(
            f"{path} is not a whole plan: {quote(violation.json_path)}: "
            f"{quote(violation.message, 200)}",
            hint=PLAN_AGAIN,
        )
    if plan_checksum(document) != document["saved"]["checksum"]:
        raise InvalidInputError(
            f"{path} is not as it was saved: its checksum does not match", hint=PLAN_AGAIN
        )
    return read_saved(document), datetime.fromisoformat(document["created_at"])


def find_refusals(approval: Approval, state: StatePlace) -> tuple[Refusal, ...]:
    """Why a saved plan can no longer be applied, as far as a state at hand shows it."""
    if not is_there(state):
        return ()
    with read_state(state) as store:
        try:
            check_unused(approval, store.runs())
            check_state(approval, store.header)
        except StalePlanError as error:
            return (Refusal(guard="stale-plan", message=error.message, hint=error.hint),)
    return ()

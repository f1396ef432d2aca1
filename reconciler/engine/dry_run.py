"""Asks the server whether it would take a replacement, while what it replaces still runs."""

from __future__ import annotations

from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.planning.actions import Replace
from reconciler.core.protocol.api_results import (
    FORBIDDEN,
    Accepted,
    ApiResult,
    DryRunPassed,
    Method,
    NotFound,
    Refused,
)
from reconciler.core.protocol.body import create_body
from reconciler.core.protocol.marker import DRY_RUN, STACK, read_own_annotations, with_annotations
from reconciler.engine.run import ActionContext

_CREATES = "declare its version in api_version: it does not know dry runs"


async def check_replacement(work: ActionContext, action: Replace) -> Failed | None:
    """The server's refusal of what would be created after a delete; None for anything else.

    The body is sent under its own name, which what runs still has: a server that does not know
    dry runs cannot create it, and answers with 409 as one that does may. Raises StoppedError.
    """
    desired, run = action.desired, work.run
    manifest = with_annotations(desired.manifest, {DRY_RUN: run.id, STACK: run.stack})
    body = create_body(desired.metadata, manifest, encoded=desired.encoded)
    answer = await work.send(Method.POST, lambda _: run.api.create(body, dry_run=True))
    match answer:
        case DryRunPassed(id=str(workload_id)) if workload_id != action.id:
            return await _remove_created(work, workload_id)
        case Refused(is_redirect=False, is_no_such_call=False) | NotFound(trusted=True):
            return _refuse(action, answer)
        case _:
            # Whoever says nothing of the body is no reason to leave a change undone.
            return None


def _refuse(action: Replace, answer: ApiResult) -> Failed:
    is_forbidden = isinstance(answer, Refused) and answer.status == FORBIDDEN
    reason = "permission denied" if is_forbidden else "the server refuses its replacement"
    return Failed(
        id=action.id,
        message=f"{reason}: {answer.description}; nothing was deleted",
        cause=Cause.DENIED if is_forbidden else Cause.SERVER,
    )


async def _remove_created(work: ActionContext, workload_id: str) -> Failed | None:
    """Delete what a dry run has created, which it can where the name was free by accident.

    Many servers name an id in a dry run that nobody has: then nothing was created.
    """
    answer = await work.read(workload_id)
    if not (
        isinstance(answer, Accepted)
        and read_own_annotations(answer.remote.raw_manifest).get(DRY_RUN) == work.run.id
    ):
        return None
    await work.send(Method.DELETE, lambda _: work.run.api.delete(workload_id))
    message = f"the server has created {workload_id}, which it was asked only to check"
    return Failed(message=f"{message}; it is deleted again", hint=_CREATES)

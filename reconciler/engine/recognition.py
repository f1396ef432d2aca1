"""Why a workload is left alone, or as it was: what was read is not ours, or the server said no."""

from __future__ import annotations

from reconciler.core.diff.update import UpdateContent, find_marks
from reconciler.core.digest import canonical
from reconciler.core.history.outcome import Cause, Failed, cause_of_refusal
from reconciler.core.model import Desired, Recorded, Remote
from reconciler.core.planning.holds import commands_to_readopt
from reconciler.core.protocol.api_results import FORBIDDEN, ApiResult, Conflict, NotFound, Refused
from reconciler.core.protocol.marker import read_marker
from reconciler.core.secrets.marks import is_redacted
from reconciler.engine.run import ApplyContext


def refuse_stranger(run: ApplyContext, row: Recorded, remote: Remote) -> Failed | None:
    """Why a workload is left alone: it is not ours, or nothing shows any more that it is."""
    if remote.address != row.address:
        message = f"workload {remote.id} is {remote.address} on the server; left alone"
        return Failed(id=row.id, message=message)
    marker = read_marker(remote.raw_manifest)
    if marker is None and row.marker:
        return refuse_unmarked(
            row, f"workload {remote.id} no longer carries the mark that it had; left alone"
        )
    # A person may have adopted a workload with the mark of another state: its record has that very
    # mark. Under our own lineage it would be another stack's, which nobody can hand to us.
    taken_over = marker is not None and marker.lineage != run.lineage and str(marker) == row.marker
    if marker is None or run.owns(marker) or taken_over:
        return None
    message = f"workload {remote.id} belongs to stack {marker.stack!r}; left alone"
    return Failed(id=row.id, message=message)


def refuse_unmarked(row: Recorded, message: str) -> Failed:
    """A workload that has lost its mark needs a person, who says whose it is."""
    return Failed(
        id=row.id,
        message=message,
        hint=f"if it is yours: {commands_to_readopt(row)}",
    )


def refuse_marks(row: Recorded, desired: Desired, content: UpdateContent) -> Failed | None:
    """Why an update is not sent that would put stand-ins of secrets where the secrets were."""
    # What is recorded of it is a text already, and has all the marks that are in what is sent.
    if not is_redacted(canonical(content.sent)):
        return None
    body = {"metadata": content.metadata, "manifest": content.manifest}
    if not find_marks(canonical(body), desired.spec):
        return None
    return Failed(
        id=row.id,
        message="the server shows stand-ins of secrets in it, which are never sent",
        hint="somebody has copied them from an output of this program: put the values back there",
    )


def describe_refusal(row: Recorded, answer: ApiResult) -> Failed:
    """An update that was certainly not carried out, in the server's words."""
    message, hint, cause = answer.description, "", Cause.OTHER
    match answer:
        case Refused(is_no_such_call=True, status=status):
            message = (
                f"the server does not change workloads in place (HTTP {status}: {message}); "
                "nothing was changed or deleted"
            )
            hint = (
                "set api_version to the server's in reconciler.yaml, or end it and make it anew: "
                f"--replace {row.address}"
            )
        case Refused(status=status) if status == FORBIDDEN:
            message, cause = f"permission denied: {message}", Cause.DENIED
        case Refused(is_redirect=False) | Conflict():
            cause = cause_of_refusal(answer.description)
        case Refused():
            pass
        case NotFound():
            message = f"no longer on the server: {message}"
        case _:
            message = f"it was not sent: {message}"
    return Failed(id=row.id, message=message, hint=hint, cause=cause)

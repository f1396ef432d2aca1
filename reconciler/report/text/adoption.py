"""What would be recorded of workloads that are there already, as text and as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.core.planning.plan import Keep
from reconciler.report.changes import change_lines
from reconciler.report.text.color import SIGN_COLOURS, ColorWriter, name_of, with_hint
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import gpu_number, number_of

_INDENT = " " * 11
_WORDS = {
    NotAdoptedReason.RECORDED: "recorded already",
    NotAdoptedReason.IN_DOUBT: "in doubt",
    NotAdoptedReason.FOREIGN: "of another owner",
    NotAdoptedReason.COPIED: "with a copied mark",
    NotAdoptedReason.UNDECLARED: "not declared",
    NotAdoptedReason.LEAVING: "being deleted",
    NotAdoptedReason.SAME_NAME: "of one name",
    NotAdoptedReason.UNKNOWN: "not to be read",
}


def proposal_text(proposal: Proposal, paint: ColorWriter, *, prefix: str = "") -> str:
    """Each workload that would be recorded and what follows from it, then those that are left.

    `prefix` before a file's name makes a path from the working directory.
    """
    blocks = [_adoption(one, paint, prefix) for one in proposal.adoptions]
    left = [one for one in proposal.skipped if one.why is not NotAdoptedReason.RECORDED]
    if left:
        blocks.append("\n".join(["Left alone:", *_left_alone(left)]))
    if not proposal.adoptions:
        blocks.append("Nothing to adopt.")
    return "\n".join([*blocks, paint.bold(verdict(proposal))])


def verdict(proposal: Proposal) -> str:
    """The last line: how many, what they hold, what the next plan does, what is left and why."""
    requests = [_gpus(one) for one in proposal.adoptions]
    unknown = sum(not request.known for request in requests)
    gpus = f"GPUs {gpu_number(sum(request.gpus for request in requests))}"
    gpus += f" ({unknown} not countable)" if unknown else ""
    next_plan = Counter(_next(one) for one in proposal.adoptions)
    parts = [f"Adopt: {number_of(len(proposal.adoptions), 'workload')}, {gpus}"]
    if next_plan:
        told = ", ".join(f"{count} {word}" for word, count in sorted(next_plan.items()))
        parts.append(f"next plan: {told}")
    if proposal.skipped:
        parts.append(f"left: {', '.join(_left(proposal))}")
    return f"{'; '.join(parts)}."


def proposal_document(proposal: Proposal, *, done: bool) -> dict[str, Any]:
    """For programs; `done` says whether it was written to the state."""
    return {
        "project": proposal.project,
        "done": done,
        "adoptions": [_adoption_document(one) for one in proposal.adoptions],
        "skipped": [_skipped_document(one) for one in proposal.skipped],
        "summary": {
            "adopted": len(proposal.adoptions),
            "taken_over": sum(one.owner is not None for one in proposal.adoptions),
            "skipped": len(proposal.skipped),
        },
    }


def _adoption(one: Adoption, paint: ColorWriter, prefix: str) -> str:
    request, source = _gpus(one), one.then.source
    kind = str(one.row.spec.get("manifest", {}).get("kind") or "")
    gpus = _amount(request)
    place = f"{prefix}{source.file}:{source.line}" if source else "no spec declares it"
    notes = "  ".join(
        escape_terminal(part) for part in (kind, gpus, place, f"id {one.row.id}") if part
    )
    lines = [f"  {paint('> adopt', 'green')}  {paint.bold(name_of(one.address))}  {notes}"]
    lines += [f"{_INDENT}{line}" for line in _after(one, paint)]
    return "\n".join(lines)


def _amount(request: GpuRequest) -> str:
    if not request.known:
        return "GPUs that cannot be counted"
    return f"{gpu_number(request.gpus)} {'GPU' if request.gpus == 1 else 'GPUs'}"


def _after(one: Adoption, paint: ColorWriter) -> Iterator[str]:
    """Whose it was, and what the next plan does about it."""
    if one.owner is not None:
        words = (
            f"taken over from stack {one.owner.stack!r} (state {one.owner.lineage}): it keeps that "
            "mark until it is replaced"
        )
        yield paint(escape_terminal(words), "yellow")
    then = one.then
    if isinstance(then, Keep):
        yield "next plan: unchanged"
        return
    yield escape_terminal(f"next plan: {then.kind}: {then.detail}")
    for change in then.changes:
        for line in change_lines(change):
            margin = "  " if line.inner else ""
            words = f"{margin}{line.sign} {escape_terminal(line.text)}".rstrip()
            yield paint(words, SIGN_COLOURS[line.sign])


def _left_alone(left: Sequence[NotAdopted]) -> Iterator[str]:
    """A line each, and below those that share it the way out."""
    for hint, group in groupby(sorted(left, key=_by_reason), key=lambda one: one.hint):
        lines = [f"  {escape_terminal(_named(one))}" for one in group]
        yield with_hint("\n".join(lines), hint)


def _by_reason(one: NotAdopted) -> tuple[str, str, str]:
    return one.why, one.hint, str(one.address or one.id)


def _named(one: NotAdopted) -> str:
    """What is said of a workload, which may name it by its id only."""
    address = str(one.address or "")
    return one.message if address in one.message else f"{address}: {one.message}"


def _next(one: Adoption) -> str:
    return "unchanged" if isinstance(one.then, Keep) else f"to {one.then.kind}"


def _left(proposal: Proposal) -> Iterator[str]:
    counts = Counter(one.why for one in proposal.skipped)
    return (f"{counts[why]} {_WORDS[why]}" for why in NotAdoptedReason if counts[why])


def _gpus(one: Adoption) -> GpuRequest:
    """As the server has it: a spec may declare a part of it only."""
    return count_gpus((one.row.echo or one.row.spec).get("manifest", {}))


def _adoption_document(one: Adoption) -> dict[str, Any]:
    request, source, then = _gpus(one), one.then.source, one.then
    owner = one.owner
    return {
        "address": str(one.address),
        "id": one.row.id,
        "kind": one.row.spec.get("manifest", {}).get("kind"),
        "gpus": request.gpus if request.known else None,
        "source": {"file": source.file, "line": source.line} if source else None,
        "owner": {"stack": owner.stack, "lineage": owner.lineage} if owner else None,
        "next": {
            "action": then.kind,
            "reason": then.reason.value,
            "detail": then.detail,
            "changes": [change.to_json() for change in then.changes],
        },
    }


def _skipped_document(one: NotAdopted) -> dict[str, Any]:
    return {
        "address": str(one.address) if one.address else None,
        "id": one.id,
        "why": one.why.value,
        "message": one.message,
        "hint": one.hint or None,
    }

"""The workloads that an adoption would record, as text and as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from reconciler.core.file_names import under_prefix
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.planning.actions import Keep
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.report.changes import change_lines
from reconciler.report.text.color import ColorWriter, name_of, with_hint
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import gpu_number, number_of

_INDENT = " " * 11
_WHY = {
    NotAdoptedReason.RECORDED: "recorded already",
    NotAdoptedReason.IN_DOUBT: "in doubt",
    NotAdoptedReason.FOREIGN: "of another owner",
    NotAdoptedReason.COPIED: "with a copied ownership annotation",
    NotAdoptedReason.UNDECLARED: "not declared",
    NotAdoptedReason.LEAVING: "being deleted",
    NotAdoptedReason.SAME_NAME: "with the same name",
    NotAdoptedReason.DRY_RUN: "left behind by a dry run",
    NotAdoptedReason.UNKNOWN: "unreadable",
    NotAdoptedReason.NATIVE: "not of Workloads V2",
    NotAdoptedReason.SENSITIVE: "with secrets",
    NotAdoptedReason.DECLARED: "declared already",
    NotAdoptedReason.FILE_EXISTS: "without a free file name",
    NotAdoptedReason.INVALID: "with errors in its spec",
    NotAdoptedReason.DIFFERS: "that would not stay as they are",
}


def proposal_text(
    proposal: Proposal, paint: ColorWriter, *, prefix: str = "", marks: bool = False
) -> str:
    """Each workload that would be recorded and what follows from it, then those that are left.

    `prefix` before a file's name makes a path from the working directory. `marks` says that our
    mark is put on all of them afterwards.
    """
    blocks = [
        _adoption_text(adoption, paint, prefix, marks=marks) for adoption in proposal.adoptions
    ]
    # What is recorded already is no news: the verdict counts it, and nobody has to act on it.
    left = [each for each in proposal.skipped if each.why is not NotAdoptedReason.RECORDED]
    if left:
        lines = ["Left alone:"]
        # Sorted by hint as well: groupby() only joins neighbours.
        left.sort(key=lambda each: (each.why, each.hint, str(each.address or each.id)))
        for hint, group in groupby(left, key=lambda each: each.hint):
            names = (f"  {escape_terminal(_named_message(each))}" for each in group)
            lines.append(with_hint("\n".join(names), hint))
        blocks.append("\n".join(lines))
    if not proposal.adoptions:
        blocks.append("Nothing to adopt.")
    return "\n".join([*blocks, paint.bold(verdict(proposal))])


def verdict(proposal: Proposal) -> str:
    """The last line: how many, what they hold, what the next plan does, what is left and why."""
    requests = [_gpus(adoption) for adoption in proposal.adoptions]
    unknown = sum(not request.known for request in requests)
    gpus = f"GPUs {gpu_number(sum(request.gpus for request in requests))}"
    gpus += f" ({unknown} not countable)" if unknown else ""
    parts = [f"Adopt: {number_of(len(proposal.adoptions), 'workload')}, {gpus}"]
    next_plan = Counter(
        "unchanged" if isinstance(adoption.then, Keep) else f"to {adoption.then.kind}"
        for adoption in proposal.adoptions
    )
    if next_plan:
        counts = ", ".join(f"{count} {label}" for label, count in sorted(next_plan.items()))
        parts.append(f"next plan: {counts}")
    if proposal.skipped:
        left = Counter(each.why for each in proposal.skipped)
        counts = ", ".join(f"{left[why]} {_WHY[why]}" for why in NotAdoptedReason if left[why])
        parts.append(f"left: {counts}")
    return f"{'; '.join(parts)}."


def proposal_document(proposal: Proposal, *, done: bool) -> dict[str, Any]:
    """For programs; `done` says whether it was written to the state."""
    return {
        "project": proposal.project,
        "done": done,
        "adoptions": [_adoption_document(adoption) for adoption in proposal.adoptions],
        "skipped": [
            {
                "address": str(each.address) if each.address else None,
                "id": each.id,
                "why": each.why.value,
                "message": each.message,
                "hint": each.hint or None,
            }
            for each in proposal.skipped
        ],
        "summary": {
            "adopted": len(proposal.adoptions),
            "taken_over": sum(adoption.owner is not None for adoption in proposal.adoptions),
            "skipped": len(proposal.skipped),
        },
    }


def _adoption_text(adoption: Adoption, paint: ColorWriter, prefix: str, *, marks: bool) -> str:
    request, source = _gpus(adoption), adoption.then.source
    gpus = "GPUs that cannot be counted"
    if request.known:
        gpus = f"{gpu_number(request.gpus)} {'GPU' if request.gpus == 1 else 'GPUs'}"
    place = (
        f"{under_prefix(prefix, source.file)}:{source.line}" if source else "no spec declares it"
    )
    kind = str(adoption.row.spec.get("manifest", {}).get("kind") or "")
    parts = (kind, gpus, place, f"id {adoption.row.id}")
    notes = "  ".join(escape_terminal(part) for part in parts if part)
    head = f"  {paint('> adopt', 'green')}  {paint.bold(name_of(adoption.address))}  {notes}"
    return "\n".join(
        [head, *(f"{_INDENT}{line}" for line in _consequences(adoption, paint, marks=marks))]
    )


def _consequences(adoption: Adoption, paint: ColorWriter, *, marks: bool) -> Iterator[str]:
    """Whose it was, and what the next plan does about it."""
    if owner := adoption.owner:
        # Without --mark an adoption sends nothing, so the other stack's mark stays on the server.
        mark = "our mark takes the place of that stack's"
        if not marks:
            mark = "its ownership annotation names that stack until it is replaced"
        taken = f"taken over from stack {owner.stack!r} (state {owner.lineage}): {mark}"
        yield paint(escape_terminal(taken), "yellow")
    then = adoption.then
    if isinstance(then, Keep):
        yield "next plan: unchanged"
        return
    yield escape_terminal(f"next plan: {then.kind}: {then.detail}")
    for change in then.changes:
        for line in change_lines(change):
            yield paint.line(line)


def _named_message(skipped: NotAdopted) -> str:
    """A message that names its workload; one that is read with its address needs it once only."""
    address = str(skipped.address or "")
    return skipped.message if address in skipped.message else f"{address}: {skipped.message}"


def _gpus(adoption: Adoption) -> GpuRequest:
    # As the server has it: a spec may declare a part of the manifest only.
    return count_gpus((adoption.row.echo or adoption.row.spec).get("manifest", {}))


def _adoption_document(adoption: Adoption) -> dict[str, Any]:
    request, then, owner = _gpus(adoption), adoption.then, adoption.owner
    source = then.source
    return {
        "address": str(adoption.address),
        "id": adoption.row.id,
        "kind": adoption.row.spec.get("manifest", {}).get("kind"),
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

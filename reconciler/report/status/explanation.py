"""`reconciler status ADDRESS --explain`: why a workload is as it is, in the server's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.core.protocol.live import Occurrence, PendingReason
from reconciler.report.status.status import Status, status_document
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.values import dataclass

# The latest of each: what led to today's phase is rarely older.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusExplanation:
    """A workload, why it is pending, and the latest of what happened to it, newest first.

    `unknown` says what could not be looked at.
    """

    status: Status
    pending: tuple[PendingReason, ...] = ()
    history: tuple[Occurrence, ...] = ()
    events: tuple[Occurrence, ...] = ()
    unknown: tuple[str, ...] = ()


def explanation_document(explanation: StatusExplanation) -> dict[str, Any]:
    """It as `-o json` has it: the document of the status, and what explains it."""
    return {
        **status_document(explanation.status),
        "pending": [
            {"node_pool": reason.node_pool, "code": reason.code, "message": reason.message}
            for reason in explanation.pending
        ],
        "history": [_document(occurrence) for occurrence in explanation.history[:MOST]],
        "events": [_document(occurrence) for occurrence in explanation.events[:MOST]],
        "unknown": list(explanation.unknown),
    }


def _document(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "at": occurrence.at,
        "phase": occurrence.phase.value if occurrence.phase else None,
        "severity": occurrence.severity,
        "reason": occurrence.reason,
        "subject": occurrence.subject,
        "message": occurrence.message,
    }


def explanation_text(explanation: StatusExplanation, paint: ColorWriter) -> str:
    """One workload for a person."""
    status = explanation.status
    phase, sync = escape_terminal(status.phase_word), escape_terminal(status.sync_word)
    lines = [
        f"{paint.bold(name_of(status.row.address))}  {escape_terminal(status.row.id or '-')}",
        f"  phase {phase}, sync {sync}, GPUs {status.gpu_text} (asked for, allocated, idle)",
    ]
    if status.message:
        lines.append(f"  {escape_terminal(status.message)}")
    if explanation.pending:
        lines.append("Why it is pending, by node pool:")
        lines += [
            escape_terminal(f"  {reason.node_pool}  {reason.code}  {reason.message}".rstrip())
            for reason in explanation.pending
        ]
    for title, occurrences in (
        ("Its last changes of phase", explanation.history),
        ("Its last events", explanation.events),
    ):
        if occurrences:
            lines += [f"{title}:", *_lines(occurrences[:MOST])]
    lines += [escape_terminal(f"Not looked at: {what}") for what in explanation.unknown]
    return "\n".join(lines)


def _lines(occurrences: Sequence[Occurrence]) -> Iterator[str]:
    for occurrence in occurrences:
        cells = (
            occurrence.at or "-",
            occurrence.phase,
            occurrence.severity,
            occurrence.reason,
            occurrence.subject,
            occurrence.message,
        )
        yield escape_terminal("  " + "  ".join(cell for cell in cells if cell))

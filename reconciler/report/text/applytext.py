"""The course of an apply as lines of text: one for each event that is worth one, and the last."""

from __future__ import annotations

from typing import assert_never

from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    Event,
    InDoubt,
    RequestRetried,
    RunFinished,
    RunStarted,
    Summary,
    Throttled,
)
from reconciler.core.model import Address
from reconciler.report.text.color import COLOURS, ColorWriter, name_of, with_hint
from reconciler.report.text.escape import escape_terminal

_PAST = {
    "create": "created",
    "replace": "replaced",
    "delete": "deleted",
    "adopt": "settled",
    "forget": "forgotten",
    "resolve": "settled",
    "record": "recorded",
    "hold": "held",
}
# What turned out to be another deed than the one that was planned, by the summary's names.
_COUNTS = {"adopted": "settled", "recorded": "recorded"}


class ApplyText:
    """Renders events and how a run ended."""

    def __init__(self, paint: ColorWriter) -> None:
        self._paint = paint

    def event(self, event: Event, *, verbose: bool = False) -> str | None:
        """One line about something that happened, or None where it is not worth one."""
        match event:
            case ActionSucceeded(address=address, action=kind, id=id_, detail=detail):
                past = _COUNTS.get(event.counted_as, _PAST[kind])
                words = self._paint(f"{past:<9}", COLOURS[kind])
                notes = escape_terminal("; ".join(part for part in (id_ or "", detail) if part))
                return f"{words} {name_of(address)}  {notes}".rstrip()
            case ActionFailed(address=address, message=message, hint=hint):
                return self._problem("failed", "red", address, message, hint)
            case InDoubt(address=address, message=message, hint=hint):
                return self._problem("in doubt", "yellow", address, message, hint)
            case ActionSkipped(address=address, message=message):
                return self._problem("skipped", "bright_black", address, message, "")
            case Throttled():
                return self._paint(_slowing(event), "yellow")
            case RequestRetried(address=address) if verbose or event.is_news:
                return f"retry     {name_of(address)}  {_retrying(event)}"
            case RequestRetried():
                return None
            case ActionStarted(address=address, action=kind):
                return f"begun     {name_of(address)}  {kind}" if verbose else None
            case RunStarted() | RunFinished():
                return None
            case _:
                assert_never(event)

    def applied(self, summary: Summary, took: float) -> str:
        """The last line of an apply."""
        done = [
            f"{summary.created} created",
            f"{summary.replaced} replaced",
            f"{summary.deleted} deleted",
        ]
        for count, word in (
            (summary.adopted, "settled"),
            (summary.forgotten, "forgotten"),
            (summary.recorded, "recorded"),
        ):
            if count:
                done.append(f"{count} {word}")
        rest = [
            f"{summary.failed} failed",
            f"{summary.down} down",
            f"{summary.in_doubt} in doubt",
        ]
        if summary.skipped:
            rest.append(f"{summary.skipped} skipped")
        return self._paint.bold(f"Applied: {', '.join(done)}; {', '.join(rest)} ({took:.1f} s).")

    def _problem(self, word: str, colour: str, address: Address, message: str, hint: str) -> str:
        head = self._paint(f"{word:<9}", colour)
        return with_hint(f"{head} {name_of(address)}  {escape_terminal(message)}", hint)


def _slowing(event: Throttled) -> str:
    slower = [f"slowing to {event.limit} at a time"] if event.limit is not None else []
    slower += [f"pausing for {event.delay:.0f} s"] if event.delay else []
    return f"{escape_terminal(event.reason)}: {', '.join(slower)}"


def _retrying(event: RequestRetried) -> str:
    again = f"{event.method} sent {event.attempt} times, again in {event.delay:.1f} s"
    return f"{again}: {escape_terminal(event.reason)}"

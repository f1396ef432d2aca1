"""An apply as lines of text: one for each event that is worth one, and the last."""

from __future__ import annotations

from typing import assert_never

from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestRetried,
    RunFinished,
    RunStarted,
    StateAwaited,
    Summary,
    Throttled,
)
from reconciler.core.history.outcome import (
    ADOPTED,
    NAMES,
    RECORDED,
    Failed,
    InDoubt,
    Skipped,
    Succeeded,
)
from reconciler.report.text.color import COLOURS, ColorWriter, name_of, with_hint
from reconciler.report.text.escape import escape_terminal

_PAST = {
    "create": "created",
    "replace": "replaced",
    "update": "updated",
    "delete": "deleted",
    "adopt": "settled",
    "forget": "forgotten",
    "resolve": "settled",
    "record": "recorded",
    "hold": "held",
}
# What turned out to be another deed than the one that was planned, by the summary's names.
_COUNTS = {ADOPTED: "settled", RECORDED: "recorded"}
# Seconds that would be shown as none at all.
NONE_AT_ALL = 0.05


class ApplyText:
    """Renders events and how a run ended."""

    def __init__(self, paint: ColorWriter) -> None:
        self._paint = paint

    def event(self, event: Event, *, verbose: bool = False, brief: bool = False) -> str | None:
        """One line about something that happened, or None where it is not worth one.

        A `brief` one leaves to the end of the run why an action did not succeed.
        """
        match event:
            case ActionEnded(outcome=Skipped()) if not verbose:
                # They are alike, and the end of the run counts them by their reasons.
                return None
            case ActionEnded():
                return self._ended(event, brief=brief and not verbose)
            case Throttled(limit=limit, delay=delay):
                parts = [f"slowing to {limit} at a time"] if limit is not None else []
                parts += [f"pausing for {delay:.0f} s"] if delay else []
                text = f"{escape_terminal(event.reason)}: {', '.join(parts)}"
                return self._paint(text, "yellow")
            case StateAwaited():
                return self._paint("waiting for the state's database", "yellow")
            case RequestRetried(address=address) if verbose or event.is_news:
                sent = "once" if event.attempt == 1 else f"{event.attempt} times"
                wait = f"in {event.delay:.1f} s" if event.delay >= NONE_AT_ALL else "at once"
                again = f"{event.method} sent {sent}, again {wait}"
                return f"retry     {name_of(address)}  {again}: {escape_terminal(event.reason)}"
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
            f"{summary.updated} updated",
            f"{summary.replaced} replaced",
            f"{summary.deleted} deleted",
        ]
        for count, past in (
            (summary.adopted, "settled"),
            (summary.forgotten, "forgotten"),
            (summary.recorded, "recorded"),
        ):
            if count:
                done.append(f"{count} {past}")
        others = [
            f"{summary.failed} failed",
            f"{summary.down} down",
            f"{summary.in_doubt} in doubt",
        ]
        if summary.skipped:
            others.append(f"{summary.skipped} skipped")
        return self._paint.bold(f"Applied: {', '.join(done)}; {', '.join(others)} ({took:.1f} s).")

    def _ended(self, event: ActionEnded, *, brief: bool) -> str:
        outcome, name = event.outcome, name_of(event.address)
        match outcome:
            case Succeeded(id=id_, detail=detail):
                past = _COUNTS.get(outcome.counted_as, _PAST[event.action])
                head = self._paint(f"{past:<9}", COLOURS[event.action])
                notes = escape_terminal("; ".join(part for part in (id_ or "", detail) if part))
                return f"{head} {name}  {notes}".rstrip()
            case Failed():
                colour = "red"
            case InDoubt():
                colour = "yellow"
            case Skipped():
                colour = "bright_black"
            case _:
                assert_never(outcome)
        head = self._paint(f"{NAMES[type(outcome)].word:<9}", colour)
        if brief:
            return f"{head} {name}"
        return with_hint(f"{head} {name}  {escape_terminal(outcome.message)}", outcome.hint)

"""The end of a run: what went wrong, once more, each with its place and the command to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from reconciler.core.events import ActionFailed, ActionSkipped, Cause, Event, InDoubt
from reconciler.core.model import Address
from reconciler.core.planning.plan import Plan
from reconciler.report.error_field import Locate, find_place
from reconciler.report.next_step import Commands, Unsuccessful, own_hint, step_after
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal

MOST = 20
# Skipped workloads are alike: a few names tell which part of a fleet it was.
FEW = 5
_DOUBTFUL, _SKIPPED = "In doubt", "Skipped"

# They are shown in this order.
_TITLES = {
    Cause.SERVER: "Refused by the server",
    Cause.DENIED: "Not permitted",
    Cause.OUTDATED: "Not as it was approved",
    Cause.OTHER: "Failed",
    Cause.CLUSTER: "Refused by the cluster",
    Cause.HELD: "Missing on the server",
    Cause.UNPROVEN: "Missing, and not known to be gone",
    Cause.GIVEN_UP: "Deletion given up",
}


class Conclusion:
    """Renders what did not succeed in a run; bounded, however much that is."""

    def __init__(
        self,
        plan: Plan,
        *,
        run: str,
        commands: Commands,
        paint: ColorWriter | None = None,
        prefix: str = "",
        locate: Locate | None = None,
    ) -> None:
        self._actions = {action.address: action for action in (*plan.changes, *plan.holds)}
        self._run = run
        self._commands = commands
        self._paint = paint or ColorWriter()
        self._prefix = prefix
        self._locate = locate

    def text(self, outcomes: Sequence[Event]) -> str:
        """The outcomes that are no success, by their kind; empty if there are none."""
        groups: dict[str, list[Unsuccessful]] = {}
        for event in outcomes:
            match event:
                case InDoubt():
                    groups.setdefault(_DOUBTFUL, []).append(event)
                case ActionSkipped():
                    groups.setdefault(_SKIPPED, []).append(event)
                case ActionFailed(cause=cause):
                    groups.setdefault(_TITLES[cause], []).append(event)
                case _:
                    pass
        titles = (*_TITLES.values(), _DOUBTFUL)
        blocks = [self._block(title, groups[title]) for title in titles if title in groups]
        if _SKIPPED in groups:
            blocks.append(self._skipped_block(groups[_SKIPPED]))
        return "\n\n".join(blocks)

    def _block(self, title: str, events: Sequence[Unsuccessful]) -> str:
        # By address, since events come in the order in which a server answered.
        listed = sorted(events, key=lambda event: event.address)[:MOST]
        lines = [self._paint(f"{title} ({len(events)}):", "yellow")]
        hint = ""
        for event in listed:
            lines.append(f"  {self._event_line(event)}")
            # A refusal of many workloads has one hint, which is read once.
            if own_hint(event) not in ("", hint):
                hint = own_hint(event)
                lines.append(f"    hint: {escape_terminal(hint)}")
        if len(events) > MOST:
            lines.append(f"  {self._more(len(events) - MOST)}")
        return "\n".join([*lines, *self._next_lines(listed)])

    def _event_line(self, event: Unsuccessful) -> str:
        """Like a diagnostic, at the place in the spec if there is one."""
        where = find_place(self._actions.get(event.address), event.message, self._locate)
        severity = (
            self._paint("in doubt:", "yellow")
            if isinstance(event, InDoubt)
            else self._paint("error:", "red")
        )
        match event:
            case ActionFailed(cause=Cause.SERVER):
                message = f"the server refused it: {event.message}"
            # A hold did not fail at doing anything: its message says what held it.
            case ActionFailed(cause=Cause.OTHER, action=action) if action != "hold":
                message = f"{action} failed: {event.message}"
            case _:
                message = event.message
        text = f"{severity} {escape_terminal(message)}"
        if where is None:
            return f"{name_of(event.address)}: {text}"
        return f"{escape_terminal(f'{self._prefix}{where}')}: {text} ({name_of(event.address)})"

    def _skipped_block(self, events: Sequence[Unsuccessful]) -> str:
        groups: dict[str, list[Address]] = {}
        for event in events:
            groups.setdefault(event.message, []).append(event.address)
        lines = [self._paint(f"{_SKIPPED} ({len(events)}):", "yellow")]
        for message, addresses in islice(groups.items(), MOST):
            # One more is named in the room that saying so would take.
            count = len(addresses) if len(addresses) <= FEW + 1 else FEW
            names = [name_of(address) for address in sorted(addresses)[:count]]
            if count < len(addresses):
                names.append(f"… and {len(addresses) - count} more")
            lines.append(f"  {escape_terminal(message)}: {', '.join(names)}")
        if len(groups) > MOST:
            lines.append(f"  {self._more(len(groups) - MOST)}")
        return "\n".join([*lines, *self._next_lines(events[:1])])

    def _more(self, count: int) -> str:
        # Eight digits name a run, and can be read out to a colleague.
        command = self._commands.of(f"runs show {self._run[:8]}")
        return f"… and {count} more: {escape_terminal(command)}"

    def _next_lines(self, events: Sequence[Unsuccessful]) -> Iterator[str]:
        """Each way out once: one that names a workload is not the way out of another."""
        unhinted = (event for event in events if not own_hint(event))
        for step in dict.fromkeys(str(step_after(event, self._commands)) for event in unhinted):
            yield f"  next: {escape_terminal(step)}"

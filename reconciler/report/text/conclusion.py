"""The end of a run: what went wrong, once more, each with its place and the command to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.core.events import ActionFailed, ActionSkipped, Cause, Event, InDoubt
from reconciler.core.model import Address
from reconciler.core.planning.plan import Plan
from reconciler.report.error_field import Locate, find_place
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal

MOST = 20
# Skipped workloads are alike: a few names tell which part of a fleet it was.
FEW = 5
_DOUBTFUL, _SKIPPED = "In doubt", "Skipped"

_TITLES = {
    Cause.SERVER: "Refused by the server",
    Cause.DENIED: "Not permitted",
    Cause.OUTDATED: "Not as it was approved",
    Cause.OTHER: "Failed",
    Cause.CLUSTER: "Refused by the cluster",
    Cause.HELD: "Missing on the server",
}

Unsuccessful = ActionFailed | ActionSkipped | InDoubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How this run would be called again, and what other commands need to find its state."""

    again: str
    state: str = ""

    def of(self, command: str) -> str:
        """Another command of the program, about the same state."""
        return f"reconciler {command}{self.state}"


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
        listed = sorted(events, key=lambda event: event.address)[:MOST]
        lines = [self._paint(f"{title} ({len(events)}):", "yellow")]
        hint = ""
        for event in listed:
            lines.append(f"  {self._event_line(event)}")
            # A refusal of many workloads has one hint, which is read once.
            if isinstance(event, ActionFailed) and event.hint not in ("", hint):
                hint = event.hint
                lines.append(f"    hint: {escape_terminal(hint)}")
        if len(events) > MOST:
            lines.append(f"  {self._more(len(events) - MOST)}")
        return "\n".join([*lines, f"  next: {escape_terminal(self._next_step(listed[0]))}"])

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
        return "\n".join([*lines, f"  next: {escape_terminal(self._commands.again)}"])

    def _more(self, count: int) -> str:
        command = self._commands.of(f"runs show {self._run[:8]}")
        return f"… and {count} more: {escape_terminal(command)}"

    def _next_step(self, event: Unsuccessful) -> str:
        again = self._commands.again
        match event:
            case InDoubt():
                by_hand = self._commands.of(f"state resolve {event.address} --id ID")
                return (
                    f"{again}  (looks for the proof once more), "
                    f"or by hand: {by_hand} (or --abandon)"
                )
            case ActionFailed(cause=Cause.SERVER):
                return f"mend the spec, then {again}"
            case ActionFailed(cause=Cause.DENIED):
                project = event.address.project
                return f"let the login change workloads in project {project}, then {again}"
            case ActionFailed(cause=Cause.OUTDATED):
                return "plan again, and have the new plan approved"
            case ActionFailed(cause=Cause.CLUSTER):
                as_it_is = f"{again} --replace {event.address}"
                return f"mend the spec and apply; to try it as it is: {as_it_is}"
            case ActionFailed(cause=Cause.HELD):
                return f"set lifecycle.onMissing: recreate, or remove the spec, then {again}"
            case _:
                return f"{again}  (what was done stays done)"

"""The end of a run: what went wrong, once more, each with its place and the command to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import assert_never

from reconciler.core.file_names import under_prefix
from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed, InDoubt, Skipped, Succeeded, Unsuccessful
from reconciler.core.model import Address
from reconciler.core.planning.plan import Plan
from reconciler.report.commands import Commands
from reconciler.report.error_field import Locate, find_place
from reconciler.report.next_step import next_step
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
    Cause.QUOTA: "Beyond the quota",
    Cause.NAME_TAKEN: "Name taken",
    Cause.OUTDATED: "Not as it was approved",
    Cause.OTHER: "Failed",
    Cause.CLUSTER: "Refused by the cluster",
    Cause.FAILED_LATER: "Failed in the cluster",
    Cause.EXPIRED: "Ran for too long",
    Cause.HELD: "Missing on the server",
    Cause.UNPROVEN: "Missing, and not known to be gone",
    Cause.GIVEN_UP: "Deletion given up",
}

_Ended = tuple[ActionEnded, Unsuccessful]


class Conclusion:
    """Renders what did not succeed in a run; bounded, however much that is."""

    def __init__(
        self,
        plan: Plan,
        *,
        run: str,
        stopped_by: str = "",
        commands: Commands,
        paint: ColorWriter | None = None,
        prefix: str = "",
        locate: Locate | None = None,
    ) -> None:
        self._actions = {action.address: action for action in plan.actions}
        self._run = run
        self._stopped_by = stopped_by
        self._commands = commands
        self._paint = paint or ColorWriter()
        self._prefix = prefix
        self._locate = locate

    def text(self, ended: Sequence[ActionEnded]) -> str:
        """The outcomes that are no success, by their kind; empty if there are none."""
        groups: dict[str, list[_Ended]] = {}
        for event in ended:
            outcome = event.outcome
            match outcome:
                case Succeeded():
                    continue
                case InDoubt():
                    title = _DOUBTFUL
                case Skipped():
                    title = _SKIPPED
                case Failed(cause=cause):
                    title = _TITLES[cause]
                case _:
                    assert_never(outcome)
            groups.setdefault(title, []).append((event, outcome))
        titles = (*_TITLES.values(), _DOUBTFUL)
        blocks = [self._block(title, groups[title]) for title in titles if title in groups]
        if _SKIPPED in groups:
            blocks.append(self._skipped_block(groups[_SKIPPED]))
        return "\n\n".join(blocks)

    def _block(self, title: str, ended: Sequence[_Ended]) -> str:
        # By address, since events come in the order in which a server answered.
        listed = sorted(ended, key=lambda each: each[0].address)[:MOST]
        lines = [self._paint(f"{title} ({len(ended)}):", "yellow")]
        hint = ""
        for event, outcome in listed:
            lines.append(f"  {self._event_line(event, outcome)}")
            # A refusal of many workloads has one hint, which is read once.
            if outcome.hint not in ("", hint):
                hint = outcome.hint
                lines.append(f"    hint: {escape_terminal(hint)}")
        if len(ended) > MOST:
            lines.append(f"  {self._more(len(ended) - MOST)}")
        return "\n".join([*lines, *self._next_lines(listed)])

    def _event_line(self, event: ActionEnded, outcome: Unsuccessful) -> str:
        """Like a diagnostic, at the place in the spec if there is one."""
        where = find_place(self._actions.get(event.address), outcome.message, self._locate)
        severity = (
            self._paint("in doubt:", "yellow")
            if isinstance(outcome, InDoubt)
            else self._paint("error:", "red")
        )
        match outcome:
            case Failed(cause=Cause.SERVER | Cause.QUOTA):
                message = f"the server refused it: {outcome.message}"
            # A create that has an id was accepted: what failed is what came after it.
            case Failed(cause=Cause.OTHER, id=str()) if event.action == "create":
                message = outcome.message
            # A hold did not fail at doing anything: its message says what held it.
            case Failed(cause=Cause.OTHER) if event.action != "hold":
                message = f"{event.action} failed: {outcome.message}"
            case _:
                message = outcome.message
        text = f"{severity} {escape_terminal(message)}"
        if where is None:
            return f"{name_of(event.address)}: {text}"
        place = escape_terminal(under_prefix(self._prefix, str(where)))
        return f"{place}: {text} ({name_of(event.address)})"

    def _skipped_block(self, ended: Sequence[_Ended]) -> str:
        groups: dict[str, list[Address]] = {}
        for event, outcome in ended:
            groups.setdefault(outcome.message, []).append(event.address)
        lines = [self._paint(f"{_SKIPPED} ({len(ended)}):", "yellow")]
        for message, addresses in islice(groups.items(), MOST):
            # One more is named in the room that saying so would take.
            count = len(addresses) if len(addresses) <= FEW + 1 else FEW
            names = [name_of(address) for address in sorted(addresses)[:count]]
            if count < len(addresses):
                names.append(f"… and {len(addresses) - count} more")
            lines.append(f"  {escape_terminal(message)}: {', '.join(names)}")
        if len(groups) > MOST:
            lines.append(f"  {self._more(len(groups) - MOST)}")
        # What is held back has a way out of its own, and does not go on like the others.
        hints = dict.fromkeys(outcome.hint for _, outcome in ended if outcome.hint)
        lines += [f"    hint: {escape_terminal(hint)}" for hint in hints]
        unhinted = [each for each in ended if not each[1].hint]
        return "\n".join([*lines, *self._next_lines(unhinted[:1])])

    def _more(self, count: int) -> str:
        # Eight digits name a run, and can be read out to a colleague.
        command = self._commands.of(f"runs show {self._run[:8]}")
        return f"… and {count} more: {escape_terminal(command)}"

    def _next_lines(self, ended: Sequence[_Ended]) -> Iterator[str]:
        """Each way out once: one that names a workload is not the way out of another."""
        unhinted = [each for each in ended if not each[1].hint]
        steps = (
            next_step(
                event.address,
                outcome,
                self._commands,
                stopped_by=self._stopped_by,
                several=len(unhinted) > 1,
            )
            for event, outcome in unhinted
        )
        for step in dict.fromkeys(map(str, steps)):
            yield f"  next: {escape_terminal(step)}"

"""The end of a run: what went wrong, once more, each with its place and the command to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from reconciler.core.events import ActionFailed, ActionSkipped, Cause, Event, InDoubt
from reconciler.core.model import Address
from reconciler.core.planning.plan import AnyAction, Create, Plan, Record, Replace, Resolve
from reconciler.errors import Where
from reconciler.report.error_field import find_field
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal

MOST = 20
# Skipped workloads are alike: a few names tell which part of a fleet it was.
FEW = 5
_FAILED, _REFUSED, _MISSING = "Failed", "Refused by the cluster", "Missing on the server"
_INVALID, _OUTDATED = "Refused by the server", "Not as it was approved"
_DENIED = "Not permitted"
_DOUBTFUL, _SKIPPED = "In doubt", "Skipped"

_TITLES = {
    Cause.SERVER: _INVALID,
    Cause.DENIED: _DENIED,
    Cause.CLUSTER: _REFUSED,
    Cause.HELD: _MISSING,
    Cause.OUTDATED: _OUTDATED,
    Cause.OTHER: _FAILED,
}

Problem = ActionFailed | ActionSkipped | InDoubt
Locate = Callable[[Address, str], Where]
"""Finds the place of a part of a spec; raises KeyError for an address that no spec declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How this run would be called again, and what other commands need to find its state."""

    again: str
    state: str = ""

    def of(self, words: str) -> str:
        """Another command of the program, about the same state."""
        return f"reconciler {words}{self.state}"


class Conclusion:
    """Renders the problems of a run; bounded, however many there are."""

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

    def text(self, problems: Sequence[Event]) -> str:
        """Every kind of problem that there is, or nothing."""
        groups: dict[str, list[Problem]] = {}
        for problem in problems:
            if isinstance(problem, ActionFailed | ActionSkipped | InDoubt):
                groups.setdefault(_title(problem), []).append(problem)
        blocks = [
            self._block(title, groups[title], advise)
            for title, advise in (
                (_INVALID, self._after_no),
                (_DENIED, self._after_denial),
                (_OUTDATED, self._after_approval),
                (_FAILED, self._after_failure),
                (_REFUSED, self._after_refusal),
                (_MISSING, self._after_loss),
                (_DOUBTFUL, self._after_doubt),
            )
            if title in groups
        ]
        if _SKIPPED in groups:
            blocks.append(self._skipped(groups[_SKIPPED]))
        return "\n\n".join(blocks)

    def _block(
        self, title: str, problems: Sequence[Problem], advise: Callable[[Problem], str]
    ) -> str:
        shown = sorted(problems, key=lambda p: p.address)[:MOST]
        lines = [self._paint(f"{title} ({len(problems)}):", "yellow")]
        hint = ""
        for problem in shown:
            lines.append(f"  {self._finding(problem)}")
            if isinstance(problem, ActionFailed) and problem.hint not in ("", hint):
                hint = problem.hint
                lines.append(f"    hint: {escape_terminal(hint)}")
        if len(problems) > MOST:
            lines.append(f"  {self._more(len(problems) - MOST)}")
        return "\n".join([*lines, f"  next: {escape_terminal(advise(shown[0]))}"])

    def _finding(self, problem: Problem) -> str:
        """Like a diagnostic, at the place in the spec if there is one."""
        where = self._where(problem)
        severity = (
            self._paint("in doubt:", "yellow")
            if isinstance(problem, InDoubt)
            else self._paint("error:", "red")
        )
        told = f"{severity} {escape_terminal(_words(problem))}"
        if where is None:
            return f"{name_of(problem.address)}: {told}"
        return f"{self._place(where)}: {told} ({name_of(problem.address)})"

    def _where(self, problem: Problem) -> Where | None:
        """The line of the field that the message names, else the first of the spec."""
        action = self._actions.get(problem.address)
        if action is None or action.source is None:
            return None
        named = self._field(action, problem)
        if named and self._locate is not None:
            try:
                return self._locate(problem.address, named)
            except KeyError:
                return action.source
        return action.source

    def _field(self, action: AnyAction, problem: Problem) -> str | None:
        if isinstance(action, Create | Replace | Record | Resolve) and action.desired:
            return find_field(problem.message, action.desired.spec)
        return None

    def _skipped(self, problems: Sequence[Problem]) -> str:
        groups: dict[str, list[Address]] = {}
        for problem in problems:
            groups.setdefault(problem.message, []).append(problem.address)
        lines = [self._paint(f"{_SKIPPED} ({len(problems)}):", "yellow")]
        for message, addresses in islice(groups.items(), MOST):
            lines.append(f"  {escape_terminal(message)}: {', '.join(_names(addresses))}")
        if len(groups) > MOST:
            lines.append(f"  {self._more(len(groups) - MOST)}")
        return "\n".join([*lines, f"  next: {escape_terminal(self._commands.again)}"])

    def _more(self, count: int) -> str:
        command = self._commands.of(f"runs show {self._run[:8]}")
        return f"… and {count} more: {escape_terminal(command)}"

    def _after_failure(self, _: Problem) -> str:
        return f"{self._commands.again}  (what was done stays done)"

    def _after_no(self, _: Problem) -> str:
        return f"mend the spec, then {self._commands.again}"

    def _after_denial(self, first: Problem) -> str:
        project = first.address.project
        return f"let the login change workloads in project {project}, then {self._commands.again}"

    def _after_approval(self, _: Problem) -> str:
        return "plan again, and have the new plan approved"

    def _after_refusal(self, first: Problem) -> str:
        again = f"{self._commands.again} --replace {first.address}"
        return f"mend the spec and apply; to try it as it is: {again}"

    def _after_loss(self, _: Problem) -> str:
        return f"set lifecycle.onMissing: recreate, or remove the spec, then {self._commands.again}"

    def _after_doubt(self, first: Problem) -> str:
        by_hand = self._commands.of(f"state resolve {first.address} --id ID")
        return (
            f"{self._commands.again}  (looks for the proof once more), "
            f"or by hand: {by_hand} (or --abandon)"
        )

    def _place(self, where: Where) -> str:
        return escape_terminal(f"{self._prefix}{where}")


def _title(problem: Problem) -> str:
    match problem:
        case InDoubt():
            return _DOUBTFUL
        case ActionSkipped():
            return _SKIPPED
        case ActionFailed(cause=cause):
            return _TITLES[cause]


def _words(problem: Problem) -> str:
    match problem:
        case ActionFailed(cause=Cause.SERVER, message=message):
            return f"the server refused it: {message}"
        case ActionFailed(cause=Cause.OTHER, action=action, message=message) if action != "hold":
            return f"{action} failed: {message}"
        case _:
            return problem.message


def _names(addresses: Sequence[Address]) -> Iterator[str]:
    found = sorted(addresses)
    shown = len(found) if len(found) <= FEW + 1 else FEW
    yield from (name_of(address) for address in found[:shown])
    if shown < len(found):
        yield f"… and {len(found) - shown} more"

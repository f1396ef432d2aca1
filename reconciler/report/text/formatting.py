"""How the reports say numbers, times and durations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import click

from reconciler.core.shorten import shorten
from reconciler.report.text.escape import escape_terminal

if TYPE_CHECKING:
    from reconciler.core.history.provenance import Provenance
    from reconciler.core.model import Recorded
    from reconciler.core.planning.plan import Plan

# Narrower than this a shortened cell says nothing.
NARROWEST = 8
# What is not broken between two lines: a word, and a command in quotes, which is to be copied.
_WORD = re.compile(r" *(?:'reconciler [^']*'\S*|\S+)| +$")
GAP = "  "


# A reader looks one up; more than these, nobody reads.
_MOST_PROJECTS = 10


def gpu_number(gpus: float) -> str:
    """A number of GPUs without trailing zeros."""
    # From a million on `g` would write an exponent.
    return f"{gpus:g}" if gpus < 1e6 else f"{gpus:.0f}"


def number_of(count: int, noun: str) -> str:
    """A number and what is counted, in the plural where it takes one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def commit_text(provenance: Provenance) -> str:
    """Which commit something comes from; empty where that is not known."""
    changed = "" if provenance.is_clean else ", with files that differ from it"
    return f"{provenance.revision}{changed}" if provenance.commit else ""


def moment(at: str) -> str:
    """A time of the record (RFC 3339) as people read it: to the minute, in UTC."""
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        # A state that somebody edited is still shown.
        return escape_terminal(at)
    # Without an offset it was written in UTC, as all times of the state are.
    return f"{(when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC):%Y-%m-%d %H:%M}"


def age(since: str, now: datetime) -> str:
    """How long ago a time of the record was, in hours at most; empty for what lies ahead.

    Two clocks differ a little, and a record is dated with the latest time that it can be of.
    """
    try:
        passed = now - datetime.fromisoformat(since)
    except (TypeError, ValueError):
        return ""
    return duration(passed) if passed > -timedelta(minutes=1) else ""


def target_text(plan: Plan, state: str = "") -> str:
    """Which workloads a plan is about: stack, server and state; `state` is the place of that."""
    target, lineage = plan.target, plan.lineage
    name = state or (f"of lineage {lineage}" if lineage else "")
    kept = f"{'' if lineage else 'new '}state {name}".rstrip()
    names = projects_text(plan.project_names)
    called = f" (project {names})" if names else ""
    return f"Stack {target.stack} on {target.url}, {kept}{called}"


def projects_text(names: Mapping[str, str]) -> str:
    """What each of these projects is called; `names` are by id."""
    called = [f"{project} is {name}" for project, name in sorted(names.items())]
    more = f" and {rest} more" if (rest := len(called) - _MOST_PROJECTS) > 0 else ""
    return f"{', '.join(called[:_MOST_PROJECTS])}{more}"


def projects_note(names: Mapping[str, str]) -> str:
    """The same as a line below a table of addresses."""
    return escape_terminal(f"Project {projects_text(names)}.") if names else ""


def at_work(plan: Plan) -> str:
    """Who is changing what a plan was made from; empty where nobody is."""
    if not plan.at_work:
        return ""
    return (
        f"At work on this state: {plan.at_work}. What that run has begun is shown as under way, "
        "and this plan may already be old."
    )


def idle_text(plan: Plan) -> str:
    """What an apply would do that has nothing to do."""
    failing = failing_text(plan)
    return f"Nothing to do, but {failing}" if failing else "Nothing to do."


def failing_text(plan: Plan) -> str:
    """How many workloads an apply will leave alone without success; empty where it is none."""
    if not plan.due_holds:
        return ""
    return f"{number_of(len(plan.due_holds), 'workload')} held back here will fail the apply."


def given_up_text(row: Recorded) -> str:
    """How a delete that was given up is settled."""
    return f"when it is gone, run: reconciler state resolve {row.address} --recheck"


def replacement_text(replaced: Recorded, row: Recorded) -> str:
    """What had the name before a workload whose create is in doubt, and what differs since."""
    from reconciler.core.review.content import find_images

    before, after = (find_images(record.spec.get("manifest") or {}) for record in (replaced, row))
    images = f" (image {', '.join(before)} → {', '.join(after)})" if before != after else ""
    return f"{replaced.ending}{images}, and nothing of ours is known to run there now"


def duration(passed: timedelta) -> str:
    """A length of time in the unit that people would use for it."""
    minutes = int(passed.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h"


def columns(
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    *,
    width: int | None = None,
    yielding: Sequence[str] = (),
    cut: Callable[[str, int], str] = shorten,
) -> str:
    """A table whose columns are as wide as they have to be.

    Where that is wider than `width`, the `yielding` columns are cut: the first as far as it can be,
    then the others, the widest first.
    """
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if width is not None:
        widths = _fit(widths, [head.index(name) for name in yielding], width)
        table = [
            tuple(cut(cell, most) for cell, most in zip(row, widths, strict=True)) for row in table
        ]
    layout = GAP.join(f"{{:<{most}}}" for most in widths)
    # No blanks at the ends of lines: they wrap in a narrow terminal and stain a diff.
    return "\n".join([layout.format(*row).rstrip() for row in table])


def _fit(widths: list[int], yielding: list[int], width: int) -> list[int]:
    """Take from columns until the table fits, or until nothing more can be taken."""
    fitted = list(widths)
    while sum(fitted) + len(GAP) * (len(fitted) - 1) > width and yielding:
        first, *others = yielding
        has_more = fitted[first] > NARROWEST
        widest = first if has_more else max(others, key=lambda i: fitted[i], default=first)
        if fitted[widest] <= NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def wrap_words(text: str, width: int) -> str:
    """Lines that end between two words, for a terminal of this width; what goes on is indented.

    A word that is longer than a line stays whole: a path or a command that is broken leads nowhere.
    """
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    if _length(line) <= width:
        return line
    indent = " " * min(len(line) - len(line.lstrip(" ")) + 2, width // 2)
    lines, current = [], ""
    for word in _WORD.findall(line):
        if current.strip() and _length(current) + _length(word) > width:
            lines.append(current)
            current = indent + word.lstrip(" ")
        else:
            current += word
    return "\n".join([*lines, current])


def _length(text: str) -> int:
    """The columns of a text without its colours."""
    plain = click.unstyle(text)
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in plain)

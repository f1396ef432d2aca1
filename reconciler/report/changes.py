"""Changed fields as signed lines, which every view of a plan shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Literal

from reconciler.core.diff.diff import ABSENT, SENSITIVE, FieldChange
from reconciler.core.model import Address
from reconciler.core.planning.actions import (
    AnyAction,
    Create,
    Delete,
    Hold,
    Reason,
    Replace,
    Resolve,
    Update,
    overwrites_of,
)
from reconciler.core.planning.plan import Drift, Plan
from reconciler.core.review.content import Content, content_of
from reconciler.core.secrets.marks import is_redacted, spell_marks
from reconciler.core.shorten import shorten
from reconciler.values import dataclass

# Of what is removed as a whole, enough to recognise it: it is not sent.
FIRST_LINES = 8
# A map or list with no more scalars than this is read at a glance on one line.
MOST_SCALARS = 3
# Comparing is quadratic at worst; so many changed lines are shown as they were and as they are.
COMPARABLE = 2000
# Unchanged lines shown around changed ones.
AROUND = 2
# Longer ones are cut, but never within what is changed.
WIDTH = 72
LINE_WIDTH = 160
# What stands before and after a difference in a long value.
CONTEXT = 16
CUT = "…"
# A secret that has not changed: it is new, or gone, or as it was.
PLAIN_MARK = "(sensitive)"

Sign = Literal["+", "-", "~", " ", "@"]
# A text as the state has it: stand-ins for secrets within it, each a digest that tells them apart.
_STAND_IN = r"\(sensitive [0-9a-f]{16}\)"
_PLAIN_KEY = r"[A-Za-z_][A-Za-z0-9_./-]*"


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line of a difference: added, removed, changed, context, or where a part of it begins.

    `text` is as a spec or server wrote it: whoever shows it has to make it harmless.
    """

    sign: Sign
    text: str
    inner: bool = False


def change_lines(change: FieldChange) -> Iterator[ChangeLine]:
    """A changed field on one line; texts of several lines, and what is long and new, below it.

    What stands for a secret is never shown, only whether it changed. All else that is sent is shown
    whole: whoever approves it must not be asked to guess.
    """
    pointer = shorten(change.pointer or "/", LINE_WIDTH)
    lines: Iterable[ChangeLine]
    if change.before is ABSENT:
        lines = _one_sided("+", pointer, change.after)
    elif change.after is ABSENT:
        lines = _one_sided("-", pointer, change.before)
    elif _is_text(change.before) and _is_text(change.after):
        head = ChangeLine("~", f"{pointer}:")
        # Secrets that both sides have are settled before anything is compared: compared as they
        # stand in the state, their digests would be shown as a part of a line.
        lines = (head, *_text_lines(*_settle_secrets(change.before, change.after)))
    else:
        before, after = _settle_secrets(_json(change.before), _json(change.after))
        mask, shared = _secret_words([before], [after]), _common(before, after)
        old, new = (_reveal(_cut_around(side, *shared, WIDTH), mask) for side in (before, after))
        lines = [ChangeLine("~", f"{pointer}: {new if old == new else f'{old} → {new}'}")]
    first, *inner = lines
    remark = "  (ignored: the running value is kept)" if change.ignored else ""
    if change.reason:
        remark = f"  ({change.reason})"
    yield ChangeLine(first.sign, f"{first.text}{remark}")
    yield from inner


def action_lines(action: AnyAction) -> Iterator[ChangeLine]:
    """All that a reviewer has to see of an action: what is new at a glance, and what differs."""
    if isinstance(action, Create | Resolve) and action.document is not None:
        yield from _content_lines(content_of(action.document))
    for change in action.changes:
        # A record of settings has nothing else to say, and says it in its reason.
        if action.reason is not Reason.LIFECYCLE_CHANGED or change.ignored:
            yield from change_lines(change)
    overwrites = overwrites_of(action)
    if overwrites:
        yield ChangeLine(" ", "overwrites what somebody changed on the server:")
    for change in overwrites:
        yield from (replace(line, inner=True) for line in change_lines(change))


def needs_reason(action: AnyAction) -> bool:
    """Whether the reason is more than what stands under every line of a first apply or destroy."""
    obvious = action.reason is Reason.NEW or (
        action.reason is Reason.REQUESTED and isinstance(action, Delete)
    )
    return not obvious or isinstance(action, Hold)


class DriftFate(Enum):
    """What a plan does about drift."""

    LEFT = auto()
    RETURNED = auto()
    OVERWRITTEN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDrift:
    """The drift of one workload as every view shows it.

    `changes` lead from what was there to what somebody made of it. Where this plan overwrites them
    they lead from there to what comes next, as the changes of the action do.
    """

    address: Address
    fate: DriftFate
    changes: tuple[FieldChange, ...]


def shown_drift(plan: Plan) -> list[ShownDrift]:
    """The drift of a plan, and what becomes of it."""
    actions = {a.address: a for a in plan.changes if isinstance(a, Replace | Update | Delete)}
    return [shown for drift in plan.drift for shown in _split_drift(drift, actions)]


def _split_drift(
    drift: Drift, actions: Mapping[Address, Replace | Update | Delete]
) -> Iterator[ShownDrift]:
    """An update takes back a part of the drift, all of it or nothing; what ends it, all."""
    action, left = actions.get(drift.address), drift.changes
    if isinstance(action, Replace | Delete):
        yield _overwritten_drift(drift, action)
        return
    taken = {change.pointer for change in overwrites_of(action)}
    if taken:
        left = tuple(change for change in drift.changes if change.pointer not in taken)
        yield ShownDrift(
            address=drift.address, fate=DriftFate.OVERWRITTEN, changes=overwrites_of(action)
        )
    if left:
        fate = DriftFate.RETURNED if drift.returned else DriftFate.LEFT
        yield ShownDrift(address=drift.address, fate=fate, changes=left)


def _overwritten_drift(drift: Drift, ended_by: Replace | Delete) -> ShownDrift:
    changes = drift.changes
    if isinstance(ended_by, Replace):
        sent = {change.pointer: change for change in ended_by.changes}
        changes = tuple(
            sent.get(change.pointer) or replace(change, before=change.after, after=change.before)
            for change in drift.changes
        )
    return ShownDrift(address=drift.address, fate=DriftFate.OVERWRITTEN, changes=changes)


def planned_counts(plan: Plan) -> list[tuple[str, int]]:
    """How many actions of each kind; kinds that few plans have only where there are any."""
    always = ("create", "update", "replace", "delete")
    kinds = (*always, "adopt", "forget", "resolve", "record")
    return [(kind, plan.count(kind)) for kind in kinds if kind in always or plan.count(kind)]


def _content_lines(content: Content) -> Iterator[ChangeLine]:
    """The images of a new workload, its priority, its access to the host, its commands."""
    if content.images:
        yield ChangeLine("+", f"image {', '.join(content.images)}")
    if content.priority is not None:
        yield ChangeLine("+", f"priority {content.priority}")
    if content.host_access:
        yield ChangeLine("+", f"host access: {', '.join(content.host_access)}")
    for command in content.commands:
        head = f"{command.of} {command.name}".strip()
        value = command.value
        arguments = [str(part) for part in (value if isinstance(value, list) else [value])]
        if any("\n" in argument for argument in arguments):
            yield ChangeLine("+", f"{head}:")
            lines = (line for text in arguments for line in text.rstrip("\n").split("\n"))
            yield from (ChangeLine("+", line, inner=True) for line in lines)
        else:
            # As a shell would read it: quotes show where an argument ends.
            yield ChangeLine("+", f"{head}: {shlex.join(arguments)}")


def _one_sided(sign: Literal["+", "-"], pointer: str, value: Any) -> Iterator[ChangeLine]:
    """A value that is there on one side only: all of what is new, the beginning of what goes."""
    value = _hide_secrets(value)
    if _is_text(value):
        lines = value.rstrip("\n").split("\n")
        yield ChangeLine(sign, f"{pointer}: {len(lines)} lines")
    elif _count_scalars(value) > MOST_SCALARS:
        lines = [*_outline(value)]
        yield ChangeLine(sign, f"{pointer}:")
    else:
        text = _scalar(value)
        yield ChangeLine(sign, f"{pointer}: {text if sign == '+' else shorten(text, WIDTH)}")
        return
    if sign == "+" or len(lines) <= FIRST_LINES + 1:
        yield from (ChangeLine(sign, line, inner=True) for line in lines)
        return
    # What goes is not sent, so nobody has to judge the whole of it.
    beginning = (shorten(line, LINE_WIDTH) for line in lines[:FIRST_LINES])
    yield from (ChangeLine(sign, line, inner=True) for line in beginning)
    yield ChangeLine("@", f"{CUT} {len(lines) - FIRST_LINES} more lines", inner=True)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.rstrip("\n")


def _text_lines(before: str, after: str) -> Iterator[ChangeLine]:
    """The lines of a unified diff, each part below where it is in both texts."""
    old, new = before.split("\n"), after.split("\n")
    head, tail = _common(old, new)
    # Most of a changed text is as it was, and comparing that would take most of the time.
    first = max(0, head - AROUND)
    last_old, last_new = (len(lines) - max(0, tail - AROUND) for lines in (old, new))
    old, new = old[first:last_old], new[first:last_new]
    groups: Iterable[list[tuple[str, int, int, int, int]]]
    if len(old) + len(new) > COMPARABLE:
        groups = [[("replace", 0, len(old), 0, len(new))]]
    else:
        # Only here: few plans change a text of many lines.
        from difflib import SequenceMatcher

        # The heuristic of autojunk takes lines that are frequent for noise, and matches none.
        groups = SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND)
    for group in groups:
        (_, i, _, j, _), (_, _, k, _, m) = group[0], group[-1]
        position = f"-{first + i + 1},{k - i} +{first + j + 1},{m - j}"
        yield ChangeLine("@", position, inner=True)
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                context = (shorten(_reveal(text), LINE_WIDTH) for text in old[i1:i2])
                yield from (ChangeLine(" ", text, inner=True) for text in context)
            else:
                yield from _changed_lines(old[i1:i2], new[j1:j2])


def _changed_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[ChangeLine]:
    """Lines that have gone and come; long ones are cut around what the one has of the other."""
    # Line by line: a replaced block mostly has as many lines as before, each a little changed.
    shared = [_common(before, after) for before, after in zip(old, new, strict=False)]
    mask = _secret_words(old, new)
    sides: tuple[tuple[Sign, Sequence[str]], ...] = (("-", old), ("+", new))
    for sign, lines in sides:
        for at, line in enumerate(lines):
            text = _cut_around(line, *shared[at], LINE_WIDTH) if at < len(shared) else line
            yield ChangeLine(sign, _reveal(text, mask), inner=True)


def _secret_words(before: Sequence[str], after: Sequence[str]) -> str:
    """What stands for a secret: it has changed only where there was one, and is one."""
    both = any(map(is_redacted, before)) and any(map(is_redacted, after))
    return SENSITIVE if both else PLAIN_MARK


def _reveal(text: str, mask: str = PLAIN_MARK) -> str:
    """A text as it is shown: stand-ins of secrets without the digests that tell them apart."""
    return mask if re.fullmatch(_STAND_IN, text.strip('"')) else spell_marks(text, mask)


def _common(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many characters or lines two texts share at their beginnings, and at their ends."""
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    # What the beginnings share is not counted again from the ends: "aa" and "aaa" share two.
    left = shorter - head
    tail = next((i for i in range(left) if before[-1 - i] != after[-1 - i]), left)
    return head, tail


def _cut_around(text: str, head: int, tail: int, width: int) -> str:
    """Keep the beginning, the difference and the end of a long text, cut what is between them.

    What stands for a secret is cut nowhere: a part of it would tell it from others.
    """
    if len(text) <= width:
        return text
    marks = [match.span() for match in re.finditer(_STAND_IN, text)]

    def down(at: int) -> int:
        return next((begin for begin, end in marks if begin < at < end), at)

    def up(at: int) -> int:
        return next((end for begin, end in marks if begin < at < end), at)

    # A little of what is around the difference stays, so that it can be found in the text.
    start, end = down(max(0, head - CONTEXT)), up(min(len(text), len(text) - tail + CONTEXT))
    first, last = down(CONTEXT - 3), up(len(text) - CONTEXT + 3)
    before = text[:start] if start <= CONTEXT else f"{text[:first]} {CUT} "
    after = text[end:] if len(text) - end <= CONTEXT else f" {CUT} {text[last:]}"
    return f"{before}{text[start:end]}{after}"


def _hide_secrets(value: Any) -> Any:
    """A value that is new or gone: of a secret in it, only that there is one."""
    if isinstance(value, str) and is_redacted(value):
        return spell_marks(value, PLAIN_MARK)
    if isinstance(value, Mapping):
        # Sorted: servers do not keep the order of keys, and a reviewer compares two runs by eye.
        return {key: _hide_secrets(value[key]) for key in sorted(value)}
    return [_hide_secrets(item) for item in value] if isinstance(value, list) else value


def _settle_secrets(before: str, after: str) -> tuple[str, str]:
    """Two texts in which a secret that both have stands for itself, and is no difference."""
    if not (is_redacted(before) and is_redacted(after)):
        return before, after
    same = {*re.findall(_STAND_IN, before)} & {*re.findall(_STAND_IN, after)}

    def settle(text: str) -> str:
        return re.sub(_STAND_IN, lambda mark: PLAIN_MARK if mark[0] in same else mark[0], text)

    return settle(before), settle(after)


def _count_scalars(value: Any) -> int:
    if isinstance(value, Mapping) and value:
        return sum(map(_count_scalars, value.values()))
    return sum(map(_count_scalars, value)) if isinstance(value, list) and value else 1


def _outline(value: Any) -> Iterator[str]:
    """A map or list in the manner of YAML, a scalar a line."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            name = key if re.fullmatch(_PLAIN_KEY, key) else _json(key)
            if isinstance(item, Mapping | list) and item:
                yield f"{name}:"
                yield from (f"  {line}" for line in _outline(item))
            else:
                yield f"{name}: {_scalar(item)}"
    elif isinstance(value, list) and value:
        for item in value:
            for number, line in enumerate(_outline(item)):
                yield f"{'  ' if number else '- '}{line}"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    """A JSON value on one line; the stand-in for a secret has no quotes, since it is no text."""
    return PLAIN_MARK if value == PLAIN_MARK else _json(value)


def _json(value: Any) -> str:
    # Sorted, as maps that are equal must be written alike.
    return json.dumps(value, ensure_ascii=False, sort_keys=True)

"""The fields that differ, as the signed lines that every view of a plan shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, Literal

from reconciler.core.diff import ABSENT, SENSITIVE, FieldChange
from reconciler.core.redact import is_redacted
from reconciler.report.escape import shorten

# Enough to recognise a changed script by; the whole of it is in the specs.
MOST_LINES = 40
# Of what is added or removed as a whole, enough to recognise it.
FIRST_LINES = 8
# A map or list with no more scalars than this is read at a glance on one line.
MOST_LEAVES = 3
# Comparing is quadratic at worst, and nobody reads the difference of more than this.
COMPARABLE = 2000
# Unchanged lines shown around changed ones.
AROUND = 2
WIDTH = 72
LINE_WIDTH = 160
# What stands before and after a difference in a long value.
CONTEXT = 16
CUT = "…"

Sign = Literal["+", "-", "~", " ", "@"]
# A text as the state has it: stand-ins for secrets within it, each a digest that tells them apart.
_STAND_IN = re.compile(r"\(sensitive [0-9a-f]{16}\)")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


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

    What stands for a secret is never shown, only whether it changed.
    """
    pointer = shorten(change.pointer or "/", LINE_WIDTH)
    if change.before is ABSENT:
        yield from _whole("+", pointer, change.after)
    elif change.after is ABSENT:
        yield from _whole("-", pointer, change.before)
    elif _is_text(change.before) and _is_text(change.after):
        yield ChangeLine("~", f"{pointer}:")
        yield from _text_lines(*_settle_secrets(change.before, change.after))
    else:
        yield ChangeLine("~", f"{pointer}: {_pair(change)}")


def _whole(sign: Literal["+", "-"], pointer: str, value: Any) -> Iterator[ChangeLine]:
    """What is there on one side only."""
    shown = _hide_secrets(value)
    if _is_text(shown):
        lines = shown.rstrip("\n").split("\n")
        yield ChangeLine(sign, f"{pointer}: {len(lines)} lines")
        yield from _first(sign, iter(lines), len(lines))
    elif _leaves(shown) > MOST_LEAVES:
        yield ChangeLine(sign, f"{pointer}:")
        found = list(_outline(shown))
        yield from _first(sign, iter(found), len(found))
    else:
        yield ChangeLine(sign, f"{pointer}: {shorten(_worded(shown), WIDTH)}")


def _first(sign: Sign, lines: Iterator[str], count: int) -> Iterator[ChangeLine]:
    """The first lines and how many follow; a single one is not worth hiding."""
    shown = count if count <= FIRST_LINES + 1 else FIRST_LINES
    for line in islice(lines, shown):
        yield ChangeLine(sign, shorten(line, LINE_WIDTH), inner=True)
    if shown < count:
        yield ChangeLine("@", f"{CUT} {count - shown} more lines", inner=True)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.rstrip("\n")


def _text_lines(before: str, after: str) -> Iterator[ChangeLine]:
    old, new = before.split("\n"), after.split("\n")
    if len(old) + len(new) > COMPARABLE:
        words = f"{len(old)} lines became {len(new)}, too many to be compared here"
        yield ChangeLine("@", words, inner=True)
        return
    found = list(_unified(old, new))
    yield from found[:MOST_LINES]
    if len(found) > MOST_LINES:
        yield ChangeLine("@", f"{CUT} {len(found) - MOST_LINES} more lines", inner=True)


def _unified(old: list[str], new: list[str]) -> Iterator[ChangeLine]:
    """The lines of a unified diff, each part below where it is in both texts."""
    head, tail = _common(old, new)
    # Most of a changed text is as it was, and comparing that would take most of the time.
    first = max(0, head - AROUND)
    last_old, last_new = (len(lines) - max(0, tail - AROUND) for lines in (old, new))
    old, new = old[first:last_old], new[first:last_new]
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        (_, i, _, j, _), (_, _, k, _, m) = group[0], group[-1]
        where = f"-{first + i + 1},{k - i} +{first + j + 1},{m - j}"
        yield ChangeLine("@", where, inner=True)
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from (_line(" ", text) for text in old[i1:i2])
            else:
                yield from (_line("-", text) for text in old[i1:i2])
                yield from (_line("+", text) for text in new[j1:j2])


def _line(sign: Sign, text: str) -> ChangeLine:
    shown = _STAND_IN.sub(SENSITIVE, text) if "(sensitive" in text else text
    return ChangeLine(sign, shorten(shown, LINE_WIDTH), inner=True)


def _pair(change: FieldChange) -> str:
    """Both sides on one line, long ones cut around what differs."""
    shown = change.to_json()
    before, after = _worded(shown["before"]), _worded(shown["after"])
    if before == after:
        return shorten(after, WIDTH)
    if SENSITIVE in (before, after):
        return f"{shorten(before, WIDTH)} → {shorten(after, WIDTH)}"
    head, tail = _common(before, after)
    return f"{_cut_around(before, head, tail)} → {_cut_around(after, head, tail)}"


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many characters or lines two texts share at their beginnings, and at their ends."""
    most = min(len(one), len(other))
    head = next((i for i in range(most) if one[i] != other[i]), most)
    rest = most - head
    tail = next((i for i in range(rest) if one[-1 - i] != other[-1 - i]), rest)
    return head, tail


def _cut_around(text: str, head: int, tail: int) -> str:
    """Keep the beginning, the difference and the end of a long text, cut what is between them."""
    if len(text) <= WIDTH:
        return text
    start, end = max(0, head - CONTEXT), min(len(text), len(text) - tail + CONTEXT)
    before = text[:start] if start <= CONTEXT else f"{text[: CONTEXT - 3]} {CUT} "
    after = text[end:] if len(text) - end <= CONTEXT else f" {CUT} {text[3 - CONTEXT :]}"
    return f"{before}{shorten(text[start:end], WIDTH - len(before) - len(after))}{after}"


def _hide_secrets(value: Any) -> Any:
    """A value that is new or gone: of a secret in it, only that there was one."""
    if isinstance(value, str) and is_redacted(value):
        return _STAND_IN.sub(SENSITIVE, value)
    if isinstance(value, Mapping):
        return {key: _hide_secrets(value[key]) for key in sorted(value)}
    return [_hide_secrets(item) for item in value] if isinstance(value, list) else value


def _settle_secrets(before: str, after: str) -> tuple[str, str]:
    """Two texts in which a secret that both have stands for itself, and is no difference."""
    if not (is_redacted(before) and is_redacted(after)):
        return before, after
    kept = {*_STAND_IN.findall(before)} & {*_STAND_IN.findall(after)}

    def settle(text: str) -> str:
        return _STAND_IN.sub(lambda found: "(sensitive)" if found[0] in kept else found[0], text)

    return settle(before), settle(after)


def _leaves(value: Any) -> int:
    if isinstance(value, Mapping) and value:
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) and value else 1


def _outline(value: Any) -> Iterator[str]:
    """A map or list in the manner of YAML, a scalar a line."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{_key(key)}:", item, "  ")
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _outline(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _worded(value)


def _entry(head: str, item: Any, margin: str) -> Iterator[str]:
    if isinstance(item, Mapping | list) and item:
        yield head
        yield from (f"{margin}{line}" for line in _outline(item))
    else:
        yield f"{head} {_worded(item)}"


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else _json(key)


def _worded(value: Any) -> str:
    """A JSON value on one line; what was kept back stands for itself."""
    return SENSITIVE if value == SENSITIVE else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""The fields that differ, as the signed lines that every view of a plan shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from typing import Any, Literal

from reconciler.core.diff import ABSENT, SENSITIVE, FieldChange
from reconciler.report.escape import shorten

# Enough to recognise a changed script by; the whole of it is in the specs.
MOST_LINES = 40

Sign = Literal["+", "-", "~", " ", "@"]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One line of a difference: added, removed, changed, context, or where a part of it begins.

    `text` is as a spec or server wrote it: whoever shows it has to make it harmless.
    """

    sign: Sign
    text: str
    inner: bool = False


def change_lines(change: FieldChange) -> Iterator[ChangeLine]:
    """A changed field; texts of several lines as a unified diff below its pointer."""
    pointer = change.pointer or "/"
    shown = change.to_json()
    if _is_text(change.before) and _is_text(change.after):
        yield ChangeLine("~", f"{pointer}:")
        yield from _text_lines(change.before, change.after)
        return
    before, after = _value(shown["before"]), _value(shown["after"])
    if change.before is ABSENT:
        yield ChangeLine("+", f"{pointer}: {after}")
    elif change.after is ABSENT:
        yield ChangeLine("-", f"{pointer}: {before}")
    elif before == after:
        yield ChangeLine("~", f"{pointer}: {after}")
    else:
        yield ChangeLine("~", f"{pointer}: {before} → {after}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value.rstrip("\n")


def _text_lines(before: str, after: str) -> Iterator[ChangeLine]:
    found = [
        _signed(line)
        for line in islice(
            unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=2), 2, None
        )
    ]
    yield from found[:MOST_LINES]
    if len(found) > MOST_LINES:
        yield ChangeLine("@", f"… {len(found) - MOST_LINES} more lines", inner=True)


def _signed(line: str) -> ChangeLine:
    sign: Sign = (
        "+" if line[0] == "+" else "-" if line[0] == "-" else "@" if line[0] == "@" else " "
    )
    text = line.strip("@ ") if sign == "@" else line[1:]
    return ChangeLine(sign, shorten(text, 160), inner=True)


def _value(value: Any) -> str:
    """A JSON value on one line, its middle cut out where it is long."""
    if value == SENSITIVE:
        return SENSITIVE
    return shorten(json.dumps(value, ensure_ascii=False))

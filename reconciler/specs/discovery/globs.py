"""Patterns of paths in gitignore syntax, matched in time that no pattern can make explode.

A regular expression made of a whole pattern tries every way in which its stars can share a path:
seven of them keep one match busy for minutes, and who writes a pattern may not own the machine.
Here each star takes the least that works and is never asked again, which for such patterns finds
a match if there is one; git itself is the referee of the tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
    "space": "\\s",
    "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
}
_ANYTHING = re.compile(".+", re.DOTALL)


class BadPatternError(ValueError):
    """A line is not a pattern; the message says why."""


class Pattern(NamedTuple):
    """One pattern: a matcher for each step of a path, None for any number of them."""

    steps: tuple[re.Pattern[str] | None, ...]
    negated: bool = False
    folders_only: bool = False

    def matches(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether the pattern means a path, given relative to the folder that it speaks about."""
        if self.folders_only and not is_folder:
            return False
        return _match(self.steps, path.split("/"))


def read_pattern(line: str) -> Pattern | None:
    """Read a line; None for a comment or a blank one. Raises BadPatternError."""
    text = _strip(line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    text = text[:-1] if folders_only else text
    anchored = "/" in text
    names = text.removeprefix("/").split("/")
    if not all(names):
        raise BadPatternError("it names nothing" if names == [""] else "it has an empty part")
    steps = [None if name == "**" else _translate(name) for name in names]
    if names[-1] == "**" and anchored:
        # Everything inside, which is not the folder itself.
        steps.append(_ANYTHING)
    floating = () if anchored else (None,)
    return Pattern(steps=(*floating, *steps), negated=negated, folders_only=folders_only)


def selects(patterns: Sequence[Pattern], path: str) -> bool:
    """Whether patterns mean a file, by itself or by a folder that it lies in; the last decides."""
    names = path.split("/")
    folders = ["/".join(names[:depth]) for depth in range(1, len(names))]
    for one in reversed(patterns):
        if one.matches(path) or any(one.matches(folder, is_folder=True) for folder in folders):
            return not one.negated
    return False


def _strip(line: str) -> str:
    text = line.rstrip("\r\n")
    bare = text.rstrip(" ")
    # A blank at the end counts where a backslash stands before it.
    is_escaped = len(bare) < len(text) and (len(bare) - len(bare.rstrip("\\"))) % 2
    return bare + " " if is_escaped else bare


def _match(steps: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    step = name = 0
    retry: tuple[int, int] | None = None
    while name < len(names):
        if step < len(steps) and steps[step] is None:
            step += 1
            retry = (step, name)
        elif step < len(steps) and _is_named(steps[step], names[name]):
            step, name = step + 1, name + 1
        elif retry is not None:
            # Only the last `**` is given more: what an earlier one took was enough.
            retry = (retry[0], retry[1] + 1)
            step, name = retry
        else:
            return False
    return all(one is None for one in steps[step:])


def _is_named(matcher: re.Pattern[str] | None, name: str) -> bool:
    return matcher is not None and matcher.fullmatch(name) is not None


def _translate(glob: str) -> re.Pattern[str]:
    pieces = [""]
    at = 0
    while at < len(glob):
        if glob[at] == "*":
            pieces.append("")
            at += 1
            continue
        end, piece = _translate_one(glob, at)
        pieces[-1] += piece
        at = end
    first, *rest = pieces
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


def _translate_one(glob: str, at: int) -> tuple[int, str]:
    """Translate what stands for one character; also returns where the next one begins."""
    match glob[at]:
        case "?":
            return at + 1, "."
        case "[":
            return _translate_set(glob, at + 1)
        case "\\":
            if at + 1 == len(glob):
                raise BadPatternError("it ends with a lone backslash")
            return at + 2, re.escape(glob[at + 1])
        case character:
            return at + 1, re.escape(character)


def _translate_set(glob: str, at: int) -> tuple[int, str]:
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    begin, made = at, ""
    while at == begin or glob[at : at + 1] != "]":
        at, one = _translate_member(glob, at)
        made += one
    # A set that holds nothing, such as [z-a], matches nothing.
    body = f"[^{made}]" if negated else f"[{made}]"
    return at + 1, body if made else ("." if negated else "(?!)")


def _translate_member(glob: str, at: int) -> tuple[int, str]:
    if named := re.compile(r"\[:(\w*):\]").match(glob, at):
        if named[1] not in _CLASSES:
            raise BadPatternError(f"there is no class [:{named[1]}:]")
        return named.end(), _CLASSES[named[1]]
    at, first = _read_member(glob, at)
    if glob[at : at + 1] != "-" or glob[at + 1 : at + 2] in ("", "]"):
        return at, re.escape(first)
    at, last = _read_member(glob, at + 1)
    return at, f"{re.escape(first)}-{re.escape(last)}" if first <= last else ""


def _read_member(glob: str, at: int) -> tuple[int, str]:
    at += glob[at : at + 1] == "\\"
    if at >= len(glob):
        raise BadPatternError("its '[' is not closed")
    return at + 1, glob[at]

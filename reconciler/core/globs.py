"""The two kinds of patterns that users write: globs on names, and gitignore patterns on paths.

A glob on an address, a name or a kind has the syntax of Python's `fnmatch`, as in a shell: `*`
takes slashes as well, and case matters.

A pattern of paths has the syntax of gitignore, step by step. A regular expression made of a whole
pattern would try every way in which its stars can share a path: seven of them keep one match busy
for minutes, and who writes a pattern may not own the machine. Here each star takes the least that
works and is never asked again, which for such patterns finds a match if there is one; the tests
compare with git itself. `docs/decisions/0009-globs.md` says why no library does this part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
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
# What may stand in a set: a class, a character, or a range of them.
_MEMBER = re.compile(r"\[:(\w*):\]|\\?(.)(?:-(?!\])\\?(.))?", re.DOTALL)
_ANYTHING = re.compile(".+", re.DOTALL)


def is_glob(text: str) -> bool:
    """Whether a text may match more than itself."""
    return any(character in text for character in "*?[")


def matches_any(text: str, globs: Iterable[str]) -> bool:
    """Whether any of the globs matches the whole of a text."""
    return any(fnmatchcase(text, glob) for glob in globs)


class BadPatternError(ValueError):
    """A line is not a pattern; the message says why."""


class Pattern(NamedTuple):
    """A pattern of paths: a matcher for each step, None for any number of steps."""

    steps: tuple[re.Pattern[str] | None, ...]
    negated: bool = False
    folders_only: bool = False

    def matches(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether the pattern means a path, given relative to the folder that it speaks about."""
        if self.folders_only and not is_folder:
            return False
        names = path.split("/")
        at = name = 0
        retry: tuple[int, int] | None = None
        while name < len(names):
            step = self.steps[at] if at < len(self.steps) else None
            if at < len(self.steps) and step is None:
                at += 1
                retry = (at, name)
            elif step is not None and step.fullmatch(names[name]):
                at, name = at + 1, name + 1
            elif retry is not None:
                # Only the last `**` is given more: what an earlier one took was enough.
                retry = (retry[0], retry[1] + 1)
                at, name = retry
            else:
                return False
        return all(step is None for step in self.steps[at:])


def read_pattern(line: str) -> Pattern | None:
    """Read a line; None for a comment or a blank one. Raises BadPatternError."""
    line = line.rstrip("\r\n")
    text = line.rstrip(" ")
    # A blank at the end counts where a backslash stands before it, unless that one is escaped.
    if len(text) < len(line) and (len(text) - len(text.rstrip("\\"))) % 2:
        text += " "
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    text = text[:-1] if folders_only else text
    # A pattern without a slash is meant for every folder below, one with a slash for its own.
    anchored = "/" in text
    names = text.removeprefix("/").split("/")
    if not all(names):
        raise BadPatternError("it is empty" if names == [""] else "it has an empty part")
    steps = [None if name == "**" else _compile_step(name) for name in names]
    if names[-1] == "**" and anchored:
        # Everything inside, which is not the folder itself.
        steps.append(_ANYTHING)
    floating = () if anchored else (None,)
    return Pattern(steps=(*floating, *steps), negated=negated, folders_only=folders_only)


def selects(patterns: Sequence[Pattern], path: str) -> bool:
    """Whether patterns mean a file, by itself or by a folder that it lies in; the last decides."""
    names = path.split("/")
    folders = ["/".join(names[:depth]) for depth in range(1, len(names))]
    for pattern in reversed(patterns):
        if pattern.matches(path) or any(pattern.matches(f, is_folder=True) for f in folders):
            return not pattern.negated
    return False


def _compile_step(glob: str) -> re.Pattern[str]:
    """Compile the pattern of one name, in which a star is never tried twice."""
    # What stands between the stars.
    pieces = [""]
    at = 0
    while at < len(glob):
        character, at = glob[at], at + 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character == "[":
            at, expression = _compile_set(glob, at)
            pieces[-1] += expression
        elif character != "\\":
            pieces[-1] += re.escape(character)
        elif at == len(glob):
            raise BadPatternError("it ends with a lone backslash")
        else:
            pieces[-1] += re.escape(glob[at])
            at += 1
    first, *others = pieces
    if not others:
        return re.compile(first, re.DOTALL)
    # An atomic group, `(?>...)`, keeps the first match of its star; only the last star is free.
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1] if piece)
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL)


def _compile_set(glob: str, at: int) -> tuple[int, str]:
    """Compile the set that begins behind its `[`; also returns where the next character is."""
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    # A `]` that comes first is a member of the set.
    begin, members = at, ""
    while at == begin or glob[at : at + 1] != "]":
        member = _MEMBER.match(glob, at)
        if member is None:
            raise BadPatternError("its '[' is not closed")
        at = member.end()
        name, first, last = member.groups()
        if name is not None:
            if name not in _CLASSES:
                raise BadPatternError(f"unknown class [:{name}:]")
            members += _CLASSES[name]
        elif last is None:
            members += re.escape(first)
        elif first <= last:
            members += f"{re.escape(first)}-{re.escape(last)}"
    if not members:
        # A set that holds nothing, such as [z-a], matches nothing.
        return at + 1, "." if negated else "(?!)"
    return at + 1, f"[^{members}]" if negated else f"[{members}]"

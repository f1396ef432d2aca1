"""Reads the console sessions of a page, and runs them as its reader would.

A page is one session, in the order of its blocks, in a fresh folder. Comments that no reader sees
say what a block is:

- `<!-- setup` … `-->` holds commands that come before the page begins, such as making a state;
- `<!-- file: NAME -->` before a block: the block is the content of that file;
- `<!-- not run: REASON -->` before a block: nobody can run it here, for a reason of NOT_RUN.

`$ command` is run, the lines below it are what it prints: `…` alone stands for any lines, `…` in a
line for anything in it. A command without lines may print anything. It has to end with 0, or with
the number that an `echo $?` right below it shows.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOT_RUN = {
    "forge": "needs GitHub or GitLab",
    "forms": "forms of a command, which another page runs",
    "install": "changes the machine, or needs a package index",
    "make": "a target of its own in CI, which takes minutes",
    "server": "needs a real control plane",
}

_COMMENT = re.compile(r"^<!--\s*(setup|file:|not run:)\s*(.*?)\s*-->", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^(`{3,})([\w-]*)\n(.*?)^\1\n", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^[ \t]+(?:```|~~~)|^~~~", re.MULTILINE)
_SHELLS = {"console", "sh", "shell", "bash", "text", ""}
# What a shell puts something else in the place of, unless it stands in quotes.
_EXPANDED = re.compile(r"[$*?`]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`]*\"")
# What stands at the beginning of a line that is meant to be typed.
_TYPED = re.compile(
    r"^(?:\$ |(?:reconciler|make|python|pip|kubectl|docker|systemctl|crontab|gh|git|export) )",
    re.MULTILINE,
)


class BadPageError(Exception):
    """A page says something that cannot be understood as a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command, the lines that it is said to print, and the code it is said to end with."""

    line: int
    command: str
    expected: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A block that is the content of a file."""

    line: int
    name: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrun:
    """A block that says that it cannot be run, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page has its reader do, in order; `setup` comes first and is not compared."""

    name: str
    setup: tuple[Step, ...] = ()
    parts: tuple[Step | File | Unrun, ...] = ()
    reasons: tuple[str, ...] = field(default=())

    @property
    def runs(self) -> bool:
        """Whether there is a command to run."""
        return any(isinstance(part, Step) for part in self.parts)


def read_page(path: Path, name: str) -> Page:
    """The session of a page; raises BadPageError for a block that is neither run nor marked."""
    text = path.read_text(encoding="utf-8")
    if _INDENTED.search(text):
        raise BadPageError(f"{name}: a block begins where its line begins, or it is not found")
    setup: list[Step] = []
    parts: list[Step | File | Unrun] = []
    at = 0
    for fence in _FENCE.finditer(text):
        kind, words = "", ""
        for comment in _COMMENT.finditer(text, at, fence.start()):
            kind, words = comment[1], comment[2]
            if kind == "setup":
                line = _line_of(text, comment.start(2))
                setup.extend(_steps(words.split("\n"), line))
                kind = ""
            elif text[comment.end() : fence.start()].strip():
                raise BadPageError(f"{name}: no block follows {comment[0]!r}")
        at = fence.end()
        line = _line_of(text, fence.start())
        parts.extend(_parts(name, line, fence, (kind, words)))
    if _COMMENT.search(text, at):
        raise BadPageError(f"{name}: a comment at the end stands before no block")
    reasons = tuple(part.reason for part in parts if isinstance(part, Unrun))
    return Page(name=name, setup=tuple(setup), parts=tuple(parts), reasons=reasons)


def _parts(
    name: str, line: int, fence: re.Match[str], mark: tuple[str, str]
) -> Iterator[Step | File | Unrun]:
    language, content = fence[2], fence[3]
    match mark:
        case ("file:", file):
            yield File(line=line, name=file, content=content)
        case ("not run:", reason) if reason in NOT_RUN:
            yield Unrun(line=line, reason=reason)
        case ("not run:", reason):
            raise BadPageError(f"{name}:{line}: {reason!r} is no reason; see NOT_RUN")
        case _ if language == "console":
            yield from _steps(content.rstrip("\n").split("\n"), line + 1)
        case _ if language in _SHELLS and _TYPED.search(content):
            raise BadPageError(f"{name}:{line}: has commands, but is neither console nor marked")


def _steps(lines: Sequence[str], first: int) -> Iterator[Step]:
    groups: list[tuple[int, list[str], list[str]]] = []
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            groups.append((number, [line.removeprefix("$ ")], []))
        elif groups and not groups[-1][2] and groups[-1][1][-1].endswith("\\"):
            groups[-1][1].append(line)
        elif groups:
            groups[-1][2].append(line)
        elif line.strip():
            raise BadPageError(f"line {number}: a session begins with a command")
    for at, (number, command, said) in enumerate(groups):
        if command == ["echo $?"]:
            continue
        after = groups[at + 1] if at + 1 < len(groups) else None
        code = int(after[2][0]) if after and after[1] == ["echo $?"] else 0
        yield Step(
            line=number, command="\n".join(command), expected=tuple(_trimmed(said)), code=code
        )


def matches(expected: Sequence[str], said: str) -> bool:
    """Whether lines with `…` for what varies describe a text."""
    pattern = ""
    for line in _trimmed(expected):
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += "[^\n]*?".join(map(re.escape, line.split("…"))) + "\n"
    text = "".join(f"{line}\n" for line in _trimmed(said.split("\n")))
    return re.fullmatch(pattern, text) is not None


def words_of(command: str) -> list[str] | None:
    """The words of a command that needs no shell; None for one that does."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = list(lexer)
    special = any(set(word) <= set("();<>|&") for word in words if word)
    return None if special or _EXPANDED.search(_QUOTED.sub("", command)) else words


def _trimmed(lines: Sequence[str]) -> list[str]:
    kept = [line.rstrip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    while kept and not kept[0]:
        kept.pop(0)
    return kept


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1

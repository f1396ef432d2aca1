"""Every sentence that the program says to people, with its place: for reading them all once.

A sentence is a text that is given to `message`, `hint`, `detail`, `reason` or `help`, to the name
of an error, or to one of the functions that make findings. Values in it are shown as `{…}`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NAMES = frozenset({"message", "hint", "detail", "remedy", "reason", "help", "epilog", "short_help"})
# Functions whose positional texts are shown to people.
SPEAKERS = frozenset(
    {"make_diagnostic", "diagnostic_at", "say", "report", "warn", "fail", "note", "echo"}
)
MOST_WORDS = 30


@dataclass(frozen=True, slots=True, order=True)
class Sentence:
    """One text with the line where it begins."""

    file: str
    line: int
    text: str

    @property
    def words(self) -> int:
        """How many words it has; a value in it counts as one."""
        return len(self.text.split())

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def main() -> int:
    """Print all sentences; those that are too long are named, and end with 1."""
    sentences = sorted(set(collect(REPOSITORY / "reconciler")))
    for sentence in sentences:
        print(sentence)
    long = [sentence for sentence in sentences if sentence.words > MOST_WORDS]
    print(f"\n{len(sentences)} sentences, {len(long)} of more than {MOST_WORDS} words")
    for sentence in long:
        print(f"{sentence.words} words  {sentence}")
    return bool(long)


def collect(package: Path) -> Iterator[Sentence]:
    """Yield the sentences of every module of a package."""
    for path in sorted(package.rglob("*.py")):
        place = str(path.relative_to(package.parent))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for spoken in _spoken(node):
                text = " ".join(_text(spoken).split())
                # A single word is a name, a code or a choice, not something that is said.
                if " " in text:
                    yield Sentence(place, spoken.lineno, text)


def _spoken(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if names & NAMES:
            yield from _texts(node.value)
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in NAMES:
                yield from _texts(keyword.value)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in SPEAKERS or name.endswith(("Error", "Diagnostic")):
            for argument in node.args:
                yield from _texts(argument)


def _texts(node: ast.expr) -> Iterator[ast.expr]:
    """The texts that an expression may give: both sides of a choice, not what is inside a call."""
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    ):
        yield node
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)


def _text(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in parts)


if __name__ == "__main__":
    sys.exit(main())

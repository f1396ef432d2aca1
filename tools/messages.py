"""Every text that the program shows to people, with its place: for reading them all once.

A text is a string of two words or more, values in it shown as `{…}`, and each sentence of a
command's own help. Docstrings, patterns and SQL are for programmers and left out.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_WORDS = 30
_PROGRAMS = re.compile(
    r"(SELECT|INSERT|UPDATE|DELETE FROM|CREATE|DROP|PRAGMA|WHERE|import) |\w* ORDER BY |\(\?|\[\^"
)
_WORD = re.compile(r"\b[A-Za-z][a-z]*\b")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z'-])")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, order=True)
class Text:
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
    """Print all texts; those that are too long are named, and end with 1."""
    texts = sorted(set(collect(REPOSITORY / "reconciler")))
    for text in texts:
        print(text)
    long = [text for text in texts if text.words > MOST_WORDS]
    print(f"\n{len(texts)} texts, {len(long)} of more than {MOST_WORDS} words")
    for text in long:
        print(f"{text.words} words  {text}")
    return bool(long)


def collect(package: Path) -> Iterator[Text]:
    """Yield the texts of every module of a package."""
    for path in sorted(package.rglob("*.py")):
        place = str(path.relative_to(package.parent))
        tree = ast.parse(path.read_text("utf-8"))
        for line, words in (*_strings(tree), *_help(tree)):
            text = " ".join(words.split())
            # A single word is a name, a code or a choice.
            if " " in text and len(_WORD.findall(text)) > 1 and not _PROGRAMS.search(text):
                yield Text(place, line, text)


def _strings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings below a node; neither docstrings, nor patterns, nor the parts of another."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()) | ast.Call(func=ast.Attribute(attr="compile")):
                continue
            case ast.Constant(value=str(text)):
                yield child.lineno, text
            case ast.JoinedStr(values=values):
                parts = (str(v.value) if isinstance(v, ast.Constant) else "{…}" for v in values)
                yield child.lineno, "".join(parts)
            case _:
                yield from _strings(child)


def _help(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The sentences of each command's docstring, which click shows as its help."""
    for node in ast.walk(tree):
        if isinstance(node, _Function) and any(map(_makes_command, node.decorator_list)):
            for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                for sentence in _SENTENCE_END.split(" ".join(paragraph.split())):
                    yield node.lineno, sentence


def _makes_command(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Call(func=ast.Attribute(attr="command" | "group")):
            return True
        case _:
            return False


if __name__ == "__main__":
    sys.exit(main())

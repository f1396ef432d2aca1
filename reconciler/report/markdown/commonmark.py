"""Makes texts of specs and servers harmless for Markdown as GitHub and GitLab show it.

Whatever is not an ordinary word stands in code: there no emphasis, link, mention, reference, commit
id or emoji is looked for, neither by a Markdown parser nor by what a forge does afterwards.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from urllib.parse import quote

from reconciler.core.digest import digest_text
from reconciler.core.shorten import shorten
from reconciler.report.changes import ChangeLine
from reconciler.report.text.escape import escape_terminal

# Letters or a short number, with the punctuation of a sentence: no forge makes a reference of it.
# Seven letters from a to f could be the name of a commit.
_WORD = re.compile(
    r"(?!.*[0-9a-fA-F]{7})(?:\(?[^\W\d_]+(?:[-'][^\W\d_]+)*|\(?\d{1,6})[).,;:%]*|→|%[).,;:]*|\(|[).,;:]+"
)
# A command of this program within a sentence: in quotes, or up to the next sign of one. Only where
# a word could stand: two spans of code side by side would be another one.
_COMMAND = re.compile(
    r"(?<![^ (])(?<![^ ]\()(?:'(reconciler [^']+)'"
    r"|(reconciler(?: (?:'[^']*'|[^\s();,'])*(?:'[^']*'|[^\s();,:.']))+))(?=[).,;:]*(?: |\Z))"
)
_TICKS = re.compile("`+")
# Parsers give up on delimiters beyond some length of their own.
_LONGEST_RUN = 8
_LONGEST_NAME = 80
LONGEST = 400
# A way out is to be typed: cut in the middle it is none.
LONGEST_HINT = 2_000


def prose(text: str, longest: int = LONGEST) -> str:
    """A sentence for a line of Markdown that something of ours begins."""
    text = shorten(text, longest)
    parts, end = [], 0
    for command in _COMMAND.finditer(text):
        parts += [_words(text[end : command.start()]), code(command[1] or command[2], longest)]
        end = command.end()
    return "".join([*parts, _words(text[end:])]).strip()


def _words(text: str) -> str:
    """Ordinary words as they are, and everything else as code."""
    parts = []
    # Neighbours of one kind stay together: five odd words are one code span, not five.
    for plain, group in groupby(
        text.split(" "), lambda part: not part or bool(_WORD.fullmatch(part))
    ):
        part = " ".join(group)
        # Punctuation that belongs to the sentence stands behind the code, not in it.
        closing = ",;:" if "(" in part else ",;:)"
        inner = part if plain else part.rstrip(closing) or part
        parts.append(part if plain else code(inner) + part[len(inner) :])
    return " ".join(parts)


def code(text: str, longest: int = LONGEST) -> str:
    """A code span around the text; its delimiters are longer than any run of them inside."""
    text = _harmless(text, longest)
    if not text.strip():
        return "`(empty)`" if not text else "`(blank)`"
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(text)), default=0))
    # One space is taken off at both ends, or at none.
    pad = " " if text[0] in " `" or text[-1] in " `" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def code_html(text: str) -> str:
    """The text as code within HTML."""
    return f"<code>{html.escape(_harmless(text))}</code>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]] = (), *, numbers: Sequence[str] = ()
) -> list[str]:
    """The lines of a table; the columns that are named as numbers are aligned as such."""
    dashes = ["---:" if name in numbers else "---" for name in head]
    return [row(head), row(dashes), *map(row, rows)]


def row(cells: Sequence[str]) -> str:
    """One line of a table; bars inside of code are no borders either."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def diff_block(lines: Sequence[ChangeLine]) -> str:
    """Signed lines as a fenced block in which forges colour them; `~` is `!` there."""
    block = []
    for line in lines:
        text = _harmless(line.text)
        sign = "!" if line.sign == "~" else line.sign
        block.append(f"@@ {text} @@" if sign == "@" else f"{sign} {text}")
    return _fenced("diff", block)


def yaml_block(text: str) -> str:
    """A document as a fenced block; nothing of it is shortened."""
    return _fenced("yaml", [escape_terminal(line) for line in text.splitlines()])


def _fenced(language: str, lines: Sequence[str]) -> str:
    longest = max((len(run) for line in lines for run in _TICKS.findall(line)), default=0)
    # A fence inside of the text must be shorter than the one around it.
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])


def marker(kind: str, stack: str) -> str:
    """A comment that is not shown, by which a workflow finds what it wrote before."""
    # Two dashes would end the comment that this stands in.
    name = quote(stack, safe="", errors="replace").replace("--", "-%2D")
    if len(name) > _LONGEST_NAME:
        # Cut names may be equal; a workflow must not overwrite the comment of another stack.
        name = f"{name[:_LONGEST_NAME]}.{digest_text(stack).removeprefix('sha256:')[:16]}"
    return f"<!-- reconciler:{kind}:{name} -->"


def _harmless(text: str, longest: int = LONGEST) -> str:
    """On one line, of a bounded length, and with long runs of backticks spelt out."""
    text = escape_terminal(shorten(text, longest))
    return _TICKS.sub(
        lambda run: run[0] if len(run[0]) <= _LONGEST_RUN else "\\x60" * len(run[0]), text
    )

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reconciler.errors import Where
from reconciler.report.text.code_frames import CUT, NARROWEST, CodeFrames, cut_around
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.text import Text
from tests.report.diagnostics import UNKNOWN
from tests.support.strategies import hostile

LONG = "key: [" + ", ".join(f"item-{number:02}" for number in range(40)) + "]"


def drawn(line: str | None, start: int, end: int | None = None, *, width: int = 40) -> str | None:
    """Draw columns of the seventh line."""
    where = Where(file="a", line=7, column=start, end_line=end and 7, end_column=end)
    shown = CodeFrames(line_of=lambda _where: line, width=width).draw(where)
    return None if shown is None else "\n".join("".join(part) for part in shown)


@pytest.mark.parametrize(
    ("line", "start", "end", "expected"),
    [
        ("  priorty: high", 3, 10, "  7 |   priorty: high\n    |   ^^^^^^^"),
        ("\tprio: 日本語 # x", 8, 11, "  7 |     prio: 日本語 # x\n    |           ^^^^^^"),
        ("a: e\u0301 b", 7, 8, "  7 | a: e\u0301 b\n    |      ^"),
        ("a: \x1b[31m\u202eb", 4, 5, "  7 | a: \\x1b[31m\\u202eb\n    |    ^^^^"),
        ("a: b", 5, None, "  7 | a: b\n    |     ^"),
        ("a: b", 99, 120, "  7 | a: b\n    |     ^"),
        ("a: b", 2, 2, "  7 | a: b\n    |  ^"),
        (LONG, 1, 4, "  7 | key: [item-00, item-01, item-02, …\n    | ^^^"),
        (
            LONG,
            LONG.index("item-20") + 1,
            LONG.index("item-20") + 8,
            "  7 | … item-19, item-20, item-21, item…\n    |            ^^^^^^^",
        ),
        (
            LONG,
            LONG.index("item-39") + 1,
            LONG.index("item-39") + 8,
            "  7 | …em-36, item-37, item-38, item-39]\n    |                           ^^^^^^^",
        ),
        (LONG, 6, len(LONG), "  7 | key: [item-00, item-01, item-02,…\n    |      " + 28 * "^"),
    ],
)
def test_a_line_and_its_carets(line: str, start: int, end: int | None, expected: str) -> None:
    """Tabs, wide and combining characters are measured as a terminal does; long lines are cut."""
    assert drawn(line, start, end) == expected


@pytest.mark.parametrize("line", [None, "", " \t "])
def test_no_line(line: str | None) -> None:
    """Of a line that is gone or empty, nothing is drawn."""
    assert drawn(line, 1) is None


def test_several_lines() -> None:
    """Of a range over several lines the first is shown, to its end."""
    where = Where(file="a", line=1, column=3, end_line=4, end_column=1)
    shown = CodeFrames(line_of=lambda _where: "- name: x  ", width=80).draw(where)
    assert shown == (("  1 | ", "- name: x"), ("    |   ", "^^^^^^^"))


def test_a_finding_with_its_line() -> None:
    """The line stands between the message and the way out; only margin and carets are coloured."""
    excerpts = CodeFrames(line_of=lambda _where: "  priorty: high", width=80)
    assert Text().diagnostics([UNKNOWN], excerpts) == (
        "team-a/finetune.yaml:4:3: error: unknown field 'priorty' (unknown-field)\n"
        "  4 |   priorty: high\n"
        "    |   ^^^^^^^\n"
        "  hint: did you mean 'priority'?"
    )
    coloured = Text(colour=True).diagnostics([UNKNOWN], excerpts).split("\n")
    assert coloured[1:3] == [
        "\x1b[2m  4 | \x1b[0m  priorty: high",
        "\x1b[2m    |   \x1b[0m\x1b[31m^^^^^^^\x1b[0m",
    ]
    without = dataclasses.replace(excerpts, line_of=lambda _where: None)
    assert Text().diagnostics([UNKNOWN], without) == Text().diagnostics([UNKNOWN])


lines = st.lists(
    st.one_of(st.sampled_from(["日", "🎉", "e\u0301", "\t", "a", " ", "\x1b[2J"]), hostile),
    max_size=60,
).map(lambda parts: "".join(parts).replace("\n", ""))


@given(line=lines, data=st.data(), room=st.integers(NARROWEST, 90))
def test_the_carets_are_under_what_is_meant(line: str, data: st.DataObject, room: int) -> None:
    """The drawing is harmless and no wider than asked, and its carets mark the part's beginning."""
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start + 1, len(line) + 1))
    shown, indent, carets = cut_around(line, start, end, room)
    assert shown == escape_terminal(shown)
    assert sum(map(cell_len, shown)) <= room
    assert carets >= 1
    assert indent + carets <= room + 1
    cells = [char for char in shown for _ in range(cell_len(char))]
    marked = "".join(cells[indent : indent + carets]).removesuffix(CUT)
    legible = ("    " if char == "\t" else escape_terminal(char) for char in line[start:end])
    meant = "".join(char for part in legible for char in part for _ in range(cell_len(char)))
    assert not meant or meant.startswith(marked)


def test_a_huge_line_is_cut_at_once() -> None:
    """A line of megabytes costs no more than a part of it."""
    line = "x" * 10_000_000
    assert cut_around(line, 5_000_000, 9_000_000, 30) == ("…" + "x" * 9 + "x" * 18 + "…", 10, 19)

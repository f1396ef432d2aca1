from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.report.changes import ChangeLine
from reconciler.report.markdown.commonmark import code, diff_block, marker, prose
from reconciler.report.text.escape import escape_terminal
from tests.report.pages import (
    all_pages,
    bare_texts,
    fences,
    structure,
)
from tests.report.pages import words as hostile_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no spec declares it any more", "no spec declares it any more"),
        ("41 of 60 (68 %), limit 30 %", "41 of 60 (68 %), limit 30 %"),
        ("add --yes, then go on", "add `--yes`, then go on"),
        ("a=b c=d e", "`a=b c=d` e"),
        ("ask @team about #12: deadbeef", "ask `@team` about `#12: deadbeef`"),
        ("`x` and ``", "`` `x` `` and ``` `` ```"),
        ("日本 ü \u202e", "日本 ü `\\u202e`"),
        ("", ""),
        ("the server's own words don't matter", "the server's own words don't matter"),
        (
            "by hand: reconciler state resolve 1/a --id ID (or --abandon); or wait",
            "by hand: `reconciler state resolve 1/a --id ID` (or `--abandon`); or wait",
        ),
        (
            "run 'reconciler state recover', then reconciler state rm 1/a.",
            "run `reconciler state recover`, then `reconciler state rm 1/a`.",
        ),
        (
            "compare (reconciler state show 1/a --state 'my dir/s.db'), then go on",
            "compare (`reconciler state show 1/a --state 'my dir/s.db'`), then go on",
        ),
        ("'reconciler a`b' c", "``reconciler a`b`` c"),
        ("x(reconciler a) or a'reconciler b c", "`x(reconciler` a) or a'reconciler b c"),
        ("'reconciler a''reconciler b'", "`'reconciler a''reconciler b'`"),
        ("ask the reconciler", "ask the reconciler"),
    ],
)
def test_ordinary_words_stay_words(text: str, shown: str) -> None:
    """Everything else in a sentence is code."""
    assert prose(text) == shown


def test_code_that_is_hard_to_quote() -> None:
    """Backticks at an end, far too many of them, and nothing at all."""
    assert [code("`"), code(" a "), code("`" * 9), code(""), code("  ")] == [
        "`` ` ``",
        "`  a  `",
        "`" + "\\x60" * 9 + "`",
        "`(empty)`",
        "`(blank)`",
    ]


PLAIN = list(map(structure, all_pages("word")))


@given(hostile_words)
def test_nothing_breaks_out_of_a_page(word: str) -> None:
    """Whatever stands in a name, a path, a value or a message, a parser sees the same page."""
    assert list(map(structure, all_pages(word))) == PLAIN


@given(hostile_words)
def test_nothing_is_left_for_a_forge_to_find(word: str) -> None:
    """Outside of code there is nobody to notify, no issue, no commit and no address."""
    for page in all_pages(word):
        for text in bare_texts(page):
            theirs = text.removeprefix("~ drifted")
            assert not re.search(r"[@#$^~&`<>\\]|://|[^\W\d]\.\w|[0-9a-f]{7}|!\d|:\w+:", theirs)


@given(hostile_words)
def test_every_line_of_a_diff_has_its_sign(word: str) -> None:
    """Nobody else begins a line of one, so that what is added cannot pass for removed."""
    expected = [[line[0] for line in block.splitlines()] for block in fences(all_pages("x")[0])]
    found = fences(all_pages(word)[0])
    if "\n" not in word:
        assert [[line[0] for line in block.splitlines()] for block in found] == expected
    assert all(line[0] in "+-! @" for block in found for line in block.splitlines())


@given(st.lists(st.text("`~ ax", max_size=12).filter(lambda text: text.count("`") <= 8)))
def test_a_fence_is_longer_than_what_it_holds(texts: list[str]) -> None:
    """The block ends where it ends, and shows what was there, but for what a runner obeys."""
    block = diff_block([ChangeLine(" ", text) for text in texts])
    assert fences(block) == ["".join(f"  {escape_terminal(text)}\n" for text in texts)]


@given(hostile_words)
def test_a_marker_is_one_comment(stack: str) -> None:
    """A workflow finds it by its text, and nothing in a stack's name ends it."""
    assert re.fullmatch(r"<!-- reconciler:plan:[\w.~%-]* -->", marker("plan", stack))
    assert "--" not in marker("plan", stack)[4:-3]
    assert marker("plan", "team-a") == "<!-- reconciler:plan:team-a -->"


def test_long_stacks_keep_their_own_markers() -> None:
    """Also where they are cut."""
    assert len({marker("plan", f"{'x' * 200}{n}") for n in range(3)}) == 3

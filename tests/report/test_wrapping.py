"""Text for a terminal ends its lines between words."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.report.text.formatting import wrap_words

words = st.lists(st.text("abcdef-/", min_size=1, max_size=30), min_size=1, max_size=20)


@given(words, st.integers(10, 160), st.integers(0, 6))
def test_no_word_is_broken_and_no_line_is_longer_than_it_has_to_be(
    parts: list[str], width: int, indent: int
) -> None:
    """All words stay in their order; only one that is longer than a line stands beyond its end."""
    wrapped = wrap_words(" " * indent + " ".join(parts), width)
    assert wrapped.split() == parts
    for line in wrapped.splitlines():
        assert len(line) <= width or len(line.split()) == 1


@pytest.mark.parametrize("width", [80, 100, 160])
def test_what_fits_stays_as_it_is(width: int) -> None:
    """Tables and short lines keep their blanks."""
    line = "  + create   4501/chat      Deployment  0 → 2 GPUs  chat.yaml:1"
    assert wrap_words(f"{line}\n\n{line}", width) == f"{line}\n\n{line}"


def test_colours_take_no_room() -> None:
    """An escape sequence is not counted, and none is cut."""
    line = f"{click.style('error:', fg='red')} {'word ' * 20}".rstrip()
    wrapped = wrap_words(line, 40)
    assert click.unstyle(wrapped) == wrap_words(click.unstyle(line), 40)
    assert wrapped.startswith("\x1b[31merror:\x1b[0m word")


def test_a_command_in_quotes_is_not_broken() -> None:
    """Copied from two lines it would not run."""
    line = "  hint: restore it or run 'reconciler state recover --state nope.db'; only then go on"
    assert wrap_words(line, 50) == (
        "  hint: restore it or run\n"
        "    'reconciler state recover --state nope.db';\n"
        "    only then go on"
    )

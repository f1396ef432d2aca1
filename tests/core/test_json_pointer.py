"""Specification of JSON pointers: RFC 6901."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.json_pointer import escape_step, join_steps, split_pointer

# RFC 6901, section 5, as far as its pointers are not about the members of one document.
EXAMPLES = {
    "": [],
    "/": [""],
    "/foo/0": ["foo", "0"],
    "/a~1b": ["a/b"],
    "/m~0n": ["m~n"],
    "/~01": ["~1"],
    "/ ": [" "],
}


def test_the_examples_of_the_standard_are_read_and_written() -> None:
    """Both directions; an escaped tilde before a 1 is no slash."""
    assert {pointer: split_pointer(pointer) for pointer in EXAMPLES} == EXAMPLES
    assert {join_steps(steps): steps for steps in EXAMPLES.values()} == EXAMPLES
    assert escape_step("a/b~") == "a~1b~0"


def test_an_index_is_written_as_its_number() -> None:
    """Steps into lists are numbers in paths, and text in pointers."""
    assert join_steps(["items", 3, "name"]) == "/items/3/name"


@given(st.lists(st.text()))
def test_what_is_written_is_read_again(steps: list[str]) -> None:
    """Whatever characters the steps hold."""
    assert split_pointer(join_steps(steps)) == steps

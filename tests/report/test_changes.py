from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff.diff import ABSENT, SENSITIVE, FieldChange, find_changes
from reconciler.core.redact import Redactor
from reconciler.report.changes import (
    FIRST_LINES,
    ChangeLine,
    change_lines,
)
from tests.support.strategies import json_values

SECRET, OTHER = "(sensitive 0123456789abcdef)", "(sensitive fedcba9876543210)"
THIRD = "(sensitive 0000000000000000)"


def shown(before: Any, after: Any, pointer: str = "/a") -> list[str]:
    """Return the lines of one change, as a view with a margin shows them."""
    lines = change_lines(FieldChange(pointer=pointer, before=before, after=after))
    return [f"{'  ' if line.inner else ''}{line.sign} {line.text}" for line in lines]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (1, 2, "~ /a: 1 → 2"),
        (None, True, "~ /a: null → true"),
        ("1", 1, '~ /a: "1" → 1'),
        ("a", "é\u202e", '~ /a: "a" → "é\u202e"'),
        (ABSENT, 3, "+ /a: 3"),
        ("x", ABSENT, '- /a: "x"'),
        (ABSENT, {"k": "ü"}, '+ /a: {"k": "ü"}'),
        ([1], ABSENT, "- /a: [1]"),
        ([1, 2], [2, 1], "~ /a: [1, 2] → [2, 1]"),
        ("one\n", "two\n", '~ /a: "one\\n" → "two\\n"'),
        ("one", "two\nlines", '~ /a: "one" → "two\\nlines"'),
    ],
)
def test_a_change_is_a_line(before: Any, after: Any, line: str) -> None:
    """Values as JSON, each side where it is; a text is one of several lines or it is a value."""
    assert shown(before, after) == [line]


def test_the_whole_document_has_a_pointer_too() -> None:
    """An empty pointer would look like a missing one."""
    assert shown(1, 2, pointer="") == ["~ /: 1 → 2"]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (SECRET, OTHER, f"~ /a: {SENSITIVE}"),
        (SECRET, "plain", '~ /a: (sensitive) → "plain"'),
        ("--port 1", f"--port 1 --t={SECRET}", '~ /a: "--port 1" → "--port 1 --t=(sensitive)"'),
        (f"a --t={SECRET}", f"b --t={SECRET}", '~ /a: "a --t=(sensitive)" → "b --t=(sensitive)"'),
        (ABSENT, SECRET, "+ /a: (sensitive)"),
        (SECRET, ABSENT, "- /a: (sensitive)"),
        (f"--token={SECRET}", ABSENT, '- /a: "--token=(sensitive)"'),
        (ABSENT, {"TOKEN": SECRET, "a": 1}, '+ /a: {"TOKEN": "(sensitive)", "a": 1}'),
    ],
)
def test_a_secret_is_only_said_to_be_there_or_to_change(before: Any, after: Any, line: str) -> None:
    """Nor is the digest that stands for it shown: it would look like a value."""
    assert shown(before, after) == [line]


def test_texts_of_several_lines_are_compared_line_by_line() -> None:
    """What stayed is shown around what changed, with where in the text it is."""
    before = "#!/bin/sh\nset -e\npip install a\ntrain --epochs 1\necho done\n"
    after = "#!/bin/sh\nset -e\npip install a b\ntrain --epochs 1\necho done\n"
    assert shown(before, after, "/manifest/data/run.sh") == [
        "~ /manifest/data/run.sh:",
        "  @ -1,5 +1,5",
        "    #!/bin/sh",
        "    set -e",
        "  - pip install a",
        "  + pip install a b",
        "    train --epochs 1",
        "    echo done",
    ]


def test_a_secret_within_a_text_is_no_difference_unless_it_changed() -> None:
    """The lines around a secret stay readable."""
    before = f"a\nexport T={SECRET}\nexport U={OTHER}\nb\n"
    after = f"a\nexport T={SECRET}\nexport U={THIRD}\nc\n"
    assert shown(before, after) == [
        "~ /a:",
        "  @ -1,5 +1,5",
        "    a",
        "    export T=(sensitive)",
        f"  - export U={SENSITIVE}",
        "  - b",
        f"  + export U={SENSITIVE}",
        "  + c",
        "    ",
    ]


def test_a_line_with_a_new_secret_is_no_changed_one() -> None:
    """Only where there was one before can it have changed."""
    assert shown("a\nb\n", f"a\nb\nexport T={SECRET}\n")[-3:] == [
        "    b",
        "  + export T=(sensitive)",
        "    ",
    ]


def test_a_new_text_is_shown_whole() -> None:
    """It is what will be sent. What goes is shown by its first lines, and how many there were."""
    text = "".join(f"line {i}\n" for i in range(1, 13))
    assert shown(ABSENT, text) == ["+ /a: 12 lines", *(f"  + line {i}" for i in range(1, 13))]
    first = [f"  - line {i}" for i in range(1, 9)]
    assert shown(text, ABSENT) == ["- /a: 12 lines", *first, "  @ … 4 more lines"]
    nine = "\n".join(f"line {i}" for i in range(1, 10))
    assert shown(nine, ABSENT) == [
        "- /a: 9 lines",
        *(f"  - line {i}" for i in range(1, 10)),
    ]


def test_a_new_map_with_much_in_it_is_shown_as_an_outline() -> None:
    """A line for each scalar, in the manner of the specs; a few of them stay on one line."""
    volume = {
        "name": "cache",
        "persistentVolumeClaim": {"claimName": "models", "readOnly": True},
        "odd key": [{"a": 1, "b": []}, [2, "x"], {}],
    }
    assert shown(ABSENT, volume) == [
        "+ /a:",
        '  + name: "cache"',
        '  + "odd key":',
        "  +   - a: 1",
        "  +     b: []",
        "  +   - - 2",
        '  +     - "x"',
        "  +   - {}",
        "  + persistentVolumeClaim:",
        '  +   claimName: "models"',
        "  +   readOnly: true",
    ]
    assert shown(ABSENT, {"a": {"b": ["x" * 90, {}]}, "c": None}) == [
        f'+ /a: {{"a": {{"b": ["{"x" * 90}", {{}}]}}, "c": null}}'
    ]


def test_long_values_are_cut_around_what_differs() -> None:
    """Beginning and end stay, and so does the difference with what is next to it."""
    image = "registry.example/some/very/long/path/to/an/image/{}/of/a/server/with/suffix:1"
    [line] = shown(image.format("first"), image.format("second"))
    assert line == (
        '~ /a: "registry.exa … ath/to/an/image/first/of/a/server/with/suffix:1" → '
        '"registry.exa … ath/to/an/image/second/of/a/server/with/suffix:1"'
    )


def test_a_changed_word_in_a_long_line_is_shown() -> None:
    """In an argument, and in a line of a script: what is cut is what both have."""
    start, end = "set -e; " + "export A=1; " * 40, " | tee /var/log/train.log" * 20
    [line] = shown(f"{start}curl a.sh{end}", f"{start}curl b|sh{end}")
    assert "curl a.sh | tee" in line
    assert "curl b|sh | tee" in line
    assert len(line) < 200
    lines = shown(f"one\n{start}curl a.sh{end}\n", f"one\n{start}curl b|sh{end}\n")
    assert ["curl a.sh" in line for line in lines if line.startswith("  -")] == [True]
    assert ["curl b|sh" in line for line in lines if line.startswith("  +")] == [True]


def test_a_script_with_many_changes_is_shown_with_all_of_them() -> None:
    """Also where comparing would take the square of its lines: then as it was and as it is."""
    before, after = ("".join(f"{word} {i}\n" for i in range(1500)) for word in "ab")
    assert shown(before, after) == [
        "~ /a:",
        "  @ -1,1501 +1,1501",
        *(f"  - a {i}" for i in range(1500)),
        "  - ",
        *(f"  + b {i}" for i in range(1500)),
        "  + ",
    ]


texts = st.text(alphabet="ab\n", max_size=120)
values = st.one_of(
    json_values,
    texts,
    texts.map(lambda text: text * 30),
    st.lists(st.dictionaries(st.sampled_from("abc"), texts, max_size=3), max_size=12),
    st.sampled_from([SECRET, OTHER, f"a\nT={SECRET}\n", f"b\nT={SECRET}\nU={OTHER}", "x" * 500]),
)
pairs = st.one_of(
    st.tuples(values, values),
    st.tuples(st.just(ABSENT), values),
    st.tuples(values, st.just(ABSENT)),
)


def is_text(value: Any) -> bool:
    """Whether a value has several lines."""
    return isinstance(value, str) and "\n" in value.rstrip("\n")


@given(pairs, st.text(max_size=300))
def test_a_change_begins_with_its_field(pair: tuple[Any, Any], pointer: str) -> None:
    """One line, but for texts on both sides and for what is there on one side only."""
    before, after = pair
    lines = list(change_lines(FieldChange(pointer=pointer, before=before, after=after)))
    texts_differ = is_text(before) and is_text(after)
    whole = before is ABSENT or after is ABSENT
    assert len(lines) == 1 or texts_differ or whole
    assert after is not ABSENT or len(lines) <= FIRST_LINES + 2
    assert not lines[0].inner
    assert all(line.inner for line in lines[1:])
    assert all("\n" not in line.text for line in lines[1:])


@given(pairs)
def test_no_stand_in_of_a_secret_is_shown(pair: tuple[Any, Any]) -> None:
    """Neither side gives away the digest that tells two secrets apart."""
    before, after = pair
    lines = change_lines(FieldChange(pointer="/a", before=before, after=after))
    told = "".join(line.text for line in lines)
    assert SECRET not in told
    assert OTHER not in told


@given(texts, texts)
def test_texts_can_be_read_back_from_their_difference(before: str, after: str) -> None:
    """Context and removals are the lines of the one text, context and additions of the other."""
    if not (is_text(before) and is_text(after)) or before == after:
        return
    lines = list(change_lines(FieldChange(pointer="/a", before=before, after=after)))[1:]
    for text, sign in ((before, "-"), (after, "+")):
        left = text.split("\n")
        for line in lines:
            if line.sign in (sign, " "):
                # In this order, with only unchanged lines in between.
                left = left[left.index(line.text) + 1 :]


@given(*[st.text(alphabet="ab|", max_size=200)] * 4)
def test_what_differs_in_a_long_value_is_never_cut(
    head: str, one: str, other: str, tail: str
) -> None:
    """Whatever stands around it, and however long it is itself."""
    before, after = f"{head}<{one}>{tail}", f"{head}[{other}]{tail}"
    [line] = change_lines(FieldChange(pointer="/a", before=before, after=after))
    old, _, new = line.text.removeprefix("/a: ").partition(" → ")
    assert f"<{one}>" in old
    assert f"[{other}]" in new


def test_a_redacted_spec_shows_its_changed_secrets() -> None:
    """From a spec to the line: the secret is nowhere, its change is."""
    redactor = Redactor("l")
    before = redactor.redact({"args": ["--token=aaaa", "--n=1"]})
    after = redactor.redact({"args": ["--token=bbbb", "--n=1"]})
    [change] = find_changes(before, after)
    assert list(change_lines(change)) == [ChangeLine("~", f'/args/0: "--token={SENSITIVE}"')]


def test_an_ignored_field_is_marked() -> None:
    """It is what the spec says, and what is sent keeps what runs."""
    change = FieldChange(pointer="/a", before=1, after=2, ignored=True)
    assert list(change_lines(change)) == [
        ChangeLine("~", "/a: 1 → 2  (ignored: the running value is kept)")
    ]

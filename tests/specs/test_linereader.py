from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.specs.source.eventreader import read_events
from reconciler.specs.source.linereader import DEEPEST, LONGEST, read_lines
from reconciler.specs.source.readers import read_carefully
from reconciler.specs.source.source_text import SourceText
from tests.specs.strategies import mutated

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"

ORDINARY = """\
# a workload

---
metadata:
  name: llm-7b  # the small one
  projectId: "4501"
  note: ''
manifest:
  apiVersion: batch/v1
  kind: Job
  spec:
    replicas: 3
    fraction: 0.5
    on-time: true
    image: registry.example.com:5000/a/b:1.2
    command: ["python", 'train.py', --fast, 3]
    limits: {nvidia.com/gpu: 1, memory: "2Gi", tolerated: null}
    none: {}
    nested: {matchLabels: {app: llm}, images: [a:1, {name: b, image: registry/b:1}], deep: [[]]}
    empty:
    script: |
      echo one

      echo "two"  # kept
    stripped: |-
        deep
      # a comment, not text
    list:
    - - 1
      - a b
    - name: c
      value: "x # y"
      inner:
        - |
          text
    env:
      - name: FIRST
        value: "1"
      - name: SECOND
        value: two
        # with a source
        valueFrom:
          key: a

      - name: THIRD
        value: |
          text
    last: é 😀
"""

SHARED = """\
metadata:
  name: llm
  labels: &id001
    app: llm

    # with a comment
    args: [a, b]
manifest:
  args: &id002
  - one
  - name: two
    value: &id_3
      deep: {a: b}
  spec:
  - labels: *id001
    more: *id002
  - labels: &id001
      same: *id_3
    again: *id001
  last: 1
"""

SCALARS = st.sampled_from(
    [
        *("a", "a b", "1", "1.5", "true", "null", "~", "no", "1e3", "017", "0x1F", "2026-01-01"),
        *('"q"', '""', '"a\\tb"', "'q'", "'it''s'", '"a" b', "'a", "http://x", "a: b", "a:", "a:b"),
        *(
            "-",
            "- a",
            "-a",
            "--a",
            "---",
            "...",
            "- - a",
            "?",
            "? a",
            "&a b",
            *("&a", "&b", "&a", "*a", "*b", "*a", "*c", "&a # c", "*a "),
            "!!str 1",
            "<<",
        ),
        *(
            "|",
            "|-",
            "|+",
            "|2",
            ">",
            ">-",
            "| # c",
            "[]",
            "{}",
            "[a, b]",
            "[a,",
            "[a, ]",
            "{a: 1}",
        ),
        *(
            "{a: 1, a: 2}",
            "{a}",
            "[a: 1]",
            "[[a]]",
            "[1e3, no]",
            "{no: 1}",
            "[-]",
            "[ 'a' ]",
            "{a:1}",
        ),
        *(
            "a # c",
            "a #",
            "# c",
            "#c",
            "a#b",
            " ",
            "",
            "=",
            "%a",
            "@a",
            "`a",
            "\ta",
            "a\t",
            "a\u2028b",
        ),
        *(
            "\x85",
            "\xa0",
            "\ufeff",
            "9" * 30,
            ".inf",
            "falsehood",
            "Trueish:1",
            "n:1",
            "a:",
            "a::b",
            "registry/a:1.2",
            "{a: {b: 1}, c: [d, {}]}",
            "{a: {b: 1, b: 2}}",
            "{ a : 1 }",
            "{a: [1] }",
            "[a,b]",
            "[a, [b], ]",
            "[}a]",
            "[a}",
            "{a: 1]",
            "[{a: no}]",
            "[a:1, a::1, a: 1]",
            "[a:1, b]",
            "{a: x:1/y}",
            "{a: b}  # c",
            "{a: , b: c}",
            "[" * 30 + "]" * 30,
            '["a"]',
            '["a", "b: c", ""]',
            '["a","b"]',
            "1_000",
            "0b1",
            "1:30",
            ".5",
            "+1",
            "500m",
            "2Gi",
        ),
    ]
)
KEYS = st.sampled_from(["a", "b", "c/d", "no", "y", "<<", "1", "null", "x y", '"q"', "k" * 300, ""])


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A line as it may stand anywhere in a block: indentation, dashes, a key, a value."""
    indent = " " * draw(st.integers(0, 6))
    dashes = draw(st.sampled_from(["", "", "", "- ", "- - ", "-  ", "-"]))
    key = draw(st.one_of(st.just(""), KEYS.map(lambda key: key + ": "), KEYS.map("{}:".format)))
    return f"{indent}{dashes}{key}{draw(SCALARS)}\n"


BLOCKS = st.lists(rows(), min_size=1, max_size=8).map("".join)


# Values that are the same object, which PyYAML writes once and then as aliases.
SHARING = st.recursive(
    st.sampled_from(["a", "b c", 1, True, None, "no", "|"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "c/d", "e"]), inner, min_size=1, max_size=4),
        inner.map(lambda value: {"a": value, "b": value, "c": [{"d": value}, 1], "e": 1}),
    ),
    max_leaves=12,
).map(lambda value: yaml.safe_dump({"k": value, "l": value, "z": "end"}, sort_keys=False))


@settings(max_examples=400)
@given(
    st.one_of(
        BLOCKS,
        BLOCKS.map(lambda rows: "a:\n" + rows),
        st.just(ORDINARY),
        mutated(st.just(ORDINARY)),
        st.just(SHARED),
        mutated(st.just(SHARED)),
        SHARING,
        mutated(SHARING),
        mutated(BLOCKS),
    )
)
def test_what_fast_readers_take_they_read_as_the_careful_one(text: str) -> None:
    """Values, slices and places are the same; what has a finding or is ambiguous is declined."""
    source = SourceText(file="a.yaml", text=text)
    careful = read_carefully(source)
    by_lines = read_lines(source)
    if by_lines is not None:
        (document,) = careful.documents
        assert not careful.diagnostics
        assert not document.ambiguous
        assert repr(by_lines.value) == repr(document.value)
        assert (document.start, document.end) == (by_lines.start, by_lines.end) == (0, len(text))
        assert by_lines.where == document.where
    events = read_events(source)
    if events:
        assert not careful.diagnostics
        assert [repr(one.value) for one in events] == [repr(one.value) for one in careful.documents]


@pytest.mark.parametrize("text", [ORDINARY, SHARED])
def test_ordinary_files_are_taken(text: str) -> None:
    """Comments, quotes, literal and shared blocks, flow collections are no reason to decline."""
    source = SourceText(file="a.yaml", text=text)
    document = read_lines(source)
    assert document is not None
    assert repr(document.value) == repr(read_carefully(source).documents[0].value)


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES))
)
def test_the_examples_are_taken_by_a_fast_reader(path: Path) -> None:
    """Nobody who writes specs like them waits for the careful reader."""
    source = SourceText(file=path.name, text=path.read_text("utf-8"))
    assert read_lines(source) is not None or read_events(source)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "- a\n",
        "text\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\na: 2\n",
        "a: 1\n b: 2\n",
        "a:\n   b: 1\n  c: 2\n",
        "a: 1\r\n",
        "a: 1 # one\n",
        "a: x\n  y\n",
        "a: " + "x" * LONGEST + "\n",
        "".join(" " * depth + "a:\n" for depth in range(DEEPEST + 5)),
        "a: &a\n  b: *a\nc: 1\n",
        "a: *a\nb: &a\n  c: 1\nd: 1\n",
        "a: &a\n  b: 1\nc: *a\n  d: 1\ne: 1\n",
        "a: &a\nb: *a\nc: 1\n",
        "a: &x\n  b: 1\n  c: &x\n    d: 2\n  e: 3\nf: *x\ng: 1\n",
        # The end of this document is the end of what its alias repeats.
        "a: &a\n  b: 1\nc: *a\n",
        "a: &a\n  b: 1\nc: |\n  d: *a\ne: 1\n",
        "a0: &a0\n  b: 1\n"
        + "".join(f"a{i + 1}: &a{i + 1}\n  b: *a{i}\n  c: *a{i}\n" for i in range(30))
        + "z: 1\n",
        "a:\n" + "".join("  " * depth + "- - - - b\n" for depth in range(0, 90, 4)),
    ],
)
def test_what_is_out_of_the_ordinary_is_declined(text: str) -> None:
    """Wrong or just unusual: another reader decides, and says what there is to say."""
    assert read_lines(SourceText(file="a.yaml", text=text)) is None


def test_values_are_not_shared_between_documents() -> None:
    """Whoever changes what was read from one file does not change another's."""
    source = SourceText(file="a.yaml", text="a: [1]\nb: {c: 1}\nd: []\n")
    first, second = (read_lines(source) for _ in range(2))
    assert first is not None
    assert second is not None
    first.value["a"].append(2)
    first.value["b"]["x"] = 2
    first.value["d"].append(2)
    assert second.value == {"a": [1], "b": {"c": 1}, "d": []}

from __future__ import annotations

from pathlib import Path

import pytest
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
            "*a",
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


@settings(max_examples=400)
@given(
    st.one_of(
        BLOCKS,
        BLOCKS.map(lambda rows: "a:\n" + rows),
        st.just(ORDINARY),
        mutated(st.just(ORDINARY)),
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


def test_ordinary_files_are_taken() -> None:
    """Comments, quotes, literal blocks, flow collections on a line are no reason to decline."""
    source = SourceText(file="a.yaml", text=ORDINARY)
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

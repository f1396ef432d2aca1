from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.source.documents import Reading, read_trees
from reconciler.specs.source.nodes import Node, plain, walk
from reconciler.specs.source.readers import read_carefully, read_quickly, read_source
from reconciler.specs.source.source_text import Notation, SourceText, decode
from reconciler.specs.source.treereader import read_tree
from reconciler.specs.source.yamlreader import find_forbidden
from tests.specs.strategies import JSON_TEXTS, MAPPINGS, TEXTS, VALUES, mutated
from tests.support.specs import tell

REALISTIC = """\
# a workload
metadata: &who
  name: llm
  projectId: "4501"
manifest:
  apiVersion: batch/v1
  kind: Job
  spec:
    replicas: 3
    script: |
      echo one

      echo two
    folded: >-
      a
      b
    list:
      - 1
      - {a: b, c: [d, e]}
      - 'quoted ''text'''
    empty:
---
second: [x, "y\\tz"]
...
---
third: !!str 17
"""


def read(text: str, notation: Notation = "yaml") -> Reading:
    """Read a text as a page."""
    return read_source(SourceText(file="a.yaml", text=text, notation=notation))


def values(reading: Reading) -> list[Any]:
    """Return the plain values of all documents."""
    return [document.value for document in reading.documents]


def said(reading: Reading) -> list[str]:
    """Write the findings of a page, a line each."""
    return [tell(one).removeprefix("a.yaml:") for one in reading.diagnostics]


@given(st.lists(VALUES.filter(lambda value: value is not None), min_size=1, max_size=3))
def test_json_is_yaml_and_json(documents: list[Any]) -> None:
    """Every JSON value is read back unchanged, as a .json file and as YAML documents."""
    texts = [json.dumps(value, ensure_ascii=False) for value in documents]
    assert values(read(texts[0], "json")) == documents[:1]
    if all(_is_yaml(value) for value in documents):
        assert values(read("\n---\n".join(texts))) == documents


def _is_yaml(value: Any) -> bool:
    """Whether JSON's text for a value is also YAML for it: controls and merge keys are not."""
    text = json.dumps(value, ensure_ascii=False)
    return '"<<"' not in text and not find_forbidden(text)


@given(MAPPINGS)
def test_what_pyyaml_writes_is_read(value: dict[str, Any]) -> None:
    """Block style, line folding and quoting of a common writer are understood."""
    text = yaml.safe_dump(value, allow_unicode=True, width=20, sort_keys=False)
    reading = read_carefully(SourceText(file="a.yaml", text=text))
    if reading.diagnostics or reading.documents[0].ambiguous:
        return  # the writer follows YAML 1.1, and takes `1e3` for text
    assert json.dumps(values(reading)[0]) == json.dumps(value)


@given(st.one_of(st.just(REALISTIC), JSON_TEXTS, mutated(st.just(REALISTIC))))
def test_the_fast_way_agrees_with_the_careful_one(text: str) -> None:
    """Whatever the fast reader does not decline, it reads just as the careful one."""
    for notation in ("yaml", "json"):
        page = SourceText(
            file="a.yaml", text=text, notation="yaml" if notation == "yaml" else "json"
        )
        quick = read_quickly(page)
        if not quick:
            continue
        careful = read_carefully(page)
        assert not careful.diagnostics
        assert [_slice(one) for one in careful.documents] == [_slice(one) for one in quick]


@given(
    st.one_of(
        st.just(REALISTIC), JSON_TEXTS, MAPPINGS.map(yaml.safe_dump), mutated(st.just(REALISTIC))
    )
)
def test_the_fast_way_to_places_agrees_with_the_careful_one(text: str) -> None:
    """Every key and value has the same place and reading in both trees."""
    page = SourceText(file="a.yaml", text=text)
    for document in read_carefully(page).documents:
        quick = read_tree(page, document.start, document.end)
        # A text that YAML refuses may have been read as JSON, which has a reader of its own.
        if quick is not None and document.source.notation == "yaml":
            [careful] = read_trees(page, [], document.start, document.end)
            assert list(map(_place, walk(quick))) == list(map(_place, walk(careful.root)))


def test_places_are_read_in_the_fast_way() -> None:
    """A document without anchors and tags is, also where its scalars are ambiguous."""
    assert read_tree(SourceText(file="a.yaml", text="a: [0400, on]\n"), 0, 14) is not None
    assert read_tree(SourceText(file="a.yaml", text="a: &a 1\nb: *a\n"), 0, 14) is None


def _place(found: tuple[Any, Node]) -> tuple[Any, ...]:
    path, node = found
    value = None if isinstance(node.value, dict | list) else repr(node.value)
    return path, node.start, node.end, value, node.yaml11, node.integer


def _slice(one: Any) -> tuple[Any, ...]:
    return (one.start, one.end, one.first, repr(one.value))


def test_the_fast_way_takes_ordinary_files() -> None:
    """Comments, block scalars, quotes and several documents are no reason to decline."""
    ordinary = REALISTIC.replace("&who", "").replace("!!str ", "")
    assert read_quickly(SourceText(file="a.yaml", text=ordinary)) is not None
    as_json = json.dumps(values(read(ordinary))[0])
    assert read_quickly(SourceText(file="a.json", text=as_json, notation="json")) is not None


@given(st.one_of(st.just(REALISTIC), mutated(st.just(REALISTIC))))
def test_a_document_read_again_is_itself(text: str) -> None:
    """The tree that positions come from holds the value that was checked."""
    for document in read(text).documents:
        assert repr(plain(document.tree())) == repr(document.value)


@given(MAPPINGS, st.sampled_from(["yaml", "json"]))
def test_places_hold_what_they_name(value: dict[str, Any], notation: Notation) -> None:
    """The text at the place of any key or scalar of JSON is that key or scalar."""
    text = "\n\t" + json.dumps(value, indent=2, ensure_ascii=False)
    if notation == "yaml":
        text = text.replace("\t", "")
    reading = read(text, notation)
    for document in reading.documents if not reading.diagnostics else ():
        for path, node in walk(document.tree()):
            if not isinstance(node.value, dict | list):
                assert json.loads(text[node.start : node.end]) == node.value, path


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_lines_and_columns_are_an_editors(parts: list[str]) -> None:
    """A place counts line feeds and characters from one, whatever other breaks the text holds."""
    text = "\n".join(parts)
    page = SourceText(file="a.yaml", text=text)
    offset = len(text) // 2
    where = page.where(offset, len(text))
    lines = text.split("\n")
    assert text[offset:] == "\n".join(
        [lines[where.line - 1][where.column - 1 :], *lines[where.line :]]
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        (
            "a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc: {<<: [*a, *b]}\n",
            {"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}},
        ),
        ('a: {"<<": 1}\n', {"a": {"<<": 1}}),
        ("on: yes\n", {"on": "yes"}),
        ('a: !!int "3"\nb: !!str 3\nc: ! 3\nd: !!float 3\n', {"a": 3, "b": "3", "c": "3", "d": 3}),
        ("? a\n: b\n? c\n", {"a": "b", "c": None}),
        ("\ufeffa: 1\r\nb: |\r\n  x\r\n  y\r\n", {"a": 1, "b": "x\ny\n"}),
        ('{"a": "\\ud83d\\ude00"}\n', {"a": "😀"}),
        ('a: "\\U0001F600"\n', {"a": "😀"}),
    ],
)
def test_yaml_as_people_write_it(text: str, value: Any) -> None:
    """Anchors, merge keys, tags of JSON's own types, byte order marks and line ends are read."""
    page = decode(text.encode(), "a.yaml")
    assert isinstance(page, SourceText)
    reading = read_source(page)
    assert (values(reading), said(reading)) == ([value], [])


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_bytes_that_are_no_text_are_where_an_editor_shows_them(mark: str) -> None:
    """A byte order mark in front takes no column."""
    problem = decode(f"{mark}a: 1\nb: ".encode() + b"\xff\n", "a.yaml")
    assert isinstance(problem, Diagnostic)
    assert tell(problem) == (
        "a.yaml:2:4-2:4 error not-text: the file is not UTF-8 text | save it as UTF-8"
    )


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("a: &a [*a]\n", "1:8-1:10 error unknown-alias: the alias *a refers to itself"),
        (
            "[a]: b\n",
            "1:1-1:4 error non-string-key: a key cannot be a mapping or a list",
        ),
        ("~: b\n", '1:1-1:2 error non-string-key: the key ~ is not a string | quote it: "~"'),
        ("? \n: b\n", "1:2-1:2 error non-string-key: the key null is not a string | write the key"),
        ("a: !!int x\n", "1:4-1:11 error unsupported-tag: 'x' is not a value of !!int"),
        ("a: !!set {b}\n", ("1:4-1:9 error unsupported-tag: the tag !!set has no meaning here: a"
         " spec holds JSON values | remove the tag")),
        ("a: !!int 99999999999999999999\n",
         "1:10-1:30 error unsupported-number: 99999999999999999999 does not fit into 64 bits"),
        ("a: {<<: {b: 1}, <<: {c: 1}}\n",
         "1:17-1:19 error duplicate-key: '<<' is given twice | merge a list: <<: [*a, *b]"),
        ("a: {<<: []}\n", "1:9-1:11 error bad-merge: '<<' merges mappings only"),
        ('"abc\n', ("2:1-2:1 error yaml-syntax: not YAML: found unexpected end of stream, while"
         " scanning a quoted scalar that begins in line 1")),
    ],
)  # fmt: skip
def test_yaml_that_has_no_meaning_here(text: str, finding: str) -> None:
    """Each gets one finding at its place."""
    assert said(read(text)) == [finding]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('{"a": 1, "a": 2}', ("1:10-1:13 error duplicate-key: the key 'a' is already given in line"
         " 1, column 2 | keep one of them")),
        ("[NaN]", "1:2-1:5 error unsupported-number: NaN is not a number that JSON can hold"),
        ("[1e999]", "1:2-1:7 error unsupported-number: 1e999 is too large for a number"),
        ("[" * 101 + "]" * 101, "1:101-1:102 error too-deep: nested more than 100 levels deep"),
        ("[" + "1," * 100_000 + "1]",
         "1:200000-1:200001 error too-big: the document has more than 100,000 values"),
        ("[1, 2", "1:6-1:6 error json-syntax: not JSON: expected ',' or ']'"),
        ('{"a" 1}', "1:6-1:7 error json-syntax: not JSON: expected ':' after a key"),
        ('{"a": 1 "b": 2}', "1:9-1:10 error json-syntax: not JSON: expected ',' or '}'"),
        ("{} {}", "1:4-1:5 error json-syntax: not JSON: text after the end of the document"),
        ("[nul]", "1:2-1:3 error json-syntax: not JSON: expected a value"),
        ("[", "1:2-1:2 error json-syntax: not JSON: the text ends too early"),
        ('["a\nb"]', ("1:2-1:3 error json-syntax: not JSON: a string that does not end, or holds a"
         " control character")),
        ('["\\x"]', "1:3-1:4 error json-syntax: not JSON: an escape that JSON does not have"),
    ],
)  # fmt: skip
def test_json_that_is_none(text: str, finding: str) -> None:
    """A .json file is JSON to the letter; what else it is, is told at its place."""
    assert said(read(text, "json")) == [finding]


def _bomb(width: int, levels: int) -> str:
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]"
        for level in range(1, levels)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (_bomb(9, 30), "too-big"),
        (_bomb(1, 200), "too-deep"),
        ("[" * 50_000, "too-deep"),
        ("- " * 25_000, "too-deep"),
        ("? " * 25_000, "too-deep"),
        ("{a: " * 12_000, "too-deep"),
        ("a: &a {x: 1}\n" + "<<: [" + "*a, " * 60_000 + "]\n", "too-big"),
    ],
)
def test_bombs_are_refused_in_no_time(text: str, code: str) -> None:
    """Nesting and aliases are bounded while reading, not after building."""
    begun = time.perf_counter()
    codes = {one.code for one in read(text).diagnostics}
    assert code in codes
    assert time.perf_counter() - begun < 1


def test_what_files_have_in_common_is_in_memory_once() -> None:
    """Keys and short values of thousands of specs, which are much the same."""
    (one,), (other,) = (values(read(f"kind: Job\n{end}")) for end in ("", "\n"))
    assert one == other == {"kind": "Job"}
    assert next(iter(one)) is next(iter(other))
    assert one["kind"] is other["kind"]

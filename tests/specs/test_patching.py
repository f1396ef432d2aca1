from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.compose.patching import Patch, first_overlap
from reconciler.specs.source.nodes import plain, walk
from reconciler.specs.source.readers import read_source
from reconciler.specs.source.source_text import SourceText
from tests.specs.strategies import KEYS, MAPPINGS, VALUES, tree

POINTERS = st.lists(KEYS | st.sampled_from(["0", "1", "-"]), min_size=1, max_size=3).map(
    lambda steps: "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
)
PATCHES = st.fixed_dictionaries(
    {"match": st.just({"name": "*"})},
    optional={
        "patch": MAPPINGS,
        "set": st.dictionaries(POINTERS, VALUES, max_size=2),
        "remove": st.lists(POINTERS, max_size=2),
    },
)


def patch(value: Any) -> Patch:
    """Return a patch as it is read from a file."""
    text = SourceText(file="_patches.json", text=json.dumps(value), notation="json")
    return Patch(document=read_source(text).documents[0])


@pytest.mark.parametrize(
    ("original", "merged", "result"),
    [
        # The table of RFC 7396, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_the_standard(original: Any, merged: Any, result: Any) -> None:
    """`patch` does what RFC 7396 says of each of its examples."""
    assert patch({"patch": merged}).apply(original) == (result, [])


@given(MAPPINGS, PATCHES)
def test_places_are_those_of_the_values(spec: dict[str, Any], written: dict[str, Any]) -> None:
    """The patched tree holds the patched value, whatever a pointer leads to."""
    one = patch(written)
    assert plain(one.apply_to_tree(tree(spec))) == one.apply(spec)[0]


@given(MAPPINGS, PATCHES)
def test_what_is_new_stands_in_the_patch(spec: dict[str, Any], written: dict[str, Any]) -> None:
    """Each part of a patched tree stands in the spec or in the patch, just as it is there."""
    for _, node in walk(patch(written).apply_to_tree(tree(spec))):
        assert node.source.file in ("a.json", "_patches.json")
        if isinstance(node.value, str | int | float) and node.source.file == "a.json":
            assert json.loads(node.source.text[node.start : node.end]) == node.value


@given(MAPPINGS, PATCHES)
def test_a_patch_changes_a_copy(spec: dict[str, Any], written: dict[str, Any]) -> None:
    """Specs share the parts of their defaults, and none of them sees what is patched in another."""
    before = json.dumps(spec)
    patch(written).apply(spec)
    assert json.dumps(spec) == before


def test_pointers_reach_items_of_lists() -> None:
    """Set replaces an item or adds one, remove closes the gap, both in their order."""
    spec = {"manifest": {"args": ["a", "b", "c"], "env": [{"name": "X", "value": "1"}]}}
    one = patch(
        {
            "set": {"/manifest/args/1": "B", "/manifest/args/-": "d", "/manifest/env/0/value": "2"},
            "remove": ["/manifest/args/0", "/manifest/args/0", "/manifest/env/0/name"],
        }
    )
    patched = {"manifest": {"args": ["c", "d"], "env": [{"value": "2"}]}}
    assert one.apply(spec) == (patched, [])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"set": {"/a/b/c": 1}}, (("set", "/a/b/c"), "there is no 'b'")),
        ({"set": {"/a/b/c": 1}, "remove": []}, (("set", "/a/b/c"), "there is no 'b'")),
        (
            {"set": {"/n/0": 1}},
            (("set", "/n/0"), "what should hold '0' is no mapping and no list"),
        ),
        ({"remove": ["/x"]}, (("remove", 0), "there is no 'x'")),
        (
            {"remove": ["/l/0", "/l/5"]},
            (("remove", 1), "the list has no item '5', but 1 from 0 on"),
        ),
    ],
)
def test_a_pointer_that_leads_nowhere_is_told(written: Any, said: tuple[Any, str]) -> None:
    """What cannot be set or removed is named by its place in the patch, with the reason."""
    _, unreachable = patch(written).apply({"a": {}, "n": 1, "l": [1, 2]})
    assert [tuple(one) for one in unreachable] == [said]


@pytest.mark.parametrize(
    ("earlier", "later", "overlap"),
    [
        ({"patch": {"a": {"b": 1}}}, {"patch": {"a": {"c": 1}}}, None),
        (
            {"patch": {"a": {"b": 1}}},
            {"patch": {"a": {"b": 2}}},
            (("a", "b"), ("patch", "a", "b"), ("patch", "a", "b")),
        ),
        (
            {"set": {"/a/b/0": 1}},
            {"remove": ["/c", "/a"]},
            (("a",), ("set", "/a/b/0"), ("remove", 1)),
        ),
    ],
)
def test_two_patches_overlap_in_a_field(earlier: Any, later: Any, overlap: Any) -> None:
    """They do where one writes a field that the other writes as a whole or in part."""
    assert first_overlap(patch(earlier), patch(later)) == overlap

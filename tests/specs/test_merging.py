from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.compose.merging import merge, merge_trees
from reconciler.specs.source.nodes import plain, walk
from tests.specs.strategies import MAPPINGS, tree

# Documents in which a key always holds the same kind of value, as under one schema.
LEAVES = st.dictionaries(st.sampled_from("pqr"), st.integers() | st.none(), max_size=3)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.dictionaries(
            st.sampled_from(["name", "project", "projectId", "priority"]), st.text(max_size=3)
        ),
        "manifest": st.fixed_dictionaries(
            {}, optional={"spec": LEAVES, "args": st.lists(st.none())}
        ),
        "manifestFile": st.text(max_size=3),
        "lifecycle": LEAVES,
    },
)


@given(MAPPINGS)
def test_nothing_laid_over_or_under_changes_nothing(value: dict[str, Any]) -> None:
    """The empty document is neutral on both sides."""
    assert merge({}, value) == value
    assert merge(value, {}) == value


@given(MAPPINGS)
def test_a_document_over_itself_is_itself(value: dict[str, Any]) -> None:
    """Merging is idempotent."""
    assert merge(value, value) == value


@given(SPECS, SPECS, SPECS)
def test_grouping_is_nothing(far: Any, middle: Any, near: Any) -> None:
    """Folders may be merged from either end: only their order counts."""
    assert merge(merge(far, middle), near) == merge(far, merge(middle, near))


@given(MAPPINGS, MAPPINGS)
def test_what_is_nearer_survives_whole(far: dict[str, Any], near: dict[str, Any]) -> None:
    """Every leaf of the nearer document is in the result, and neither input is changed."""
    before = copy.deepcopy((far, near))
    merged = merge(far, near)
    assert (far, near) == before
    assert merge(merged, near) == merged


@given(SPECS, SPECS)
def test_alternatives_never_meet(far: Any, near: Any) -> None:
    """A project given nearer leaves no other spelling of it from farther away."""
    project = {"project", "projectId"}
    given_near = project & near.get("metadata", {}).keys()
    merged = project & merge(far, near).get("metadata", {}).keys()
    assert merged == given_near or not given_near


@given(MAPPINGS, MAPPINGS)
def test_trees_merge_as_values_do(far: dict[str, Any], near: dict[str, Any]) -> None:
    """What positions are looked up in is the document that was checked."""
    far_tree, near_tree = tree(far), tree(near)
    assert plain(merge_trees(far_tree, near_tree)) == merge(plain(far_tree), plain(near_tree))


@given(SPECS, SPECS)
def test_each_part_keeps_its_page(far: Any, near: Any) -> None:
    """A leaf of the merged tree comes from the nearer document wherever that has it."""
    far_tree, near_tree = tree(far), tree(near)
    owned = {path for path, _ in walk(near_tree)}
    for path, node in walk(merge_trees(far_tree, near_tree)):
        if not isinstance(node.value, dict | list):
            assert (node.source is near_tree.source) == (path in owned)

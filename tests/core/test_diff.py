from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core.diff.diff import (
    ABSENT,
    SENSITIVE,
    FieldChange,
    Origin,
    find_changes,
    is_ignored,
    is_same,
    project,
    with_value,
)
from reconciler.core.redact import Redactor
from tests.support.strategies import edits, json_objects, json_values


def changes(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Find changes, each as pointer, before and after."""
    return [(c.pointer, c.before, c.after) for c in find_changes(before, after)]


def apply_changes(value: Any, found: list[FieldChange]) -> Any:
    """Carry changes out: the reader's understanding of a pointer, in the dullest way."""
    return _apply(copy.deepcopy(value), [(c.pointer.split("/")[1:], c) for c in found])


def _apply(value: Any, found: list[tuple[list[str], FieldChange]]) -> Any:
    if not found:
        return value
    if any(not path for path, _ in found):
        [(_, only)] = found
        return only.after
    leaves = [(path[0], change) for path, change in found if len(path) == 1]
    removed = {key for key, change in leaves if change.after is ABSENT}
    added = {key: change.after for key, change in leaves if change.before is ABSENT}
    if isinstance(value, list):
        value = [item for i, item in enumerate(value) if str(i) not in removed]
        for key in sorted(added, key=int):
            value.insert(int(key), added[key])
    else:
        value = {key: item for key, item in value.items() if _escaped(key) not in removed}
        value |= {_plain(key): item for key, item in added.items()}
    inner = [(p, c) for p, c in found if len(p) > 1 or ABSENT not in (c.before, c.after)]
    for first in {path[0] for path, _ in inner}:
        at: Any = int(first) if isinstance(value, list) else _plain(first)
        value[at] = _apply(value[at], [(p[1:], c) for p, c in inner if p[0] == first])
    return value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _plain(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


@given(edits())
@example(([True, 2], [1, 3]))
@example(([{"a": True}, {"b": 1}], [{"a": 1}, {"b": 2}]))
@example(([{"name": "a"}, {"name": "b"}], [{"name": "c"}, {"name": "b"}]))
def test_changes_carried_out_on_the_old_document_give_the_new_one(pair: tuple[Any, Any]) -> None:
    """Nothing that differs is left out, and every pointer leads where it says."""
    before, after = pair
    assert is_same(apply_changes(before, find_changes(before, after)), after)


@given(edits())
def test_there_are_changes_exactly_between_what_differs(pair: tuple[Any, Any]) -> None:
    """Equality decides, the differences only explain."""
    before, after = pair
    assert (find_changes(before, after) == []) is is_same(before, after)


@given(json_values)
def test_nothing_differs_from_its_copy(value: Any) -> None:
    """A document has no changes against itself."""
    assert find_changes(value, copy.deepcopy(value)) == []


@given(edits())
def test_changes_come_in_the_order_of_their_pointers(pair: tuple[Any, Any]) -> None:
    """Indices are ordered as numbers, and before names."""

    def rank(pointer: str) -> list[tuple[bool, int, str]]:
        parts = pointer.split("/")[1:]
        return [(False, int(p), "") if p.isdecimal() else (True, 0, p) for p in parts]

    ranks = [rank(change.pointer) for change in find_changes(*pair)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 2, [("", 1, 2)]),
        ({"a": 1}, {"a": 2}, [("/a", 1, 2)]),
        ({"a": 1}, {}, [("/a", 1, ABSENT)]),
        ({}, {"a": None}, [("/a", ABSENT, None)]),
        ({"a": None}, {"a": {}}, [("/a", None, {})]),
        ({"a/b": 1, "~": 1}, {"a/b": 2, "~": 2}, [("/a~1b", 1, 2), ("/~0", 1, 2)]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("/a", 1, True)]),
        ({"a": 0}, {"a": False}, [("/a", 0, False)]),
        ({"a": "1"}, {"a": 1}, [("/a", "1", 1)]),
        (["a", "b", "c"], ["a", "b"], [("/2", "c", ABSENT)]),
        (["a", "c"], ["a", "b", "c"], [("/1", ABSENT, "b")]),
        (["a", "b"], ["a", "x"], [("/1", "b", "x")]),
        ([], ["a"], [("/0", ABSENT, "a")]),
        (["a", "b", "c"], ["x", "a", "b", "d"], [("/0", ABSENT, "x"), ("/3", "c", "d")]),
        ([["a", 1]], [["a", 2]], [("/0/1", 1, 2)]),
        ([{"x": 1, "y": 1}], [{"x": 1, "y": 2}], [("/0/y", 1, 2)]),
        ([True, 2], [1, 3], [("/0", True, 1), ("/1", 2, 3)]),
    ],
)
def test_a_difference_is_told_at_the_smallest_place(before: Any, after: Any, expected: Any) -> None:
    """A change names a field, not the document around it."""
    assert changes(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            [{"name": "A", "value": 1}, {"name": "B", "value": 1}],
            [{"name": "X", "value": 0}, {"name": "A", "value": 1}, {"name": "B", "value": 2}],
            [("/0", ABSENT, {"name": "X", "value": 0}), ("/2/value", 1, 2)],
        ),
        (
            [{"name": "A"}, {"name": "B"}],
            [{"name": "B"}],
            [("/0", {"name": "A"}, ABSENT)],
        ),
        (
            [{"name": "A"}, {"name": "B"}],
            [{"name": "B"}, {"name": "A"}],
            [("", [{"name": "A"}, {"name": "B"}], [{"name": "B"}, {"name": "A"}])],
        ),
    ],
)
def test_items_with_names_are_matched_by_name(before: Any, after: Any, expected: Any) -> None:
    """Containers, env and ports are compared with their namesakes; a new order is told as one."""
    assert changes(before, after) == expected


def test_items_with_the_same_name_twice_are_compared_in_order() -> None:
    """A name that is not unique identifies nothing."""
    before = [{"name": "A", "v": 1}, {"name": "A", "v": 2}]
    after = [{"name": "A", "v": 1}, {"name": "A", "v": 3}]
    assert changes(before, after) == [("/1/v", 2, 3)]


def test_a_key_of_thousands_of_digits_is_a_key_like_any_other() -> None:
    """Ordering pointers does not convert what looks like a number."""
    key = "1" * 5000
    assert changes({key: 1, "b": 1}, {key: 2, "b": 2}) == [(f"/{key}", 1, 2), ("/b", 1, 2)]


def test_a_change_remembers_whose_it_is() -> None:
    """The origin is that of the comparison."""
    assert find_changes(1, 2, origin=Origin.REMOTE) == [
        FieldChange(pointer="", before=1, after=2, origin=Origin.REMOTE)
    ]


def test_the_published_form_of_a_change_hides_secrets_and_orders_keys() -> None:
    """What is absent is null, a stand-in only says that it changed, keys come in order."""
    secret = Redactor("k").redact({"token": "hunter2"})["token"]
    change = FieldChange(
        pointer="/a",
        before=ABSENT,
        after={"b": [secret, f"x {secret}"], "a": {"d": 1, "c": None}},
        forces_replace=True,
    )
    assert list(change.to_json().items()) == [
        ("pointer", "/a"),
        ("before", None),
        ("after", {"a": {"c": None, "d": 1}, "b": [SENSITIVE, f"x {SENSITIVE}"]}),
        ("forces_replace", True),
        ("origin", "spec"),
    ]
    assert list(change.to_json()["after"]) == ["a", "b"]
    assert repr(ABSENT) == "ABSENT"


@given(json_values)
def test_a_document_declares_all_of_itself(value: Any) -> None:
    """Projecting a value on itself leaves it as it is."""
    assert is_same(project(value, value), value)


@given(json_values, json_values)
def test_what_was_projected_stays(value: Any, shape: Any) -> None:
    """Projecting again on the same shape changes nothing more."""
    once = project(value, shape)
    assert is_same(project(once, shape), once)


@given(json_objects, json_objects)
def test_undeclared_fields_are_left_out(declared: dict[str, Any], more: dict[str, Any]) -> None:
    """Whatever a server adds beside declared fields, the projection is the same."""
    assert is_same(project({**more, **declared}, declared), declared)


def test_a_side_car_is_an_addition_and_uncovers_no_defaults() -> None:
    """An item that a server adds changes the list; defaults of the items beside it stay hidden."""
    shape = [{"name": "main", "image": "a"}]
    before = [{"name": "main", "image": "a", "imagePullPolicy": "Always"}]
    now = [*before, {"name": "proxy", "image": "p"}]
    found = find_changes(project(before, shape), project(now, shape))
    assert [(c.pointer, c.before, c.after) for c in found] == [
        ("/1", ABSENT, {"name": "proxy", "image": "p"})
    ]


def test_lists_without_names_are_projected_item_by_item_or_not_at_all() -> None:
    """Where the numbers of items differ nobody can tell which is which."""
    assert project([{"a": 1, "b": 2}], [{"a": 0}]) == [{"a": 1}]
    assert project([{"a": 1, "b": 2}, 3], [{"a": 0}]) == [{"a": 1, "b": 2}, 3]


@pytest.mark.parametrize(
    ("pointer", "pattern", "expected"),
    [
        ("/manifest/spec/replicas", "/manifest/spec/replicas", True),
        ("/manifest/spec/replicas/x", "/manifest/spec/replicas", True),
        ("/manifest/spec", "/manifest/spec/replicas", False),
        ("/manifest/spec/replicasMax", "/manifest/spec/replicas", False),
        ("/manifest/spec/containers/3/image", "/manifest/spec/containers/*/image", True),
        ("/manifest/spec/containers/3/name", "/manifest/spec/containers/*/image", False),
        ("/manifest/a/b/image", "/manifest/*/image", False),
        ("/metadata/annotations/a~1b", "/metadata/annotations/a~1b", True),
        ("/anything", "", True),
    ],
)
def test_a_pattern_covers_what_lies_at_or_below_it(
    pointer: str, pattern: str, expected: bool
) -> None:
    """`*` stands for one segment, never for several or for a part of one."""
    assert is_ignored(pointer, [pattern]) is expected


@given(edits(), st.lists(st.sampled_from(["/a", "/*", "/b/*/a", "/spec"]), max_size=2))
def test_whatever_matches_a_pattern_is_ignored_below_it_too(
    pair: tuple[Any, Any], patterns: list[str]
) -> None:
    """An ignored field has no part that is not; without patterns nothing is ignored."""
    for change in find_changes(*pair):
        assert not is_ignored(change.pointer, [])
        if is_ignored(change.pointer, patterns):
            assert is_ignored(f"{change.pointer}/below", patterns)
            assert is_ignored(change.pointer, [*patterns, "/other"])


def test_taking_out_what_is_not_there_makes_nothing() -> None:
    """Not even the way to it."""
    assert with_value({"a": 1}, "/b/c", ABSENT) == {"a": 1}
    assert with_value({"a": 1}, "/b/c", 2) == {"a": 1, "b": {"c": 2}}
    assert with_value({"a": {"b": 1}}, "/a/b", ABSENT) == {"a": {}}

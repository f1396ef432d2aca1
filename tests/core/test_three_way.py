"""Three-way merge: whose value an update sends, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff.diff import ABSENT
from reconciler.core.diff.equality import is_equal, normal_form
from reconciler.core.diff.three_way import (
    KeptDrift,
    Merge,
    Value,
    find_remaining,
    merge_three_way,
    rebase_echo,
)
from reconciler.core.redact import Redactor
from reconciler.core.stored_json import StoredJson

REDACTOR = Redactor("lineage")
SECRET = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


def merged(
    wanted: Any, live: Any, *, before: Any, echo: Any = None, **options: Any
) -> tuple[Any, list[tuple[str, Any, Any]], list[tuple[str, Any]]]:
    """The merged document, what it takes back, and what it leaves, as plain tuples."""
    result: Merge = merge_three_way(
        Value(wanted, REDACTOR.redact(wanted)),
        Value(live, REDACTOR.redact(live)),
        before=REDACTOR.redact(before),
        echo=REDACTOR.redact(before if echo is None else echo),
        **options,
    )
    return (
        result.document,
        [(each.pointer, each.before, each.after) for each in result.overwritten],
        [(each.pointer, each.echo) for each in result.kept],
    )


# What was recorded, what is declared now, what the server said then, what it says now: what is
# sent, what of others that takes back, and what it leaves to them.
CASES: dict[str, tuple[Any, Any, Any, Any, tuple[Any, Any, Any]]] = {
    "changed by the author": ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}, ({"a": 2}, [], [])),
    "removed": ({"a": 1, "b": 1}, {"a": 1}, None, None, ({"a": 1}, [], [])),
    "drifted": ({"a": 1}, {"a": 1}, {"a": 1}, {"a": 3}, ({"a": 3}, [], [("/a", 1)])),
    "both": ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 3}, ({"a": 2}, [("/a", 3, 2)], [])),
    "both agree": ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, ({"a": 2}, [], [])),
    "never declared": (
        *({"a": 1}, {"a": 2}, {"a": 1, "x": 1}, {"a": 1, "x": 9}),
        ({"a": 2, "x": 9}, [], []),
    ),
    "added": ({"a": 1}, {"a": 1, "b": 5}, {"a": 1}, {"a": 1}, ({"a": 1, "b": 5}, [], [])),
    "claimed": ({"a": 1}, {"a": 1, "b": 5}, {"a": 1, "b": 4}, None, ({"a": 1, "b": 5}, [], [])),
    "a removed map keeps what is the server's": (
        *({"m": {"a": 1}}, {}, {"m": {"a": 1, "x": 2}}, None),
        ({"m": {"x": 2}}, [], []),
    ),
    "a removed map goes": ({"m": {"a": 1}}, {}, None, None, ({}, [], [])),
    "taken out by somebody": ({"a": 1}, {"a": 1}, {"a": 1}, {}, ({}, [], [("/a", 1)])),
    "rewritten once": ({"a": "1000m"}, {"a": "1000m"}, {"a": "1"}, None, ({"a": "1"}, [], [])),
    "never repeated": ({"a": 1}, {"a": 1}, {}, {}, ({"a": 1}, [], [])),
    "true is not 1": (
        *({"m": {"a": True}}, {"m": {"a": True}}, {"m": {"a": 1}}, {"m": {"a": True}}),
        ({"m": {"a": True}}, [], [("/m/a", 1)]),
    ),
    "the author puts true for 1": (
        {"a": 1},
        {"a": True},
        {"a": 1},
        {"a": 1},
        ({"a": True}, [], []),
    ),
    "a list without names is one value": (
        *({"l": [1, 2]}, {"l": [1, 2]}, None, {"l": [2, 1]}),
        ({"l": [2, 1]}, [], [("/l", [1, 2])]),
    ),
    "removed although drifted": (
        *({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 3}),
        ({"a": 1}, [("/b", 3, ABSENT)], []),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_whose_value_is_sent(name: str) -> None:
    """One field at a time: the author's, the server's, or nobody's."""
    before, wanted, echo, live, expected = CASES[name]
    echo = before if echo is None else echo
    assert merged(wanted, echo if live is None else live, before=before, echo=echo) == expected


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    """A pod with containers."""
    return {"spec": {"containers": list(items)}}


def test_items_with_names_are_merged_by_name() -> None:
    """The spec's order, then what only the server has; what the author took out goes whole."""
    before = containers({"name": "a", "image": "a:1"}, {"name": "old", "image": "o:1"})
    wanted = containers({"name": "new", "image": "n:1"}, {"name": "a", "image": "a:2"})
    live = containers(
        {"name": "sidecar", "image": "s:1"},
        {"name": "a", "image": "a:1", "tty": True},
        {"name": "old", "image": "o:1", "added": 1},
    )
    echo = containers(*live["spec"]["containers"][1:])
    document, overwritten, kept = merged(wanted, live, before=before, echo=echo)
    assert (overwritten, kept) == ([], [])
    assert document == containers(
        {"name": "new", "image": "n:1"},
        {"name": "a", "image": "a:2", "tty": True},
        {"name": "sidecar", "image": "s:1"},
    )


def test_a_pattern_with_an_index_means_the_item_of_the_spec() -> None:
    """Ignored is an item by its place in the spec, wherever the server lists it."""
    before = containers({"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"})
    wanted = containers({"name": "a", "image": "a:2"}, {"name": "b", "image": "b:2"})
    live = containers({"name": "b", "image": "b:9"}, {"name": "a", "image": "a:9"})
    document, *_ = merged(wanted, live, before=before, ignored=("/spec/containers/1/image",))
    assert document == containers({"name": "a", "image": "a:2"}, {"name": "b", "image": "b:9"})


def test_an_ignored_field_stays_as_it_runs() -> None:
    """Also where the author changed or removed it."""
    before, live = {"a": 1, "b": 1}, {"a": 7, "b": 7}
    assert merged({"a": 2}, live, before=before, ignored=("/a", "/b")) == (live, [], [])


def test_drift_is_undone_when_asked_for() -> None:
    """What somebody changed is taken back, and the plan can say so."""
    document, overwritten, kept = merged({"a": 1}, {"a": 3}, before={"a": 1}, undo_drift=True)
    assert (document, overwritten, kept) == ({"a": 1}, [("/a", 3, 1)], [])


def test_a_secret_that_somebody_changed_is_not_sent_back() -> None:
    """Nobody has reviewed the other one: the spec's goes, and is named without its text."""
    before, live = {"env": {"TOKEN": SECRET}, "a": 1}, {"env": {"TOKEN": SECRET[::-1]}, "a": 1}
    document, overwritten, kept = merged({"env": {"TOKEN": SECRET}, "a": 2}, live, before=before)
    assert document == {"env": {"TOKEN": SECRET}, "a": 2}
    assert [pointer for pointer, *_ in overwritten] == ["/env/TOKEN"]
    assert SECRET[::-1] not in repr(overwritten)
    assert kept == []


def test_the_values_are_never_marks_of_redaction() -> None:
    """It decides on redacted copies and takes its values from the plain ones."""
    before = {"args": ["--token", SECRET], "image": "a:1", "other": {"API_KEY": SECRET}}
    wanted = {**before, "image": "a:2"}
    document, *_ = merged(wanted, {**before, "extra": {"PASSWORD": SECRET}}, before=before)
    assert document == {**wanted, "extra": {"PASSWORD": SECRET}}


def test_what_was_left_of_somebody_is_drift_afterwards() -> None:
    """The old echo stays the base there, and everywhere else the new answer is."""
    before = {"a": 1, "b": 1, "l": [{"name": "x", "v": 1}]}
    wanted = {"a": 2, "b": 1, "l": [{"name": "x", "v": 1}]}
    live = {"a": 1, "b": 5, "l": [{"name": "x", "v": 9}]}
    result = merge_three_way(Value(wanted, wanted), Value(live, live), before=before, echo=before)
    assert result.kept == (
        KeptDrift(pointer="/b", echo=1),
        KeptDrift(pointer="/l/0/v", echo=1),
    )
    answer = {**result.document, "filled": True}
    assert rebase_echo(answer, result.document, result.kept) == {
        "a": 2,
        "b": 1,
        "l": [{"name": "x", "v": 1}],
        "filled": True,
    }


def test_what_a_merging_server_keeps_is_found() -> None:
    """Fields and named items that the spec has no more; a value of somebody else's is not ours."""
    before = {"a": 1, "b": {"c": 1, "d": 1}, "l": [{"name": "x"}, {"name": "y"}], "e": 1}
    wanted = {"b": {"c": 1}, "l": [{"name": "y"}]}
    assert find_remaining(before, wanted, {**before, "e": 2}) == ["/a", "/b/d", "/l/0"]
    assert find_remaining(before, wanted, wanted) == []


_SCALARS = st.integers(0, 2) | st.sampled_from(["x", "1000m", "", None, True])
_NAMED = st.dictionaries(st.sampled_from("pqr"), _SCALARS).map(
    lambda items: [{"name": name, "v": value} for name, value in items.items()]
)
_DOCUMENTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), _SCALARS | _NAMED | st.lists(_SCALARS, max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | _SCALARS),
    max_leaves=6,
)


@given(_DOCUMENTS, _DOCUMENTS)
def test_law_where_nobody_else_did_anything_the_spec_is_sent(before: Any, wanted: Any) -> None:
    """A server that shows what it was sent gets what is declared now, and nothing of the past."""
    document, overwritten, kept = merged(wanted, before, before=before)
    assert (normal_form(document), overwritten, kept) == (normal_form(wanted), [], [])


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_law_an_author_who_changed_nothing_changes_nothing(spec: Any, echo: Any, live: Any) -> None:
    """Whatever the server makes of it stays, but for what it never repeated."""
    document, overwritten, _ = merged(spec, live, before=spec, echo=echo)
    again, *_ = merged(spec, document, before=spec, echo=echo)
    assert (overwritten, normal_form(again)) == ([], normal_form(document))


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_law_records_that_are_still_text_are_merged_alike(
    before: Any, wanted: Any, echo: Any, live: Any
) -> None:
    """As a state holds them, and as they are once somebody has looked into them."""
    texts = {"before": StoredJson.of(before), "echo": StoredJson.of(echo)}
    # Decoded, a record has its keys in order, in which its fields are told.
    values = {name: text.value for name, text in texts.items()}
    assert merged(wanted, live, **texts) == merged(wanted, live, **values)


@given(_DOCUMENTS, _DOCUMENTS, _DOCUMENTS, _DOCUMENTS)
def test_law_a_merge_is_stable(before: Any, wanted: Any, echo: Any, live: Any) -> None:
    """To merge on what was just sent sends the same: a retry has one body."""
    document, *_ = merged(wanted, live, before=before, echo=echo)
    again, *_ = merged(wanted, document, before=before, echo=echo)
    assert is_equal(document, again)

"""A delete and a create with the same content are one workload under a new address."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.lifecycle import (
    OnRemove,
)
from reconciler.core.model import (
    Desired,
    Own,
    Purpose,
    Recorded,
)
from reconciler.core.planning.actions import Create, Delete
from reconciler.core.planning.planner import make_plan
from reconciler.core.planning.renames import Rename, find_renames
from reconciler.errors import Where
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    REDACTOR,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.strategies import World, worlds


def renames(old: Sequence[Desired], new: Sequence[Desired], **options: Any) -> list[str]:
    """What becomes of what, when the first specs were applied and the second are declared."""
    rows = [make_recorded(one) for one in old]
    plan = plan_for(list(new), rows, {row.id or "": make_remote(row) for row in rows}, **options)
    return _told(find_renames(plan.actions, REDACTOR))


def _told(found: Sequence[Rename]) -> list[str]:
    return [f"{rename.old.address} -> {rename.new.address}" for rename in found]


def named(name: str, *, also: str = "x", **manifest: Any) -> Desired:
    """A spec whose manifest has the workload's name, and `also` as label and container."""
    content = make_manifest(**manifest)
    content["metadata"] = {"name": name, "labels": {"app": also}}
    content["spec"]["template"]["spec"]["containers"][0]["name"] = also
    return make_desired(f"4501/{name}", manifest=content, file=f"{name}.yaml", line=3)


def test_a_rename_is_said_where_the_new_name_stands() -> None:
    """A warning with both addresses, both files and the way out; the actions stay what they are."""
    plan = plan_for([named("new")], [make_recorded(named("old"))])
    assert [(a.kind, str(a.address)) for a in plan.actions] == [
        ("create", "4501/new"),
        ("delete", "4501/old"),
    ]
    assert plan.diagnostics == (
        Diagnostic(
            severity=Severity.WARNING,
            code="renamed-workload",
            message="this looks like a rename of 4501/old to 4501/new, but the API cannot rename: "
            "4501/old is stopped and deleted, and 4501/new starts from the beginning",
            where=Where(file="new.yaml", line=3),
            hint="to leave it alone, keep its name and project (4501/old, last declared in "
            "old.yaml)",
            address="4501/new",
        ),
    )


def test_the_name_may_change_wherever_it_stands_alone() -> None:
    """As the object's own name, and as labels and containers called like it; not within a word."""
    assert renames([named("old")], [named("new")]) == ["4501/old -> 4501/new"]
    assert renames([named("old", also="old")], [named("new", also="new")]) == [
        "4501/old -> 4501/new"
    ]
    assert renames([named("old", also="old")], [named("new", also="old")]) == [
        "4501/old -> 4501/new"
    ]
    assert renames([named("old", also="old-1")], [named("new", also="new-1")]) == []


def test_a_move_to_another_project_is_a_rename() -> None:
    """Under the same name; and another name within the project comes first."""
    here = make_desired("1/a")
    assert renames([here], [make_desired("2/a")]) == ["1/a -> 2/a"]
    assert renames([here], [make_desired("2/a"), make_desired("1/b")]) == ["1/a -> 1/b"]
    assert renames([here], [make_desired("2/b")]) == []


def test_what_else_is_different_is_no_rename() -> None:
    """Content, category and priority; our own settings are no content."""
    old = named("old")
    assert renames([old], [named("new", image="other:2")]) == []
    assert renames([old], [dataclasses.replace(named("new"), metadata={"priority": "high"})]) == []
    protected = dataclasses.replace(
        named("new"), lifecycle=dataclasses.replace(old.lifecycle, protect=True)
    )
    assert renames([old], [protected]) == ["4501/old -> 4501/new"]


def test_a_secret_is_content() -> None:
    """The record has its digest only, and that is enough to tell one from another."""

    def spec(name: str, token: str) -> Desired:
        env = [{"name": "HF_TOKEN", "value": token}]
        return make_desired(f"1/{name}", manifest={**make_manifest(), "env": env})

    assert renames([spec("a", "one")], [spec("b", "one")]) == ["1/a -> 1/b"]
    assert renames([spec("a", "one")], [spec("b", "two")]) == []


def test_what_is_forgotten_held_or_made_again_is_no_rename() -> None:
    """Only what ends and begins by this plan; a deletion that was begun belongs to it."""
    old, new = make_desired("1/a"), make_desired("1/b")
    forgotten = make_recorded(
        old, lifecycle=dataclasses.replace(old.lifecycle, on_remove=OnRemove.FORGET)
    )
    begun = make_recorded(old, own=Own.DELETING, purpose=Purpose.REMOVED)
    cases: list[tuple[list[Recorded], dict[str, Any], list[str]]] = [
        ([make_recorded(old)], {"no_delete": True}, []),
        ([make_recorded(old)], {"no_create": True}, []),
        ([make_recorded(old)], {"destroying": True}, ["1/a -> 1/b"]),
        ([begun], {}, ["1/a -> 1/b"]),
        ([forgotten], {}, []),
    ]
    for rows, options, expected in cases:
        plan = plan_for([new], rows, **options)
        assert _told(find_renames(plan.actions, REDACTOR)) == expected, options


def test_several_equal_ones_are_paired_in_their_order() -> None:
    """A sweep under new names; what is left over is new, or gone."""
    old = [make_desired(f"1/old-{i}") for i in range(3)]
    new = [make_desired(f"1/new-{i}") for i in range(2)]
    assert renames(old, new) == ["1/old-0 -> 1/new-0", "1/old-1 -> 1/new-1"]
    assert renames(new, old) == ["1/new-0 -> 1/old-0", "1/new-1 -> 1/old-1"]


@given(worlds(settled=True))
def test_each_rename_is_of_a_delete_and_a_create(world: World) -> None:
    """No action belongs to two, and each is said once."""
    plan = make_plan(world.desired, world.recorded, world.live, target=PLAN_TARGET, lineage=LINEAGE)
    found = find_renames(plan.actions, REDACTOR)
    addresses = [end.address for rename in found for end in (rename.old, rename.new)]
    assert len(set(addresses)) == len(addresses)
    assert all(isinstance(rename.old, Delete) for rename in found)
    assert all(isinstance(rename.new, Create) for rename in found)
    assert len(found) == len(plan.diagnostics)


@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_as_many_are_paired_as_there_are_equal_ones(old: list[int], new: list[int]) -> None:
    """Of each content the smaller number of those that end and those that begin."""

    def specs(prefix: str, contents: list[int]) -> list[Desired]:
        return [
            make_desired(f"1/{prefix}{i}", manifest=make_manifest(gpus=content))
            for i, content in enumerate(contents)
        ]

    found = renames(specs("o", old), specs("n", new))
    assert len(found) == (Counter(old) & Counter(new)).total()


def test_a_warning_is_no_part_of_what_is_approved() -> None:
    """The digest names what is done, and that is the same with and without the words about it."""
    plan = plan_for([named("new")], [make_recorded(named("old"))])
    assert plan.diagnostics
    assert dataclasses.replace(plan, diagnostics=()).digest == plan.digest

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given

from reconciler.core.diff.diff import FieldChange, Origin
from reconciler.core.lifecycle import (
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Live,
    Missing,
    Own,
    Recorded,
)
from reconciler.core.planning.actions import Reason
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.planning.planner import make_plan
from reconciler.core.review.explanation import ChangedBy, Explanation, explain_workload
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    REDACTOR,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
)
from tests.support.strategies import World, plan_options, worlds


def explained(
    desired: Desired | None,
    rows: Sequence[Recorded] = (),
    live: Live | None = None,
    options: PlanOptions | None = None,
) -> Explanation:
    """Plan for one workload and explain what came of it."""
    row = next((row for row in rows if row.id), None)
    plan = make_plan(
        [desired] if desired else [],
        rows,
        {row.id: live} if row and row.id and live else {},
        target=PLAN_TARGET,
        lineage=LINEAGE,
        options=options,
    )
    [action] = plan.actions
    return explain_workload(
        action,
        desired=desired,
        rows=rows,
        live=live,
        options=options or PlanOptions(),
        redactor=REDACTOR,
    )


def said(found: Explanation) -> list[tuple[str, ChangedBy, bool]]:
    """Return each difference in short."""
    return [(one.pointer, one.changed_by, one.ignored) for one in found.differences]


def policies(found: Explanation) -> dict[str, tuple[str, str, bool]]:
    """Return each policy by its name."""
    return {one.name: (one.value, one.origin, one.applies) for one in found.policies}


def test_each_side_of_a_change_is_told_apart() -> None:
    """The author's, somebody else's, a field that both changed, and what nobody looks at."""
    old = make_desired(metadata={"priority": "high"})
    row = make_recorded(old)
    new = make_desired(
        metadata={"priority": "low"},
        manifest=make_manifest(replicas=3, image="nvcr.io/llm:2"),
        ignore_changes=("/metadata/priority",),
    )
    server = make_manifest(image="somebody/else:1")
    server["metadata"]["labels"] = {"injected": "by the platform"}
    live = make_remote(row, raw_manifest=server, metadata={**old.metadata, "category": "Train"})
    found = explained(new, [row], live)
    image = "/manifest/spec/template/spec/containers/0/image"
    assert said(found) == [
        ("/manifest/spec/replicas", ChangedBy.SPEC, False),
        (image, ChangedBy.BOTH, False),
        ("/metadata/priority", ChangedBy.SPEC, True),
    ]
    assert found.undeclared == ("/manifest/metadata/labels", "/metadata/category")
    assert found.declared == REDACTOR.redact(new.spec)
    assert found.echoed == {
        "metadata": {**old.metadata, "category": "Train"},
        "manifest": server,
    }


def test_what_the_spec_has_declared_since_is_not_the_servers_own() -> None:
    """A field that ran before, also one in a tree that the record does not mention."""
    old = make_desired()
    row = make_recorded(old)
    server = make_manifest()
    server["metadata"]["labels"] = {"injected": "by the platform", "team": "llm"}
    live = make_remote(
        row,
        raw_manifest=server,
        metadata={**old.metadata, "category": "Train", "priority": "high"},
    )
    new = make_desired(metadata={"priority": "high"}, manifest=make_manifest(replicas=2))
    new.manifest["metadata"]["labels"] = {"team": "llm"}

    found = explained(new, [row], live)

    assert found.undeclared == ("/manifest/metadata/labels/injected", "/metadata/category")


def test_a_workload_that_is_new_has_no_past() -> None:
    """There is a spec and nothing to compare it with."""
    found = explained(make_desired())
    assert (found.recorded, found.echoed) == (None, None)
    assert (found.differences, found.undeclared) == ((), ())
    assert policies(found)["onMissing"] == ("recreate", "default", False)


def test_a_workload_without_a_spec_is_explained_by_its_record() -> None:
    """What its spec said last decides."""
    row = make_recorded(make_desired(on_remove=OnRemove.FORGET))
    found = explained(None, [row], make_remote(row))
    assert found.declared is None
    assert found.action.reason is Reason.FORGOTTEN_ON_REMOVE
    assert policies(found)["onRemove"] == ("forget", "record", True)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("Deployment", None, ("recreate", "default", True)),
        ("Job", None, ("hold", "default", True)),
        ("Job", OnMissing.FAIL, ("fail", "spec", True)),
    ],
)
def test_what_is_missing_is_up_to_its_policy_or_kind(
    kind: str, given: OnMissing | None, expected: tuple[str, str, bool]
) -> None:
    """Where the spec leaves it open, the kind says whether running it again is a surprise."""
    desired = make_desired(manifest=make_manifest(kind), on_missing=given)
    found = explained(desired, [make_recorded(desired)], Missing(message="not found"))
    assert policies(found)["onMissing"] == expected


def test_only_the_policies_of_this_case_apply() -> None:
    """A failed sync asks onFailed, drift asks --on-drift, a replace asks protect."""
    desired = make_desired()
    row = make_recorded(desired, protected=True)
    options = PlanOptions(on_drift=OnDrift.REPLACE, no_create=True)
    drifted = make_remote(row, raw_manifest=make_manifest(image="somebody/else:1"))
    assert [p.name for p in explained(desired, [row], drifted, options).policies if p.applies] == [
        *("--on-drift", "--no-create")
    ]
    failed = make_remote(row, seen=LastSeen.FAILED, message="no image")
    assert policies(explained(desired, [row], failed)) == {
        "onMissing": ("recreate", "default", False),
        "onChange": ("update-or-replace", "default", False),
        "onFailed": ("report", "default", True),
        "protect": ("true", "state", False),
        "--on-drift": ("report", "default", False),
    }
    replaced = explained(desired, [row], make_remote(row), PlanOptions(replace=("4501/llm",)))
    assert policies(replaced)["protect"] == ("true", "state", True)
    assert policies(replaced)["--replace"] == ("given", "option", True)


def test_older_records_of_an_address_are_named() -> None:
    """What may still come true is part of the explanation."""
    desired = make_desired()
    ghost = make_recorded(desired, op="op-0", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True)
    row = make_recorded(desired)
    assert explained(desired, [ghost, row], make_remote(row)).others == (ghost,)


@given(worlds(), plan_options)
def test_an_explanation_agrees_with_the_plan(world: World, options: PlanOptions) -> None:
    """All that the plan shows as the author's is explained as theirs, and so is what drifted."""
    plan = make_plan(
        world.desired,
        world.recorded,
        world.live,
        target=PLAN_TARGET,
        lineage=LINEAGE,
        options=options,
    )
    desired = {one.address: one for one in world.desired}
    drift = {one.address: one.changes for one in plan.drift}
    for action in plan.actions:
        rows = [row for row in world.recorded if row.address == action.address]
        live = world.live.get(action.id or "") if action.id else None
        if action.id is None and rows and rows[0].id:
            live = world.live.get(rows[0].id)
        found = explain_workload(
            action,
            desired=desired.get(action.address),
            rows=rows,
            live=live,
            options=options,
            redactor=REDACTOR,
        )
        counted = [one for one in found.differences if not one.ignored]
        by_author = {one.pointer for one in found.differences if one.spec}
        assert found.recorded is None or by_author >= {
            one.pointer
            for one in action.changes
            if one.origin is Origin.SPEC and not one.pointer.startswith("/lifecycle/")
        }
        if action.address in drift:
            assert _plain(one.remote for one in counted) == _plain(drift[action.address])


def _plain(changes: Iterable[FieldChange | None]) -> list[FieldChange]:
    """Return the changes without what only a planner knows, in one order."""
    found = [dataclasses.replace(one, forces_replace=False) for one in changes if one]
    return sorted(found, key=lambda change: change.pointer)

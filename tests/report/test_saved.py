from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

from hypothesis import given
from jsonschema import Draft202012Validator

from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.selection import Selection
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.review.approval import Approval, bind
from reconciler.core.review.saved_plan import plan_checksum, read_saved
from reconciler.report.machine.documents import plan_document
from reconciler.report.machine.saved import saved_document
from reconciler.report.text.text import Text
from reconciler.resources import load_schema
from tests.support.plans import plan_of
from tests.support.strategies import World, plan_options, worlds

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SCHEMA = Draft202012Validator(load_schema("plan"))


def approve(world: World, options: PlanOptions) -> Approval:
    """A plan as `plan --save` keeps it."""
    plan = plan_of(world, options)
    return Approval(
        id="7f4f2f7e-1c5a-4f0e-9d39-5f2d6d2a9c11",
        plan=plan,
        bindings=bind(plan, refreshed=options.refreshed),
        options=options,
        selection=Selection(targets=("4501/*",), excludes=("*/x",), project="4501"),
        allow_missing=3,
        allow_empty=True,
    )


@given(worlds(), plan_options)
def test_a_plan_read_back_is_the_plan_that_was_saved(world: World, options: PlanOptions) -> None:
    """Through the bytes of a file: the same document, the same approval, the same text."""
    approval = approve(world, options)
    document = saved_document(approval, NOW)
    again = read_saved(json.loads(json.dumps(document)))
    assert saved_document(again, NOW) == document
    assert plan_document(again.plan, NOW) == plan_document(approval.plan, NOW)
    assert (again.bindings, again.options, again.selection) == (
        approval.bindings,
        dataclasses.replace(options, can_update=CanUpdate.UNKNOWN),
        approval.selection,
    )
    assert again.plan.digest == approval.plan.digest
    assert Text().plan(again.plan) == Text().plan(approval.plan)


@given(worlds(), plan_options)
def test_a_saved_plan_has_its_published_form(world: World, options: PlanOptions) -> None:
    """With and without the part that only saved plans have."""
    document = saved_document(approve(world, options), NOW)
    SCHEMA.validate(document)
    del document["saved"]
    SCHEMA.validate(document)


@given(worlds(), plan_options)
def test_a_saved_plan_holds_no_bodies_to_be_sent(world: World, options: PlanOptions) -> None:
    """They are read from the specs again; the document is for reviewers, without its secrets."""
    secret = {"env": [{"name": "HF_TOKEN", "value": "canary-aaaa"}]}
    desired = [
        dataclasses.replace(one, manifest={**one.manifest, "more": secret}) for one in world.desired
    ]
    document = saved_document(approve(dataclasses.replace(world, desired=desired), options), NOW)
    assert "manifest" not in json.dumps(document["saved"])
    assert "canary" not in json.dumps(document)
    for action in document["actions"]:
        sends = action["action"] in ("create", "replace")
        assert ("document" in action) or not sends


def test_a_checksum_covers_every_part() -> None:
    """Whatever is edited in a saved plan, it is noticed."""
    world = World(desired=[], recorded=[], live={})
    document = saved_document(approve(world, PlanOptions()), NOW)
    for edited in (
        {**document, "complete": False},
        {**document, "saved": {**document["saved"], "allow_missing": 4}},
    ):
        assert plan_checksum(edited) != document["saved"]["checksum"]
    assert plan_checksum(document) == document["saved"]["checksum"]

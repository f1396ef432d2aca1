"""What a plan and a status say while another run is at work on the same state."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.app.planning.explaining import explain_one
from reconciler.app.planning.planning import PlanRequest, PlanResult, make
from reconciler.app.planning.workspace import Workspace
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses
from reconciler.core.model import Address, ChangeRecord, LastSeen, OpenChange, Own, Purpose
from reconciler.core.planning.actions import Delete, Hold, Keep, Reason, Replace, Resolve, Update
from reconciler.core.states.places import FilePlace
from reconciler.report.html.pages import plan_page
from reconciler.report.machine.documents import plan_document
from reconciler.report.machine.github import plan_annotations
from reconciler.report.markdown.markdown import markdown_plan
from reconciler.report.status.status import Status, status_document
from reconciler.report.status.table import statuses_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.text import Text
from reconciler.resources import load_schema
from reconciler.state.places import open_state
from tests.support.timing import EPOCH, run
from tests.support.worlds import World, wish

WANTED = tuple(wish(name) for name in ("made", "replaced", "well", "doubtful", "updated"))
WRITER = re.compile(r"\S+@\S+, process \d+, since \S+ \(reconciler apply team-a\)")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run has begun to make, update, replace and delete; an older create is in doubt."""
    path = tmp_path / "state.db"
    world = World(path=path)
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=path), api_version="3.0"
    )
    world.apply(wish("well"), wish("replaced"), wish("removed"), wish("updated"))

    def begin(name: str, like: str, **changes: Any) -> None:
        address = Address(project="4501", name=name)
        row = dataclasses.replace(world.row(like), address=address, **changes)
        world.record(row)

    unmade = {"id": None, "echo": None, "seen": LastSeen.UNKNOWN}
    begin("made", "well", op="op-made", own=Own.CREATING, **unmade)
    begin("doubtful", "well", op="op-doubt", own=Own.UNCONFIRMED, ambiguous=True, **unmade)
    begin("replaced", "replaced", own=Own.DELETING, purpose=Purpose.REPLACE)
    begin("removed", "removed", own=Own.DELETING, purpose=Purpose.REMOVED)
    spec = world.row("updated").spec
    begun = OpenChange(rev="rev", base="", body_digest="", digest="", spec=spec, body=spec)
    begin("updated", "updated", change=ChangeRecord(open=begun))
    return world


@contextmanager
def held(world: World) -> Iterator[None]:
    """Another run holds the state."""
    other = open_state(world.settings.state)
    other.hold("reconciler apply team-a")
    try:
        yield
    finally:
        other.close()


def workspace(world: World) -> Workspace:
    """The specs of whoever plans beside it."""
    return Workspace(
        settings=world.settings,
        desired=WANTED,
        diagnostics=(),
        files=len(WANTED),
        places=(".",),
        prefix="",
    )


def plan(world: World) -> PlanResult:
    """A plan that nobody is about to apply."""
    making = make(workspace(world), PlanRequest(), connector=world.connector(), say=lambda _: None)
    return run(making, world.timeline)


def actions(planned: PlanResult) -> dict[str, tuple[type, Reason]]:
    """What happens to each workload."""
    return {a.address.name: (type(a), a.reason) for a in planned.plan.actions}


def test_what_a_running_holder_has_begun_is_under_way(world: World) -> None:
    """It is held, and no change; a doubt that is older stays one. Afterwards all is as it was."""
    with held(world):
        beside = plan(world)
    after = plan(world)

    assert actions(beside) == {
        "made": (Hold, Reason.IN_DOUBT),
        "replaced": (Hold, Reason.IN_DOUBT),
        "removed": (Hold, Reason.IN_DOUBT),
        "updated": (Hold, Reason.IN_DOUBT),
        "doubtful": (Resolve, Reason.IN_DOUBT),
        "well": (Keep, Reason.ALREADY_OWNED),
    }
    assert {a.address.name: a.detail for a in beside.plan.holds} == {
        "made": "its create is under way: another run is at work on it",
        "replaced": "its replacement is under way: another run is at work on it",
        "removed": "its deletion is under way: another run is at work on it",
        "updated": "its update is under way: another run is at work on it",
    }
    assert WRITER.fullmatch(beside.plan.at_work)
    assert [a.address.name for a in beside.plan.changes] == ["doubtful"]
    assert after.plan.at_work == ""
    assert {name: kind for name, (kind, _) in actions(after).items()} == {
        "made": Resolve,
        "replaced": Replace,
        "removed": Delete,
        "updated": Update,
        "doubtful": Resolve,
        "well": Keep,
    }


def test_every_form_of_a_plan_says_who_is_at_work(world: World) -> None:
    """Text, JSON, Markdown, HTML and annotations; without anybody none of them says a word."""
    with held(world):
        beside = plan(world).plan
    alone = plan(world).plan
    for at_work, shown in ((beside.at_work, beside), ("", alone)):
        document = plan_document(shown, EPOCH)
        jsonschema.validate(document, load_schema("plan"))
        assert document.get("at_work", "") == at_work
        texts = (
            Text().plan(shown),
            markdown_plan(shown, ()),
            plan_page(shown, (), created_at=EPOCH),
            plan_annotations(shown, ()),
        )
        sentence = "At work on this state"
        assert [sentence in text for text in texts] == [bool(at_work)] * 4
        assert ["reconciler apply team-a" in text for text in texts] == [bool(at_work)] * 4


def test_a_status_beside_an_apply_counts_no_doubts_of_it(world: World) -> None:
    """What is being made has no word of the server yet; who makes it is said instead."""

    def statuses() -> list[Status]:
        looks = run(
            read_statuses(
                world.settings,
                StatusRequest(),
                connector=world.connector(),
                say=lambda _: None,
            ),
            world.timeline,
        )
        return [
            Status(row=x.row, live=x.live, at=x.at, at_work=x.at_work, told_by_list=x.told_by_list)
            for x in looks
        ]

    with held(world):
        beside = statuses()
    after = statuses()

    assert {s.row.address.name: s.word for s in beside} == {
        "made": "under way",
        "doubtful": "in doubt",
        "replaced": "Synced",
        "removed": "Synced",
        "updated": "Synced",
        "well": "Synced",
    }
    (made,) = (status_document(s) for s in beside if s.row.address.name == "made")
    assert re.fullmatch(rf"{WRITER.pattern} is at work on it", made["message"])
    (open_beside, open_after) = (
        next(s for s in looks if s.row.address.name == "updated") for looks in (beside, after)
    )
    assert re.fullmatch(
        rf"an update of it is under way: {WRITER.pattern} is at work on it", open_beside.message
    )
    assert open_after.message == "an update of it is under way: the next apply finishes it"
    assert (open_beside.is_quiet, open_after.is_quiet) == (False, False)
    assert (
        statuses_text(beside, ColorWriter()).splitlines()[-1].endswith("1 in doubt, 1 under way.")
    )
    assert statuses_text(after, ColorWriter()).splitlines()[-1].endswith("2 in doubt.")


def test_an_explanation_beside_an_apply_says_the_same(world: World) -> None:
    """One workload as the plan of all has it."""
    with held(world):
        explained = run(
            explain_one(
                workspace(world),
                PlanRequest(),
                "4501/made",
                connector=world.connector(),
                say=lambda _: None,
            ),
            world.timeline,
        )
    (action,) = explained.plan.actions
    assert (type(action), action.detail) == (
        Hold,
        "its create is under way: another run is at work on it",
    )


def test_a_holder_that_was_killed_is_not_at_work(world: World) -> None:
    """Its name stays in the file, and its lock does not."""
    with held(world):
        name = Path(f"{world.settings.state}.lock").read_text()
    assert WRITER.fullmatch(name)
    assert plan(world).plan.at_work == ""

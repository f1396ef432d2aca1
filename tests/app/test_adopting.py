"""Workloads that are there already are recorded: one by its id, or all of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.core.model import Own
from reconciler.core.protocol.api_results import NOBODY
from reconciler.errors import (
    LockedError,
    ReconcilerError,
    RefusedError,
    StateError,
    UnreachableError,
    UsageError,
)
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import open_state
from tests.app.commands import AdoptCommands, lineage_of, lose_answer, neighbour, secret
from tests.support.worlds import LINEAGE, wish


@pytest.fixture
def commands(tmp_path: Path) -> AdoptCommands:
    """A state that has never recorded anything."""
    return AdoptCommands(tmp_path)


def test_a_workload_made_by_hand_is_adopted_as_it_is_declared(commands: AdoptCommands) -> None:
    """From then on it is like any other: unchanged it shows nothing, removed it is deleted."""
    workload_id = commands.plant(wish("a"))
    commands.world.apply(wish("z"))

    adopted = commands.adopt("4501/a", workload_id, wish("a"))
    unchanged = commands.world.plan(wish("a"), wish("z")).plan
    removed = commands.world.apply(wish("z"))

    assert adopted == ["a: keep"]
    assert not unchanged.has_changes
    assert removed.summary == {"deleted": 1}
    assert commands.world.live() == ["z"]


def test_what_the_next_plan_does_is_shown_before(commands: AdoptCommands) -> None:
    """Adopting changes nothing on the server; what is shown is what that plan then says."""
    commands.plant(wish("a", image="nginx:1"))
    commands.plant(wish("b"))
    declared = (wish("a", image="nginx:2"), wish("b"))

    assert commands.adopt_all(*declared) == ["a: replace", "b: keep"]

    (shown,) = commands.shown
    plan = commands.world.plan(*declared).plan
    assert [one.then for one in shown.adoptions] == list(plan.actions)
    assert [change.pointer for change in shown.adoptions[0].then.changes] == [
        "/manifest/spec/template/spec/containers/0/image"
    ]
    assert commands.world.ledger("POST", "DELETE") == []


def test_one_workload_may_be_adopted_without_a_spec(commands: AdoptCommands) -> None:
    """Its caller is shown that the next plan deletes it unless it is declared until then."""
    workload_id = commands.plant(wish("a"))
    assert commands.adopt("4501/a", workload_id) == ["a: delete"]
    assert [action.kind for action in commands.world.plan(wish("a")).plan.changes] == ["record"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("another name", "is 4501/b, not 4501/a"),
        ("another owner", "belongs to stack 'green' (state other)"),
        ("recorded", "4501/a is recorded already, as workload"),
        ("unknown", "the server has no workload"),
        ("no address", "'a' is not an address of the form <projectId>/<name>"),
        ("leaving", "(4501/a) is being deleted on the server"),
        ("copied", "carries the mark of 4501/z: its manifest was copied, annotations and all"),
    ],
)
def test_what_cannot_be_adopted_is_refused(
    commands: AdoptCommands, case: str, message: str
) -> None:
    """Nothing is written, and the message names both sides."""
    address, workload_id = "4501/a", commands.plant(wish("a"))
    commands.world.apply(wish("z"))
    match case:
        case "another name":
            workload_id = commands.plant(wish("b"))
        case "another owner":
            commands.mark(workload_id, "other/op", "green")
        case "recorded":
            commands.adopt("4501/a", workload_id)
        case "unknown":
            workload_id = "11111111-2222-3333-4444-555555555555"
        case "leaving":
            commands.end(workload_id)
        case "copied":
            commands.mark(workload_id, commands.world.row("z").marker, "blue")
        case _:
            address = "a"
    before = commands.world.state()

    with pytest.raises(ReconcilerError) as caught:
        commands.adopt(address, workload_id, take_over=case == "copied")

    assert message in caught.value.message
    assert caught.value.hint
    assert commands.world.state() == before


def test_a_project_is_recorded_from_the_list(commands: AdoptCommands) -> None:
    """One surgery: a copy of the state, one run, one entry for each; the next plan is empty."""
    specs = [wish(f"w{i}") for i in range(40)]
    for spec in specs:
        commands.plant(spec)

    told = commands.adopt_all(*specs)

    assert told == [f"{name}: keep" for name in sorted(spec.address.name for spec in specs)]
    assert not commands.world.plan(*specs).plan.has_changes
    assert commands.history() == ["adopted"]
    assert len(list_backups(commands.path)) == 1
    store = open_state(commands.path)
    assert len(store.actions(store.runs()[0].id)) == 40
    assert (store.header.serial, store.header.target.tenant_id) == (1, 1)
    assert store.header.target.issuer
    store.close()


def test_each_that_is_left_is_said_with_its_reason(commands: AdoptCommands) -> None:
    """Nothing that the server shows is passed over in silence."""
    commands.world.apply(wish("recorded"))
    commands.plant(wish("new"))
    commands.plant(wish("undeclared"))
    commands.plant(wish("elsewhere", project="4502"))
    commands.mark(commands.plant(wish("foreign")), "other/op", "green")
    commands.end(commands.plant(wish("leaving")))
    commands.mark(commands.plant(wish("copy")), commands.world.row("recorded").marker, "blue")
    for name in ("twin-1", "twin-2"):
        commands.mark(commands.plant(wish(name)), f"{lineage_of(commands)}/lost", "blue")

    names = ("new", "foreign", "leaving", "copy", "twin-1", "twin-2", "recorded", "elsewhere")
    told = commands.adopt_all(*map(wish, names))

    assert told == [
        "new: keep",
        "copy left: copied-marker",
        "foreign left: foreign",
        "leaving left: leaving",
        "recorded left: recorded",
        "twin-1 left: copied-marker",
        "twin-2 left: copied-marker",
        "undeclared left: undeclared",
    ]
    assert all(one.hint for one in commands.shown[0].skipped)
    assert commands.world.state() == ["new ACCEPTED Synced", "recorded ACCEPTED Synced"]


def test_what_is_in_doubt_is_not_adopted_around_its_doubt(tmp_path: Path) -> None:
    """The create that was cut short is settled by its own command."""
    commands = AdoptCommands(tmp_path)
    lose_answer(commands.world)

    assert commands.adopt_all(wish("a")) == ["a left: in-doubt"]
    with pytest.raises(RefusedError, match="4501/a is in doubt") as caught:
        commands.adopt("4501/a", commands.world.id_of("a"), wish("a"))
    assert "state resolve 4501/a --id" in caught.value.hint


def test_two_of_one_name_are_for_a_person(commands: AdoptCommands) -> None:
    """A server without unique names would let one address have two records."""
    first, _ = commands.plant(wish("a")), commands.plant(wish("a"))

    assert commands.adopt_all(wish("a")) == ["a left: same-name", "a left: same-name"]
    assert commands.adopt("4501/a", first, wish("a")) == ["a: keep"]


def test_what_no_spec_declares_is_taken_only_if_that_is_asked_for(commands: AdoptCommands) -> None:
    """Declared afterwards it is compared; undeclared the next apply deletes it, as was shown."""
    commands.plant(wish("a"))
    commands.plant(wish("b"))

    assert commands.adopt_all(undeclared=True) == ["a: delete", "b: delete"]

    plan = commands.world.plan(wish("a")).plan
    assert [(a.kind, a.address.name) for a in plan.changes] == [("record", "a"), ("delete", "b")]


def test_globs_choose_by_name_or_address(commands: AdoptCommands) -> None:
    """Several add up; one that matches nothing is a mistake, and nothing is written."""
    specs = [wish(name) for name in ("llm-a", "llm-b", "web")]
    for spec in specs:
        commands.plant(spec)

    assert commands.adopt_all(*specs, match=["llm-*"], dry_run=True) == [
        "llm-a: keep",
        "llm-b: keep",
    ]
    assert commands.adopt_all(*specs, match=["4501/*-a", "web"], dry_run=True) == [
        "llm-a: keep",
        "web: keep",
    ]
    for pattern in ("llm", "4502/*"):
        with pytest.raises(UsageError) as caught:
            commands.adopt_all(*specs, match=["web", pattern])
        assert caught.value.message == f"nothing in project 4501 matches {pattern}"
    assert (commands.world.state(), commands.history()) == ([], [])


def test_a_dry_run_and_a_no_write_nothing(commands: AdoptCommands) -> None:
    """The first says what it would do, the second does what it was told."""
    workload_id = commands.plant(wish("a"))
    before = commands.path.read_bytes()

    assert commands.adopt("4501/a", workload_id, dry_run=True) == ["a: delete"]
    assert commands.adopt_all(wish("a"), dry_run=True) == ["a: keep"]
    assert commands.path.read_bytes() == before
    commands.agrees = False
    assert commands.adopt("4501/a", workload_id) == []
    assert commands.adopt_all(wish("a")) == []

    assert (commands.world.state(), commands.history()) == ([], [])
    assert list_backups(commands.path) == []


def test_a_state_is_made_when_there_is_something_to_write(
    commands: AdoptCommands, tmp_path: Path
) -> None:
    """With the lineage under which the secrets were redacted; not for a no, nor for a failure."""
    declared = secret("a")
    commands.plant(declared)
    commands.path.unlink()

    with pytest.raises(StateError, match="there is no state"):
        commands.adopt_all(declared)
    assert commands.adopt_all(declared, init=True, dry_run=True) == ["a: keep"]
    commands.agrees = False
    commands.adopt_all(declared, init=True)
    commands.agrees = True
    with pytest.raises(UsageError):
        commands.adopt_all(declared, match=["b"], init=True)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".db"] == []

    assert commands.adopt_all(declared, init=True) == ["a: keep"]
    assert not commands.world.plan(declared).plan.has_changes
    assert commands.history() == ["adopted"]


def test_a_second_adoption_finds_everything_recorded(commands: AdoptCommands) -> None:
    """Repeating it changes nothing, not even the history."""
    commands.plant(wish("a"))
    commands.adopt_all(wish("a"))
    assert commands.adopt_all(wish("a")) == ["a left: recorded"]
    assert commands.history() == ["adopted"]


@pytest.mark.parametrize(
    ("faults", "sandbox", "message"),
    [
        ((), {"listing": False}, "the server's list of project 4501 cannot be used"),
        (("403 at=list",), {}, "the server's list of project 4501 cannot be used"),
        (("garble at=list",), {}, "the server's list of project 4501 cannot be used"),
        (("403 on=GET nth=7",), {}, "is listed and cannot be read"),
        (("503 on=GET nth=5-",), {}, "is listed and cannot be read"),
    ],
)
def test_what_cannot_all_be_read_is_not_written(
    tmp_path: Path, faults: tuple[str, ...], sandbox: dict[str, Any], message: str
) -> None:
    """A list that cannot be had, or one workload of many that cannot be read: nobody is asked."""
    commands = AdoptCommands(tmp_path, *faults, **sandbox)
    specs = [wish(f"w{i}") for i in range(9)]
    for spec in specs:
        commands.plant(spec)

    with pytest.raises(UnreachableError) as caught:
        commands.adopt_all(*specs)

    assert message in caught.value.message
    assert caught.value.hint
    assert (commands.world.state(), commands.history(), commands.shown) == ([], [], [])


def test_a_server_in_trouble_is_waited_for(tmp_path: Path) -> None:
    """Every request is refused for a while; all of it is read in the end."""
    commands = AdoptCommands(tmp_path, "503 p=40% at=workloads,list", "drop p=10% at=workloads")
    specs = [wish(f"w{i}") for i in range(50)]
    for spec in specs:
        commands.plant(spec)
    assert len(commands.adopt_all(*specs)) == 50
    assert not commands.world.plan(*specs).plan.has_changes


def test_a_listed_workload_that_the_api_does_not_have_is_left(commands: AdoptCommands) -> None:
    """Lists show what was made past this API, and what has gone meanwhile."""
    commands.plant(wish("a"))
    gone = commands.plant(wish("b"))

    def vanish(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path.endswith(gone):
            commands.world.sandbox.store.vanish(gone)

    commands.world.on_request = vanish
    assert commands.adopt_all(wish("a")) == ["a: keep", f"{gone} left: unknown"]


def test_a_project_without_workloads_is_more_likely_misspelt(commands: AdoptCommands) -> None:
    """Or the credentials may not see it."""
    with pytest.raises(StateError, match="lists no workload in project 4509"):
        commands.adopt_all(wish("a"), project="4509")


def test_a_state_in_use_records_nothing(commands: AdoptCommands) -> None:
    """A dry run is possible all the same."""
    commands.plant(wish("a"))
    store = open_state(commands.path)
    store.hold("reconciler apply")
    with pytest.raises(LockedError):
        commands.adopt_all(wish("a"))
    assert commands.adopt_all(wish("a"), dry_run=True) == ["a: keep"]
    store.close()


def test_a_run_without_time_writes_nothing(commands: AdoptCommands) -> None:
    """Whatever was read until then."""
    for i in range(5):
        commands.plant(wish(f"w{i}"))

    def stand_still(request: httpx.Request) -> None:
        path = request.url.path
        if request.method == "GET" and "/api/v2/" in path and not path.endswith(NOBODY):
            commands.world.timeline.now += 10_000

    commands.world.on_request = stand_still
    with pytest.raises(UnreachableError) as caught:
        commands.adopt_all(*(wish(f"w{i}") for i in range(5)))
    assert "--deadline" in caught.value.hint or "run it again" in caught.value.hint
    assert commands.world.state() == []


def test_what_another_stack_made_is_taken_over_only_if_that_is_asked_for(
    commands: AdoptCommands,
) -> None:
    """The record has the mark that the workload carries and keeps, and says whose it was."""
    former = neighbour(commands)
    former.apply(wish("a"), wish("b"))

    assert commands.adopt_all(wish("a"), wish("b")) == ["a left: foreign", "b left: foreign"]
    assert commands.adopt_all(wish("a"), wish("b"), take_over=True) == ["a: keep", "b: keep"]

    owners = [one.owner for one in commands.shown[-1].adoptions]
    assert [(owner.stack, owner.lineage) for owner in owners if owner] == [("green", LINEAGE)] * 2
    rows = {row.address.name: row for row in commands.world.rows()}
    assert {name: row.marker for name, row in rows.items()} == {
        name: former.row(name).marker for name in "ab"
    }
    assert {row.op for row in rows.values()}.isdisjoint(row.op for row in former.rows())
    store = open_state(commands.path)
    told = {action.message for action in store.actions(store.runs()[0].id)}
    store.close()
    assert told == {f"taken over from stack 'green' (state {LINEAGE})"}


def test_the_former_owner_notices_a_take_over_when_the_workload_is_gone(
    commands: AdoptCommands,
) -> None:
    """Its plan shows nothing before; afterwards it cannot make the name again, nor touch it."""
    former = neighbour(commands)
    former.apply(wish("a"), wish("b"))
    commands.adopt_all(wish("a"), take_over=True)
    assert not former.plan(wish("a"), wish("b")).plan.has_changes

    commands.world.sandbox.store.vanish(commands.world.id_of("a"))
    commands.plant(wish("known"))
    commands.adopt_all(wish("a"), wish("known"))
    commands.world.apply(wish("a"), wish("known"))

    (action,) = former.plan(wish("a"), wish("b")).plan.changes
    assert (action.kind, action.reason) == ("create", "missing-on-server")
    (told,) = former.apply(wish("a"), wish("b")).told
    assert "belongs to stack 'blue'" in told
    assert commands.world.live() == ["a", "b", "known"]


def test_a_former_owner_that_was_not_told_to_forget_still_deletes(commands: AdoptCommands) -> None:
    """The mark is still its own: what it deletes is missing here, and is made again."""
    former = neighbour(commands)
    former.apply(wish("a"), wish("b"))
    commands.adopt_all(wish("a"), take_over=True)

    former.apply(wish("b"))

    (action,) = commands.world.plan(wish("a")).plan.changes
    assert (action.kind, action.reason) == ("create", "missing-on-server")
    assert commands.world.live() == ["b"]


def test_a_workload_takes_the_place_of_one_that_is_down(commands: AdoptCommands) -> None:
    """Nothing of what was deleted is in doubt: its name has a workload again."""
    world = commands.world
    world.apply(wish("a"), wish("z"))
    world.sandbox.set_faults("422 on=POST name=a")
    assert world.apply(wish("a", image="nginx:2"), wish("z")).summary["down"] == 1
    world.sandbox.set_faults()
    made = commands.plant(wish("a", image="nginx:2"))

    commands.adopt("4501/a", made, wish("a", image="nginx:2"))

    assert [(row.own, row.id) for row in world.rows() if row.address.name == "a"] == [
        (Own.ACCEPTED, made)
    ]
    assert commands.history()[0] == "adopted"
    assert not world.plan(wish("a", image="nginx:2"), wish("z")).plan.has_changes

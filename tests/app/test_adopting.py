"""Workloads that are there already are recorded: one by its id, or all of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.state.adopting import AdoptOptions, adopt, adopt_project
from reconciler.app.state.examining import AdoptionTerms
from reconciler.core.model import Desired
from reconciler.core.planning.adoption import NotAdopted, Proposal
from reconciler.core.protocol.marker import OP, STACK
from reconciler.engine.refresh import NOBODY
from reconciler.errors import (
    LockedError,
    ReconcilerError,
    RefusedError,
    StateError,
    UnreachableError,
    UsageError,
)
from reconciler.sandbox.world.workload import Twist
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import open_state
from tests.app.test_claiming import Office, lose_answer
from tests.app.test_moving import secret
from tests.worlds import LINEAGE, World, wish


class Registry(Office):
    """An office that records what is there already."""

    def __init__(self, folder: Path, *faults: str, **sandbox: Any) -> None:
        super().__init__(folder, *faults, **sandbox)
        self.shown: list[Proposal] = []

    def adopt(
        self, address: str, workload_id: str, *declared: Desired, **options: Any
    ) -> list[str]:
        """Adopt one workload, and say what was recorded or would be."""
        return _told(
            self.run(
                adopt(
                    self.settings,
                    self._request(declared, options),
                    address,
                    workload_id,
                    connector=self.world.connector(),
                    say=lambda _: None,
                )
            )
        )

    def adopt_all(
        self, *declared: Desired, match: Sequence[str] = (), project: str = "4501", **options: Any
    ) -> list[str]:
        """Adopt a project, and say what was recorded or would be, and what was left."""
        return _told(
            self.run(
                adopt_project(
                    self.settings,
                    self._request(declared, options),
                    project,
                    match,
                    connector=self.world.connector(),
                    say=lambda _: None,
                )
            )
        )

    def plant(self, spec: Desired) -> str:
        """A workload that somebody made by hand; returns its id."""
        body = {"metadata": spec.metadata, "manifest": spec.manifest}
        return self.world.sandbox.store.plant(body).id

    def mark(self, workload_id: str, op: str, stack: str) -> None:
        """Let a workload carry a mark."""
        store = self.world.sandbox.store
        manifest = store.manifest(workload_id)
        manifest["metadata"] = {"annotations": {OP: op, STACK: stack}}
        store.edit(workload_id, manifest=manifest)

    def end(self, workload_id: str) -> None:
        """Somebody deletes a workload, which takes its time."""
        store = self.world.sandbox.store
        workload = store.get(workload_id)
        assert workload is not None
        store.delete(workload, "somebody", Twist(delete_delay=3600.0))

    def _request(self, declared: Sequence[Desired], options: dict[str, Any]) -> AdoptOptions:
        ways = {name: options.pop(name, False) for name in ("init", "dry_run")}
        terms = AdoptionTerms(declared=declared, **options)
        return AdoptOptions(
            command="reconciler state adopt …", agree=self._agree, terms=terms, **ways
        )

    def _agree(self, proposal: Proposal) -> bool:
        self.shown.append(proposal)
        return self.agrees


def _told(proposal: Proposal | None) -> list[str]:
    if proposal is None:
        return []
    return [
        *(f"{one.address.name}: {one.then.kind}" for one in proposal.adoptions),
        *(f"{_name(one)} left: {one.why}" for one in proposal.skipped),
    ]


def _name(one: NotAdopted) -> str:
    return one.address.name if one.address else one.id


def neighbour(registry: Registry, stack: str = "green") -> World:
    """Another team on the same server, with a stack and a state of its own."""
    other = World(stack=stack)
    other.sandbox, other.timeline, other.clock = (
        registry.world.sandbox,
        registry.world.timeline,
        registry.world.clock,
    )
    return other


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A state that has never recorded anything."""
    return Registry(tmp_path)


def test_a_workload_made_by_hand_is_adopted_as_it_is_declared(registry: Registry) -> None:
    """From then on it is like any other: unchanged it shows nothing, removed it is deleted."""
    workload_id = registry.plant(wish("a"))
    registry.world.apply(wish("z"))

    adopted = registry.adopt("4501/a", workload_id, wish("a"))
    unchanged = registry.world.plan(wish("a"), wish("z")).plan
    removed = registry.world.apply(wish("z"))

    assert adopted == ["a: keep"]
    assert not unchanged.has_changes
    assert removed.summary == {"deleted": 1}
    assert registry.world.live() == ["z"]


def test_what_the_next_plan_does_is_shown_before(registry: Registry) -> None:
    """Adopting changes nothing on the server; what is shown is what that plan then says."""
    registry.plant(wish("a", image="nginx:1"))
    registry.plant(wish("b"))
    declared = (wish("a", image="nginx:2"), wish("b"))

    assert registry.adopt_all(*declared) == ["a: replace", "b: keep"]

    (shown,) = registry.shown
    plan = registry.world.plan(*declared).plan
    assert [one.then for one in shown.adoptions] == list(plan.actions)
    assert [change.pointer for change in shown.adoptions[0].then.changes] == [
        "/manifest/spec/template/spec/containers/0/image"
    ]
    assert registry.world.ledger("POST", "DELETE") == []


def test_one_workload_may_be_adopted_without_a_spec(registry: Registry) -> None:
    """Its caller is shown that the next plan deletes it unless it is declared until then."""
    workload_id = registry.plant(wish("a"))
    assert registry.adopt("4501/a", workload_id) == ["a: delete"]
    assert [action.kind for action in registry.world.plan(wish("a")).plan.changes] == ["record"]


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
def test_what_cannot_be_adopted_is_refused(registry: Registry, case: str, message: str) -> None:
    """Nothing is written, and the message names both sides."""
    address, workload_id = "4501/a", registry.plant(wish("a"))
    registry.world.apply(wish("z"))
    match case:
        case "another name":
            workload_id = registry.plant(wish("b"))
        case "another owner":
            registry.mark(workload_id, "other/op", "green")
        case "recorded":
            registry.adopt("4501/a", workload_id)
        case "unknown":
            workload_id = "11111111-2222-3333-4444-555555555555"
        case "leaving":
            registry.end(workload_id)
        case "copied":
            registry.mark(workload_id, registry.world.row("z").marker, "blue")
        case _:
            address = "a"
    before = registry.world.state()

    with pytest.raises(ReconcilerError) as caught:
        registry.adopt(address, workload_id, take_over=case == "copied")

    assert message in caught.value.message
    assert caught.value.hint
    assert registry.world.state() == before


def test_a_project_is_recorded_from_the_list(registry: Registry) -> None:
    """One surgery: a copy of the state, one run, one entry for each; the next plan is empty."""
    specs = [wish(f"w{i}") for i in range(40)]
    for spec in specs:
        registry.plant(spec)

    told = registry.adopt_all(*specs)

    assert told == [f"{name}: keep" for name in sorted(spec.address.name for spec in specs)]
    assert not registry.world.plan(*specs).plan.has_changes
    assert registry.history() == ["adopted"]
    assert len(list_backups(registry.path)) == 1
    store = open_state(registry.path)
    assert len(store.actions(store.runs()[0].id)) == 40
    assert (store.header.serial, store.header.target.tenant_id) == (1, 1)
    assert store.header.target.issuer
    store.close()


def test_each_that_is_left_is_said_with_its_reason(registry: Registry) -> None:
    """Nothing that the server shows is passed over in silence."""
    registry.world.apply(wish("recorded"))
    registry.plant(wish("new"))
    registry.plant(wish("undeclared"))
    registry.plant(wish("elsewhere", project="4502"))
    registry.mark(registry.plant(wish("foreign")), "other/op", "green")
    registry.end(registry.plant(wish("leaving")))
    registry.mark(registry.plant(wish("copy")), registry.world.row("recorded").marker, "blue")
    for name in ("twin-1", "twin-2"):
        registry.mark(registry.plant(wish(name)), f"{lineage_of(registry)}/lost", "blue")

    names = ("new", "foreign", "leaving", "copy", "twin-1", "twin-2", "recorded", "elsewhere")
    told = registry.adopt_all(*map(wish, names))

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
    assert all(one.hint for one in registry.shown[0].skipped)
    assert registry.world.state() == ["new ACCEPTED Synced", "recorded ACCEPTED Synced"]


def lineage_of(registry: Registry) -> str:
    """The lineage of its state."""
    store = open_state(registry.path)
    try:
        return store.header.lineage
    finally:
        store.close()


def test_what_is_in_doubt_is_not_adopted_around_its_doubt(tmp_path: Path) -> None:
    """The create that was cut short is settled by its own command."""
    registry = Registry(tmp_path)
    lose_answer(registry.world)

    assert registry.adopt_all(wish("a")) == ["a left: in-doubt"]
    with pytest.raises(RefusedError, match="4501/a is in doubt") as caught:
        registry.adopt("4501/a", registry.world.id_of("a"), wish("a"))
    assert "state resolve 4501/a --id" in caught.value.hint


def test_two_of_one_name_are_for_a_person(registry: Registry) -> None:
    """A server without unique names would let one address have two records."""
    first, _ = registry.plant(wish("a")), registry.plant(wish("a"))

    assert registry.adopt_all(wish("a")) == ["a left: same-name", "a left: same-name"]
    assert registry.adopt("4501/a", first, wish("a")) == ["a: keep"]


def test_what_no_spec_declares_is_taken_only_if_that_is_asked_for(registry: Registry) -> None:
    """Declared afterwards it is compared; undeclared the next apply deletes it, as was shown."""
    registry.plant(wish("a"))
    registry.plant(wish("b"))

    assert registry.adopt_all(undeclared=True) == ["a: delete", "b: delete"]

    plan = registry.world.plan(wish("a")).plan
    assert [(a.kind, a.address.name) for a in plan.changes] == [("record", "a"), ("delete", "b")]


def test_globs_choose_by_name_or_address(registry: Registry) -> None:
    """Several add up; one that matches nothing is a mistake, and nothing is written."""
    specs = [wish(name) for name in ("llm-a", "llm-b", "web")]
    for spec in specs:
        registry.plant(spec)

    assert registry.adopt_all(*specs, match=["llm-*"], dry_run=True) == [
        "llm-a: keep",
        "llm-b: keep",
    ]
    assert registry.adopt_all(*specs, match=["4501/*-a", "web"], dry_run=True) == [
        "llm-a: keep",
        "web: keep",
    ]
    for pattern in ("llm", "4502/*"):
        with pytest.raises(UsageError) as caught:
            registry.adopt_all(*specs, match=["web", pattern])
        assert caught.value.message == f"nothing in project 4501 matches {pattern}"
    assert (registry.world.state(), registry.history()) == ([], [])


def test_a_dry_run_and_a_no_write_nothing(registry: Registry) -> None:
    """The first says what it would do, the second does what it was told."""
    workload_id = registry.plant(wish("a"))
    before = registry.path.read_bytes()

    assert registry.adopt("4501/a", workload_id, dry_run=True) == ["a: delete"]
    assert registry.adopt_all(wish("a"), dry_run=True) == ["a: keep"]
    assert registry.path.read_bytes() == before
    registry.agrees = False
    assert registry.adopt("4501/a", workload_id) == []
    assert registry.adopt_all(wish("a")) == []

    assert (registry.world.state(), registry.history()) == ([], [])
    assert list_backups(registry.path) == []


def test_a_state_is_made_when_there_is_something_to_write(
    registry: Registry, tmp_path: Path
) -> None:
    """With the lineage under which the secrets were redacted; not for a no, nor for a failure."""
    declared = secret("a")
    registry.plant(declared)
    registry.path.unlink()

    with pytest.raises(StateError, match="there is no state"):
        registry.adopt_all(declared)
    assert registry.adopt_all(declared, init=True, dry_run=True) == ["a: keep"]
    registry.agrees = False
    registry.adopt_all(declared, init=True)
    registry.agrees = True
    with pytest.raises(UsageError):
        registry.adopt_all(declared, match=["b"], init=True)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".db"] == []

    assert registry.adopt_all(declared, init=True) == ["a: keep"]
    assert not registry.world.plan(declared).plan.has_changes
    assert registry.history() == ["adopted"]


def test_a_second_adoption_finds_everything_recorded(registry: Registry) -> None:
    """Repeating it changes nothing, not even the history."""
    registry.plant(wish("a"))
    registry.adopt_all(wish("a"))
    assert registry.adopt_all(wish("a")) == ["a left: recorded"]
    assert registry.history() == ["adopted"]


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
    registry = Registry(tmp_path, *faults, **sandbox)
    specs = [wish(f"w{i}") for i in range(9)]
    for spec in specs:
        registry.plant(spec)

    with pytest.raises(UnreachableError) as caught:
        registry.adopt_all(*specs)

    assert message in caught.value.message
    assert caught.value.hint
    assert (registry.world.state(), registry.history(), registry.shown) == ([], [], [])


def test_a_server_in_trouble_is_waited_for(tmp_path: Path) -> None:
    """Every request is refused for a while; all of it is read in the end."""
    registry = Registry(tmp_path, "503 p=40% at=workloads,list", "drop p=10% at=workloads")
    specs = [wish(f"w{i}") for i in range(50)]
    for spec in specs:
        registry.plant(spec)
    assert len(registry.adopt_all(*specs)) == 50
    assert not registry.world.plan(*specs).plan.has_changes


def test_a_listed_workload_that_the_api_does_not_have_is_left(registry: Registry) -> None:
    """Lists show what was made past this API, and what has gone meanwhile."""
    registry.plant(wish("a"))
    gone = registry.plant(wish("b"))

    def vanish(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path.endswith(gone):
            registry.world.sandbox.store.vanish(gone)

    registry.world.on_request = vanish
    assert registry.adopt_all(wish("a")) == ["a: keep", f"{gone} left: unknown"]


def test_a_project_without_workloads_is_more_likely_misspelt(registry: Registry) -> None:
    """Or the credentials may not see it."""
    with pytest.raises(StateError, match="lists no workload in project 4509"):
        registry.adopt_all(wish("a"), project="4509")


def test_a_state_in_use_records_nothing(registry: Registry) -> None:
    """A dry run is possible all the same."""
    registry.plant(wish("a"))
    store = open_state(registry.path)
    store.hold("reconciler apply")
    with pytest.raises(LockedError):
        registry.adopt_all(wish("a"))
    assert registry.adopt_all(wish("a"), dry_run=True) == ["a: keep"]
    store.close()


def test_a_run_without_time_writes_nothing(registry: Registry) -> None:
    """Whatever was read until then."""
    for i in range(5):
        registry.plant(wish(f"w{i}"))

    def stand_still(request: httpx.Request) -> None:
        path = request.url.path
        if request.method == "GET" and "/api/v2/" in path and not path.endswith(NOBODY):
            registry.world.timeline.now += 10_000

    registry.world.on_request = stand_still
    with pytest.raises(UnreachableError) as caught:
        registry.adopt_all(*(wish(f"w{i}") for i in range(5)))
    assert "--deadline" in caught.value.hint or "run it again" in caught.value.hint
    assert registry.world.state() == []


def test_what_another_stack_made_is_taken_over_only_if_that_is_asked_for(
    registry: Registry,
) -> None:
    """The record has the mark that the workload carries and keeps, and says whose it was."""
    former = neighbour(registry)
    former.apply(wish("a"), wish("b"))

    assert registry.adopt_all(wish("a"), wish("b")) == ["a left: foreign", "b left: foreign"]
    assert registry.adopt_all(wish("a"), wish("b"), take_over=True) == ["a: keep", "b: keep"]

    owners = [one.owner for one in registry.shown[-1].adoptions]
    assert [(owner.stack, owner.lineage) for owner in owners if owner] == [("green", LINEAGE)] * 2
    rows = {row.address.name: row for row in registry.world.rows()}
    assert {name: row.marker for name, row in rows.items()} == {
        name: former.row(name).marker for name in "ab"
    }
    assert {row.op for row in rows.values()}.isdisjoint(row.op for row in former.rows())
    store = open_state(registry.path)
    told = {action.message for action in store.actions(store.runs()[0].id)}
    store.close()
    assert told == {f"taken over from stack 'green' (state {LINEAGE})"}


def test_the_former_owner_notices_a_take_over_when_the_workload_is_gone(
    registry: Registry,
) -> None:
    """Its plan shows nothing before; afterwards it cannot make the name again, nor touch it."""
    former = neighbour(registry)
    former.apply(wish("a"), wish("b"))
    registry.adopt_all(wish("a"), take_over=True)
    assert not former.plan(wish("a"), wish("b")).plan.has_changes

    registry.world.sandbox.store.vanish(registry.world.id_of("a"))
    registry.plant(wish("known"))
    registry.adopt_all(wish("a"), wish("known"))
    registry.world.apply(wish("a"), wish("known"))

    (action,) = former.plan(wish("a"), wish("b")).plan.changes
    assert (action.kind, action.reason) == ("create", "missing-on-server")
    (told,) = former.apply(wish("a"), wish("b")).told
    assert "belongs to stack 'blue'" in told
    assert registry.world.live() == ["a", "b", "known"]


def test_a_former_owner_that_was_not_told_to_forget_still_deletes(registry: Registry) -> None:
    """The mark is still its own: what it deletes is missing here, and is made again."""
    former = neighbour(registry)
    former.apply(wish("a"), wish("b"))
    registry.adopt_all(wish("a"), take_over=True)

    former.apply(wish("b"))

    (action,) = registry.world.plan(wish("a")).plan.changes
    assert (action.kind, action.reason) == ("create", "missing-on-server")
    assert registry.world.live() == ["b"]

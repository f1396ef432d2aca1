from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from reconciler.sandbox import Effect
from tests.sandbox.rigs import WORKLOADS, Rig, request

SYNC, DELETE = 4.0, 6.0
ORDER = ["Queued", "Applying", "Synced", "Deleting", "404"]


@dataclass
class Modelled:
    """What the model knows of one workload."""

    address: tuple[str, str]
    born: float
    dying_since: float | None = None
    furthest: int = 0

    def status(self, now: float) -> str:
        """What a GET must show."""
        if self.dying_since is not None:
            return "Deleting" if now < self.dying_since + DELETE else "404"
        age = now - self.born
        return ORDER[0 if age < SYNC / 2 else 1 if age < SYNC else 2]


class Machine(RuleBasedStateMachine):
    """The sandbox beside a model that knows names, ages and nothing else."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[str, Modelled] = {}
        self.start(0.0)

    def start(self, now: float) -> None:
        """Open the world as it lies in the file."""
        data = Path(self.folder.name, "data")
        self.rig = Rig(start=now, data=data, sync_delay=SYNC, delete_delay=DELETE)

    def holder(self, address: tuple[str, str]) -> str | None:
        """Who holds a name, by the model."""
        alive = (
            key
            for key, one in self.model.items()
            if one.address == address and one.status(self.rig.now) != "404"
        )
        return next(alive, None)

    @rule(target=ids, project=st.sampled_from(["1", "2"]), name=st.sampled_from(["a", "b"]))
    def create(self, project: str, name: str) -> str:
        """A create succeeds exactly while the name is free."""
        holder = self.holder((project, name))
        answer = self.rig.ask("POST", WORKLOADS, json=request(name, project=project))
        assert answer.status_code == (202 if holder is None else 409)
        if holder is not None:
            return holder
        workload_id: str = answer.json()["metadata"]["id"]
        assert workload_id not in self.model
        self.model[workload_id] = Modelled((project, name), self.rig.now)
        return workload_id

    @rule(workload_id=ids)
    def read(self, workload_id: str) -> None:
        """A read shows the phase that the age says, and never an earlier one than before."""
        one = self.model[workload_id]
        status = self.rig.status(workload_id)
        assert status == one.status(self.rig.now)
        assert ORDER.index(status) >= one.furthest
        one.furthest = ORDER.index(status)

    @rule(workload_id=ids)
    def delete(self, workload_id: str) -> None:
        """A delete is accepted until the workload is gone, and starts once."""
        one = self.model[workload_id]
        gone = one.status(self.rig.now) == "404"
        assert self.rig.delete(workload_id).status_code == (404 if gone else 202)
        if one.dying_since is None:
            one.dying_since = self.rig.now

    @rule(workload_id=ids)
    def vanish(self, workload_id: str) -> None:
        """Whatever vanishes is gone at once."""
        self.rig.sandbox.store.vanish(workload_id)
        self.model[workload_id].dying_since = self.rig.now - DELETE

    @rule(seconds=st.sampled_from([1.0, 2.0, 5.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.rig.now += seconds

    @rule()
    def restart(self) -> None:
        """A restart changes nothing that anybody could see."""
        self.rig.sandbox.close()
        self.start(self.rig.now)

    @invariant()
    def holds_exactly_the_living(self) -> None:
        """The store and the list show the living of the model, each name once."""
        living = {key for key, one in self.model.items() if one.status(self.rig.now) != "404"}
        listed = self.rig.ask("GET", "/api/v1/workloads").json()["workloads"]
        assert {w.id for w in self.rig.sandbox.store.live()} == living
        assert {item["id"] for item in listed} == living
        assert len({w.address for w in self.rig.sandbox.store.live()}) == len(living)

    @invariant()
    def knows_from_its_book_what_it_created(self) -> None:
        """Since the last start, the ledger has no creation that the model has not."""
        created = [entry.id for entry in self.rig.sandbox.ledger.effects(Effect.CREATED)]
        assert len(created) == len(set(created))
        assert set(created) <= self.model.keys()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.rig.sandbox.close()
        self.folder.cleanup()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

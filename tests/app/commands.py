"""Commands in front of a server, each a process of its own, and the people whom they ask."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from reconciler.app.applying.applying import ApplyRequest, ApplyResult, carry_out
from reconciler.app.planning.approval_checks import read_approved
from reconciler.app.planning.planning import PlanRequest, PlanResult
from reconciler.app.planning.workspace import Workspace
from reconciler.app.settings import Settings
from reconciler.app.state.adopting import AdoptOptions, adopt, adopt_project
from reconciler.app.state.claiming import ResolveRequest, recheck, resolve_by_id
from reconciler.app.state.examining import AdoptionTerms
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.history.events import Event
from reconciler.core.model import Desired, Recorded, Target
from reconciler.core.planning.adoption import NotAdopted, Proposal
from reconciler.core.protocol.marker import OP, STACK
from reconciler.core.states.places import FilePlace
from reconciler.engine.run import ApplyOptions, WaitFor
from reconciler.sandbox.world.workload import WorkloadFaults
from reconciler.state.sqlite import open_state
from tests.support.timing import run
from tests.support.worlds import World, is_write, wish


class Repository:
    """A repository with a state file, in front of a server; each apply is a process of its own."""

    def __init__(self, folder: Path, world: World) -> None:
        self.path = folder / "state.db"
        self.world = world
        self.settings = dataclasses.replace(
            world.settings, state=FilePlace(path=self.path), root=folder
        )
        self.asked: list[PlanResult] = []
        self.events: list[Event] = []

    def apply(
        self,
        *specs: Desired,
        answer: bool = True,
        diagnostics: tuple[Diagnostic, ...] = (),
        deadline: float = 1800.0,
        request: PlanRequest | None = None,
        expect_digest: str | None = None,
        init: bool = True,
        wait_for: WaitFor = WaitFor.SYNCED,
        at: tuple[float, Callable[[], None]] | None = None,
    ) -> ApplyResult:
        """Apply specs, confirming or not; `at` does something so many seconds after that."""

        def confirm(planned: PlanResult) -> bool:
            self.asked.append(planned)
            if at is not None:
                asyncio.get_running_loop().call_later(*at)
            return answer

        main = carry_out(
            Workspace(
                settings=dataclasses.replace(self.settings, deadline=deadline),
                desired=specs,
                diagnostics=diagnostics,
                files=len(specs),
                places=(".",),
                prefix="",
            ),
            ApplyRequest(
                plan=request or PlanRequest(),
                options=ApplyOptions(wait_for=wait_for),
                command="reconciler apply",
                init=init,
                expected=read_approved(expect_digest) if expect_digest else None,
            ),
            connector=self.world.connector(),
            confirm=confirm,
            say=self.events.append,
        )
        return run(main, self.world.timeline)

    def rows(self) -> list[Recorded]:
        """What the file holds."""
        store = open_state(self.path)
        try:
            return list(store.read())
        finally:
            store.close()

    def target(self) -> Target:
        """What the file belongs to."""
        store = open_state(self.path)
        try:
            return store.header.target
        finally:
            store.close()


T = TypeVar("T")


class StateCommands:
    """A world with its state in a file, and a person who is asked."""

    def __init__(self, folder: Path, *faults: str, **sandbox: Any) -> None:
        self.path = folder / "state.db"
        self.world = World(*faults, path=self.path, **sandbox)
        self.asked: list[str] = []
        self.agrees = True

    @property
    def settings(self) -> Settings:
        """The settings of a command line here."""
        return dataclasses.replace(self.world.settings, state=FilePlace(path=self.path))

    def request(self, address: str, *, dry_run: bool = False) -> ResolveRequest:
        """What is asked for."""
        return ResolveRequest(
            address=address, command="reconciler state …", confirm=self._confirm, dry_run=dry_run
        )

    def resolve(self, address: str, workload_id: str, **options: Any) -> list[str]:
        """Settle by an id, and say what was written."""
        return _words_of_rows(
            self.run(
                resolve_by_id(
                    self.settings,
                    self.request(address, **options),
                    workload_id,
                    connector=self.world.connector(),
                    say=lambda _: None,
                )
            )
        )

    def recheck(self, address: str) -> int:
        """Look again, and return the exit code."""
        applied = self.run(
            recheck(
                self.settings,
                self.request(address),
                connector=self.world.connector(),
                say=lambda _: None,
            )
        )
        return applied.exit_code

    def history(self) -> list[str]:
        """What the runs of this state were about."""
        store = open_state(self.path)
        try:
            return [" ".join(entry.counts) for entry in store.runs()]
        finally:
            store.close()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end."""
        return run(main, self.world.timeline)

    def _confirm(self, rows: Sequence[Recorded]) -> bool:
        self.asked += [str(row.address) for row in rows]
        return self.agrees


def _words_of_rows(rows: Sequence[Recorded]) -> list[str]:
    return [f"{row.address.name} {row.own}" for row in rows]


def lose_answer(world: World) -> None:
    """The process dies when the answer to its create comes in."""

    def hook(request: httpx.Request) -> None:
        if is_write(request):
            world.kill()

    world.on_answer = hook
    world.apply(wish("a"))
    world.on_answer = lambda _: None
    assert world.state() == ["a CREATING unknown"]  # read by the next process


class AdoptCommands(StateCommands):
    """Commands that record what is there already."""

    def __init__(self, folder: Path, *faults: str, **sandbox: Any) -> None:
        super().__init__(folder, *faults, **sandbox)
        self.shown: list[Proposal] = []
        self.marked: list[ApplyResult] = []

    def adopt(
        self, address: str, workload_id: str, *declared: Desired, **options: Any
    ) -> list[str]:
        """Adopt one workload, and say what was recorded or would be."""
        return _words_of_proposal(
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
        return _words_of_proposal(
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
        store.delete(workload, "somebody", WorkloadFaults(delete_delay=3600.0))

    def _request(self, declared: Sequence[Desired], options: dict[str, Any]) -> AdoptOptions:
        ways = {name: options.pop(name, False) for name in ("init", "dry_run")}
        if options.pop("mark", False):
            ways["on_marked"] = self.marked.append
        terms = AdoptionTerms(declared=declared, **options)
        return AdoptOptions(
            command="reconciler state adopt …", agree=self._agree, terms=terms, **ways
        )

    def _agree(self, proposal: Proposal) -> bool:
        self.shown.append(proposal)
        return self.agrees


def _words_of_proposal(proposal: Proposal | None) -> list[str]:
    if proposal is None:
        return []
    return [
        *(f"{one.address.name}: {one.then.kind}" for one in proposal.adoptions),
        *(f"{_name_of(one)} left: {one.why}" for one in proposal.skipped),
    ]


def _name_of(one: NotAdopted) -> str:
    return one.address.name if one.address else one.id


def neighbour(commands: AdoptCommands, stack: str = "green") -> World:
    """Another team on the same server, with a stack and a state of its own."""
    other = World(stack=stack)
    other.sandbox, other.timeline, other.clock = (
        commands.world.sandbox,
        commands.world.timeline,
        commands.world.clock,
    )
    return other


def lineage_of(commands: AdoptCommands) -> str:
    """The lineage of its state."""
    store = open_state(commands.path)
    try:
        return store.header.lineage
    finally:
        store.close()


def secret(name: str, **more: Any) -> Desired:
    """A wish that holds a secret: its digest in the record depends on the lineage."""
    plain = wish(name, **more)
    container = {"name": "main", "image": "nginx:1", "env": [{"name": "API_TOKEN", "value": "x"}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return dataclasses.replace(plain, manifest={**plain.manifest, "spec": spec})

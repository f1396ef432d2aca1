"""A small world: one server, one state, one timeline, and a process that can die at any moment."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.planning import PlanRequest, PlanResult, prepare, with_provenance
from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.target import PinnedTarget
from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.history.events import ActionEnded, Event, RequestEnded, RunFinished
from reconciler.core.history.outcome import NAMES, Outcome, message_of
from reconciler.core.history.provenance import Provenance
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Address,
    Desired,
    Header,
    Recorded,
    Target,
)
from reconciler.core.protocol.api_results import NOBODY
from reconciler.core.states.places import FilePlace
from reconciler.engine.apply import apply
from reconciler.engine.journal import Journal
from reconciler.engine.run import ApplyContext, ApplyOptions
from reconciler.errors import StateError, Where
from reconciler.ports import RecordStore
from reconciler.sandbox import DEMO, Effect, Entry, Sandbox
from reconciler.sandbox import Settings as SandboxSettings
from reconciler.state.memory import MemoryStore
from reconciler.state.sqlite import create_state, open_state
from tests.support.timing import Timeline, VirtualClock, run
from tests.support.transports import SandboxTransport

URL = "https://control-plane.example"
PROJECT = "4501"
LINEAGE = "11111111-2222-4333-8444-555555555555"
LOGIN = {"RUNAI_CLIENT_ID": DEMO.client_id, "RUNAI_CLIENT_SECRET": DEMO.client_secret}

Meanwhile = Callable[[Session], object]
Rewrite = Callable[[httpx.Request, httpx.Response], Awaitable[httpx.Response]]
"""Puts other words into the server's mouth."""


def wish(
    name: str,
    *,
    project: str = PROJECT,
    image: str = "nginx:1",
    kind: str = "Deployment",
    encoded: bool = False,
    **lifecycle: Any,
) -> Desired:
    """A declared workload; `image` is what an edit of its spec changes."""
    containers = [{"name": "main", "image": image}]
    return Desired(
        address=Address(project=project, name=name),
        source=Where(file=f"{name}.yaml"),
        metadata={"name": name, "projectId": project},
        manifest={
            "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
            "kind": kind,
            "spec": {"template": {"spec": {"containers": containers}}},
        },
        encoded=encoded,
        lifecycle=Lifecycle(**lifecycle),
    )


class Disk:
    """A state as one process sees it: it breaks when told to, and forgets nothing that it wrote.

    `break_at` is the number of the write that fails, and every one after it, counted from 1; with
    `breakage`, which a full disk is unless somebody says otherwise.
    """

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self.break_at: int | None = None
        self.breakage = StateError("the state cannot be used: disk full", hint="make room")
        self.unplugged = False
        self.on_write: Callable[[], None] = lambda: None
        self.writes: list[tuple[Recorded, ...]] = []

    @property
    def header(self) -> Header:
        """The header of the store."""
        return self._store.header

    def read(self) -> Sequence[Recorded]:
        """The rows of the store."""
        return self._store.read()

    def write(self, rows: Sequence[Recorded]) -> None:
        """Write, unless the disk is full or the process is dead."""
        if self.unplugged:
            return
        self.writes.append(tuple(rows))
        if self.break_at is not None and len(self.writes) >= self.break_at:
            raise self.breakage
        self._store.write(rows)
        self.on_write()

    def pin(self, target: Target) -> None:
        """Pin the store."""
        self._store.pin(target)


class Line(httpx.AsyncBaseTransport):
    """The way to the server: hooks see each request before and after the server does.

    After the death of the process nothing passes any more, in either direction.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._inner = SandboxTransport(world.sandbox)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on and the answer back."""
        await self._pass(self._world.on_request, request)
        response = await self._inner.handle_async_request(request)
        await self._pass(self._world.on_answer, request)
        return await self._world.rewrite(request, response)

    async def _pass(self, hook: Callable[[httpx.Request], None], request: httpx.Request) -> None:
        hook(request)
        if self._world.disk.unplugged:
            await asyncio.Event().wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One apply as its caller saw it; `finished` is None for a process that was killed."""

    planned: PlanResult | None
    finished: RunFinished | None
    events: list[Event]
    requests: list[RequestEnded] = field(default_factory=list)
    unsaved: tuple[Recorded, ...] = ()
    trouble: StateError | None = None

    @property
    def exit_code(self) -> int:
        """What the command would have ended with."""
        assert self.planned is not None
        return ApplyResult(
            planned=self.planned,
            finished=self.finished,
            unsaved=self.unsaved,
            trouble=self.trouble,
        ).exit_code

    @property
    def summary(self) -> dict[str, int]:
        """The counts that are not zero."""
        assert self.finished is not None
        counts = dataclasses.asdict(self.finished.summary)
        return {key: count for key, count in counts.items() if count}

    @property
    def told(self) -> list[str]:
        """How each action ended, in words."""
        return [_word(event) for event in self.of(ActionEnded)]

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def ended(self, kind: type[Outcome]) -> list[Any]:
        """The outcomes of one kind."""
        return [event.outcome for event in self.of(ActionEnded) if isinstance(event.outcome, kind)]


def _word(event: ActionEnded) -> str:
    said = message_of(event.outcome)
    ended = f"{NAMES[type(event.outcome)].word}: {event.action} {event.address}"
    return f"{ended}: {said}" if said else ended


def _nothing(_: httpx.Request) -> None:
    """No hook."""


async def _as_it_is(_: httpx.Request, response: httpx.Response) -> httpx.Response:
    """What the server said is what the client hears."""
    return response


class World:
    """Everything that outlives a process; `path` puts the state into a real file.

    `declared` is the version of the API that the configuration declares.
    """

    def __init__(
        self,
        *faults: str,
        path: Path | None = None,
        stack: str = "blue",
        declared: str | None = "2.23",
        **sandbox: Any,
    ) -> None:
        self.timeline = Timeline()
        self.clock = VirtualClock(self.timeline)
        self.sandbox = Sandbox(
            SandboxSettings(faults=faults, **sandbox), clock=self.timeline.epoch_seconds
        )
        self.environ = dict(LOGIN)
        self.settings = _settings(stack, declared)
        self.provenance = Provenance()
        self.on_request: Callable[[httpx.Request], None] = _nothing
        self.on_answer: Callable[[httpx.Request], None] = _nothing
        self.rewrite: Rewrite = _as_it_is
        self._path = path
        self._memory = MemoryStore(Header(lineage=LINEAGE, serial=0, target=_target(stack)))
        self._processes = 0
        self._main: asyncio.Task[Any] | None = None
        if path is not None:
            create_state(path, _target(stack)).close()
        self.disk = Disk(self._memory)

    def apply(
        self,
        *specs: Desired,
        request: PlanRequest | None = None,
        meanwhile: Meanwhile | None = None,
        break_at: int | None = None,
        deadline: float = 1800.0,
        concurrency: int = 32,
        **options: Any,
    ) -> Ran:
        """Apply these specs in a new process; raises GuardError where a guard refuses."""
        events: list[Event] = []
        settings = dataclasses.replace(
            self.settings,
            deadline=deadline,
            concurrency=concurrency,
            discovery=options.get("discovery", self.settings.discovery),
        )
        with self._booted() as disk:
            disk.break_at = break_at
            main = self._apply(
                _workspace(settings, specs),
                request or PlanRequest(),
                ApplyOptions(**options),
                events,
                meanwhile,
            )
            try:
                return run(self._as_main(main), self.timeline)
            except asyncio.CancelledError:
                if not disk.unplugged:
                    raise
                return Ran(planned=None, finished=None, events=events)

    def plan(self, *specs: Desired, request: PlanRequest | None = None) -> PlanResult:
        """Plan these specs in a new process."""

        async def main() -> PlanResult:
            workspace = _workspace(self.settings, specs)
            pin = _pin(self.disk)
            async with self.connector().open_session(self.settings, pin, _mute) as session:
                return await prepare(workspace, self.disk, session, request or PlanRequest())

        with self._booted():
            return run(main(), self.timeline)

    def connector(self) -> Connector:
        """How a process reaches the server; each one draws its own numbers."""
        self._processes += 1
        return Connector(
            environ=self.environ,
            clock=self.clock,
            transport=lambda: Line(self),
            seed=self._processes,
        )

    def kill(self) -> None:
        """End the running process at this instant: nothing more is written, sent or heard."""
        self.disk.unplugged = True
        if self._main is not None:
            self._main.cancel()

    def rows(self) -> list[Recorded]:
        """What the state holds."""
        with self._booted() as disk:
            return list(disk.read())

    def record(self, *rows: Recorded) -> None:
        """Put rows into the state behind everybody's back."""
        with self._booted() as disk:
            disk.write(rows)

    def row(self, name: str) -> Recorded:
        """The only row of a workload."""
        (row,) = (row for row in self.rows() if row.address.name == name)
        return row

    def state(self) -> list[str]:
        """What the state holds, in words."""
        return sorted(f"{row.address.name} {row.own} {row.seen}" for row in self.rows())

    def live(self) -> list[str]:
        """The names of all workloads that are not gone, duplicates and all."""
        return sorted(workload.name for workload in self.sandbox.store.live())

    def entries(self) -> list[Entry]:
        """The ledger without what every session begins with: a login, and a read of nothing."""
        return [
            entry
            for entry in self.sandbox.ledger
            if not entry.path.endswith("/token") and not entry.path.endswith(NOBODY)
        ]

    def changes(self) -> list[str]:
        """Every change of the world by a request, in order."""
        return [f"{e.effect} {e.name}" for e in self.sandbox.ledger if e.effect]

    def ledger(self, *methods: str) -> list[str]:
        """The requests about workloads, in words; by default those that write."""
        wanted = methods or ("POST", "PUT", "DELETE")
        return [
            f"{e.method} {e.name} {e.status or 'lost'}"
            for e in self.entries()
            if e.method in wanted
        ]

    def created_twice(self) -> list[str]:
        """Names that were created although a workload of that name was created before."""
        names = [e.name or "" for e in self.sandbox.ledger.effects(Effect.CREATED)]
        return sorted({name for name in names if names.count(name) > 1})

    def id_of(self, name: str, project: str = PROJECT) -> str:
        """The id of the living workload of that name."""
        workload = self.sandbox.store.find(project, name)
        assert workload is not None, f"{name} does not live"
        return workload.id

    @contextmanager
    def _booted(self) -> Iterator[Disk]:
        """A new process: its own view of the state, and nothing left of the one before."""
        if self._path is None:
            self.disk = Disk(self._memory)
            yield self.disk
            return
        store = open_state(self._path)
        store.hold("reconciler apply")
        self.disk = Disk(store)
        try:
            yield self.disk
        finally:
            store.close()

    async def _as_main(self, main: Coroutine[Any, Any, Ran]) -> Ran:
        self._main = asyncio.current_task()
        return await main

    async def _apply(
        self,
        workspace: Workspace,
        request: PlanRequest,
        options: ApplyOptions,
        events: list[Event],
        meanwhile: Meanwhile | None,
    ) -> Ran:
        pin = _pin(self.disk)
        async with self.connector().open_session(workspace.settings, pin, events.append) as session:
            planned = await prepare(workspace, self.disk, session, request)
            if planned.refusals:
                raise GuardError(planned.refusals, planned)
            if meanwhile is not None:
                meanwhile(session)
            requests: list[RequestEnded] = []
            stack = workspace.settings.stack
            planned = with_provenance(planned, self.provenance)
            engine = _run(session, self.disk, stack, options, planned, requests=requests)
            finished = await apply(planned.plan, engine, deadline=session.deadline)
            unsaved = tuple(engine.journal.unsaved.values())
            return Ran(
                planned=planned,
                finished=finished,
                events=events,
                requests=requests,
                unsaved=unsaved,
                trouble=engine.journal.trouble,
            )


def stop(after: float, reason: StopReason = StopReason.SIGINT) -> Meanwhile:
    """Pull the switch so many seconds after the planning."""

    def meanwhile(session: Session) -> None:
        asyncio.get_running_loop().call_later(after, session.halt.pull, reason)

    return meanwhile


def is_write(request: httpx.Request, method: str = "POST") -> bool:
    """Whether a request creates (or deletes) a workload."""
    return request.method == method and "/workloads" in request.url.path


def _run(
    session: Session,
    store: RecordStore,
    stack: str,
    options: ApplyOptions,
    planned: PlanResult,
    *,
    requests: list[RequestEnded],
) -> ApplyContext:
    return ApplyContext(
        id=str(uuid.UUID(int=session.rng.getrandbits(128), version=4)),
        lineage=store.header.lineage,
        stack=stack,
        api=session.api,
        journal=Journal(store),
        dispatcher=session.dispatcher,
        halt=session.halt,
        clock=session.clock,
        rng=session.rng,
        listeners=(session.say,),
        tracers=(requests.append,),
        options=options,
        known={row.op: row for row in planned.recorded},
        alive=set(planned.alive),
        provenance=planned.plan.provenance,
    )


def _pin(store: RecordStore) -> PinnedTarget:
    return PinnedTarget(target=store.header.target, binds=bool(store.read()))


def _settings(stack: str, declared: str | None) -> Settings:
    return Settings(
        root=Path(),
        url=URL,
        url_is_given=True,
        stack=stack,
        state=FilePlace(path=Path("state.db")),
        api_version=declared,
        concurrency=32,
        deadline=1800.0,
        request_timeout=30.0,
        token_file=None,
        ca_file=None,
        discovery=True,
        max_delete=WorkloadLimit(),
        allowed_projects=(),
    )


def _target(stack: str) -> Target:
    return Target(url=URL, stack=stack)


def _workspace(settings: Settings, specs: Sequence[Desired]) -> Workspace:
    return Workspace(
        settings=settings,
        desired=tuple(specs),
        diagnostics=(),
        files=len(specs),
        places=(".",),
        prefix="",
    )


def _mute(_: Event) -> None:
    """Say nothing."""

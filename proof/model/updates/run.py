"""One apply of the engine against the model of the server; every choice is an oracle's.

Nothing in here waits, so that a procedure of the engine runs to its end in one go. What it may ask
of its surroundings is answered by `_Run`, and may end its process at each commit and each send.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any

from proof.model.rows import ADDRESS, LINEAGE, STACK, at, wish
from proof.model.updates.world import Flight, Form, World, tick
from reconciler.core.history.provenance import UNKNOWN_PROVENANCE
from reconciler.core.model import Json, LastSeen, Recorded, Remote
from reconciler.core.planning.actions import AnyAction, Hold, Keep, Record, Update
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.api_results import Accepted, Ambiguous, ApiResult, Method, Refused
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import REV as REV_KEY
from reconciler.core.protocol.marker import (
    Marker,
    mark,
    read_marker,
    read_own_annotations,
    read_rev,
    with_annotations,
)
from reconciler.core.protocol.retry import SendCounts
from reconciler.core.redact import Redactor
from reconciler.engine import apply as engine
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.run import ApplyOptions

ID = "1"
OTHERS = "minReadySeconds"
REDACTOR = Redactor(LINEAGE)
MARKER = str(Marker(lineage=LINEAGE, op="001", stack=STACK))
# A run looks again so often before it has to end.
PAUSES = 2


class Died(BaseException):
    """The process is killed; nothing of it goes on."""


class Oracle:
    """Chooses as it was told to, and the first of what is left afterwards."""

    def __init__(self, told: tuple[int, ...]) -> None:
        self._told = told
        self.taken: list[tuple[int, int]] = []

    def choose(self, count: int) -> int:
        """One of so many possibilities."""
        number = len(self.taken)
        choice = self._told[number] if number < len(self._told) else 0
        self.taken.append((choice, count))
        return choice


def each_choice(play: Callable[[Oracle], None]) -> Iterator[Oracle]:
    """Play once for each way to choose."""
    told: tuple[int, ...] | None = ()
    while told is not None:
        oracle = Oracle(told)
        play(oracle)
        yield oracle
        taken = oracle.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        told = (*(c for c, _ in taken[:-1]), taken[-1][0] + 1) if taken else None


def show(form: Form) -> Remote:
    """What a GET says of a form."""
    desired = wish(form.replicas)
    spec = dict(desired.manifest["spec"])
    if form.others:
        spec[OTHERS] = form.others
    manifest: Json = {**desired.manifest, "spec": spec}
    if form.marker:
        op = form.marker.partition("/")[2]
        manifest = mark(manifest, Marker(lineage=LINEAGE, op=op, stack=STACK))
    if form.rev:
        manifest = with_annotations(manifest, {**read_own_annotations(manifest), REV_KEY: form.rev})
    return Remote(
        id=ID,
        address=ADDRESS,
        metadata=desired.metadata,
        raw_manifest=manifest,
        desired_phase="Running",
        seen=LastSeen.SYNCED,
    )


def take(body: dict[str, Any]) -> Form:
    """The form that an update asks for."""
    manifest = body["manifest"]
    spec, marker = manifest["spec"], read_marker(manifest)
    return Form(
        replicas=spec["replicas"],
        others=spec.get(OTHERS, 0),
        rev=read_rev(manifest),
        marker=str(marker) if marker else "",
    )


class Apply:
    """One run from its plan to its end or death; `broken` says which rule it broke first."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self.world = world
        self.broken = ""
        self.words: list[str] = []
        self.plan: Plan | None = None
        self._oracle = oracle
        self._read: Form | None = None

    def play(self) -> None:
        """Plan, and carry out what is planned."""
        with contextlib.suppress(Died):
            self._happen()
            self.plan = self.decide()
            (action,) = self.plan.actions
            self.words.append(f"planned is {action.kind} ({action.detail})")
            if not isinstance(action, Update | Record | Keep | Hold):
                self.blame(f"I17: a workload that can be updated is to be {action.kind}d")
                return
            _run_through(self._act(action))

    async def _act(self, action: AnyAction) -> None:
        context: Any = _Context(self)
        outcome = await engine._act(action, context)
        self.words.append(f"it ends: {outcome}")

    def decide(self) -> Plan:
        """What the planner makes of what is shown now."""
        world = self.world
        return make_plan(
            [wish(world.desire)],
            [world.row],
            {ID: show(world.shown)},
            target=PlanTarget(url="", stack=STACK, api_version="3.0"),
            lineage=LINEAGE,
            options=PlanOptions(can_update=CanUpdate.YES),
            now=at(world.now),
        )

    def blame(self, broken: str) -> None:
        """A rule is broken; the first one counts."""
        self.broken = self.broken or broken

    def _choose(self, *words: str) -> int:
        choice = self._oracle.choose(len(words)) if len(words) > 1 else 0
        if words[choice]:
            self.words.append(words[choice])
        return choice

    def _happen(self) -> None:
        """What may come between two requests."""
        world = self.world
        after = [world, *(land(world, flight) for flight in world.flights)]
        words = ["", *(f"the late {flight.form.rev} lands" for flight in world.flights)]
        if world.left.meddling:
            for edited in meddle(world):
                after.append(edited)
                words.append(f"others make {edited.live} of it")
        self.world = after[self._choose(*words)]

    def pass_time(self) -> None:
        """The clock moves on while the client waits."""
        self.world = tick(self.world)
        self.words.append("150 s pass")

    def read(self) -> ApiResult:
        """GET."""
        self._happen()
        self._read = self.world.shown
        self.words.append(f"a GET shows {self._read}")
        return Accepted(remote=show(self._read))

    def commit(self, row: Recorded) -> None:
        """Make a record durable; the process may die right after it."""
        self.world = self.world._replace(row=row)
        self.words.append(f"recorded is {row.change}")
        if self.world.left.crashes and self._choose("", "it is killed"):
            self.world = self.world.spend("crashes")
            raise Died

    def update(self, body: dict[str, Any]) -> ApiResult:
        """PUT: judged as it leaves, then carried out, lost, late or refused."""
        form = take(body)
        self._judge(form)
        heard = self.world._replace(unanswered="")
        sent = self.world._replace(unanswered=form.rev)
        done = sent._replace(live=form, hidden=None)
        flying = sent._replace(flights=(*sent.flights, Flight(form, sent.now)))
        accepted, unclear = Accepted(remote=show(form)), Ambiguous(message="no answer")
        ways: list[tuple[str, World, ApiResult | None]] = [
            ("is carried out", done._replace(unanswered=""), accepted)
        ]
        if sent.left.faults:
            unseen = done._replace(hidden=sent.shown, unanswered="")
            ways += [
                ("is carried out, and cannot be seen yet", unseen.spend("faults"), accepted),
                ("is carried out, and not answered", done.spend("faults"), unclear),
                ("is not answered, and on its way", flying.spend("faults"), unclear),
                ("is lost", sent.spend("faults"), unclear),
                ("is refused", heard.spend("faults"), Refused(status=422, message="refused")),
            ]
        if sent.left.crashes:
            ways += [
                ("is on its way; the client is killed", flying.spend("crashes"), None),
                ("is carried out; the client is killed", done.spend("crashes"), None),
            ]
        choice = self._choose(*(f"PUT {form.rev} {words}" for words, _, _ in ways))
        _, self.world, answer = ways[choice]
        if answer is None:
            raise Died
        return answer

    def _judge(self, form: Form) -> None:
        """I15 and I16 of one update as it leaves."""
        change = self.world.row.change
        if change.open is None or change.open.rev != form.rev:
            self.blame(f"I15: {form.rev} is sent, and not durable")
        if form.marker != self.world.live.marker:
            self.blame("I15: who made it is not what it was")
        if self._read is None or self._read.others != form.others:
            self.blame(f"I16: others wrote {self._read and self._read.others}, sent is {form}")
        for flight in self.world.flights:
            other = flight.form
            if other.rev == form.rev and other != form:
                self.blame(f"I15: {form.rev} has two bodies")
            if self.world.restored:
                continue
            repeated = other == form._replace(rev=other.rev)
            if repeated and form.rev != other.rev == self.world.unanswered:
                self.blame(f"I15: {other.rev} is repeated as {form.rev}")
            if other.rev not in (form.rev, *change.revs):
                self.blame(f"I15: {other.rev} may land, and is forgotten")


def land(world: World, flight: Flight) -> World:
    """A late update is carried out."""
    flights = list(world.flights)
    flights.remove(flight)
    return world._replace(live=flight.form, hidden=None, flights=tuple(flights))


def meddle(world: World) -> Iterator[World]:
    """Others write a field that nobody declares, or one that is ours."""
    world = world.spend("meddling")
    yield world._replace(live=world.live._replace(others=7), hidden=None)
    yield world._replace(live=world.live._replace(replicas=100), hidden=None)


class _Context:
    """What an action of the engine sees of its run: `ActionContext` without network and threads."""

    def __init__(self, play: Apply) -> None:
        self.run = _Run(play)
        self._play = play

    async def read(self, _: str) -> ApiResult:
        return self._play.read()

    async def commit(self, row: Recorded) -> None:
        self._play.commit(row)

    async def send(
        self, _: Method, attempt: Callable[[SendCounts], Awaitable[ApiResult]]
    ) -> ApiResult:
        return await attempt(SendCounts())

    def tell_retry(self, *_: Any, **__: Any) -> None:
        return


class _Run:
    """What an update asks of the run; it is its own clock, dispatcher and client."""

    def __init__(self, play: Apply) -> None:
        self._play = play
        self._pauses = 0
        self.redactor, self.lineage, self.stack = REDACTOR, LINEAGE, STACK
        self.options = ApplyOptions(wait=False)
        self.provenance = UNKNOWN_PROVENANCE
        self.halt = False
        self.clock = self.dispatcher = self.api = self
        self.ahead, self.begun = asyncio.Semaphore(), asyncio.Semaphore()

    def server_time(self) -> datetime:
        return at(self._play.world.now)

    latest_server_time = server_time

    def monotonic(self) -> float:
        return 0.0

    def mint_op(self) -> str:
        return self._play.world.fresh_rev()

    def owns(self, marker: Marker) -> bool:
        return (marker.lineage, marker.stack) == (LINEAGE, STACK)

    def stretched(self, interval: float) -> float:
        return interval

    async def pause(self, interval: float) -> None:
        if not interval:
            return
        self._pauses += 1
        if self._pauses > PAUSES:
            raise StoppedError
        self._play.pass_time()

    async def update(
        self, _: str, body: dict[str, Any], before_send: Callable[[], Awaitable[None]], **__: Any
    ) -> ApiResult:
        await before_send()
        return self._play.update(body)


def _run_through(steps: Coroutine[Any, Any, None]) -> None:
    """Run what never waits to its end."""
    try:
        steps.send(None)
    except StopIteration:
        return
    raise AssertionError("nothing here waits")

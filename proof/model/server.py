"""What the server, the line to it, the wish and the clock may do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proof.model.messages import (
    Absent,
    Command,
    Commit,
    Control,
    Find,
    Found,
    Garbled,
    Going,
    Listed,
    Made,
    Nothing,
    Pause,
    Post,
    Read,
    Refused,
    Remove,
    Stopped,
    Taken,
    Unclear,
    Unsent,
)
from proof.model.world import (
    DEAD,
    FOREIGN,
    NOTHING,
    OLD,
    Blow,
    Flight,
    Phase,
    Row,
    Settings,
    Workload,
    World,
)
from reconciler.core.model import Own

Next = tuple[str, World]
Heard = tuple[str, World, Any]
BODIES = (NOTHING, 1, 2)


def answer(world: World, command: Command, settings: Settings) -> Iterator[Heard]:
    """Everything that a client can hear, and the world in which it hears it."""
    faulty = world.left.faults > 0
    match command:
        case Commit(row=row):
            yield f"the state records {row.own} of op {row.op}", world, Nothing()
            return
        case Post(op=op, body=body):
            yield from _answer_post(world, Flight(op, body, world.now), settings)
        case Remove(id=id_):
            yield from _answer_remove(world, id_)
        case Read(id=id_):
            yield from _answer_read(world, id_)
        case Find():
            yield from _answer_find(world, settings)
        case Control():
            yield "the list shows the control workload", world, Listed(())
        case Pause():
            yield "the client has waited", world, Nothing()
            return
        case _:
            return
    if faulty:
        worse = world.spend("faults")
        yield "the run is told to end", worse, Stopped()
        if isinstance(command, Read | Find | Control):
            yield "the answer says nothing", worse, Garbled()


def _answer_post(world: World, flight: Flight, settings: Settings) -> Iterator[Heard]:
    holder = world.holder
    if holder is None:
        for words, made in _carry_out(world, flight):
            yield f"POST of op {flight.op} is answered 202 ({words})", made, Made(made.ids)
    else:
        yield f"POST of op {flight.op} is answered 409", world, Taken()
        if not settings.discovery:
            yield f"POST of op {flight.op} is answered 409 with an id", world, Taken(holder.id)
    if not world.left.faults:
        return
    worse = world.spend("faults")
    for again in (False, True):
        then = ", it is sent again" if again else ""
        for words, lost in _lose(worse, flight):
            yield f"{words}{then}", lost, Unclear(again)
        yield f"POST of op {flight.op} cannot be sent{then}", worse, Unsent(again)
    yield f"POST of op {flight.op} is refused", worse, Refused()


def _lose(world: World, flight: Flight) -> Iterator[Next]:
    """A create that nobody hears of again: never carried out, carried out, or still on its way."""
    yield f"POST of op {flight.op} is lost on its way", world
    later = world._replace(flights=tuple(sorted((*world.flights, flight))))
    yield f"POST of op {flight.op} gets no answer and is still on its way", later
    if world.holder is None:
        for words, made in _carry_out(world, flight):
            yield f"POST of op {flight.op} is carried out ({words}), its answer is lost", made


def _carry_out(world: World, flight: Flight) -> Iterator[Next]:
    """A create takes its effect; what it made may be out of sight for a while."""
    number = world.ids + 1
    made = world._replace(ids=number)
    for words, readable, listed in (
        ("visible at once", True, True),
        ("not listed yet", True, False),
        ("not visible yet", False, False),
    ):
        holder = Workload(number, flight.op, flight.body, readable, listed)
        yield words, made._replace(holder=holder)


def _answer_remove(world: World, id_: int) -> Iterator[Heard]:
    holder = world.holder
    struck = strike(world, id_)
    if holder and holder.id == id_:
        yield f"DELETE of {id_} is answered 202", struck, Going()
    else:
        yield f"DELETE of {id_} is answered 404", world, Absent()
    if not world.left.faults:
        return
    worse = world.spend("faults")
    blow = Blow(id_, world.now)
    for again in (False, True):
        then = ", it is sent again" if again else ""
        yield f"DELETE of {id_} is lost on its way{then}", worse, Unclear(again)
        if holder and holder.id == id_:
            flying = worse._replace(blows=tuple(sorted({*world.blows, blow})))
            yield f"DELETE of {id_} is still on its way{then}", flying, Unclear(again)
            done = struck.spend("faults")
            yield f"DELETE of {id_} is carried out, its answer is lost{then}", done, Unclear(again)
    yield f"DELETE of {id_} is certainly not carried out", worse, Unsent()


def send_and_forget(world: World, command: Post | Remove) -> Iterator[Next]:
    """The request leaves, and its sender dies before any answer."""
    if isinstance(command, Post):
        flight = Flight(command.op, command.body, world.now)
        later = world._replace(flights=tuple(sorted((*world.flights, flight))))
        yield f"POST of op {flight.op} is on its way", later
    else:
        blows = tuple(sorted({*world.blows, Blow(command.id, world.now)}))
        yield f"DELETE of {command.id} is on its way", world._replace(blows=blows)


def strike(world: World, id_: int) -> World:
    """A delete takes its effect: the workload holds its name until it is gone."""
    holder = world.holder
    if holder is None or holder.id != id_:
        return world
    return note_end(world)._replace(holder=holder._replace(phase=Phase.DELETING))


def note_end(world: World) -> World:
    """What is about to be deleted may be over, for good: where the state knows of it."""
    holder = world.holder
    if holder is None or not holder.over or holder.body != world.desire:
        return world
    known = any(row.id == holder.id and row.own is not Own.ENDED for row in world.rows)
    return world._replace(over=holder.body) if known else world


def _answer_read(world: World, id_: int) -> Iterator[Heard]:
    holder = world.holder
    if holder and holder.id == id_ and holder.readable:
        seen = world._replace(verified=id_)
        yield f"GET of {id_} shows it ({holder.phase.name.lower()})", seen, Found(holder)
    else:
        yield f"GET of {id_} is answered 404", world, Absent()


def _answer_find(world: World, settings: Settings) -> Iterator[Heard]:
    holder = world.holder
    if holder and holder.listed:
        yield f"the list shows {holder.id}", world, Listed((holder.id,))
    if holder is None or not holder.listed or not settings.control:
        yield "the list shows nothing under the name", world, Listed(())


def happen(world: World) -> Iterator[Next]:
    """Everything that happens without the client."""
    yield from _arrive(world)
    yield from _come_to_light(world)
    holder = world.holder
    if holder and holder.phase is Phase.DELETING:
        yield f"the deletion of {holder.id} comes to its end", world._replace(holder=None)
    if holder and world.left.ends and _may_complete(holder):
        done = world.spend("ends")._replace(holder=holder._replace(over=True))
        yield f"{holder.id} completes", done
    if world.left.meddling:
        yield from _meddle(world.spend("meddling"))


def _may_complete(holder: Workload) -> bool:
    return holder.phase is Phase.LIVING and holder.op != FOREIGN and not holder.over


def _arrive(world: World) -> Iterator[Next]:
    """A request that was given up comes through after all."""
    for number, flight in enumerate(world.flights):
        rest_ = world._replace(flights=world.flights[:number] + world.flights[number + 1 :])
        if world.holder:
            yield f"the late POST of op {flight.op} meets a 409", rest_
            continue
        for words, made in _carry_out(rest_, flight):
            yield f"the late POST of op {flight.op} is carried out ({words})", made
    for number, blow in enumerate(world.blows):
        rest_ = world._replace(blows=world.blows[:number] + world.blows[number + 1 :])
        yield f"the late DELETE of {blow.id} comes through", strike(rest_, blow.id)


def _come_to_light(world: World) -> Iterator[Next]:
    holder = world.holder
    if holder and not holder.readable:
        seen = holder._replace(readable=True)
        yield f"{holder.id} becomes visible to GET", world._replace(holder=seen)
    if holder and holder.readable and not holder.listed:
        shown = holder._replace(listed=True)
        yield f"{holder.id} appears in the list", world._replace(holder=shown)


def _meddle(world: World) -> Iterator[Next]:
    holder = world.holder
    if holder is None:
        theirs = Workload(world.ids + 1, FOREIGN, 1, readable=True, listed=True)
        taken = world._replace(holder=theirs, ids=theirs.id)
        yield "somebody else takes the name", taken
        return
    yield f"somebody else makes an end of {holder.id}", note_end(world)._replace(holder=None)
    if holder.phase is Phase.LIVING and holder.op != FOREIGN:
        yield f"somebody else begins to delete {holder.id}", strike(world, holder.id)
    if holder.phase is Phase.DELETING:
        stuck = holder._replace(phase=Phase.STUCK)
        yield f"the deletion of {holder.id} fails", world._replace(holder=stuck)


def tick(world: World) -> Iterator[Next]:
    """Time passes: what is made becomes visible (A3), what was sent too long ago dies (A4).

    A create may be carried out in the last moment before it would be dead.
    """
    now = world.now + 1
    holder = world.holder and world.holder._replace(readable=True, listed=True)
    dying = [flight for flight in world.flights if now - flight.sent >= DEAD]
    later = world._replace(
        now=now,
        holder=holder,
        flights=tuple(flight for flight in world.flights if flight not in dying),
        blows=tuple(blow for blow in world.blows if now - blow.sent < DEAD),
    )
    yield "150 s pass", later
    if holder is None:
        for flight in dict.fromkeys(dying):
            for words, made in _carry_out(later, flight):
                told = f"the POST of op {flight.op} is carried out in its last moment ({words})"
                yield f"150 s pass; {told}", made


def between_runs(world: World) -> Iterator[Next]:
    """What may be decided while no client runs."""
    if world.left.edits:
        for body in BODIES:
            if body != world.desire:
                edited = world.spend("edits")._replace(desire=body, over=NOTHING)
                yield f"the specs now want {f'body {body}' if body else 'nothing'}", edited
    if world.copy is not None:
        yield "the older copy of the state is put back", _restore(world, world.copy)


def take_copy(world: World) -> Iterator[Next]:
    """The state file is copied as it is at this moment."""
    if world.left.restores and world.copy is None:
        yield "the state is copied", world.spend("restores")._replace(copy=world.rows)


def _restore(world: World, copy: tuple[Row, ...]) -> World:
    """What the newer state had sent since is beyond the older one."""
    known = {row.op: row.sent for row in copy}
    sent = {row.op: row.sent for row in world.rows} | {one.op: one.sent for one in world.flights}
    unseen = {flight.op for flight in world.flights}
    holder = world.holder
    if holder and holder.op != FOREIGN:
        sent.setdefault(holder.op, known.get(holder.op, OLD))
        unseen |= {holder.op} if not (holder.listed and copy) else set()
    beyond = tuple(sorted(op for op, at in sent.items() if known.get(op, OLD) != at))
    lost = tuple(op for op in beyond if op in unseen)
    # A copy that had never heard of the workload cannot know that it has ended.
    met = (Own.ACCEPTED, Own.DELETING, Own.ENDED)
    over = any(row.body == world.over and row.own in met for row in copy) and world.over
    return world._replace(rows=copy, copy=None, beyond=beyond, lost=lost, over=over or NOTHING)

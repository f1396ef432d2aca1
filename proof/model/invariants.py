"""What must hold: in every world, at every step, and once everything has come to rest."""

from __future__ import annotations

from proof.model.messages import Command, Commit, Defect, End, Post, Remove
from proof.model.work import DONE, DOUBTFUL
from proof.model.world import FOREIGN, NOTHING, OLD, Row, World
from reconciler.core.model import ENDS, Own

IN_DOUBT = (Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE)


def check_world(world: World) -> str:
    """I1 of one instant; I2 is granted by the server (A1), which has one holder per name.

    An operation that only a newer copy of the state knows is nobody's until it is found again.
    """
    holder = world.holder
    if holder is None or holder.op == FOREIGN or holder.op in world.beyond:
        return ""
    for row in world.rows:
        doubtful = row.own in IN_DOUBT or row.ambiguous
        if row.id == holder.id or (row.op == holder.op and doubtful):
            return ""
    return f"I1: {holder.id} of op {holder.op} lives, and the state knows nothing of it"


def check_command(world: World, command: Command) -> str:
    """What is wrong with doing this now."""
    match command:
        case Post():
            return check_post(world, command)
        case Remove():
            return check_remove(world, command)
        case Commit():
            return check_commit(world, command)
        case Defect(message=message):
            return f"table: {message}"
        case _:
            return ""


def check_post(world: World, post: Post) -> str:
    """I4: the intent is durable."""
    row = world.find(post.op)
    if row is None or row.own is not Own.CREATING or row.sent != world.now:
        return f"I4: op {post.op} is sent without a durable intent"
    if world.over != NOTHING and post.body == world.over:
        return f"I20: body {post.body} has ended, and is asked for again"
    return ""


def check_remove(world: World, remove: Remove) -> str:
    """I3 and I4: the target is ours, was read in this run, and its delete is on record."""
    holder = world.holder
    if holder and holder.id == remove.id and holder.op == FOREIGN:
        return f"I3: a DELETE is sent for {remove.id}, which is somebody else's"
    if world.verified != remove.id:
        return f"I3: a DELETE is sent for {remove.id}, which was not read in this run"
    row = next((r for r in world.rows if r.id == remove.id and r.own is Own.DELETING), None)
    if row is None:
        return f"I4: a DELETE is sent for {remove.id} without a durable intent"
    if row.purpose in ENDS and holder and holder.id == remove.id and not holder.over:
        return f"I20: a DELETE is sent for {remove.id} as {row.purpose}, and it is not over"
    return ""


def check_commit(world: World, commit: Commit) -> str:
    """What is wrong with one of the rows that become durable at one instant."""
    checks = (check_write(world, row) for row in (commit.row, *commit.ended))
    return next(filter(None, checks), "")


def check_write(world: World, new: Row) -> str:
    """I3, I5 and I6: an id is taken with proof, kept while it lives, and never overwritten."""
    holder = world.holder
    if holder and new.id == holder.id and (holder.op == FOREIGN or holder.op != new.op):
        return f"I3: op {new.op} takes {holder.id}, which is not its own"
    old = world.find(new.op)
    if old is None or old.id is None:
        return ""
    if new.id not in (None, old.id):
        return f"I6: the id {old.id} of op {new.op} is overwritten with {new.id}"
    if new.own is Own.ENDED and holder and holder.id == new.id:
        return f"I20: {new.id} is recorded as ended, and it holds its name"
    kept = new.id == old.id and new.own is not Own.GONE
    if not kept and holder and holder.id == old.id:
        return f"I5: the state loses the id {old.id}, and it lives"
    return ""


def check_end(world: World, end: End) -> str:
    """I7 and I13: what is reported is on record, and doubts are reported."""
    if end.outcome == DONE and end.id is not None and not _is_owned(world, end.id):
        return f"I7: {end.id} is reported and not on record"
    doubts = [row for row in world.rows if row.own in (Own.CREATING, Own.UNCONFIRMED)]
    if doubts and end.outcome != DOUBTFUL:
        return f"I13: op {doubts[0].op} is in doubt, and the run says {end.outcome}"
    return ""


def _is_owned(world: World, id_: int) -> bool:
    return any(row.id == id_ and row.own is Own.ACCEPTED for row in world.rows)


def write_all(world: World, commit: Commit) -> World:
    """The world after a durable write of several rows."""
    for row in (commit.row, *commit.ended):
        world = write(world, row)
    return world


def write(world: World, row: Row) -> World:
    """The world after a durable write of one row."""
    rows = tuple(sorted((*(r for r in world.rows if r.op != row.op), row)))
    if row.own is Own.GONE:
        rows = rows[: rows.index(row)] + rows[rows.index(row) + 1 :]
    if row.op in world.beyond and _is_found(world, row):
        beyond = tuple(op for op in world.beyond if op != row.op)
        lost = tuple(op for op in world.lost if op != row.op)
        return world._replace(rows=rows, beyond=beyond, lost=lost)
    return world._replace(rows=rows)


def _is_found(world: World, row: Row) -> bool:
    """Whether an older copy knows of an operation all that the newer state had known."""
    if row.own is Own.CREATING:
        return row.sent == world.now
    flights = (flight.sent for flight in world.flights if flight.op == row.op)
    return row.own is Own.ACCEPTED and max(flights, default=-OLD) <= (row.sent or 0)

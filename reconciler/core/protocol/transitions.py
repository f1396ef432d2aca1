"""How a record moves on: every state, every piece of evidence, and what follows, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from reconciler.core.model import LastSeen, Own, Purpose, Recorded
from reconciler.values import dataclass

# A POST that was not answered for this long will not be carried out later (assumption A4).
QUIET = timedelta(seconds=300)
# By then a workload that was created can be read (assumption A3).
SETTLED = timedelta(seconds=60)
# Two Dates without fractions of a second may be this much farther apart than they look.
ROUNDING = timedelta(seconds=2)


class Evidence(StrEnum):
    """A fact about one operation, or the intent of a request."""

    CREATE_INTENDED = "a create is about to be sent"
    RESUMED = "another process may have sent it"
    CREATE_UNANSWERED = "a create was sent, and nobody can tell what became of it"
    CREATE_REJECTED = "the last create was certainly not carried out"
    FOUND = "an answer or a marker ties a workload to this operation"
    MATCHED_ONLY_SEND = "a marker ties a workload to the only create that was left unanswered"
    UNPROVEN = "nothing that was read settles it"
    ABSENT = "nothing of it lives, but a create may still come true"
    CONFIRMED_GONE = "nothing of it lives, and nothing can come true any more"
    NAME_TAKEN = "every create of it was answered: somebody unknown has its name"
    DELETED_FOR_REPLACE = "it was deleted for a replace, and no replacement was accepted yet"
    SUPERSEDED = "another operation of ours has the name, or is about to ask for it"
    DELETE_INTENDED = "a delete is about to be sent"
    END_INTENDED = "a delete is about to be sent of what lives, and no create can come true"
    DELETE_REJECTED = "the delete was certainly not carried out"
    ENDED = "nothing of it is left to look after: its lifecycle has ended it"
    RELEASED = "a spec or a person says that it is no longer ours to keep"


class Effect(StrEnum):
    """What a step does to the other columns of a record."""

    DOUBT = "a create may come true without our knowing"
    CERTAINTY = "no create can come true any more"
    TAKE_ID = "its id is known from now on"
    LOSE_ID = "its id names nothing any more"


@dataclass(frozen=True, slots=True)
class Step:
    """Where a piece of evidence leads; `in_doubt` where an ambiguous operation goes elsewhere."""

    to: Own
    effects: frozenset[Effect] = frozenset()
    in_doubt: Own | None = None


class TransitionError(Exception):
    """A defect of this program: this evidence cannot exist in this state."""


def _step(to: Own, *effects: Effect, in_doubt: Own | None = None) -> Step:
    return Step(to, frozenset(effects), in_doubt)


_DOUBT, _CERTAINTY = Effect.DOUBT, Effect.CERTAINTY
_TAKE_ID, _LOSE_ID = Effect.TAKE_ID, Effect.LOSE_ID

TRANSITIONS: Mapping[tuple[Own, Evidence], Step] = {
    (Own.CREATING, Evidence.CREATE_INTENDED): _step(Own.CREATING),
    (Own.CREATING, Evidence.RESUMED): _step(Own.CREATING, _DOUBT),
    (Own.CREATING, Evidence.CREATE_UNANSWERED): _step(Own.CREATING, _DOUBT),
    (Own.CREATING, Evidence.CREATE_REJECTED): _step(Own.GONE, in_doubt=Own.CREATING),
    (Own.CREATING, Evidence.FOUND): _step(Own.ACCEPTED, _TAKE_ID),
    (Own.CREATING, Evidence.MATCHED_ONLY_SEND): _step(Own.ACCEPTED, _TAKE_ID, _CERTAINTY),
    (Own.CREATING, Evidence.UNPROVEN): _step(Own.UNCONFIRMED, _DOUBT),
    (Own.CREATING, Evidence.ABSENT): _step(Own.UNCONFIRMED, _DOUBT),
    (Own.CREATING, Evidence.NAME_TAKEN): _step(Own.UNCONFIRMED, _CERTAINTY),
    (Own.CREATING, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.CREATING, Evidence.DELETED_FOR_REPLACE): _step(Own.LATE_CREATE_POSSIBLE, _CERTAINTY),
    (Own.CREATING, Evidence.SUPERSEDED): _step(Own.LATE_CREATE_POSSIBLE, _DOUBT),
    (Own.CREATING, Evidence.RELEASED): _step(Own.GONE),
    (Own.UNCONFIRMED, Evidence.RESUMED): _step(Own.CREATING, _DOUBT),
    (Own.UNCONFIRMED, Evidence.FOUND): _step(Own.ACCEPTED, _TAKE_ID),
    (Own.UNCONFIRMED, Evidence.MATCHED_ONLY_SEND): _step(Own.ACCEPTED, _TAKE_ID, _CERTAINTY),
    (Own.UNCONFIRMED, Evidence.UNPROVEN): _step(Own.UNCONFIRMED, _DOUBT),
    (Own.UNCONFIRMED, Evidence.ABSENT): _step(Own.UNCONFIRMED, _DOUBT),
    (Own.UNCONFIRMED, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.UNCONFIRMED, Evidence.DELETED_FOR_REPLACE): _step(Own.LATE_CREATE_POSSIBLE, _CERTAINTY),
    (Own.UNCONFIRMED, Evidence.SUPERSEDED): _step(Own.LATE_CREATE_POSSIBLE, _DOUBT),
    (Own.UNCONFIRMED, Evidence.RELEASED): _step(Own.GONE),
    (Own.ACCEPTED, Evidence.FOUND): _step(Own.ACCEPTED, _TAKE_ID),
    (Own.ACCEPTED, Evidence.DELETE_INTENDED): _step(Own.DELETING),
    (Own.ACCEPTED, Evidence.END_INTENDED): _step(Own.DELETING, _CERTAINTY),
    (Own.ACCEPTED, Evidence.ENDED): _step(Own.ENDED, _CERTAINTY),
    (Own.ACCEPTED, Evidence.ABSENT): _step(Own.LATE_CREATE_POSSIBLE, _LOSE_ID, _DOUBT),
    (Own.ACCEPTED, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.ACCEPTED, Evidence.DELETED_FOR_REPLACE): _step(Own.LATE_CREATE_POSSIBLE, _LOSE_ID),
    (Own.ACCEPTED, Evidence.SUPERSEDED): _step(Own.LATE_CREATE_POSSIBLE, _LOSE_ID, _DOUBT),
    (Own.ACCEPTED, Evidence.RELEASED): _step(Own.GONE),
    (Own.DELETING, Evidence.DELETE_INTENDED): _step(Own.DELETING),
    (Own.DELETING, Evidence.DELETE_REJECTED): _step(Own.ACCEPTED),
    (Own.DELETING, Evidence.ENDED): _step(Own.ENDED),
    (Own.DELETING, Evidence.ABSENT): _step(Own.LATE_CREATE_POSSIBLE, _LOSE_ID, _DOUBT),
    (Own.DELETING, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.DELETING, Evidence.DELETED_FOR_REPLACE): _step(Own.LATE_CREATE_POSSIBLE, _LOSE_ID),
    (Own.LATE_CREATE_POSSIBLE, Evidence.RESUMED): _step(Own.LATE_CREATE_POSSIBLE, _DOUBT),
    (Own.LATE_CREATE_POSSIBLE, Evidence.FOUND): _step(Own.ACCEPTED, _TAKE_ID),
    (Own.LATE_CREATE_POSSIBLE, Evidence.MATCHED_ONLY_SEND): _step(
        Own.ACCEPTED, _TAKE_ID, _CERTAINTY
    ),
    (Own.LATE_CREATE_POSSIBLE, Evidence.UNPROVEN): _step(Own.UNCONFIRMED, _DOUBT),
    (Own.LATE_CREATE_POSSIBLE, Evidence.ABSENT): _step(Own.LATE_CREATE_POSSIBLE, _DOUBT),
    (Own.LATE_CREATE_POSSIBLE, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.LATE_CREATE_POSSIBLE, Evidence.DELETED_FOR_REPLACE): _step(
        Own.LATE_CREATE_POSSIBLE, _CERTAINTY
    ),
    (Own.LATE_CREATE_POSSIBLE, Evidence.SUPERSEDED): _step(Own.LATE_CREATE_POSSIBLE, _DOUBT),
    (Own.LATE_CREATE_POSSIBLE, Evidence.RELEASED): _step(Own.GONE),
    # What was forgotten at its end lives on, and may be found under its name.
    (Own.ENDED, Evidence.FOUND): _step(Own.ACCEPTED, _TAKE_ID),
    (Own.ENDED, Evidence.CONFIRMED_GONE): _step(Own.GONE),
    (Own.ENDED, Evidence.RELEASED): _step(Own.GONE),
}


def advance(row: Recorded, evidence: Evidence, **facts: Any) -> Recorded:
    """The record after this evidence; `facts` are other columns that it brings.

    Raises TransitionError for evidence that this state cannot meet, and for a second id.
    """
    step = TRANSITIONS.get((row.own, evidence))
    if step is None:
        raise TransitionError(f"{row.address} is {row.own}: {evidence}")
    # The bit of the record before this step: evidence such as a rejection settles the last create
    # only, and an earlier one may still come true.
    own = step.in_doubt if row.ambiguous and step.in_doubt else step.to
    new_id, id_ = facts.pop("id", None), row.id
    if Effect.TAKE_ID in step.effects:
        # One operation has one id: a second one would leave a workload without a record.
        if new_id is None or row.id not in (None, new_id):
            raise TransitionError(f"{row.address} is {row.id}, and cannot be {new_id} as well")
        id_ = new_id
    elif Effect.LOSE_ID in step.effects:
        id_ = None
    return replace(row, own=own, ambiguous=_is_ambiguous_after(row, step), id=id_, **facts)


def _is_ambiguous_after(row: Recorded, step: Step) -> bool:
    if Effect.CERTAINTY in step.effects:
        return False
    # Doubt stays until evidence settles it: a later certain response says nothing about it.
    return row.ambiguous or Effect.DOUBT in step.effects


def may_come_true(row: Recorded, now: datetime) -> bool:
    """Whether a create of this operation may still be carried out without our knowing."""
    return now <= comes_true_until(row)


def comes_true_until(row: Recorded) -> datetime:
    """The last moment at which a create of this operation may have been carried out unseen."""
    if not row.ambiguous or row.last_sent_at is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(row.last_sent_at) + QUIET + SETTLED + ROUNDING


def late_create_text(row: Recorded) -> str:
    """Until when a create that nobody sees may still come true; the record has to have its time."""
    return f"it may still be carried out until {comes_true_until(row):%Y-%m-%d %H:%M:%S} UTC"


def absence(row: Recorded, held_until: datetime | None) -> Evidence:
    """The evidence of a workload that is gone; it had its name until `held_until` at least.

    None is a workload that was not seen alive.
    """
    # While it had the name, no other create of its operation could come true (assumption A1); one
    # that comes true later is found by its name only.
    if held_until is None:
        return Evidence.ABSENT if row.ambiguous else Evidence.CONFIRMED_GONE
    return vacancy(row, held_until)


def vacancy(row: Recorded, now: datetime) -> Evidence:
    """The evidence of a name that no workload of this operation has now."""
    return Evidence.ABSENT if may_come_true(row, now) else Evidence.CONFIRMED_GONE


def succession(row: Recorded, now: datetime) -> Evidence:
    """The evidence of a name that another operation of ours has (assumption A1)."""
    return Evidence.SUPERSEDED if may_come_true(row, now) else Evidence.CONFIRMED_GONE


def end(row: Recorded, evidence: Evidence = Evidence.CONFIRMED_GONE, **facts: Any) -> Recorded:
    """The record of an operation that has ended: no create of it can come true any more."""
    if row.former_id is None:
        return advance(row, evidence, **facts)
    # Its workload was deleted for a replace: the record stays, and says why no replacement runs.
    return advance(row, Evidence.DELETED_FOR_REPLACE)


def outlived_by(row: Recorded, others: Iterable[Recorded], now: datetime) -> list[Recorded]:
    """The records of other workloads that cannot live beside this one (assumption A1).

    Those in doubt are among them: while this one has the name, they are not there. So are those
    that have ended: that holds until something is made again.
    """
    return [
        superseded(other, now)
        for other in others
        if other.op != row.op and (other.former_id or other.own in _OUTLIVED)
    ]


_OUTLIVED = frozenset({Own.ACCEPTED, Own.UNCONFIRMED, Own.ENDED})


def superseded(row: Recorded, now: datetime) -> Recorded:
    """The record of an operation whose name another workload of ours has at this moment."""
    return advance(
        row,
        succession(row, now),
        purpose=Purpose.SUPERSEDED,
        former_id=None,
        message="",
        refusal="",
    )


def is_fresh(now: datetime, row: Recorded) -> bool:
    """Whether a workload was created so recently, and never seen since, that a 404 says nothing."""
    # Once it was seen in the cluster, no lag of the server can hide it any more.
    if row.last_sent_at is None or row.seen not in (LastSeen.UNKNOWN, LastSeen.QUEUED):
        return False
    return now - datetime.fromisoformat(row.last_sent_at) < SETTLED + ROUNDING

"""How actions ended, as events and counts, and what a replace has left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, assert_never

from reconciler.core.address_records import find_replaced
from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionSucceeded,
    Cause,
    Event,
    InDoubt,
    Summary,
)
from reconciler.core.model import LastSeen, Recorded
from reconciler.core.planning.actions import AnyAction, Create, Replace
from reconciler.engine.run import (
    ActionContext,
    ActionDone,
    ActionInDoubt,
    ApplyContext,
    EmptiedAddress,
    Failed,
    Outcome,
    Problem,
    Skipped,
)

_COUNTED_AS = {
    "create": "created",
    "replace": "replaced",
    "update": "updated",
    "delete": "deleted",
    "adopt": "adopted",
    "forget": "forgotten",
    "resolve": "adopted",
    "record": "recorded",
}


class Tally:
    """Turns outcomes into events and counts; remembers whether anything went wrong."""

    def __init__(self, run: ApplyContext) -> None:
        self._run = run
        self._counts: Counter[str] = Counter()

    @property
    def summary(self) -> Summary:
        """The counts so far."""
        return Summary(**self._counts)

    def tell(self, action: AnyAction, outcome: Outcome, took: float) -> None:
        """Count how an action ended, and say it; `took` in seconds."""
        at, address, kind = self._run.at(), action.address, action.kind
        event: Event
        match outcome:
            case ActionDone(id=id_, detail=detail, adopted=adopted, kept=kept):
                name = "adopted" if adopted else "recorded" if kept else _COUNTED_AS[kind]
                self._counts[name] += 1
                event = ActionSucceeded(
                    at=at,
                    address=address,
                    action=kind,
                    id=id_,
                    took=took,
                    detail=detail,
                    counted_as=name,
                )
            case Failed(message=message, hint=hint, id=id_, cause=cause):
                self._counts["failed"] += 1
                self._counts["refused"] += cause is Cause.CLUSTER
                event = ActionFailed(
                    at=at,
                    address=address,
                    action=kind,
                    message=message,
                    hint=hint,
                    id=id_,
                    cause=cause,
                    **self._count_loss(outcome.loss),
                )
            case Skipped(message=message):
                self._counts["skipped"] += 1
                event = ActionSkipped(
                    at=at,
                    address=address,
                    action=kind,
                    message=message,
                    **self._count_loss(outcome.loss),
                )
            case ActionInDoubt(message=message, hint=hint):
                self._counts["in_doubt"] += 1
                event = InDoubt(
                    at=at,
                    address=address,
                    action=kind,
                    message=message,
                    hint=hint,
                    **self._count_loss(outcome.loss),
                )
            case _:
                assert_never(outcome)
        self._run.say(event)

    def _count_loss(self, loss: EmptiedAddress | None) -> dict[str, Any]:
        if loss is None:
            return {}
        self._counts["down"] += 1
        self._counts["deleted"] += loss.deleted is not None
        return {"down": True, "deleted": loss.deleted}


def _find_emptied(action: AnyAction, work: ActionContext) -> Recorded | None:
    """What was deleted for the successor that this action did not get accepted."""
    emptied = work.run.replaced_at(action.address)
    if emptied is None:
        return None
    if isinstance(action, Replace) and emptied.op != action.recorded.op:
        return None
    return emptied


def _find_lost(action: AnyAction, work: ActionContext) -> Recorded | None:
    """The workload that the server no longer had when its successor was asked for."""
    if isinstance(action, Create) and action.lost:
        return replace(action.lost, seen=LastSeen.MISSING)
    return find_replaced(work.run.rows_at(action.address))


async def note_loss(action: AnyAction, work: ActionContext, outcome: Problem) -> None:
    """What stands in the successor's way is on record for as long as it does.

    What the server has said is replaced by nothing but what it says later.
    """
    emptied = _find_emptied(action, work)
    if emptied is not None and emptied.is_down and (work.refusal or not emptied.message):
        await work.run.commit(replace(emptied, message=outcome.message))


def with_loss(action: AnyAction, work: ActionContext, outcome: Outcome) -> Outcome:
    """Whatever else is said of what did not succeed: something ran there, and nothing does now."""
    emptied = _find_emptied(action, work)
    if isinstance(outcome, ActionDone):
        return outcome
    if emptied is None:
        lost = _find_lost(action, work) if isinstance(outcome, ActionInDoubt) else None
        if lost is None:
            return outcome
        message = f"{outcome.message}; {lost.ending}, and nothing of ours is known to run there now"
        return replace(outcome, message=message)
    runs = "is known to run" if isinstance(outcome, ActionInDoubt) else "runs"
    message = f"{outcome.message}; {emptied.ending}, and nothing of ours {runs} there now"
    return replace(outcome, message=message, loss=EmptiedAddress(deleted=work.deleted))

"""How actions ended, as events and counts, and what a replace has left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from reconciler.core.history.events import ActionEnded, Summary
from reconciler.core.history.outcome import (
    Cause,
    Failed,
    InDoubt,
    Outcome,
    Succeeded,
    Unsuccessful,
    count_of,
)
from reconciler.core.model import LastSeen, Recorded
from reconciler.core.planning.actions import AnyAction, Create, Hold, Keep, Reason, Replace
from reconciler.core.states.address_records import find_replaced
from reconciler.engine.run import ActionContext, ApplyContext

_ENDS = (Reason.FINISHED, Reason.EXPIRED)


class Tally:
    """Turns outcomes into events and counts."""

    def __init__(self, run: ApplyContext) -> None:
        self._run = run
        self._counts: Counter[str] = Counter()

    @property
    def summary(self) -> Summary:
        """The counts so far."""
        return Summary(**self._counts)

    def tell(self, action: AnyAction, outcome: Outcome, took: float) -> None:
        """Count how an action ended, and say it; `took` in seconds.

        Of what was only waited for, a bad end is told: as what the next plan would hold.
        """
        if isinstance(action, Keep | Hold) and isinstance(outcome, Succeeded):
            return
        kind = Hold.kind if isinstance(action, Keep) else action.kind
        count = count_of(kind, outcome)
        self._counts[count] += 1
        if action.reason in _ENDS and (isinstance(outcome, Succeeded) or outcome.deleted):
            self._counts[action.reason.value] += 1
        if isinstance(outcome, Succeeded):
            outcome = replace(outcome, counted_as=count)
        else:
            self._counts["down"] += outcome.down
            self._counts["deleted"] += outcome.deleted is not None
            self._counts["refused"] += (
                isinstance(outcome, Failed) and outcome.cause is Cause.CLUSTER
            )
        self._run.say(
            ActionEnded(
                at=self._run.at(),
                address=action.address,
                action=kind,
                outcome=outcome,
                took=took,
            )
        )


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


async def note_loss(action: AnyAction, work: ActionContext, outcome: Unsuccessful) -> None:
    """What stands in the successor's way is on record for as long as it does.

    What the server has said is replaced by nothing but what it says later.
    """
    emptied = _find_emptied(action, work)
    if emptied is not None and emptied.is_down and (work.refusal or not emptied.message):
        await work.run.commit(replace(emptied, message=outcome.message))


def with_loss(action: AnyAction, work: ActionContext, outcome: Outcome) -> Outcome:
    """Whatever else is said of what did not succeed: something ran there, and nothing does now."""
    emptied = _find_emptied(action, work)
    if isinstance(outcome, Succeeded):
        return outcome
    if emptied is None:
        lost = _find_lost(action, work) if isinstance(outcome, InDoubt) else None
        if lost is None:
            return outcome
        message = f"{outcome.message}; {lost.ending}, and nothing of ours is known to run there now"
        return replace(outcome, message=message)
    runs = "is known to run" if isinstance(outcome, InDoubt) else "runs"
    message = f"{outcome.message}; {emptied.ending}, and nothing of ours {runs} there now"
    return replace(outcome, message=message, down=True, deleted=work.deleted)

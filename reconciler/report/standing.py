"""Which workloads are down, refused, expired or finished, by what a plan says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from reconciler.core.model import Address
from reconciler.core.planning.actions import AnyAction, Hold, Reason
from reconciler.core.planning.plan import Plan
from reconciler.report.text.formatting import number_of

# What is worst comes first. The history has reasons by these names as well.
STANDINGS: Mapping[Reason, str] = {
    Reason.DOWN: "down",
    Reason.SYNC_FAILED: "refused",
    Reason.EXPIRED: "expired",
    Reason.FINISHED: "finished",
}


def find_standings(plan: Plan, mended: Collection[Address] = ()) -> Sequence[tuple[str, AnyAction]]:
    """Each workload with its word, in the order of the words; `mended` are left out."""
    order = list(STANDINGS.values())
    standings = [
        (STANDINGS[action.reason], action)
        for action in plan.actions
        if action.reason in STANDINGS
        and action.address not in mended
        # Whose author ignores a refusal is not told of it in every run.
        and not (
            isinstance(action, Hold) and action.reason is Reason.SYNC_FAILED and not action.is_due
        )
    ]
    return sorted(standings, key=lambda pair: order.index(pair[0]))


def standings_title(standings: Sequence[tuple[str, AnyAction]]) -> str:
    """How many there are of each word."""
    counts = Counter(word for word, _ in standings)
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def plan_concerns(plan: Plan) -> list[str]:
    """What a plan does that somebody has to look at before it is applied, a sentence each."""
    ends = plan.count("delete") + plan.count("replace")
    counts = Counter(word for word, _ in find_standings(plan))
    concerns = [
        f"{number_of(ends, 'workload')} to be ended by a delete or a replace." if ends else "",
        f"{number_of(counts['down'], 'workload')} down." if counts["down"] else "",
        f"{number_of(counts['refused'], 'workload')} refused by the cluster."
        if counts["refused"]
        else "",
        f"{number_of(len(plan.due_holds), 'workload')} held back without success."
        if plan.due_holds
        else "",
    ]
    return [concern for concern in concerns if concern]

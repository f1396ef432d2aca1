"""When the list alone tells that the cluster has taken what was submitted last."""

from __future__ import annotations

from datetime import datetime

from reconciler.core.model import LastSeen, Own, Recorded
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase

# The cluster has the object, and nothing is wrong with it.
_WELL = frozenset({WorkloadPhase.PENDING, WorkloadPhase.RUNNING, WorkloadPhase.COMPLETED})


def is_synced_by_list(row: Recorded, listed: LiveWorkload | None) -> bool:
    """Whether a recorded workload is as synced as it was recorded, by what the list shows of it.

    The list has no sync status. But it says when a workload was last submitted: if the record saw
    that submission Synced, and its phase is one in which the cluster has it, nothing is open.
    """
    if listed is None or not listed.is_v2 or listed.phase not in _WELL:
        return False
    is_settled = row.own is Own.ACCEPTED and row.seen is LastSeen.SYNCED
    if not is_settled or row.change.open is not None or row.address != listed.address:
        return False
    return listed.deleted_at is None and _is_last_submission(row, listed)


def _is_last_submission(row: Recorded, listed: LiveWorkload) -> bool:
    """Whether nobody has submitted anything since what the record knows of."""
    known = row.change.proven_at if row.change.confirmed else listed.created_at
    try:
        return datetime.fromisoformat(listed.updated_at or "") <= datetime.fromisoformat(
            known or ""
        )
    except (TypeError, ValueError):
        return False

"""The records of one address: which are shown, and which workload waits for its replacement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.core.model import Address, Own, Recorded


def group_by_address(rows: Iterable[Recorded]) -> dict[Address, list[Recorded]]:
    """The records of each address, in the order in which the addresses come."""
    groups: dict[Address, list[Recorded]] = {}
    for row in rows:
        groups.setdefault(row.address, []).append(row)
    return groups


def find_shown(rows: Sequence[Recorded]) -> list[Recorded]:
    """The records of an address that are shown as workloads.

    What is left of an older create, or of a workload that is being replaced, becomes a note beside
    them; where there is nothing else, it is shown itself. So is what has ended.
    """
    if len(rows) == 1:
        return [*rows]
    workloads = [row for row in rows if row.own is not Own.LATE_CREATE_POSSIBLE]
    workloads = [row for row in workloads if row.own is not Own.ENDED] or workloads
    # A missing workload whose replacement was asked for is shown as that replacement.
    if any(row.own in (Own.CREATING, Own.UNCONFIRMED) for row in workloads):
        workloads = [row for row in workloads if row.own is not Own.ACCEPTED or not row.ending]
    return workloads or [min(rows, key=lambda row: not row.is_down)]


def find_replaced(rows: Iterable[Recorded]) -> Recorded | None:
    """The record of the workload whose replacement does not run yet.

    It was deleted to be replaced, or was missing when its replacement was asked for.
    """
    ended = [row for row in rows if row.ending]
    return next((row for row in ended if row.former_id), ended[0] if ended else None)

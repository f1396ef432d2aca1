"""The records of one address: which are shown, and which workload is to have a successor."""

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
    """The records of an address that are told as workloads.

    What is left of an older create, or of a workload that is to have a successor, is a note beside
    them; where there is nothing else, it is told itself.
    """
    shown = [row for row in rows if row.own is not Own.LATE_CREATE_POSSIBLE]
    if any(row.own in (Own.CREATING, Own.UNCONFIRMED) for row in shown):
        shown = [row for row in shown if row.own is not Own.ACCEPTED or not row.ending]
    return shown or [min(rows, key=lambda row: not row.is_down)]


def find_replaced(rows: Iterable[Recorded]) -> Recorded | None:
    """The record of what had the name of an address before, and whose successor is not there yet.

    It was deleted to be replaced, or was missing when its successor was asked for.
    """
    ended = [row for row in rows if row.ending]
    return next((row for row in ended if row.former_id), ended[0] if ended else None)

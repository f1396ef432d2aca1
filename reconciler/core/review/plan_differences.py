"""In which entries a plan is not the one that was approved, by what both of them publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.diff.diff import FieldChange, find_changes
from reconciler.core.model import Json
from reconciler.values import dataclass

# Where a spec stands, and how its reason is worded, is no part of what was approved.
_UNBOUND = frozenset({"source", "detail", "declared_in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDifference:
    """One workload about which two plans do not say the same.

    `now` is its action in the present plan, empty where it has none. `changes` lead from what was
    approved to what would be sent now, as far as that is shown.
    """

    address: str
    now: str
    message: str
    changes: tuple[FieldChange, ...] = ()


def compare_entries(
    approved: Sequence[Json], present: Sequence[Json]
) -> tuple[EntryDifference, ...]:
    """Compare the published actions of two plans, each by its address."""
    before = {action["address"]: action for action in approved}
    after = {action["address"]: action for action in present}
    return tuple(
        difference
        for address in sorted({*before, *after})
        for difference in _compare(address, before.get(address), after.get(address))
    )


def _compare(address: str, before: Json | None, after: Json | None) -> Iterator[EntryDifference]:
    now = after["action"] if after else ""
    if before is None:
        yield EntryDifference(address=address, now=now, message="not in the approved plan")
    elif after is None:
        message = f"approved as {before['action']}, and not in the plan any more"
        yield EntryDifference(address=address, now="", message=message)
    elif before["action"] != after["action"]:
        message = f"approved as {before['action']}"
        yield EntryDifference(address=address, now=now, message=message)
    elif changes := tuple(find_changes(before.get("document") or {}, after.get("document") or {})):
        message = "what is sent is not what was approved"
        yield EntryDifference(address=address, now=now, message=message, changes=changes)
    elif names := [name for name in _bound(before) if before.get(name) != after.get(name)]:
        message = f"{', '.join(names)} not as approved"
        yield EntryDifference(address=address, now=now, message=message)


def _bound(action: Mapping[str, Any]) -> list[str]:
    return [name for name in action if name not in _UNBOUND]

"""Lays out one workload for a decision: its spec, its record and what was read, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.core.diff.comparison import Compared, SpecChanges, compare, compare_spec
from reconciler.core.diff.diff import is_ignored
from reconciler.core.model import Desired, LastSeen, Live, Recorded, Remote
from reconciler.core.planning.case import DecisionInputs, PlanOptions
from reconciler.core.planning.plan import PlanTarget
from reconciler.core.protocol.changes import (
    ShownRev,
    as_shown,
    classify_rev,
    is_not_visible_yet,
    is_status_stale,
)
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What every decision of one plan may look at."""

    live: Mapping[str, Live]
    listed: Mapping[str, LiveWorkload]
    options: PlanOptions
    redactor: Redactor
    lineage: str
    now: datetime | None
    at_work: bool
    target: PlanTarget


def bare_case(row: Recorded, desired: Desired | None, world: World) -> DecisionInputs:
    """The case of a workload of which nothing was read that could be compared."""
    return DecisionInputs(
        row=row,
        stored=row,
        desired=desired,
        options=world.options,
        target=world.target,
        redactor=world.redactor,
    )


def compared_case(row: Recorded, desired: Desired | None, world: World) -> DecisionInputs:
    """The same, compared with its spec."""
    case = bare_case(row, desired, world)
    if desired is None:
        return case
    since = compare_spec(row, desired, world.redactor)
    return replace(case, row=since.row, stored=since.row, since=since)


def is_as_recorded(row: Recorded, desired: Desired, live: Compared, world: World) -> bool:
    """Whether no rule has anything to say of an accepted workload: nothing of it has changed.

    False leaves that to the rules, which decide the same. Nearly every workload ends here.
    """
    change = row.change
    return (
        live.has_same_spec
        # Then there is neither drift nor anything to renew.
        and live.answer is None
        and live.marker == row.marker
        and live.rev == change.confirmed
        and live.seen is not LastSeen.FAILED
        and not (live.is_leaving or live.is_gone)
        and change.open is None
        and not change.former_markers
        and row.is_declared
        and row.lifecycle == desired.lifecycle
        and row.id not in world.listed
        and not world.options.replace
    )


def gather_inputs(row: Recorded, desired: Desired | None, world: World) -> DecisionInputs:
    """Compare three ways: the spec with what was applied, the echo with what was echoed then."""
    redactor = world.redactor
    seen = world.live.get(row.id) if row.id else None
    # A refresh has compared already, so as not to keep thousands of bodies.
    if isinstance(seen, Remote) and not seen.is_gone and not isinstance(seen, Compared):
        seen = compare(row, seen, redactor, desired=desired)
    compared = seen if isinstance(seen, Compared) and not seen.is_gone else None
    change, now = row.change, world.now
    if compared and now is not None and is_not_visible_yet(change, compared.rev, now):
        # What was read is older than what is known: neither its content nor its status counts.
        seen = compared = replace(
            compared, drift=(), renewed=None, answer=None, filled_in=None, seen=row.seen
        )
    rev = compared.rev if compared else change.confirmed
    # A run that was killed after its PUT has not recorded what is live by now: both comparisons
    # start from the update that the workload shows.
    as_of = as_shown(row, rev)
    if compared and compared.has_same_spec:
        since: SpecChanges | None = SpecChanges(row=as_of, spec=as_of.spec, is_same=True)
    else:
        since = compare_spec(as_of, desired, redactor) if desired else None
    examined = since.row if since else as_of
    if compared and compared.renewed is not None:
        examined = replace(examined, echo=compared.renewed)
    ignored = (desired.lifecycle if desired else row.lifecycle).ignore_changes
    shown_rev = classify_rev(change, rev)
    # Another copy of this state has written what a foreign rev shows: it is ours, and no drift.
    drift = compared.drift if compared and shown_rev is not ShownRev.FOREIGN else ()
    stored = (
        examined
        if as_of is row
        else renew_row(row, redactor, plain=desired.spec if desired else None)
    )
    return DecisionInputs(
        row=examined,
        stored=stored,
        desired=desired,
        live=seen,
        options=world.options,
        redactor=redactor,
        drift=tuple(c for c in drift if not is_ignored(c.pointer, ignored)),
        since=since,
        renewed=stored is not row,
        unmarked=compared is not None and compared.unmarked,
        taken_by=_find_taker(row, compared, world.lineage),
        shown_rev=shown_rev,
        is_status_stale=now is not None and is_status_stale(change, now),
        target=world.target,
        listed=world.listed.get(row.id or ""),
        now=now,
    )


def _find_taker(row: Recorded, live: Compared | None, lineage: str) -> str:
    """The stack of whoever has put a marker of another state on what was ours by its marker."""
    ours = f"{lineage}/"
    # What was adopted with a foreign mark never was ours by its mark: nobody has taken it.
    if live is None or not (row.marker.startswith(ours) and live.marker):
        return ""
    is_known = live.marker.startswith(ours) or live.marker in row.change.former_markers
    return "" if is_known else live.stack

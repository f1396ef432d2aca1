"""Looks at a whole state in object storage, and at its numbers alone."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.model import Recorded
from reconciler.core.states.inspection import Inspection, StateFlaw, StateSummary
from reconciler.core.states.places import ObjectPlace
from reconciler.errors import StateError
from reconciler.state.check import find_duplicates, make_inspection
from reconciler.state.objects import log
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.lease import read_lease
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.segments import COPIES, FORMAT, SNAPSHOTS, unpack_snapshot
from reconciler.state.objects.store import may_be_held
from reconciler.state.rows import COLUMNS, from_values
from reconciler.state.shared import timings
from reconciler.state.state_errors import refuse_transit
from reconciler.state.summary import make_summary

_HINT = "'reconciler state restore' takes back a copy; 'reconciler state recover' rebuilds it"
_PROJECT, _NAME, _OWN, _PURPOSE = (
    list(COLUMNS).index(name) for name in ("project", "name", "own", "purpose")
)


def inspect_state(place: ObjectPlace) -> Inspection:
    """Check every record and object; raises StateError where there is no state of ours."""
    bucket = Bucket(place, timings.DEFAULT)
    replica = log.load_existing(bucket)
    refuse_transit(place.title, replica.transit)
    rows: list[Recorded] = []
    flaws = list(_find_damage(bucket, replica))
    for values in replica.values(ended=True):
        try:
            rows.append(from_values(values))
        except StateError as error:
            flaws.append(StateFlaw(message=error.message, hint=_HINT))
    return make_inspection(
        str(place),
        rows,
        format_number=FORMAT,
        lineage=replica.header.lineage,
        is_held=_is_held(bucket),
        runs=sum(run.entry is not None for run in replica.runs.values()),
        backups=len(bucket.names(COPIES)),
        flaws=[*flaws, *find_duplicates(rows)],
    )


def summarize_state(place: ObjectPlace) -> StateSummary:
    """Summarise a state; raises StateError where there is none."""
    bucket = Bucket(place, timings.DEFAULT)
    replica = log.load_existing(bucket)
    refuse_transit(place.title, replica.transit)
    summary = [
        (f"{row[_PROJECT]}/{row[_NAME]}", str(row[_OWN]), row[_PURPOSE]) for row in replica.values()
    ]
    return make_summary(summary, is_held=_is_held(bucket))


def _find_damage(bucket: Bucket, replica: Replica) -> Iterator[StateFlaw]:
    """Objects that reading got along without: older ones took their place, or nobody asked."""
    for key in bucket.names(SNAPSHOTS):
        if blob := bucket.get(key):
            try:
                unpack_snapshot(blob.content, key)
            except StateError as error:
                yield StateFlaw(message=error.message, hint=error.hint)
    for key in sorted(replica.history):
        try:
            log.read_actions(bucket, key)
        except StateError as error:
            yield StateFlaw(message=error.message, hint=error.hint)


def _is_held(bucket: Bucket) -> bool:
    lease = read_lease(bucket)
    return lease is not None and may_be_held(lease)

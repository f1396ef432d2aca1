"""Which update of ours a workload shows, what that is compared with, and what may still land."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from reconciler.core.model import ChangeRecord, Json, OpenChange, Recorded, SentRev
from reconciler.core.named_items import items_by_name
from reconciler.core.protocol.transitions import QUIET, ROUNDING
from reconciler.core.stored_json import MAPS, decoded

# A GET shows what a PUT has changed by then (assumption A6).
VISIBLE = timedelta(seconds=60)
# For so long after a PUT the status may speak about the content before it (assumption A7).
STALE_STATUS = timedelta(seconds=10)
_NEVER = datetime.min.replace(tzinfo=UTC)


class ShownRev(StrEnum):
    """What the rev of a workload says about how it came to be as it is.

    FOREIGN is none of ours: nobody but us writes a rev, so another copy of the state did. NONE is a
    workload that shows no rev although it should: somebody has written it without ours.
    """

    CONFIRMED = "confirmed"
    OPEN = "open"
    LATE = "late"
    FOREIGN = "foreign"
    NONE = "none"


def classify_rev(change: ChangeRecord, rev: str) -> ShownRev:
    """What a live rev is to a record; `rev` is empty where the workload shows none."""
    if rev == change.confirmed:
        return ShownRev.CONFIRMED
    if change.open is not None and rev == change.open.rev:
        return ShownRev.OPEN
    if any(rev == sent.rev for sent in change.superseded):
        return ShownRev.LATE
    # The one that was confirmed before may be shown again by whoever had kept it, as drift.
    return ShownRev.NONE if rev in ("", change.base) else ShownRev.FOREIGN


def as_shown(row: Recorded, rev: str) -> Recorded:
    """A record as if the update that the workload shows had been its last.

    Both comparisons (of the spec, and of the live content) are to be made with this one: what an
    unproven or late update of ours has put there is no drift, and is declared by us.
    """
    change = row.change
    if rev == change.confirmed:
        return row
    if change.open is not None and change.open.rev == rev:
        return replace(row, spec=change.open.spec, digest=change.open.digest, echo=change.open.body)
    late = next((sent for sent in change.superseded if sent.rev == rev), None)
    # A late one has no digest on record: this text is equal to none, so the specs are compared.
    return row if late is None else replace(row, spec=late.spec, digest="late", echo=late.body)


def declared_by_us(row: Recorded, rev: str) -> Json:
    """Everything that any update which may have reached the server declared, redacted.

    Where several declare a field, the one that is shown says its value.
    """
    shown, change = as_shown(row, rev).spec, row.change
    declared: Any = decoded(shown)
    others = [row.spec, *(sent.spec for sent in change.superseded)]
    if change.open is not None:
        others.append(change.open.spec)
    for other in others:
        if other is not shown:
            declared = _declare_both(declared, decoded(other))
    document: Json = declared
    return document


def _declare_both(first: Any, second: Any) -> Any:
    """Both declarations; of a list whose items have names, the items of both."""
    if first == second:
        return first
    if isinstance(first, MAPS) and isinstance(second, MAPS):
        both = {key: _declare_both(first[key], second.get(key, first[key])) for key in first}
        return {**both, **{key: item for key, item in second.items() if key not in first}}
    if isinstance(first, list) and isinstance(second, list):
        old, new = items_by_name(second), items_by_name(first)
        if old and new:
            both = {name: _declare_both(item, old.get(name, item)) for name, item in new.items()}
            return [*both.values(), *(item for name, item in old.items() if name not in new)]
    return first


def lands_until(change: ChangeRecord) -> datetime:
    """The last moment at which a request of ours may have changed the workload unseen."""
    sends = [sent.last_sent_at for sent in change.superseded]
    if change.open is not None and change.open.last_sent_at is not None:
        # Whoever reads this does not know whether its answer came: its writer may have died.
        sends.append(change.open.last_sent_at)
    return max((_until(sent) for sent in sends), default=_NEVER)


def may_land(change: ChangeRecord, now: datetime) -> bool:
    """Whether an update of ours may still be carried out behind our back."""
    return now <= lands_until(change)


def _until(sent_at: str) -> datetime:
    return datetime.fromisoformat(sent_at) + QUIET + VISIBLE + ROUNDING


def is_not_visible_yet(change: ChangeRecord, rev: str, now: datetime) -> bool:
    """Whether a workload shows what it was before an update of ours, which proves nothing yet."""
    under_way = change.open
    if under_way is not None and under_way.last_sent_at is not None and rev == under_way.base:
        return now <= _visible_by(under_way.last_sent_at)
    # A replica that lags may show the old one after another has shown the new one.
    replaced = rev == change.base and rev != change.confirmed
    return replaced and change.proven_at is not None and now <= _visible_by(change.proven_at)


def _visible_by(at: str) -> datetime:
    return datetime.fromisoformat(at) + VISIBLE + ROUNDING


def is_status_stale(change: ChangeRecord, now: datetime) -> bool:
    """Whether the status may still speak about the content before the last update."""
    sends = [change.proven_at, change.open.last_sent_at if change.open else None]
    last = max((datetime.fromisoformat(at) for at in sends if at), default=None)
    return last is not None and now <= last + STALE_STATUS + ROUNDING


def begin(change: ChangeRecord, opened: OpenChange) -> ChangeRecord:
    """The record of another update: the one before it may still land if it was ever sent."""
    return replace(_give_up(change), open=opened)


def close_unsent(change: ChangeRecord) -> ChangeRecord:
    """The record after an update that was certainly not carried out, or that may only land late."""
    under_way = change.open
    if under_way is not None and not under_way.ambiguous:
        return replace(change, open=None)
    return _give_up(change)


def drop(change: ChangeRecord) -> ChangeRecord:
    """The record once the workload is gone: no update revives it (assumption A9)."""
    return replace(change, open=None, superseded=())


def confirm(change: ChangeRecord, rev: str, asked_at: datetime) -> ChangeRecord:
    """The record once a GET of that server's time has shown a rev in force.

    An unanswered request of it may be carried out once more, so it stays known until it cannot.
    """
    base = change.base if rev == change.confirmed else change.confirmed
    under_way = change.open
    # The update under way, if every request of it has a response: none can be carried out late.
    answered = under_way.rev if under_way is not None and not under_way.ambiguous else None
    late = [
        sent
        for sent in _give_up(change).superseded
        if asked_at <= _until(sent.last_sent_at) and sent.rev != answered
    ]
    return replace(
        change,
        confirmed=rev,
        base=base,
        proven_at=asked_at.isoformat(timespec="milliseconds"),
        open=None,
        superseded=tuple(late),
    )


def learn(
    change: ChangeRecord, rev: str, asked_at: datetime, *, spec: Json, body: Json
) -> ChangeRecord:
    """The record once a GET has shown an update that another copy of the state has made.

    How often that one has sent it nobody knows here: a repetition may land as late as of our own.
    """
    confirmed = confirm(change, rev, asked_at)
    at = asked_at.isoformat(timespec="milliseconds")
    others = tuple(sent for sent in confirmed.superseded if sent.rev != rev)
    late = SentRev(rev=rev, last_sent_at=at, spec=spec, body=body)
    return replace(confirmed, superseded=(*others, late))


def _give_up(change: ChangeRecord) -> ChangeRecord:
    under_way = change.open
    if under_way is None or under_way.last_sent_at is None:
        return replace(change, open=None)
    late = SentRev(
        rev=under_way.rev,
        last_sent_at=under_way.last_sent_at,
        spec=under_way.spec,
        body=under_way.body,
    )
    return replace(change, open=None, superseded=(*change.superseded, late))

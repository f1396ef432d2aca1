"""Writes records: of an intent, of what an answer shows, of a workload that was found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reconciler.core.diff.comparison import echo_of
from reconciler.core.diff.diff import project
from reconciler.core.digest import digest
from reconciler.core.model import (
    ChangeRecord,
    Desired,
    Json,
    LastSeen,
    OpenChange,
    Own,
    Recorded,
    Remote,
)
from reconciler.core.planning.actions import Delete, Forget, Hold, Keep
from reconciler.core.planning.plan import MISSING, Plan
from reconciler.core.protocol.changes import (
    ShownRev,
    begin,
    classify_rev,
    close_unsent,
    confirm,
    declared_by_us,
    learn,
)
from reconciler.core.protocol.marker import read_marker, read_rev
from reconciler.core.protocol.transitions import Evidence, advance, may_come_true
from reconciler.core.redact import Redactor
from reconciler.engine.run import ActionContext, ApplyContext
from reconciler.errors import StateError

# Older than any update of ours: when a create was sent that was never dated.
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def new_row(run: ApplyContext, desired: Desired) -> Recorded:
    """The intent to create: a new operation that has not been sent."""
    op = run.mint_op()
    spec, named = run.redactor.record(desired.spec)
    replaced = run.replaced_at(desired.address)
    return Recorded(
        op=op,
        address=desired.address,
        own=Own.CREATING,
        digest=named,
        spec=spec,
        lifecycle=desired.lifecycle,
        marker=str(run.marker(op)),
        source=desired.source.file,
        run=run.id,
        undone=replaced.undone if replaced else (),
    )


def one_more_send(row: Recorded | OpenChange, at: str) -> dict[str, Any]:
    """What another send at that time of the server's clock changes in a record."""
    return {
        "attempts": row.attempts + 1,
        "first_sent_at": row.first_sent_at or at,
        # From this one later runs count until when it may still come true (A4).
        "last_sent_at": at,
    }


def accept(
    row: Recorded,
    remote: Remote,
    redactor: Redactor,
    evidence: Evidence = Evidence.FOUND,
    **facts: Any,
) -> Recorded:
    """The record of a workload that the server has, known by its id from now on.

    A server that does not show our marker now is not expected to show it later. An update that
    this record knows nothing of was made by another copy of the state.
    """
    plain = echo_of(remote)
    if redactor.strict is redactor:
        echo = redactor.record_echo(plain, row.spec)
    else:
        echo, _ = redactor.strict.record(plain)
    accepted = advance(
        row,
        evidence,
        id=remote.id,
        echo=echo,
        seen=remote.seen if remote.seen is not LastSeen.UNKNOWN else LastSeen.QUEUED,
        message="",
        refusal="",
        former_id=None,
        purpose=None,
        marker=row.marker if read_marker(remote.raw_manifest) else "",
        **facts,
    )
    rev = read_rev(remote.raw_manifest)
    if classify_rev(accepted.change, rev) is not ShownRev.FOREIGN:
        return accepted
    # It was read after its create was sent; when exactly does not matter before we update it.
    read_at = datetime.fromisoformat(row.last_sent_at) if row.last_sent_at else _LONG_AGO
    return follow_other_copy(accepted, remote, redactor, read_at)


def without_other_id(row: Recorded, remote: Remote) -> Recorded:
    """The record of an operation that has made this workload, late or once more.

    What it had made before is gone: two workloads cannot have one name (assumption A1).
    """
    if row.id in (None, remote.id):
        return row
    return advance(row, Evidence.ABSENT, seen=LastSeen.MISSING)


def row_of_stranger(
    run: ApplyContext, like: Recorded, remote: Remote, op: str, *, declared: Json | None
) -> Recorded:
    """A workload of ours that this state does not know: it may be older than the world."""
    at = run.latest_server_time()
    row = row_of_found(remote, op, redactor=run.redactor, declared=declared, at=at)
    return replace(
        row,
        lifecycle=like.lifecycle,
        marker=str(run.marker(op)),
        source=like.source,
        run=run.id,
    )


def row_of_found(
    remote: Remote, op: str, *, redactor: Redactor, declared: Json | None, at: datetime
) -> Recorded:
    """The record of a workload that somebody else made, or a run that this state knows nothing of.

    Of its content only what is declared counts; without a declaration all of it is kept until there
    is one. Whoever made it may have sent its create more than once, until a moment ago.
    """
    echo = redactor.strict.redact(echo_of(remote))
    spec = echo if declared is None else project(echo, declared)
    return Recorded(
        op=op,
        address=remote.address,
        own=Own.ACCEPTED,
        digest="" if declared is None else digest(spec),
        spec=spec,
        seen=remote.seen,
        id=remote.id,
        # Others may have sent its create more than once, and one of those may come true late.
        ambiguous=True,
        last_sent_at=at.isoformat(timespec="milliseconds"),
        echo=echo,
        change=ChangeRecord(confirmed=read_rev(remote.raw_manifest)),
    )


def adopt_found(
    remote: Remote, op: str, *, redactor: Redactor, desired: Desired | None, at: datetime
) -> Recorded:
    """The record of a found workload, looked after as the file says that declares it, if any."""
    declared = redactor.redact(desired.spec) if desired else None
    row = row_of_found(remote, op, redactor=redactor, declared=declared, at=at)
    if desired is None:
        return row
    return replace(row, lifecycle=desired.lifecycle, source=desired.source.file)


def declare(row: Recorded, spec: Json) -> Recorded:
    """The record of a found workload of which only what a file declares counts from now on."""
    declared = project(row.spec, spec)
    return replace(row, spec=declared, digest=digest(declared))


def follow_spec(row: Recorded, desired: Desired, echo: Json | None, redactor: Redactor) -> Recorded:
    """The record of a workload whose spec says in other words what runs already.

    `echo` is what the server is expected to say from now on, if that is something else.
    """
    spec, named = redactor.redact_and_digest(desired.spec)
    return replace(row, spec=spec, digest=named, echo=row.echo if echo is None else echo)


def open_update(row: Recorded, live: Remote, opened: OpenChange) -> Recorded:
    """The record of an update that is about to be sent; the one before it may only land late."""
    change = row.change
    again = change.open is not None and change.open.rev == opened.rev
    change = replace(change, open=opened) if again else begin(change, opened)
    synced = LastSeen.SYNCED in (row.seen, live.seen)
    return replace(row, change=replace(change, was_synced=change.was_synced or synced))


def confirm_update(row: Recorded, live: Remote, asked_at: datetime) -> Recorded:
    """The record of a workload that shows the update under way, read at that server's time.

    What was sent is what later comparisons start from: what differs from it by now is drift.
    """
    under_way = row.change.open
    change = confirm(row.change, read_rev(live.raw_manifest), asked_at)
    if under_way and under_way.marks and row.marker not in ("", under_way.marks):
        change = replace(change, former_markers=(*change.former_markers, row.marker))
    settled = live.seen in (LastSeen.SYNCED, LastSeen.FAILED)
    return replace(
        row,
        echo=under_way.body if under_way else row.echo,
        # The status may still speak about the content before (assumption A7).
        seen=LastSeen.QUEUED if settled else live.seen,
        message="",
        marker=under_way.marks if under_way and under_way.marks else row.marker,
        change=change,
    )


def follow_live(row: Recorded, live: Remote, echo: Json, asked_at: datetime) -> Recorded:
    """The record of a workload that has all that is declared, by whoever's hand."""
    change, rev = row.change, read_rev(live.raw_manifest)
    if classify_rev(change, rev) is ShownRev.NONE:
        change = close_unsent(change)
    else:
        # Also what was given up and has landed since: with this content it is in force.
        change = confirm(change, rev, asked_at)
    return replace(row, echo=echo, change=change, seen=live.seen, message=live.message)


def follow_other_copy(
    row: Recorded, live: Remote, redactor: Redactor, asked_at: datetime
) -> Recorded:
    """The record of a workload that another copy of the state has updated.

    What that one declared is not known here. All that this one knows of counts as it is live: the
    next plan compares it with what is wanted, and nothing of it is drift.
    """
    rev = read_rev(live.raw_manifest)
    echo = redactor.strict.redact(echo_of(live))
    spec = project(echo, declared_by_us(row, rev))
    return replace(
        row,
        spec=spec,
        digest=digest(spec) if row.is_declared else "",
        echo=echo,
        seen=live.seen,
        change=learn(row.change, rev, asked_at, spec=spec, body=echo),
    )


async def record_without_requests(plan: Plan, run: ApplyContext) -> None:
    """Record what is known without a request, and send no event for it.

    A late create that can no longer come true needs no record; a workload that is left alone has
    the place of its spec now, and whether it was missing.
    """
    ended = [
        ActionContext(run, row.address, action.kind, action.id).advance(
            row, Evidence.CONFIRMED_GONE
        )
        for action in plan.actions
        if isinstance(action, Keep | Hold | Forget | Delete)
        for row in action.outlived
        if not may_come_true(row, run.server_time())
    ]
    updated = []
    for action in plan.actions:
        if not isinstance(action, Keep | Hold) or action.recorded is None:
            continue
        row = action.recorded
        if action.source is not None:
            # A guard asks which folder has lost its specs: a spec that moved counts where it is.
            row = replace(row, source=action.source.file)
        if isinstance(action, Hold) and (action.reason in MISSING or action.is_gone):
            # It is no news to the next run, and no sign of a wrong server.
            row = replace(row, seen=LastSeen.MISSING)
        if isinstance(action, Hold) and action.lifecycle is not None:
            # Protection that waits for the hold to end would be missing when the spec goes first.
            row = replace(row, lifecycle=action.lifecycle)
        if row != action.recorded:
            work = ActionContext(run, action.address, action.kind, action.id)
            updated.append(work.commit(row))
    for writes in (ended, updated):
        try:
            # Begun at the same time, they share one transaction of the journal.
            await asyncio.gather(*writes)
        except StateError as error:
            # Nothing is sent that could not be recorded, so the run ends before its first request.
            run.stop_for(error)

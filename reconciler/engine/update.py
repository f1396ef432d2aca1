"""Changes one workload in place: read, merged, recorded, sent, and proven by another look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler.core.diff.comparison import LiveContent, read_content
from reconciler.core.diff.update import UpdateContent
from reconciler.core.history.outcome import Cause, Failed, Outcome, Skipped, Succeeded
from reconciler.core.model import LastSeen, OpenChange, Remote
from reconciler.core.planning.actions import Update
from reconciler.core.protocol.api_results import (
    Accepted,
    Ambiguous,
    ApiResult,
    Conflict,
    Method,
    NotFound,
    Refused,
    Unavailable,
)
from reconciler.core.protocol.body import create_body
from reconciler.core.protocol.changes import (
    VISIBLE,
    ShownRev,
    classify_rev,
    close_unsent,
    is_not_visible_yet,
    is_status_stale,
    may_land,
)
from reconciler.core.protocol.marker import (
    OP,
    STACK,
    annotations_of_update,
    read_marker,
    with_annotations,
)
from reconciler.core.protocol.retry import AMBIGUOUS_SENDS, SendCounts
from reconciler.core.protocol.transitions import ROUNDING, is_fresh
from reconciler.engine.recognition import (
    describe_refusal,
    refuse_marks,
    refuse_stranger,
    refuse_unmarked,
)
from reconciler.engine.records import (
    confirm_update,
    declare,
    follow_live,
    follow_other_copy,
    one_more_send,
    open_update,
)
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.polling import poll_intervals
from reconciler.engine.requests.sending import SendGuard, send_recorded
from reconciler.engine.run import UNSENT, ActionContext
from reconciler.engine.update_comparison import UpdateComparison
from reconciler.engine.waiting.wait import wait_until_updated

UPDATE_OPEN = "its update may have been carried out; the next run goes on with it"
_ON_WAY = "nobody can tell yet whether its update was carried out"


class UpdateTask:
    """One update from a look at the workload to the proof that it shows what is declared."""

    def __init__(self, work: ActionContext, action: Update) -> None:
        self._work = work
        self._run = work.run
        self._action = action
        self._desired = action.desired
        self._redactor = work.run.redactor
        self._comparison = UpdateComparison(action, work.run.redactor)
        row = action.recorded
        if not (action.marks or row.is_declared):
            row = declare(row, self._comparison.spec)
        under_way = row.change.open
        if under_way is not None and under_way.attempts:
            # Whatever the record believes: the process that wrote it may have died after the send.
            under_way = replace(under_way, ambiguous=True)
            row = replace(row, change=replace(row.change, open=under_way))
        self._marks = under_way.marks if under_way and under_way.marks else action.marks
        self._row = row
        self._guard = SendGuard(work.run, self._redate)
        self._asked_at = work.run.server_time()
        self._seen_before: LastSeen | None = None
        # Whether the last send of this run may have been carried out.
        self._may_be_done = False
        self._accepted_at: datetime | None = None
        # Whether a look has shown the update in force.
        self._is_proven = False
        self._unclear = 0
        self._last_message = ""

    async def carry_out(self) -> Outcome:
        """Update, prove it, and wait for the cluster if the run waits."""
        dispatcher = self._run.dispatcher
        try:
            # What is read now is merged and sent before others read: it stays young, and in the
            # memory there are the contents of few.
            async with dispatcher.begun:
                outcome = await self._step()
                # At once at first: an update that was accepted is mostly to be seen by then.
                if outcome is None and not dispatcher.stretched(0.0):
                    outcome = await self._step()
            intervals = poll_intervals(longest=16.0)
            while outcome is None:
                await dispatcher.pause(dispatcher.stretched(next(intervals)))
                outcome = await self._step()
            if self._is_proven and isinstance(outcome, Succeeded) and self._run.options.wait:
                seen = self._seen_before
                return await wait_until_updated(self._work, self._row, outcome, before=seen)
            return outcome
        except StoppedError:
            if self._accepted_at is not None:
                return self._leave_open(UPDATE_OPEN)
            if self._is_in_doubt:
                # Why it is open is the server's to say, where it has said anything in this run.
                return self._leave_open(": ".join(filter(None, (UPDATE_OPEN, self._last_message))))
            # What certainly never left was never begun.
            if self._row.change.open is not None and self._comparison.sent is not None:
                await self._close()
            return Skipped(message=UNSENT)

    async def _step(self) -> Outcome | None:
        """One look and what it leads to; None where another look is needed."""
        live = await self._look()
        return await self._go_on(live) if isinstance(live, Remote) else live

    async def _go_on(self, live: Remote) -> Outcome | None:
        """Finish what a look shows, or send on top of it.

        What was not answered is never just repeated: a PUT on what somebody else has changed
        meanwhile would take that back.
        """
        shown = read_content(live, self._redactor)
        change, rev = self._row.change, shown.rev
        match classify_rev(change, rev):
            case ShownRev.FOREIGN:
                # Under our marker, so it is our own write and no drift: nothing is sent on top of
                # what this record does not know.
                return await self._follow_other_copy(live)
            case ShownRev.OPEN if not self._comparison.is_outdated(self._row, shown):
                return await self._finish(live, shown)
            case ShownRev.LATE if change.open is not None and rev != change.open.base:
                # An older update of ours has landed on the one that was accepted.
                self._accepted_at = None
            case _:
                pass
        if self._accepted_at is not None:
            if self._comparison.shows_sent(self._row, shown):
                return await self._finish(live, shown)
            # Within a minute it may still show what it was: no look at that proves anything.
            if self._run.server_time() > self._accepted_at + VISIBLE + ROUNDING:
                return self._leave_open("accepted, but the server does not show it")
            return None
        # Bounded like a POST; nothing is lost, since the next run reads first and goes on.
        if self._unclear >= AMBIGUOUS_SENDS:
            return self._leave_open(f"{_ON_WAY}: {self._last_message}")
        content = self._comparison.compose(self._row, shown)
        if is_not_visible_yet(change, rev, self._run.server_time()) and not self._is_same(content):
            # What may only lag behind an update of ours is no base for another one.
            return None
        refusal = self._compare_with_plan(shown) or refuse_marks(self._row, self._desired, content)
        if refusal is not None:
            return refusal
        # Whoever has made it so: a PUT that changes nothing could only take something back.
        if content.is_there and not self._marks:
            return await self._follow(live, content)
        return await self._put(live, shown, content)

    async def _look(self) -> Remote | Outcome:
        """Read by id: an update must hit the workload that we know and nothing else."""
        self._asked_at = self._run.server_time()
        answer = await self._work.read(self._row.id or "")
        match answer:
            # Accepted is not visible at once (A3), and an update never creates.
            case NotFound(trusted=True) if is_fresh(self._asked_at, self._row):
                return self._fail("was accepted just now and is not visible yet", "run apply again")
            case NotFound(trusted=True):
                return await self._lose()
            case Accepted(remote=remote) if remote.is_gone:
                return await self._lose()
            case Accepted(remote=remote) if remote.is_leaving:
                message = "somebody else is deleting it; nothing was sent"
                return self._fail(message, cause=self._cause_of_difference)
            case Accepted(remote=remote):
                return await self._recognise(remote)
            case _:
                message = f"cannot be read: {answer.description}"
                if self._is_in_doubt:
                    return self._leave_open(message)
                return self._fail(message)

    async def _recognise(self, remote: Remote) -> Remote | Outcome:
        marker = read_marker(remote.raw_manifest)
        if (
            marker is None
            and self._row.marker
            and self._comparison.shows_sent(self._row, read_content(remote, self._redactor))
        ):
            # It was there before our update: that is no workload which nobody has marked.
            await self._confirm(remote)
            message = "the server took the update and dropped our mark with it"
            return refuse_unmarked(self._row, message)
        if marker is not None and str(marker) in self._row.change.former_markers:
            # A late update of its former owner has landed on ours: it is marked again.
            self._marks = self._row.marker
            return remote
        stranger = refuse_stranger(self._run, self._row, remote)
        ours = ("", self._row.marker, self._marks)
        if stranger is None and self._row.marker and str(marker or "") not in ours:
            stranger = self._fail(f"workload {remote.id} carries the mark {marker}")
        if stranger is not None:
            return replace(stranger, cause=self._cause_of_difference)
        return remote

    @property
    def _is_in_doubt(self) -> bool:
        """Whether an update of it may be carried out, or was."""
        under_way = self._row.change.open
        return under_way is not None and (under_way.ambiguous or self._may_be_done)

    @property
    def _cause_of_difference(self) -> Cause:
        """Why it fails over what is not as it was planned."""
        # After a send of ours the difference may be our own doing.
        has_sent = self._is_in_doubt or self._comparison.sent is not None
        return Cause.OTHER if has_sent else Cause.OUTDATED

    def _compare_with_plan(self, shown: LiveContent) -> Outcome | None:
        unplanned = self._comparison.find_unplanned(self._row, shown)
        if unplanned is None:
            return None
        message = f"{', '.join(unplanned)} changed on the server since this was planned"
        # What an earlier send may have done cannot be called untouched.
        if self._is_in_doubt:
            return self._leave_open(message)
        return self._fail(f"{message}; nothing was sent", "plan again", cause=Cause.OUTDATED)

    def _is_same(self, content: UpdateContent) -> bool:
        """Whether this is what the open change has sent: one rev has one body."""
        under_way = self._row.change.open
        return under_way is not None and (
            (under_way.body_digest, under_way.digest, under_way.marks)
            == (content.digest, self._comparison.digest, self._marks)
        )

    async def _put(
        self, live: Remote, shown: LiveContent, content: UpdateContent
    ) -> Outcome | None:
        """Send, and say how it ended; None where another look decides."""
        under_way = self._row.change.open
        if self._comparison.sent is not None:
            attempts = under_way.attempts if under_way else 0
            self._work.tell_retry(Method.PUT, attempts, delay=0.0, reason=self._last_message)
        rev = self._run.mint_op()
        opened = self._comparison.open_change(content, rev=rev, base=shown.rev, marks=self._marks)
        if under_way is not None and self._is_same(content):
            # One rev has one body, and one body that is sent again keeps its rev.
            opened = replace(under_way, base=opened.base)
        # What it says within ten seconds of another update, or of one that may have landed late,
        # may be about the content before that.
        change = self._row.change
        reliable = not (is_status_stale(change, self._asked_at) or may_land(change, self._asked_at))
        self._seen_before = live.seen if reliable else None
        self._row = open_update(self._row, live, opened)
        self._comparison.sent, self._comparison.before = content, shown
        # What only changes hands has its content from where it had it before.
        commit = None if self._action.marks else self._run.provenance.commit
        own = annotations_of_update(live.raw_manifest, rev=opened.rev, commit=commit)
        if self._marks:
            own |= {OP: self._marks, STACK: self._run.stack}
        manifest = with_annotations(content.manifest, own)
        body = create_body(content.metadata, manifest, encoded=self._desired.encoded)

        async def attempt() -> ApiResult:
            return await self._run.api.update(
                self._row.id or "", body, self._before_send, declared=self._desired.spec
            )

        answer = await send_recorded(self._work, Method.PUT, record=self._intend, attempt=attempt)
        self._last_message = answer.description
        return await self._conclude(answer)

    async def _intend(self, _: SendCounts) -> None:
        # Until the bytes of this send leave, nothing of it can be carried out.
        self._may_be_done = False
        at = self._guard.date()
        await self._commit_open(lambda sent: replace(sent, **one_more_send(sent, at)))

    async def _redate(self, at: str) -> None:
        await self._commit_open(lambda under_way: replace(under_way, last_sent_at=at))

    async def _before_send(self) -> None:
        await self._guard.before_send()
        self._may_be_done = True

    async def _commit_open(self, move: Callable[[OpenChange], OpenChange]) -> None:
        under_way = self._row.change.open
        if under_way is None:
            raise AssertionError("an update is recorded before it is sent")
        self._row = replace(self._row, change=replace(self._row.change, open=move(under_way)))
        await self._work.commit(self._row)

    async def _conclude(self, answer: ApiResult) -> Outcome | None:
        match answer:
            case Accepted():
                self._accepted_at = self._run.latest_server_time()
                return None
            case Ambiguous() | Unavailable() | NotFound(trusted=False):
                # A server that is away is waited for until the deadline; only unclear answers are
                # counted. Both are recorded before anything else is sent.
                self._unclear += not isinstance(answer, Unavailable)
                await self._commit_open(lambda under_way: replace(under_way, ambiguous=True))
                return None
            case _:
                self._may_be_done = False
        refused = isinstance(answer, Refused | Conflict | NotFound)
        if refused or not self._is_in_doubt:
            await self._close()
            return describe_refusal(self._row, answer)
        return self._leave_open(answer.description)

    async def _lose(self) -> Outcome:
        """It is gone: no update revives it, and the next plan decides about it."""
        cause = self._cause_of_difference
        if self._row.change.open is not None:
            await self._close()
        message = "no longer on the server; nothing was sent, the next plan decides"
        return self._fail(message, cause=cause)

    async def _close(self) -> None:
        """What was certainly not carried out is over; what may still be is kept as late."""
        self._row = replace(self._row, change=close_unsent(self._row.change))
        await self._work.commit(self._row)

    async def _finish(self, live: Remote, shown: LiveContent) -> Outcome:
        """The update is in force: it is done once nothing is left that it was to take away."""
        leftovers = self._comparison.find_leftovers(self._row, shown)
        if leftovers.pointers:
            self._run.keeps_removed = True
            return self._leave_open(
                f"{', '.join(leftovers.pointers)} is declared no more, and the server keeps it",
                f"the server merges updates; to take it away: --replace {self._row.address}",
            )
        unlike = self._comparison.find_unlike(self._row, shown)
        await self._confirm(live)
        if unlike:
            return self._fail(
                f"the server took the update, and {', '.join(unlike)} is not as it was sent",
                "the next plan shows it as drift",
            )
        details = [f"the server keeps {pointer}" for pointer in leftovers.metadata]
        if self._row.change.drops_annotations:
            details.append("the server dropped our annotation, so further updates are held")
        self._is_proven = True
        return Succeeded(id=self._row.id, detail="; ".join(details))

    async def _confirm(self, live: Remote) -> None:
        """Record what is in force: what was sent is what later comparisons start from."""
        under_way = self._row.change.open
        if under_way is None:
            raise AssertionError("only what was recorded can be confirmed")
        row = confirm_update(self._comparison.take_over_spec(self._row), live, self._asked_at)
        # The content is in force without its rev: the server has dropped our annotation.
        if row.change.confirmed != under_way.rev:
            row = replace(row, change=replace(row.change, drops_annotations=True))
        self._row = row
        await self._work.commit(self._row)

    async def _follow(self, live: Remote, content: UpdateContent) -> Outcome:
        """The server has all of it, by whoever's hand."""
        declared = self._comparison.take_over_spec(self._row)
        self._row = follow_live(declared, live, content.base, self._asked_at)
        await self._work.commit(self._row)
        detail = "it is on the server as it is declared; nothing was sent"
        return Succeeded(id=self._row.id, detail=detail)

    async def _follow_other_copy(self, live: Remote) -> Outcome:
        """Another copy of the state has updated it: that is recorded, and planned anew."""
        cause = self._cause_of_difference
        self._row = follow_other_copy(self._row, live, self._redactor, self._asked_at)
        await self._work.commit(self._row)
        message = "another copy of the state has updated it since; that is recorded"
        return self._fail(message, "plan again", cause=cause)

    def _leave_open(self, message: str, hint: str = "") -> Failed:
        """Nothing is given up: the record has the change, and the next run goes on with it."""
        return self._fail(message, hint or "apply again: nothing of it is lost")

    def _fail(self, message: str, hint: str = "", *, cause: Cause = Cause.OTHER) -> Failed:
        return Failed(id=self._row.id, message=message, hint=hint, cause=cause)

"""Sixteen mistakes that this protocol exists to avoid, each put into the real engine for a while.

A proof that lets one of them pass proves nothing. They are patches of the running engine: no
switch in the product leads to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from proof.mutant import Mutant, Patch
from proof.simulation.disk import LINEAGE, STACK
from proof.updates.mutants import UPDATE_MUTANTS
from reconciler.app.state import claiming
from reconciler.core.diff import comparison
from reconciler.core.history.outcome import Outcome, Succeeded
from reconciler.core.model import Address, Json, Recorded
from reconciler.core.planning import guards
from reconciler.core.planning.actions import Resolve
from reconciler.core.protocol import transitions
from reconciler.core.protocol.api_results import Ambiguous, ApiResult, Conflict, Unavailable
from reconciler.core.protocol.marker import Marker, read_marker
from reconciler.core.protocol.transitions import Evidence, advance, end
from reconciler.engine import apply, lookup, recognition, refresh, remove
from reconciler.engine.create import CreateTask
from reconciler.engine.remove import DeleteTask
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.sending import PROMPT, SendGuard
from reconciler.engine.requests.servertime import ServerTime
from reconciler.engine.run import ActionContext, ApplyContext
from reconciler.engine.waiting import wait


def _send_without_intent() -> list[Patch]:
    durable = ActionContext.advance

    async def remember_only(
        self: ActionContext, row: Recorded, evidence: Evidence, **facts: Any
    ) -> Recorded:
        if evidence is Evidence.CREATE_INTENDED:
            return advance(row, evidence, **facts)
        return await durable(self, row, evidence, **facts)

    return [(ActionContext, "advance", remember_only)]


def _recover_with_a_new_operation() -> list[Patch]:
    recover = apply._resolve

    async def begin_again(action: Resolve, work: ActionContext) -> Outcome:
        if action.desired is None or not action.same:
            return await recover(action, work)
        await work.advance(action.recorded, Evidence.CONFIRMED_GONE)
        return await CreateTask(work, action.desired).carry_out()

    return [(apply, "_resolve", begin_again)]


def _take_every_conflict_for_others() -> list[Patch]:
    conclude = CreateTask._conclude

    async def give_up(self: CreateTask, answer: ApiResult) -> Outcome:
        if isinstance(answer, Conflict):
            return await self._drop(answer.message, Evidence.CONFIRMED_GONE)
        return await conclude(self, answer)

    return [(CreateTask, "_conclude", give_up)]


def _adopt_without_proof() -> list[Patch]:
    def believe(manifest: Json) -> Marker:
        found = read_marker(manifest)
        return found or Marker(lineage="", op="00000000-0000-7000-8000-000000000000", stack="")

    return [
        (lookup, "read_marker", believe),
        (ApplyContext, "owns", lambda *_: True),
    ]


def _trust_an_early_404() -> list[Patch]:
    return [(module, "is_fresh", lambda *_: False) for module in (wait, refresh, remove)]


def _expect_no_late_post() -> list[Patch]:
    return [(transitions, "comes_true_until", lambda _: datetime.min.replace(tzinfo=UTC))]


def _forget_the_doubt() -> list[Patch]:
    return [(transitions, "_is_ambiguous_after", lambda *_: False)]


def _believe_an_empty_list() -> list[Patch]:
    async def believe(*_: Any) -> bool:
        return True

    return [(lookup, "_is_believable", believe)]


def _drop_what_nobody_wants() -> list[Patch]:
    async def drop(work: ActionContext, row: Recorded) -> Outcome:
        await work.advance(row, Evidence.CONFIRMED_GONE)
        return Succeeded()

    return [(apply, "settle", drop)]


def _bury_on_the_202() -> list[Patch]:
    async def bury(self: DeleteTask) -> Outcome:
        return await self._gone()

    return [(DeleteTask, "_wait_for_absence", bury)]


def _set_the_clock_back() -> list[Patch]:
    """As if a Date had been written when its answer is read, for what guards a send as well."""

    def believe_the_last(self: ServerTime, answer: ApiResult, _: float) -> None:
        if answer.date and not isinstance(answer, Ambiguous | Unavailable):
            offset = datetime.fromisoformat(answer.date) - self._elapsed()
            self._at_least = self._at_most = offset

    date = SendGuard.date
    dated: WeakKeyDictionary[SendGuard, str] = WeakKeyDictionary()

    def note_date(self: SendGuard) -> str:
        dated[self] = date(self)
        return dated[self]

    async def compare_readings(self: SendGuard) -> None:
        now = self._run.latest_server_time()
        if now - datetime.fromisoformat(dated[self]) > timedelta(seconds=PROMPT):
            dated[self] = now.isoformat(timespec="milliseconds")
            await self._redate(dated[self])
        if self._run.halt:
            raise StoppedError

    return [
        (ServerTime, "observe", believe_the_last),
        (SendGuard, "date", note_date),
        (SendGuard, "before_send", compare_readings),
    ]


def _send_under_an_old_date() -> list[Patch]:
    async def send(self: SendGuard) -> None:
        if self._run.halt:
            raise StoppedError

    return [(SendGuard, "before_send", send)]


def _delete_what_lost_its_mark() -> list[Patch]:
    def believe(manifest: Json) -> Marker:
        ours = Marker(lineage=LINEAGE, op="00000000-0000-7000-8000-000000000000", stack=STACK)
        return read_marker(manifest) or ours

    return [(module, "read_marker", believe) for module in (comparison, recognition)]


def _count_missing_over_the_state() -> list[Patch]:
    def count(lost: Iterable[Address], there: Iterable[Address]) -> list[tuple[str, int]]:
        missing = len([*lost])
        return [("any", missing)] if missing >= 2 and not [*there] else []

    return [(guards, "_find_emptied", count)]


def _free_the_name_of_an_abandoned_delete() -> list[Patch]:
    def drop(row: Recorded) -> Recorded:
        return end(row, Evidence.CONFIRMED_GONE)

    return [(claiming, "abandoned_record", drop)]


MUTANTS: Mapping[str, Mutant] = {
    "no-intent": Mutant(mistake="no intent before a POST", patches=_send_without_intent),
    "new-operation": Mutant(
        mistake="a new operation on recovery", patches=_recover_with_a_new_operation
    ),
    "conflict-is-theirs": Mutant(
        mistake="409 taken for a conflict after a doubt", patches=_take_every_conflict_for_others
    ),
    "no-proof": Mutant(
        mistake="adoption without proof, no check before a DELETE", patches=_adopt_without_proof
    ),
    "early-404": Mutant(mistake="an early 404 is trusted", patches=_trust_an_early_404),
    "no-window": Mutant(mistake="no window for late POSTs", patches=_expect_no_late_post),
    "no-doubt": Mutant(mistake="the ambiguous bit is forgotten", patches=_forget_the_doubt),
    "empty-list": Mutant(
        mistake="an empty list is taken for absence", patches=_believe_an_empty_list
    ),
    "drop-unwanted": Mutant(
        mistake="an unwanted intent is dropped", patches=_drop_what_nobody_wants
    ),
    "early-tombstone": Mutant(mistake="a tombstone on the DELETE's 202", patches=_bury_on_the_202),
    "lost-mark": Mutant(
        mistake="a workload that lost its mark is deleted", patches=_delete_what_lost_its_mark
    ),
    "missing-in-all": Mutant(
        mistake="what is missing is counted over all projects",
        patches=_count_missing_over_the_state,
    ),
    "freed-name": Mutant(
        mistake="a delete that was given up frees its name",
        patches=_free_the_name_of_an_abandoned_delete,
    ),
    "clock-set-back": Mutant(
        mistake="an answer that waited sets the clock back",
        patches=_set_the_clock_back,
        paused=True,
    ),
    "old-date": Mutant(
        mistake="a create is sent under an old date",
        patches=_send_under_an_old_date,
        paused=True,
    ),
    "send-when-replaced": Mutant(
        mistake="a run that was replaced sends what it had announced",
        patches=_send_under_an_old_date,
        shared=True,
    ),
}
ALL_MUTANTS: Mapping[str, Mutant] = {**MUTANTS, **UPDATE_MUTANTS}

"""Finds out whether the server changes workloads in place, where a plan depends on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.app.planning.questions import MOST_QUESTIONS, ask_briefly
from reconciler.app.settings import Settings
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.model import Target
from reconciler.core.planning.actions import Reason, Replace, Update
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    ClusterVersions,
    Method,
    NotSent,
    TooManyRequests,
    Unavailable,
    can_update_by,
)
from reconciler.core.protocol.capabilities import CanUpdate, agree_on_dry_run
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.refresh import unless_ended
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Session

# Seconds before another question, where nobody could tell what came of the one before.
_PAUSE = 2.0

MakePlan = Callable[[CanUpdate], Plan]
"""Makes a plan for a server that changes workloads in place, or does not, or may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanForServer:
    """A plan, and what it takes the server to be able to do.

    `has_shown` says that the server itself has just said that it changes workloads in place.
    """

    plan: Plan = field(repr=False)
    can_update: CanUpdate
    has_shown: bool = False


async def find_capability(settings: Settings, session: Session, pinned: Target) -> CanUpdate:
    """What the server can do: as it is declared, or else as the server says."""
    declared = settings.capabilities.can_update
    if declared is not CanUpdate.UNKNOWN:
        return declared
    return _weigh(can_update_by(await _ask(session)), pinned)


async def can_dry_run(settings: Settings, session: Session) -> bool:
    """Whether a declared version, or else those of all clusters, speak for the dry run."""
    if settings.api_version is not None or not settings.discovery:
        return settings.capabilities.can_dry_run
    answer = await ask_briefly(session, session.api.find_cluster_versions, expected=ClusterVersions)
    return isinstance(answer, ClusterVersions) and agree_on_dry_run(answer.versions)


async def plan_for_server(
    make: MakePlan, settings: Settings, session: Session, pinned: Target, *, may_ask: bool
) -> PlanForServer:
    """Make a plan for what the server can do; it is asked only where the plan depends on that.

    The plan is made for a server that can: if nothing in it is an update, or a replace that could
    have been one, no answer would change it. `pinned` is the target that the state knows, and
    `may_ask` is off for a run without reads.
    """
    can_update, has_shown = settings.capabilities.can_update, False
    plan = make(CanUpdate.NO if can_update is CanUpdate.NO else CanUpdate.YES)
    if not any(isinstance(action, Update | Replace) for action in plan.actions):
        return PlanForServer(plan=plan, can_update=can_update)
    if can_update is CanUpdate.UNKNOWN:
        answer = await _ask(session) if may_ask else None
        verdict = can_update_by(answer) if answer is not None else CanUpdate.UNKNOWN
        can_update, has_shown = _weigh(verdict, pinned), verdict is CanUpdate.YES
        if can_update is not CanUpdate.YES:
            plan = make(can_update)
        if can_update is CanUpdate.UNKNOWN and answer is not None:
            plan = replace(plan, diagnostics=(*plan.diagnostics, *_warn_of(plan, answer)))
    # What decided between an update and a replace is a part of what is approved.
    plan = replace(plan, target=replace(plan.target, can_update=can_update))
    return PlanForServer(plan=plan, can_update=can_update, has_shown=has_shown)


def _warn_of(plan: Plan, answer: ApiResult) -> Iterator[Diagnostic]:
    """The server's words, at the first workload that is held for want of clear ones.

    They are no part of the reason of a hold: the digest of a plan covers that, and the next answer
    may read otherwise.
    """
    held = (hold for hold in plan.holds if hold.reason is Reason.UPDATE_UNKNOWN)
    for hold in islice(held, 1):
        if hold.source is not None:
            yield Diagnostic(
                severity=Severity.WARNING,
                code=Reason.UPDATE_UNKNOWN.value,
                message="no clear answer to whether workloads can be changed in place: "
                f"{answer.description}",
                where=hold.source,
                address=str(hold.address),
            )


def _weigh(answer: CanUpdate, pinned: Target) -> CanUpdate:
    """What an answer means beside what the server has shown before.

    A server does not unlearn it: one that says no now is hidden behind something that forbids the
    call. Then nobody knows, so that no update turns into the end of what runs.
    """
    if not pinned.can_update:
        return answer
    return CanUpdate.UNKNOWN if answer is CanUpdate.NO else CanUpdate.YES


async def _ask(session: Session) -> ApiResult:
    """Ask for an update of a workload that nobody has: it changes nothing, whatever comes of it."""
    nobody = str(uuid.UUID(int=session.rng.getrandbits(128), version=4))
    questions = 0

    async def attempt(_: SendCounts) -> ApiResult:
        nonlocal questions
        questions += 1
        answer = await session.api.update(nobody, {})
        # Whoever keeps putting us off says nothing, and must not hold up a plan for half an hour.
        if questions >= MOST_QUESTIONS and isinstance(answer, TooManyRequests | NotSent):
            return Ambiguous(message=answer.message, date=answer.date)
        return answer

    with unless_ended():
        answer = await session.dispatcher.send(Method.PUT, attempt)
        # Other updates are never just repeated; this one hits nothing, and one lost response must
        # not hold every change of an unattended run.
        while isinstance(answer, Ambiguous | Unavailable) and questions < MOST_QUESTIONS:
            await session.dispatcher.pause(_PAUSE)
            answer = await session.dispatcher.send(Method.PUT, attempt)
        return answer

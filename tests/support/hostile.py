"""A plan and an apply with one word in every place that is not ours, as pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import ABSENT, FieldChange
from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestRetried,
    RunFinished,
    RunStarted,
    Summary,
    Throttled,
)
from reconciler.core.history.outcome import Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.history.timeline import Timeline
from reconciler.core.model import Address, Desired, Own, Recorded
from reconciler.core.planning.actions import (
    AnyAction,
    Create,
    Delete,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
)
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Drift, Plan, PlanTarget
from reconciler.errors import ReconcilerError, Where
from reconciler.report.commands import Commands
from reconciler.report.html import UnsavedRecords, apply_page, plan_page

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def pages_of(word: str, count: int = 1) -> dict[str, str]:
    """Every kind of page, with that word wherever a spec, a server or a user has words.

    `count` is how often each action is there.
    """
    plan = make_plan(word, count)
    timeline = Timeline()
    for event in events(plan, word):
        timeline.add(event)
    finished = RunFinished(
        at=_at(60), run=word, took=60.0, summary=_summary(count), stopped_by=StopReason.SIGTERM
    )
    losses = UnsavedRecords(
        unsaved=[_row(_address(word, 0), word)],
        trouble=ReconcilerError(word, hint=word),
        unlogged=word,
    )
    refusals = [Refusal(guard=word, message=word, hint=word)]
    return {
        "plan": plan_page(plan, created_at=BEGIN, prefix=word),
        "refused": plan_page(plan, refusals, created_at=BEGIN, prefix=word),
        "apply": apply_page(
            plan, finished, timeline, prefix=word, commands=Commands(again=word), losses=losses
        ),
    }


def make_plan(word: str, count: int) -> Plan:
    """A plan with every kind of action, each so many times."""
    actions = [one for number in range(count) for one in _actions(word, number)]
    return Plan(
        target=PlanTarget(url=word, stack=word, api_version=word),
        lineage=word,
        serial=7,
        actions=tuple(actions),
        drift=tuple(Drift(address=a.address, changes=_changes(word)) for a in actions[:2]),
        diagnostics=tuple(
            Diagnostic(severity=one, code=word, message=word, where=Where(file=word), hint=word)
            for one in Severity
        ),
        complete=False,
    )


def events(plan: Plan, word: str) -> Iterator[Event]:
    """A run in which something of everything happened."""
    yield RunStarted(at=_at(0), run=word, actions=len(plan.changes))
    ends: tuple[Outcome, ...] = (
        Succeeded(id=word, detail=word),
        Failed(message=word, hint=word, id=word),
        Skipped(message=word),
        InDoubt(message=word, hint=word),
    )
    for number, action in enumerate(plan.changes):
        address, kind, begin = action.address, action.kind, number % 40
        outcome = ends[number % len(ends)]
        if not isinstance(outcome, Skipped):
            yield ActionStarted(at=_at(begin), address=address, action=kind, id=word)
            yield Throttled(at=_at(begin + 1), address=address, delay=1.5, reason=word, limit=4)
            yield RequestRetried(
                at=_at(begin + 1),
                address=address,
                method=word,
                attempt=1,
                delay=1.5,
                reason=word,
            )
        yield ActionEnded(at=_at(begin + 5), address=address, action=kind, outcome=outcome)


def _actions(word: str, number: int) -> Iterator[AnyAction]:
    address = _address(word, number)
    row, desired = _row(address, word), _desired(address, word)
    source, detail = Where(file=word, line=3), word
    one, two = GpuEffect(before=1.0, after=2.0), GpuEffect(after=8.0)
    gone, odd = GpuEffect(before=2.0), GpuEffect(known=False)
    yield Create(
        address=address,
        reason=Reason.NEW,
        source=source,
        gpus=two,
        desired=desired,
        wave=1,
        document=_document(word),
    )
    yield Replace(
        address=_address(word, number, "r"),
        reason=Reason.SPEC_CHANGED,
        detail=detail,
        source=source,
        gpus=one,
        changes=_changes(word),
        recorded=row,
        desired=desired,
    )
    yield Delete(
        address=_address(word, number, "d"),
        reason=Reason.REMOVED_FROM_SPECS,
        detail=detail,
        gpus=gone,
        recorded=row,
    )
    yield Forget(
        address=_address(word, number, "f"),
        reason=Reason.MISSING_ON_SERVER,
        detail=detail,
        recorded=row,
    )
    yield Resolve(
        address=_address(word, number, "s"),
        reason=Reason.IN_DOUBT,
        detail=detail,
        gpus=two,
        recorded=row,
        desired=desired,
    )
    yield Record(
        address=_address(word, number, "l"),
        reason=Reason.LIFECYCLE_CHANGED,
        detail=detail,
        recorded=row,
        desired=desired,
        gpus=odd,
    )
    yield Hold(address=_address(word, number, "h"), reason=Reason.SYNC_FAILED, detail=detail)
    yield Keep(address=_address(word, number, "k"), reason=Reason.NEW, recorded=row)


def _changes(word: str) -> tuple[FieldChange, ...]:
    return (
        FieldChange(pointer=f"/{word}", before=word, after=[word]),
        FieldChange(pointer="/a", before=ABSENT, after={word: word}),
        FieldChange(pointer="/b", before=word, after=ABSENT),
        FieldChange(pointer="/c", before=f"one\ntwo {word}\n", after=f"one\n{word}\nthree\n"),
    )


def _address(word: str, number: int, suffix: str = "c") -> Address:
    return Address(project=word, name=f"{word}-{suffix}{number}")


def _desired(address: Address, word: str) -> Desired:
    manifest = {"kind": word, "metadata": {"name": word}}
    return Desired(
        address=address,
        source=Where(file=word),
        metadata={"name": address.name, "projectId": address.project},
        manifest=manifest,
    )


def _document(word: str) -> dict[str, Any]:
    host = {"hostNetwork": True, "hostPath": {"path": word}}
    return {"metadata": {"name": word}, "manifest": {"kind": word, "image": word, "spec": host}}


def _row(address: Address, word: str) -> Recorded:
    return Recorded(
        op=word,
        address=address,
        own=Own.ACCEPTED,
        digest=word,
        spec={},
        id=word,
        first_sent_at=_at(0),
        last_sent_at=_at(0),
        message=word,
        marker=word,
        source=word,
        run=word,
    )


def _summary(count: int) -> Summary:
    return Summary(created=count, failed=2 * count, skipped=count, in_doubt=count)


def _at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")

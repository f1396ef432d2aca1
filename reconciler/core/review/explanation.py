"""Why a plan decides about one workload as it does: what was compared, and what applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.diff.comparison import compare, compare_spec, echo_of
from reconciler.core.diff.diff import FieldChange, find_changes, is_ignored, project
from reconciler.core.globs import matches_any
from reconciler.core.lifecycle import (
    Lifecycle,
    OnMissing,
)
from reconciler.core.model import (
    Address,
    Desired,
    Json,
    LastSeen,
    Live,
    Recorded,
    Remote,
)
from reconciler.core.planning.actions import (
    AnyAction,
    Delete,
    Replace,
    document_of,
    recorded_of,
)
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.planning.decisions import is_lost
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.errors import Where
from reconciler.kinds.registry import runs_to_completion
from reconciler.values import dataclass


class ChangedBy(StrEnum):
    """Who changed a field since the last apply."""

    SPEC = "spec"
    REMOTE = "remote"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that the spec's author, somebody on the server, or both have changed.

    `where` is the line that its author wrote, where a file has it.
    """

    pointer: str
    spec: FieldChange | None = None
    remote: FieldChange | None = None
    ignored: bool = False
    where: Where | None = None

    @property
    def changed_by(self) -> ChangedBy:
        """Who it was."""
        if self.spec and self.remote:
            return ChangedBy.BOTH
        return ChangedBy.SPEC if self.spec else ChangedBy.REMOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSetting:
    """A setting that decides in some situation; `applies` where it is this one.

    `origin` is `spec`, `record`, `state` (a person's word), `option` or `default`; `where` is the
    line of a spec, of its defaults or of a patch that says so.
    """

    name: str
    value: str
    origin: str
    applies: bool = False
    where: Where | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One workload as a plan sees it; every document is redacted.

    `declared` is the spec now, `recorded` holds what was applied last and what the server echoed
    then, `echoed` is what it says now, read at `read_at`. `sent` is what the action sends.
    `undeclared` are the pointers of what the server added and nobody manages, `others` the further
    records of this address.
    """

    address: Address
    action: AnyAction
    desired: Desired | None
    declared: Json | None
    recorded: Recorded | None
    live: Live | None
    echoed: Json | None
    read_at: datetime | None
    sent: Json | None
    differences: tuple[Difference, ...]
    undeclared: tuple[str, ...]
    policies: tuple[LifecycleSetting, ...]
    others: tuple[Recorded, ...]


def explain_workload(
    action: AnyAction,
    *,
    desired: Desired | None,
    rows: Sequence[Recorded],
    live: Live | None,
    options: PlanOptions,
    redactor: Redactor,
    read_at: datetime | None = None,
) -> Explanation:
    """Lay out what led to an action of a plan; `live` has to have its body, and is not compared."""
    row = recorded_of(action)
    declared = redactor.redact(desired.spec) if desired else None
    remote = live if isinstance(live, Remote) and not live.is_gone else None
    # A server may repeat a secret in places of its own, so its words fall under stricter rules.
    echoed = redactor.strict.redact(echo_of(remote)) if remote else None
    since = compare_spec(row, desired, redactor) if row and desired else None
    changes = (since.changes or since.restated) if since else ()
    drift = compare(row, remote, redactor).drift if row and remote else ()
    # What a spec said last is remembered for when it is gone.
    settings = desired.lifecycle if desired else row.lifecycle if row else Lifecycle()
    undeclared: tuple[str, ...] = ()
    if row is not None and echoed is not None:
        # What the spec has declared since is not the server's own, though it ran before.
        undeclared = _find_undeclared(echoed, row.spec, declared or row.spec)
    differences = _merge(changes, drift, settings.ignore_changes)
    return Explanation(
        address=action.address,
        action=action,
        desired=desired,
        declared=declared,
        recorded=row,
        live=live,
        echoed=echoed,
        read_at=read_at,
        sent=document_of(action),
        differences=differences,
        undeclared=undeclared,
        policies=(
            *_policies(action, settings, differences, desired=desired, row=row, live=live),
            *_options(action.address, options, differences),
        ),
        others=tuple(
            renew_row(other, redactor) for other in rows if row is None or other.op != row.op
        ),
    )


def with_places(explanation: Explanation, written_at: Callable[[str], Where | None]) -> Explanation:
    """The same with the line of each declared value; `written_at` finds that of a pointer."""

    def place(setting: LifecycleSetting) -> LifecycleSetting:
        where = written_at(f"/lifecycle/{setting.name}")
        # What is written as it would be by default is no default any more.
        is_written = where is not None and setting.origin in ("spec", "default")
        return replace(setting, origin="spec", where=where) if is_written else setting

    return replace(
        explanation,
        policies=tuple(map(place, explanation.policies)),
        differences=tuple(
            replace(each, where=written_at(each.pointer)) if each.spec else each
            for each in explanation.differences
        ),
    )


def _find_undeclared(echoed: Json, recorded: Json, declared: Json) -> tuple[str, ...]:
    """The pointers of what neither of two specs mentions, of a whole tree only its root."""
    beside_recorded, beside_declared = (
        [added.pointer for added in find_changes(project(echoed, spec), echoed)]
        for spec in (recorded, declared)
    )
    # A tree that one of them does not mention at all may be declared in part by the other.
    inner = [
        *(p for p in beside_recorded if any(_is_within(p, root) for root in beside_declared)),
        *(p for p in beside_declared if any(_is_within(p, root) for root in beside_recorded)),
    ]
    return tuple(sorted(set(inner)))


def _is_within(pointer: str, root: str) -> bool:
    return pointer == root or pointer.startswith(f"{root}/")


def _merge(
    changes: Sequence[FieldChange], drift: Sequence[FieldChange], patterns: Sequence[str]
) -> tuple[Difference, ...]:
    by_spec = {change.pointer: change for change in changes}
    by_others = {change.pointer: change for change in drift}
    return tuple(
        Difference(
            pointer=pointer,
            spec=by_spec.get(pointer),
            remote=by_others.get(pointer),
            ignored=is_ignored(pointer, patterns),
        )
        for pointer in dict.fromkeys((*by_spec, *by_others))
    )


def _policies(
    action: AnyAction,
    settings: Lifecycle,
    differences: Sequence[Difference],
    *,
    desired: Desired | None,
    row: Recorded | None,
    live: Live | None,
) -> Iterator[LifecycleSetting]:
    usual, source = Lifecycle(), "spec" if desired else "record"
    # What is ignored leads to no action, so no policy applies for it.
    counted = [difference for difference in differences if not difference.ignored]

    def of(name: str, value: Any, default: Any, *, applies: bool) -> LifecycleSetting:
        origin = "default" if value == default else source
        return LifecycleSetting(name=name, value=str(value), origin=origin, applies=applies)

    if desired is None:
        yield of("onRemove", settings.on_remove, usual.on_remove, applies=not is_lost(live))
    else:
        changed = any(difference.spec for difference in counted)
        failed = isinstance(live, Remote) and live.seen is LastSeen.FAILED
        yield _on_missing(desired, applies=row is not None and is_lost(live))
        yield of("onChange", settings.on_change, usual.on_change, applies=changed)
        yield of("onFailed", settings.on_failed, usual.on_failed, applies=failed)
    yield _protection(settings, row, source, ends=isinstance(action, Delete | Replace))
    if settings.ignore_changes:
        hits = any(difference.ignored for difference in differences)
        value = " ".join(settings.ignore_changes)
        yield LifecycleSetting(name="ignoreChanges", value=value, origin=source, applies=hits)


def _on_missing(desired: Desired, *, applies: bool) -> LifecycleSetting:
    """Left open, it follows from the kind."""
    policy = desired.lifecycle.on_missing
    if policy is not None:
        return LifecycleSetting(
            name="onMissing", value=policy.value, origin="spec", applies=applies
        )
    finite = runs_to_completion(desired.manifest)
    usual = OnMissing.HOLD if finite else OnMissing.RECREATE
    return LifecycleSetting(name="onMissing", value=usual.value, origin="default", applies=applies)


def _protection(
    settings: Lifecycle, row: Recorded | None, source: str, *, ends: bool
) -> LifecycleSetting:
    """A person's word goes before the spec's; it matters where the workload would end."""
    by_hand = row is not None and row.protected
    on = by_hand or settings.protect
    origin = "state" if by_hand else source if on else "default"
    return LifecycleSetting(
        name="protect", value=str(on).lower(), origin=origin, applies=ends and on
    )


def _options(
    address: Address, options: PlanOptions, differences: Sequence[Difference]
) -> Iterator[LifecycleSetting]:
    drifted = any(difference.remote for difference in differences if not difference.ignored)
    asked = options.on_drift is not OnDrift.REPORT
    yield LifecycleSetting(
        name="--on-drift",
        value=options.on_drift.value,
        origin="option" if asked else "default",
        applies=drifted,
    )
    flags = (
        ("--no-delete", options.no_delete),
        ("--no-create", options.no_create),
        ("--no-update", options.no_update),
        ("--replace", matches_any(str(address), options.replace)),
        ("--retry-failed", options.retry_failed),
        ("--no-refresh", not options.refreshed),
    )
    for name, is_set in flags:
        if is_set:
            yield LifecycleSetting(name=name, value="given", origin="option", applies=True)

"""Whether a change can be made while a workload runs: what forces a replace instead, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import FieldChange, Origin
from reconciler.core.model import Json
from reconciler.core.planning.actions import AnyAction, Reason, Update
from reconciler.core.protocol.capabilities import UPDATE_FIELDS, CanUpdate
from reconciler.kinds.registry import KINDS, group_kind
from reconciler.kinds.updates import UNPROVEN, InPlace, UpdateRules, covers, judge_field

UNPROVEN_UPDATE = "update-unproven"
ONLY_CREATE = "is taken only when a workload is created"
_MANIFEST = "/manifest"
_UPDATED_METADATA = tuple(f"/metadata/{name}" for name in UPDATE_FIELDS)


def update_rules(manifest: Json) -> UpdateRules:
    """What is known of updates of a manifest's kind, in whatever version of it."""
    kind = KINDS.get(group_kind(manifest))
    return kind.updates if kind is not None else UNPROVEN


def mark_forcing(
    changes: Iterable[FieldChange], running: Json, declared: Json, can_update: CanUpdate
) -> tuple[FieldChange, ...]:
    """The changes, each with whether it forces a replace, and why.

    `running` and `declared` are redacted specs. What somebody changed on the server, and what is
    ignored, forces nothing: it leads to no action of its own. On a server that cannot update, every
    change does.
    """
    marked = []
    for change in changes:
        if change.ignored or change.origin is Origin.REMOTE:
            marked.append(change)
        elif can_update is CanUpdate.NO:
            marked.append(replace(change, forces_replace=True))
        else:
            reason = find_obstacle(change.pointer, running, declared)
            is_marked = (change.forces_replace, change.reason) == (bool(reason), reason)
            marked.append(
                change if is_marked else replace(change, forces_replace=bool(reason), reason=reason)
            )
    return tuple(marked)


def warn_of_unproven(actions: Iterable[AnyAction]) -> Iterator[Diagnostic]:
    """What a reviewer has to know of an update that may be accepted and do nothing."""
    for action in actions:
        if isinstance(action, Update) and action.reason is Reason.UPDATE_UNPROVEN:
            yield Diagnostic(
                severity=Severity.WARNING,
                code=UNPROVEN_UPDATE,
                message=f"no source says what a {action.desired.manifest.get('kind')} does with a "
                "change while it runs: it may be refused, or have no effect on what runs",
                where=action.desired.source,
                hint=f"if it has no effect: reconciler apply --replace {action.address}",
                address=str(action.address),
            )


def exchanges_nothing(pointer: str, can_update: CanUpdate) -> bool:
    """Whether a change there is done in place and leaves the pods alone, whatever the kind."""
    return pointer in _UPDATED_METADATA and can_update is not CanUpdate.NO


def find_obstacle(pointer: str, running: Json, declared: Json) -> str:
    """Why a field of a spec cannot be changed in place; empty where it can."""
    if not covers(_MANIFEST, pointer):
        # Of the metadata an update has these two members and no other, in every version.
        return "" if any(covers(member, pointer) for member in _UPDATED_METADATA) else ONLY_CREATE
    before, after = running.get("manifest", {}), declared.get("manifest", {})
    rules = update_rules(after)
    verdict = judge_field(rules, pointer.removeprefix(_MANIFEST), before, after)
    return "" if verdict.outcome is InPlace.WORKS else verdict.reason

"""What is to be done, as a value: the actions, their counts, their effect on the GPUs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.diff.diff import FieldChange
from reconciler.core.digest import digest
from reconciler.core.model import Address, Desired, Json, Recorded
from reconciler.errors import Where

PLAN_FORMAT_VERSION = "1.1"
FORMAT_VERSION = "1.0"


class Reason(StrEnum):
    """Why an action is in the plan; a closed set, published with the plan document."""

    NEW = "new"
    SPEC_CHANGED = "spec-changed"
    LIFECYCLE_CHANGED = "lifecycle-changed"
    REMOVED_FROM_SPECS = "removed-from-specs"
    MISSING_ON_SERVER = "missing-on-server"
    SYNC_FAILED = "sync-failed"
    DRIFTED = "drifted"
    REQUESTED = "requested"
    IN_DOUBT = "in-doubt"
    ALREADY_OWNED = "already-owned"
    FORGOTTEN_ON_REMOVE = "forgotten-on-remove"
    RUN_TO_COMPLETION = "run-to-completion"
    DOWN = "down"
    OWNER_UNKNOWN = "owner-unknown"
    MARKER_MISSING = "marker-missing"
    UNPROVEN_ABSENCE = "unproven-absence"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuEffect:
    """GPUs that one workload asks for, before and after; `known` is False where nobody can tell.

    `since` is when those before were asked for (RFC 3339), where we were the ones who asked.
    """

    before: float = 0.0
    after: float = 0.0
    known: bool = True
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What one action of any kind carries: whom it concerns, why, and from which line."""

    kind: ClassVar[str]
    glyph: ClassVar[str]

    address: Address
    reason: Reason
    detail: str = ""
    source: Where | None = None
    wave: int = 0
    gpus: GpuEffect = field(default_factory=GpuEffect)
    changes: tuple[FieldChange, ...] = ()

    @property
    def id(self) -> str | None:
        """The server's id of the workload, where there is one before the apply."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRecorded(Action):
    """An action on a workload that the state knows."""

    recorded: Recorded

    @property
    def id(self) -> str | None:
        """The id that the state has for it."""
        return self.recorded.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Action):
    """Make a workload; `lost` is the record of one that is gone, `document` the redacted body."""

    kind = "create"
    glyph = "+"
    desired: Desired
    lost: Recorded | None = None
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(_OfRecorded):
    """Delete a workload, wait for its absence, create it anew: the API has no update.

    `desired` is what is sent: the spec, with the values of what runs where ignoreChanges keeps
    them. `kept` is what runs, where anything of it is kept; `undone` are the pointers of what
    somebody changed on the server, and what this overwrites.
    """

    kind = "replace"
    glyph = "±"
    desired: Desired
    kept: Json | None = None
    undone: tuple[str, ...] = ()
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(_OfRecorded):
    """Change a workload in place: its id, its pods and its place in a queue stay.

    `desired` is the spec. `drift` is what others had changed when this was planned: an update is
    not sent over anything else. `overwrites` are those of their changes that it takes back or over,
    with `undo_drift` all of them. An update that was begun has its change in the record.
    """

    kind = "update"
    glyph = "~"
    desired: Desired
    drift: tuple[FieldChange, ...] = ()
    overwrites: tuple[FieldChange, ...] = ()
    undo_drift: bool = False
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(_OfRecorded):
    """Delete a workload and wait for its absence."""

    kind = "delete"
    glyph = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget(_OfRecorded):
    """Drop a workload from the state without touching it on the server; `outlived` as with Keep."""

    kind = "forget"
    glyph = "."
    outlived: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt(_OfRecorded):
    """Record the workload of ours that has the name of a lost one since; nothing is sent."""

    kind = "adopt"
    glyph = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(_OfRecorded):
    """Find out whether a create that was cut short has happened.

    `desired` is what is wanted now and may be sent, `same` says that it is what was sent before.
    """

    kind = "resolve"
    glyph = "?"
    desired: Desired | None = None
    same: bool = False
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(_OfRecorded):
    """Remember changed lifecycle settings, or a spec that the server fits already; nothing is sent.

    `follows` says that the record takes over the spec: it means what the record means, or `agreed`
    are its changes, to what somebody else made of the workload before; `echo` is then what the
    server is expected to say from now on.
    """

    kind = "record"
    glyph = "="
    desired: Desired
    follows: bool = False
    agreed: tuple[FieldChange, ...] = ()
    echo: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Action):
    """Something would be done if a setting or a flag did not hold it back.

    `fails` makes an apply count it as a failure (`onMissing: fail`), `outdated` says that it was
    approved as another action; `outlived` as with Keep.
    """

    kind = "hold"
    glyph = "!"
    recorded: Recorded | None = None
    fails: bool = False
    outdated: bool = False
    outlived: tuple[Recorded, ...] = ()

    @property
    def id(self) -> str | None:
        """The server's id of the workload that is held, if it was ever created."""
        return self.recorded.id if self.recorded else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(_OfRecorded):
    """Nothing to do; `outlived` are older operations that can no longer come true beside it."""

    kind = "keep"
    glyph = " "
    outlived: tuple[Recorded, ...] = ()


AnyAction = Create | Replace | Delete | Adopt | Forget | Resolve | Record | Hold | Keep
SUMMARY_ORDER = (
    *("create", "replace", "update", "delete", "adopt"),
    *("forget", "resolve", "hold", "record"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Declared fields of one workload that somebody changed on the server."""

    address: Address
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTarget:
    """The control plane and owner that a plan is for."""

    url: str
    stack: str
    api_version: str
    tenant_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The published form."""
        return {
            "url": self.url,
            "tenant_id": self.tenant_id,
            "api_version": self.api_version,
            "stack": self.stack,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuTotals:
    """GPUs asked for before, after, and at most during an apply."""

    before: float = 0.0
    after: float = 0.0
    peak: float = 0.0

    def to_json(self) -> dict[str, float]:
        """The published form."""
        return {"before": self.before, "after": self.after, "peak": self.peak}


def _total(effects: Iterable[tuple[AnyAction, GpuEffect]]) -> GpuTotals:
    """Sum up one group of actions.

    Deletes and creates run side by side, so at worst every create is up before any delete is
    through; only a replace is sure to give back its own GPUs first.
    """
    group = list(effects)
    before = _add(effect.before for _, effect in group)
    after = _add(effect.after for _, effect in group)
    growth = _add(
        max(0.0, effect.after - effect.before)
        for action, effect in group
        if isinstance(action, Create | Replace | Resolve)
    )
    return GpuTotals(before=before, after=after, peak=max(_add((before, growth)), after))


def _add(gpus: Iterable[float]) -> float:
    """Sum up fractions of GPUs so that neither their order nor binary rounding shows."""
    return round(math.fsum(gpus), 6)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything an apply would do and why; the same inputs give an equal plan.

    `actions` are ordered by wave and address and hold a Keep for every workload left alone.
    `complete` is False where something could not be read or was left out on purpose. `named` is
    the digest of a plan that was read back: its actions have no bodies to tell it from. `at_work`
    is who writes to the state meanwhile: what that run has begun is held, and no change of this
    plan.
    """

    target: PlanTarget
    lineage: str | None
    serial: int
    actions: tuple[AnyAction, ...]
    drift: tuple[Drift, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True
    named: str | None = None
    at_work: str = ""

    @cached_property
    def changes(self) -> tuple[AnyAction, ...]:
        """The actions that do something; what is kept or held is no change."""
        return tuple(a for a in self.actions if not isinstance(a, Keep | Hold))

    @cached_property
    def holds(self) -> tuple[Hold, ...]:
        """What is held back."""
        return tuple(a for a in self.actions if isinstance(a, Hold))

    @cached_property
    def failing(self) -> tuple[Hold, ...]:
        """What is held back and makes an apply fail until somebody settles it."""
        return tuple(hold for hold in self.holds if hold.fails)

    def count(self, kind: str) -> int:
        """How many actions are of one kind."""
        return sum(action.kind == kind for action in self.actions)

    @property
    def has_changes(self) -> bool:
        """Whether an apply would do anything, or fail, or somebody else has done something."""
        return bool(self.changes or self.drift or self.failing)

    @cached_property
    def gpus(self) -> GpuTotals:
        """The effect on all projects together."""
        return _total((action, action.gpus) for action in self.actions)

    @cached_property
    def gpus_by_project(self) -> dict[str, GpuTotals]:
        """The effect on each project, by its id."""
        groups: dict[str, list[tuple[AnyAction, GpuEffect]]] = {}
        for action in self.actions:
            groups.setdefault(action.address.project, []).append((action, action.gpus))
        return {project: _total(groups[project]) for project in sorted(groups)}

    @property
    def unknown_gpus(self) -> int:
        """How many workloads ask for GPUs in a way that cannot be counted."""
        return sum(not action.gpus.known for action in self.actions)

    @cached_property
    def digest(self) -> str:
        """Names this plan: it covers the target and what would be done, nothing else.

        Not the published form alone: a body that changes after its approval is another plan, and
        a spec that moves to another line is not.
        """
        if self.named is not None:
            return self.named
        actions = [gist(action) for action in (*self.changes, *self.holds)]
        return digest({"target": self.target.to_json(), "actions": actions})

    def summary(self) -> dict[str, Any]:
        """The counts and GPU totals, in the published form."""
        counts: dict[str, Any] = {kind: self.count(kind) for kind in SUMMARY_ORDER}
        projects = {key: value.to_json() for key, value in self.gpus_by_project.items()}
        gpus = {
            **self.gpus.to_json(),
            "unknown_workloads": self.unknown_gpus,
            "by_project": projects,
        }
        return {
            **counts,
            "unchanged": self.count("keep"),
            "drifted": len(self.drift),
            "gpus": gpus,
        }


def gist(action: AnyAction) -> dict[str, Any]:
    """What an approval of this action is bound to."""
    bound = action_to_json(action)
    del bound["source"]
    desired = desired_of(action)
    if desired is not None:
        bound["spec"] = digest(desired.spec)
        bound["lifecycle"] = asdict(desired.lifecycle)
    return bound


def desired_of(action: AnyAction) -> Desired | None:
    """What is to be on the server, or in the record, after this action."""
    return action.desired if isinstance(action, Create | Replace | Record | Resolve) else None


def document_of(action: AnyAction) -> Json | None:
    """What an action sends, or may send, to create a workload; redacted."""
    return action.document if isinstance(action, Create | Replace | Resolve) else None


def recorded_of(action: AnyAction) -> Recorded | None:
    """The record that an action ends, changes or leaves alone."""
    return action.lost if isinstance(action, Create) else action.recorded


def action_to_json(action: AnyAction) -> dict[str, Any]:
    """One action in the published form."""
    source = action.source
    return {
        "address": str(action.address),
        "action": action.kind,
        "reason": action.reason.value,
        "detail": action.detail,
        "id": action.id,
        "source": {"file": source.file, "line": source.line} if source else None,
        "wave": action.wave,
        "gpus": {"before": action.gpus.before, "after": action.gpus.after},
        "changes": [change.to_json() for change in action.changes],
    }

"""What is to be done, as a value: the actions, their counts, their effect on the GPUs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.diff.diff import FieldChange
from reconciler.core.digest import digest
from reconciler.core.history.provenance import UNKNOWN_PROVENANCE, Provenance
from reconciler.core.model import Address
from reconciler.core.planning.actions import (
    SUMMARY_ORDER,
    AnyAction,
    Create,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Replace,
    Resolve,
    Update,
    gist,
)
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.quotas.project_quota import ProjectQuota
from reconciler.values import dataclass

PLAN_FORMAT_VERSION = "1.1"
FORMAT_VERSION = "1.0"
MISSING = (Reason.MISSING_ON_SERVER, Reason.RUN_TO_COMPLETION, Reason.UNPROVEN_ABSENCE)
# Of what is held back and due, the rest runs and only cannot be changed.
_UNWELL = frozenset(
    {
        Reason.MISSING_ON_SERVER,
        Reason.UNPROVEN_ABSENCE,
        Reason.DOWN,
        Reason.GIVEN_UP,
        Reason.SYNC_FAILED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Declared fields of one workload that somebody changed on the server.

    `returned`: a replace has undone all of it before, so that it is not undone again unasked.
    """

    address: Address
    changes: tuple[FieldChange, ...]
    returned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTarget:
    """The control plane and owner that a plan is for.

    `api_version` is the declared one, if any. `can_update` is what the server can do, where
    anything in the plan depends on that. `projects` are the ids of those that specs give by name.
    """

    url: str
    stack: str
    api_version: str | None = None
    tenant_id: int | None = None
    can_update: CanUpdate | None = None
    projects: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The published form."""
        document: dict[str, Any] = {
            "url": self.url,
            "tenant_id": self.tenant_id,
            "api_version": self.api_version,
            "stack": self.stack,
        }
        # Left out where it does not matter, so that it tells no two plans apart.
        if self.can_update is not None:
            document["can_update"] = self.can_update.value
        if self.projects:
            document["projects"] = dict(sorted(self.projects.items()))
        return document


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
    through; only a replace is sure to give back its own GPUs first. An update may run old and new
    pods side by side.
    """
    group = list(effects)
    before = _add(effect.before for _, effect in group)
    after = _add(effect.after for _, effect in group)
    growth = _add(
        max(0.0, effect.most - effect.before)
        for action, effect in group
        if isinstance(action, Create | Replace | Update | Resolve)
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
    plan. `quotas` are those of the projects in which something grows, as far as the server tells;
    `quota_note` says why it does not. `project_names` are what projects are called, by id, where
    anybody has said so: their specs, the configuration, or the server. `provenance` is where its
    specs come from; it tells no two plans apart.
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
    quotas: tuple[ProjectQuota, ...] = ()
    quota_note: str = ""
    project_names: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance = UNKNOWN_PROVENANCE

    @cached_property
    def changes(self) -> tuple[AnyAction, ...]:
        """The actions that do something; what is kept or held is no change."""
        return tuple(a for a in self.actions if not isinstance(a, Keep | Hold))

    @cached_property
    def holds(self) -> tuple[Hold, ...]:
        """What is held back."""
        return tuple(a for a in self.actions if isinstance(a, Hold))

    @property
    def published(self) -> tuple[AnyAction, ...]:
        """What a view of the plan has an entry for: all but what stays as it is."""
        return (*self.changes, *self.holds)

    @cached_property
    def due_holds(self) -> tuple[Hold, ...]:
        """What is held back and keeps an apply from being a success."""
        return tuple(hold for hold in self.holds if hold.is_due)

    @cached_property
    def failing(self) -> tuple[Hold, ...]:
        """What is held back and makes an apply fail until somebody settles it."""
        return tuple(hold for hold in self.holds if hold.fails)

    @cached_property
    def forbidden(self) -> tuple[Hold, ...]:
        """What is due, and is held back because a flag or a setting forbids what it needs."""
        return tuple(hold for hold in self.holds if hold.forbidden)

    @cached_property
    def unwell_wave(self) -> int | None:
        """The lowest wave with something declared that is refused, missing or down, and not held.

        What comes after it may need it, and waits until it is mended.
        """
        held = (hold for hold in self.due_holds if hold.source is not None)
        return min((hold.wave for hold in held if hold.reason in _UNWELL), default=None)

    def count(self, kind: str) -> int:
        """How many actions are of one kind."""
        return sum(action.kind == kind for action in self.actions)

    @property
    def has_changes(self) -> bool:
        """Whether something is due, done or not, or somebody else has done something."""
        return bool(self.changes or self.drift or self.due_holds)

    def _count_reason(self, reason: Reason) -> int:
        return sum(action.reason is reason for action in self.actions)

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
        # Read back, its actions have no bodies: their digest would be another one.
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
            "down": self._count_reason(Reason.DOWN),
            "refused": self._count_reason(Reason.SYNC_FAILED),
            "finished": self._count_reason(Reason.FINISHED),
            "expired": self._count_reason(Reason.EXPIRED),
            "gpus": gpus,
        }

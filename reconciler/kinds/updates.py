"""Which fields of a running workload can change in place, as read in the operators' sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from reconciler.values import dataclass

Manifest: TypeAlias = Mapping[str, Any]


REFUSED = "cannot be changed: the cluster refuses it"
KEPT_BY_PODS = "has no effect on what runs: pods keep the template that they were made of"


class InPlace(StrEnum):
    """The effect of updating one field."""

    WORKS = "works"
    REFUSED = "refused"
    WITHOUT_EFFECT = "without-effect"


class Surge(StrEnum):
    """The largest number of pods that run side by side during an update."""

    LARGER = "the larger of before and after"
    ROLLING = "maxSurge replicas more than after"
    BOTH = "before and after together"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """The effect of a change, for a number of fields of a manifest, and the reason.

    `patterns` are JSON pointers in the manifest, `*` for one step; each covers the fields below it.
    The rule does not hold for manifests (running, desired) of which `unless` is true. `reason`
    completes "FIELD …" for the reader of a plan.
    """

    patterns: tuple[str, ...]
    outcome: InPlace = InPlace.REFUSED
    reason: str = REFUSED
    unless: Callable[[Manifest, Manifest], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxSurge:
    """Where a kind that rolls has its `maxSurge`, and what it is where nobody says.

    `path` leads there from `spec`. `unless_type` is a value of `type` in the first step of it with
    which the old pods go before the new ones come.
    """

    path: tuple[str, ...]
    usual: int | str
    unless_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    """Which fields of a kind change in place; the first rule that covers a field decides.

    `source` says where it was read; where it is empty, an update is tried and the plan warns.
    `only` are the fields of `spec` that change in place where the kind refuses all others; None
    where every field changes that no rule covers. `max_surge` says where a manifest has its
    `maxSurge`.
    """

    source: str = ""
    rules: tuple[FieldRule, ...] = ()
    only: tuple[str, ...] | None = None
    surge: Surge = Surge.LARGER
    max_surge: MaxSurge | None = None

    @property
    def is_proven(self) -> bool:
        """Whether these rules were read in a source."""
        return bool(self.source)


def kept_by_pods(
    *patterns: str, unless: Callable[[Manifest, Manifest], bool] | None = None
) -> FieldRule:
    """The rule of pod templates that change without an effect on pods that already run."""
    return FieldRule(
        patterns=patterns, outcome=InPlace.WITHOUT_EFFECT, reason=KEPT_BY_PODS, unless=unless
    )


def is_suspended(running: Manifest, _: Manifest) -> bool:
    """Whether `spec.suspend` keeps a workload from having pods."""
    return spec_of(running).get("suspend") is True


def is_not_suspended(running: Manifest, desired: Manifest) -> bool:
    """Whether it does not."""
    return not is_suspended(running, desired)


def spec_of(manifest: Manifest) -> Mapping[str, Any]:
    """The `spec` of a manifest; empty for anything but a mapping, which the schema reports."""
    spec = manifest.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def count_surge(rules: UpdateRules, manifest: Manifest, replicas: int) -> int:
    """How many replicas an update of so many starts beside the old ones at most."""
    where = rules.max_surge
    if where is None:
        return 0
    value: Any = spec_of(manifest)
    strategy = value.get(where.path[0])
    kind = strategy.get("type") if isinstance(strategy, Mapping) else None
    if where.unless_type and kind == where.unless_type:
        return 0
    for step in where.path:
        value = value.get(step) if isinstance(value, Mapping) else None
    surge = where.usual if value is None else value
    if isinstance(surge, str) and surge.endswith("%") and surge[:-1].isdecimal():
        # Kubernetes rounds the surge up, and what may be missing down.
        return math.ceil(replicas * int(surge[:-1]) / 100)
    return surge if isinstance(surge, int) and not isinstance(surge, bool) else 0


UNPROVEN = UpdateRules()
"""A kind whose source nobody has read; an update is tried, with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceVerdict:
    """The effect of updating one field, and why it is not the one that its author expects."""

    outcome: InPlace
    reason: str = ""


WORKS = InPlaceVerdict(outcome=InPlace.WORKS)


def judge_field(
    rules: UpdateRules, pointer: str, running: Manifest, desired: Manifest
) -> InPlaceVerdict:
    """The effect of a change at a pointer in the manifest (`/spec/replicas`)."""
    # Kubernetes names an object by these four: with another one, the update would make a second.
    if covers("/apiVersion", pointer) or covers("/kind", pointer):
        return InPlaceVerdict(outcome=InPlace.REFUSED, reason="makes it another object")
    if covers("/metadata/name", pointer) or covers("/metadata/namespace", pointer):
        return InPlaceVerdict(outcome=InPlace.REFUSED, reason="makes it another object")
    for rule in rules.rules:
        if rule.unless is not None and rule.unless(running, desired):
            continue
        # A change at `/spec` may change a refused field below it. A rule that allows a field says
        # nothing of the fields beside that.
        above = rule.outcome is not InPlace.WORKS
        if any(
            covers(pattern, pointer) or (above and covers(pointer, pattern))
            for pattern in rule.patterns
        ):
            return InPlaceVerdict(outcome=rule.outcome, reason=rule.reason)
    limited = rules.only is not None and covers("/spec", pointer)
    if limited and not any(covers(pattern, pointer) for pattern in rules.only or ()):
        return InPlaceVerdict(outcome=InPlace.REFUSED, reason=REFUSED)
    return WORKS


# A fleet changes in the same places: the same few pairs are asked for with every workload.
@lru_cache(maxsize=4096)
def covers(pattern: str, pointer: str) -> bool:
    """Whether a pointer lies at or below a pattern, in which `*` is any one step."""
    parts, steps = pattern.split("/"), pointer.split("/")
    if len(parts) > len(steps):
        return False
    return all(part in ("*", step) for part, step in zip(parts, steps, strict=False))

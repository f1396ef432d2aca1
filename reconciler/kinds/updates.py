"""What may change of a workload while it runs, as far as somebody has read it in a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Manifest: TypeAlias = Mapping[str, Any]


REFUSED = "cannot be changed: the cluster refuses it"
KEPT_BY_PODS = "has no effect on what runs: pods keep the template that they were made of"


class InPlace(StrEnum):
    """What an update of one field comes to."""

    WORKS = "works"
    REFUSED = "refused"
    WITHOUT_EFFECT = "without-effect"


class Surge(StrEnum):
    """How many pods an update runs side by side at most."""

    LARGER = "the larger of before and after"
    ROLLING = "maxSurge pods more than after"
    BOTH = "before and after together"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Fields of a manifest that all do the same when they change, and why.

    `patterns` are JSON pointers in the manifest, `*` for one step; each covers what is below it.
    `unless` is true of a manifest (as it runs, and as it is wanted) for which the rule does not
    hold, and `reason` completes "FIELD …" for the reader of a plan.
    """

    patterns: tuple[str, ...]
    outcome: InPlace = InPlace.REFUSED
    reason: str = REFUSED
    unless: Callable[[Manifest, Manifest], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    """What changes of a kind in place; the first rule that covers a field decides.

    `source` says where it was read; empty means that nobody has proven it (`unproven`), and then
    an update is tried and a plan warns. `only` are the fields of `spec` that change in place where
    the kind refuses all others; None where everything changes that no rule covers.
    """

    source: str = ""
    rules: tuple[FieldRule, ...] = ()
    only: tuple[str, ...] | None = None
    surge: Surge = Surge.LARGER

    @property
    def is_proven(self) -> bool:
        """Whether somebody has read in a source what this says."""
        return bool(self.source)


def kept_by_pods(
    *patterns: str, unless: Callable[[Manifest, Manifest], bool] | None = None
) -> FieldRule:
    """Pod templates that the cluster takes, and whose running pods go on as they are."""
    return FieldRule(
        patterns=patterns, outcome=InPlace.WITHOUT_EFFECT, reason=KEPT_BY_PODS, unless=unless
    )


def is_not_suspended(running: Manifest, _: Manifest) -> bool:
    """Whether a workload is not held back by `spec.suspend`, and so has pods."""
    return spec_of(running).get("suspend") is not True


def spec_of(manifest: Manifest) -> Mapping[str, Any]:
    """The `spec` of a manifest; what is no mapping says nothing here, and is reported elsewhere."""
    spec = manifest.get("spec")
    return spec if isinstance(spec, Mapping) else {}


UNPROVEN = UpdateRules()
"""A kind of which no source says what it does with a change; an update is tried, with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceVerdict:
    """What an update of one field comes to, and why it is not what its author wants."""

    outcome: InPlace
    reason: str = ""


WORKS = InPlaceVerdict(outcome=InPlace.WORKS)


def judge_field(
    rules: UpdateRules, pointer: str, running: Manifest, wanted: Manifest
) -> InPlaceVerdict:
    """What becomes of a change at a pointer in the manifest (`/spec/replicas`).

    A pointer that leads to a whole that holds a refused part is refused as well: a change of
    `/spec` may change anything in it.
    """
    if covers("/apiVersion", pointer) or covers("/kind", pointer):
        return InPlaceVerdict(outcome=InPlace.REFUSED, reason="makes it another object")
    if covers("/metadata/name", pointer) or covers("/metadata/namespace", pointer):
        return InPlaceVerdict(outcome=InPlace.REFUSED, reason="makes it another object")
    for rule in rules.rules:
        if rule.unless is not None and rule.unless(running, wanted):
            continue
        # A change above a refused part may change it as well; an exception reaches no further.
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


def covers(pattern: str, pointer: str) -> bool:
    """Whether a pointer lies at or below a pattern, in which `*` is any one step."""
    wanted, steps = pattern.split("/"), pointer.split("/")
    if len(wanted) > len(steps):
        return False
    return all(each in ("*", step) for each, step in zip(wanted, steps, strict=False))

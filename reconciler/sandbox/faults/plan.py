"""Which rules strike a request; the same seed and the same requests give the same faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any

from reconciler.sandbox.faults.rules import (
    METHODS,
    WORKLOAD_FAULTS,
    Fault,
    FaultRule,
    Route,
    read_rule,
)
from reconciler.sandbox.settings import SandboxError
from reconciler.sandbox.world.running import End, RunPhase, Wait
from reconciler.sandbox.world.workload import NO_WORKLOAD_FAULTS, WorkloadFaults


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTarget:
    """A request as the rules see it; `project`, `name` and `kind` where it concerns a workload."""

    method: str
    route: Route
    path: str
    project: str | None = None
    name: str | None = None
    kind: str | None = None
    in_flight: int = 1

    @property
    def key(self) -> str:
        """What makes two requests attempts at the same thing: method and workload, or path."""
        return f"{self.method} {self.path if self.name is None else f'{self.project}/{self.name}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """What befalls one request: a delay, one rule for its response, faults of its workload."""

    delay: float = 0.0
    rule: FaultRule | None = None
    workload: WorkloadFaults = NO_WORKLOAD_FAULTS
    struck: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """The rules that struck, for the ledger."""
        return "; ".join(self.struck) or None


NO_FAULT = InjectedFault()


class _ActiveRule:
    """One rule with what it has counted so far."""

    def __init__(self, rule: FaultRule, since: float) -> None:
        self.rule = rule
        self._since = since
        self._matched = 0
        self._struck = 0
        self._second = -1
        self._in_second = 0

    def strikes(self, target: FaultTarget, now: float, chance: float, attempt: int) -> bool:
        """Whether the rule strikes; counts the request if the rule's filters match."""
        rule, age = self.rule, now - self._since
        ended = rule.lasts is not None and age >= rule.after + rule.lasts
        spent = rule.times is not None and self._struck >= rule.times
        if age < rule.after or ended or spent or not _matches(rule, target):
            return False
        # Counted before chance is drawn: `nth=3` is the third request that fits the filters.
        self._matched += 1
        due = (
            (rule.nth is None or self._matched in rule.nth)
            and (rule.every is None or self._matched % rule.every == 0)
            and (rule.attempt is None or attempt in rule.attempt)
            and (rule.share is None or chance < rule.share)
        )
        if not due or not self._exceeds_ceiling(target, now):
            return False
        self._struck += 1
        return True

    def _exceeds_ceiling(self, target: FaultTarget, now: float) -> bool:
        """Whether the ceiling of a `cap` or `rate` rule is passed; other rules have none."""
        if self.rule.fault is Fault.CAP:
            return target.in_flight > self.rule.amount
        if self.rule.fault is not Fault.RATE:
            return True
        # Whole seconds, not a sliding window: as simple limiters do, with a burst at each border.
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        return self._in_second > self.rule.amount


class FaultPlan:
    """The rules in force, in their order: the first that spoils a response wins, the rest add up.

    Chance is drawn from the seed, the rule, and how often this very thing was asked before. It
    does not depend on how concurrent requests interleave.
    """

    def __init__(self, rules: Iterable[FaultRule], *, seed: int, now: float) -> None:
        self._seed = seed
        self._active = [_ActiveRule(rule, now) for rule in rules]
        self._attempts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._active)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force."""
        return tuple(active.rule for active in self._active)

    def replace(self, rules: Iterable[FaultRule], now: float) -> None:
        """Put other rules in force; their windows start now, attempts stay counted."""
        # Attempts are kept: a client that retries over the change is still at its second try.
        self._active = [_ActiveRule(rule, now) for rule in rules]

    def add(self, rule: FaultRule, now: float) -> None:
        """Put one more rule in force; its window starts now."""
        self._active.append(_ActiveRule(rule, now))

    def decide(self, target: FaultTarget, now: float) -> InjectedFault:
        """Decide what befalls a request; counts it."""
        if not self._active:
            return NO_FAULT
        key = target.key
        # Counted over all rules and over changes of the rules: `try=1` means the client's attempts.
        self._attempts[key] += 1
        attempt, injected = self._attempts[key], NO_FAULT
        for active in self._active:
            rule = active.rule
            # A rule that comes too late to spoil this response does not count the request either.
            if injected.rule is not None and _spoils_response(rule):
                continue
            chance = self._chance(rule.text, key, attempt)
            if not active.strikes(target, now, chance, attempt):
                continue
            injected = replace(injected, struck=(*injected.struck, rule.text))
            if rule.fault is Fault.LATENCY:
                jitter = rule.jitter * self._chance(f"jitter {rule.text}", key, attempt)
                injected = replace(injected, delay=injected.delay + rule.amount + jitter)
            elif _spoils_response(rule):
                injected = replace(injected, rule=rule)
            else:
                injected = replace(injected, workload=_strike(injected.workload, rule))
        return injected

    def _chance(self, text: str, key: str, attempt: int) -> float:
        """Draw from 0 to 1; a hash, since a shared generator would depend on the interleaving."""
        drawn = f"{self._seed}\0{text}\0{key}\0{attempt}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(drawn, digest_size=7).digest(), "big") / 2**56


def read_life(texts: Iterable[str]) -> WorkloadFaults:
    """What rules say of the life of one workload, whatever they filter by; raises SandboxError."""
    faults = NO_WORKLOAD_FAULTS
    for text in texts:
        rule = read_rule(text)
        if rule.fault not in WORKLOAD_FAULTS:
            raise SandboxError(f"fault rule '{text}' is not about the life of a workload")
        faults = _strike(faults, rule)
    return faults


def _strike(faults: WorkloadFaults, rule: FaultRule) -> WorkloadFaults:
    field, source = _WORKLOAD_FIELDS[rule.fault]
    value: Any = True
    if isinstance(source, str):
        value = getattr(rule, source)
    elif source is not None:
        value = source(rule)
    return replace(faults, **{field: value})


def _read_wait(rule: FaultRule) -> Wait:
    message = "Waiting for GPUs" if rule.message is None else rule.message
    return Wait(rule.amount, rule.reason, message, rule.pool)


def _read_end(rule: FaultRule) -> End:
    phase, message = _ENDS[rule.fault]
    return End(rule.amount, phase, message if rule.message is None else rule.message)


_ENDS = {
    Fault.COMPLETES: (RunPhase.COMPLETED, ""),
    Fault.FAILS: (RunPhase.FAILED, "Container main exited with code 1"),
    Fault.DEGRADES: (RunPhase.DEGRADED, "Some pods are not ready"),
    Fault.PREEMPTED: (RunPhase.PENDING, "Preempted by a workload of a higher priority"),
}
# fault -> the field of WorkloadFaults and where its value comes from; None is a plain yes.
_WORKLOAD_FIELDS: dict[Fault, tuple[str, str | Callable[[FaultRule], Any] | None]] = {
    Fault.LAG: ("read_lag", "amount"),
    Fault.LIST_LAG: ("list_lag", "amount"),
    Fault.STRIP: ("stripped_annotations", "note"),
    Fault.SYNC_DELAY: ("sync_delay", "amount"),
    Fault.SYNC_STUCK: ("stuck", None),
    Fault.SYNC_FAILS: ("sync_failure", "note"),
    Fault.PENDING: ("wait", _read_wait),
    Fault.COMPLETES: ("end", _read_end),
    Fault.FAILS: ("end", _read_end),
    Fault.DEGRADES: ("end", _read_end),
    Fault.PREEMPTED: ("end", _read_end),
    Fault.IDLE: ("idle", "amount"),
    Fault.STALE_STATUS: ("stale_status", "amount"),
    Fault.MERGE: ("merges", None),
    Fault.IMMUTABLE: ("refuses_immutable", None),
    Fault.DELETING: ("conflicts_while_deleting", None),
    Fault.IGNORE_DRY_RUN: ("ignores_dry_run", None),
    Fault.LINGER: ("delete_delay", "amount"),
    Fault.DELETE_FAILS: ("delete_failure", "note"),
}


def _matches(rule: FaultRule, target: FaultTarget) -> bool:
    default = WORKLOAD_FAULTS[rule.fault][:1] if rule.fault in WORKLOAD_FAULTS else METHODS
    methods = rule.on or default
    patterns = (rule.name, target.name), (rule.kind, target.kind), (rule.project, target.project)
    return (
        target.method in methods
        and target.route in rule.at
        and all(
            pattern is None or (text is not None and fnmatchcase(text, pattern))
            for pattern, text in patterns
        )
    )


def _spoils_response(rule: FaultRule) -> bool:
    return rule.fault is not Fault.LATENCY and rule.fault not in WORKLOAD_FAULTS

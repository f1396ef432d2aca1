"""Which rules strike a request; the same seed and the same requests give the same faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import blake2b

from reconciler.sandbox.faults.rules import ON_CREATE, ON_DELETE, Fault, FaultRule, Route
from reconciler.sandbox.world.workload import STRAIGHT, Twist


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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
    """What befalls one request: a delay, one fault of its answer, a twist of a workload's life."""

    delay: float = 0.0
    answer: FaultRule | None = None
    twist: Twist = STRAIGHT
    struck: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """The rules that struck, for the ledger."""
        return "; ".join(self.struck) or None


SPARED = InjectedFault()


class _Watch:
    """One rule with what it has counted so far."""

    def __init__(self, rule: FaultRule, since: float) -> None:
        self.rule = rule
        self._since = since
        self._matched = 0
        self._struck = 0
        self._second = -1
        self._in_second = 0

    def strikes(self, asked: Asked, now: float, luck: float, attempt: int) -> bool:
        """Whether the rule strikes; counts the request if the rule's filters match."""
        rule = self.rule
        if not (self._is_open(now) and _matches(rule, asked)):
            return False
        self._matched += 1
        if not self._is_due(attempt) or (rule.share is not None and luck >= rule.share):
            return False
        if not self._is_over(asked, now):
            return False
        self._struck += 1
        return True

    def _is_open(self, now: float) -> bool:
        age, rule = now - self._since, self.rule
        ended = rule.lasts is not None and age >= rule.after + rule.lasts
        spent = rule.times is not None and self._struck >= rule.times
        return age >= rule.after and not ended and not spent

    def _is_due(self, attempt: int) -> bool:
        rule = self.rule
        return (
            (rule.nth is None or self._matched in rule.nth)
            and (rule.every is None or self._matched % rule.every == 0)
            and (rule.attempt is None or attempt in rule.attempt)
        )

    def _is_over(self, asked: Asked, now: float) -> bool:
        """Whether the ceiling of a `cap` or `rate` rule is passed; other rules have none."""
        if self.rule.fault is Fault.CAP:
            return asked.in_flight > self.rule.amount
        if self.rule.fault is not Fault.RATE:
            return True
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        return self._in_second > self.rule.amount


class Faults:
    """The rules in force, in their order: the first that spoils an answer wins, the rest add up.

    Chance is drawn from the seed, the rule, and how often this very thing was asked before. It
    does not depend on how concurrent requests interleave.
    """

    def __init__(self, rules: Iterable[FaultRule], *, seed: int, now: float) -> None:
        self._seed = seed
        self._watches = [_Watch(rule, now) for rule in rules]
        self._attempts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._watches)

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force."""
        return tuple(watch.rule for watch in self._watches)

    def replace(self, rules: Iterable[FaultRule], now: float) -> None:
        """Put other rules in force; their windows start now, attempts stay counted."""
        self._watches = [_Watch(rule, now) for rule in rules]

    def add(self, rule: FaultRule, now: float) -> None:
        """Put one more rule in force; its window starts now."""
        self._watches.append(_Watch(rule, now))

    def judge(self, asked: Asked, now: float) -> InjectedFault:
        """Decide what befalls a request; counts it."""
        if not self._watches:
            return SPARED
        key = asked.key
        self._attempts[key] += 1
        attempt, verdict = self._attempts[key], SPARED
        for watch in self._watches:
            rule = watch.rule
            if verdict.answer is not None and _spoils(rule):
                continue
            luck = self._luck(rule.text, key, attempt)
            if watch.strikes(asked, now, luck, attempt):
                verdict = _add(verdict, rule, self._luck(f"jitter {rule.text}", key, attempt))
        return verdict

    def _luck(self, text: str, key: str, attempt: int) -> float:
        drawn = f"{self._seed}\0{text}\0{key}\0{attempt}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(drawn, digest_size=7).digest(), "big") / 2**56


def _matches(rule: FaultRule, asked: Asked) -> bool:
    return (
        asked.method in _methods(rule)
        and asked.route in rule.at
        and _fits(rule.name, asked.name)
        and _fits(rule.kind, asked.kind)
        and _fits(rule.project, asked.project)
    )


def _methods(rule: FaultRule) -> frozenset[str]:
    if rule.fault in ON_CREATE:
        return frozenset({"POST"})
    if rule.fault in ON_DELETE:
        return frozenset({"DELETE"})
    return rule.on if rule.on is not None else frozenset({"GET", "POST", "DELETE"})


def _fits(pattern: str | None, value: str | None) -> bool:
    return pattern is None or (value is not None and fnmatchcase(value, pattern))


def _spoils(rule: FaultRule) -> bool:
    return rule.fault is not Fault.LATENCY and rule.fault not in ON_CREATE | ON_DELETE


def _add(verdict: InjectedFault, rule: FaultRule, luck: float) -> InjectedFault:
    verdict = replace(verdict, struck=(*verdict.struck, rule.text))
    if rule.fault is Fault.LATENCY:
        return replace(verdict, delay=verdict.delay + rule.amount + luck * rule.jitter)
    if _spoils(rule):
        return replace(verdict, answer=rule)
    return replace(verdict, twist=_twist(verdict.twist, rule))


def _twist(twist: Twist, rule: FaultRule) -> Twist:
    match rule.fault:
        case Fault.LAG:
            return replace(twist, read_lag=rule.amount)
        case Fault.LIST_LAG:
            return replace(twist, list_lag=rule.amount)
        case Fault.STRIP:
            return replace(twist, strips_annotations=True)
        case Fault.SYNC_DELAY:
            return replace(twist, sync_delay=rule.amount)
        case Fault.SYNC_STUCK:
            return replace(twist, stuck=True)
        case Fault.SYNC_FAILS:
            return replace(twist, sync_failure=rule.note)
        case Fault.LINGER:
            return replace(twist, delete_delay=rule.amount)
        case _:
            return replace(twist, delete_failure=rule.note)

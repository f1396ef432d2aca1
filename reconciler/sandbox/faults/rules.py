"""Fault rules: one line of text each, such as `503 p=30% on=POST retry-after=2s`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.sandbox.faults.quantities import (
    Span,
    read_count,
    read_duration,
    read_share,
    read_size,
    read_span,
)
from reconciler.sandbox.settings import SandboxError


class Fault(StrEnum):
    """What a rule does to a request, or to the life of the workload that it creates or deletes."""

    STATUS = "status"
    REDIRECT = "redirect"
    CAP = "cap"
    RATE = "rate"
    DROP = "drop"
    LOST = "lost"
    LATE = "late"
    SLOW = "slow"
    TRUNCATE = "truncate"
    DRIP = "drip"
    OVERSIZE = "oversize"
    BOMB = "bomb"
    GARBLE = "garble"
    LATENCY = "latency"
    LAG = "lag"
    LIST_LAG = "list-lag"
    STRIP = "strip-annotations"
    SYNC_DELAY = "sync-delay"
    SYNC_STUCK = "sync-stuck"
    SYNC_FAILS = "sync-fails"
    PENDING = "pending"
    COMPLETES = "completes"
    FAILS = "fails"
    DEGRADES = "degrades"
    PREEMPTED = "preempted"
    IDLE = "idle"
    LINGER = "linger"
    DELETE_FAILS = "delete-fails"
    STALE_STATUS = "stale-status"
    MERGE = "merge"
    IMMUTABLE = "refuse-immutable"
    DELETING = "deleting-conflict"
    IGNORE_DRY_RUN = "ignore-dry-run"


class Route(StrEnum):
    """The parts of the API that a rule can single out with `at=`."""

    WORKLOADS = "workloads"
    LIST = "list"
    DETAILS = "details"
    TYPES = "types"
    PROJECTS = "projects"
    CLUSTERS = "clusters"
    NODE_POOLS = "node-pools"
    TOKEN_V1 = "token-v1"  # noqa: S105 - the name of an endpoint
    TOKEN_V2 = "token-v2"  # noqa: S105 - the name of an endpoint


class Page(StrEnum):
    """What the body of an injected status looks like."""

    JSON = "json"
    HTML = "html"
    EMPTY = "empty"
    OAUTH = "oauth"


# What a rule without `on=` can strike: a rule for every request means updates as well.
METHODS = ("GET", "POST", "PUT", "DELETE")
# Faults of a workload's life, with the methods that they can strike; the first is the default.
WORKLOAD_FAULTS: dict[Fault, tuple[str, ...]] = {
    Fault.LAG: ("POST", "PUT"),
    Fault.LIST_LAG: ("POST",),
    Fault.STRIP: ("POST", "PUT"),
    Fault.SYNC_DELAY: ("POST", "PUT"),
    Fault.SYNC_STUCK: ("POST", "PUT"),
    Fault.SYNC_FAILS: ("POST", "PUT"),
    # With on=PUT they are about what runs after an update.
    Fault.PENDING: ("POST", "PUT"),
    Fault.COMPLETES: ("POST", "PUT"),
    Fault.FAILS: ("POST", "PUT"),
    Fault.DEGRADES: ("POST", "PUT"),
    Fault.PREEMPTED: ("POST", "PUT"),
    Fault.IDLE: ("POST", "PUT"),
    Fault.STALE_STATUS: ("PUT",),
    Fault.MERGE: ("PUT",),
    Fault.IMMUTABLE: ("PUT",),
    Fault.DELETING: ("PUT",),
    Fault.IGNORE_DRY_RUN: ("POST",),
    Fault.LINGER: ("DELETE",),
    Fault.DELETE_FAILS: ("DELETE",),
}
# Whoever rehearses a login that fails means both ways; a way of its own can still be named.
_ROUTE_GROUPS = {
    "token": frozenset({Route.TOKEN_V1, Route.TOKEN_V2}),
    "all": frozenset(Route),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One fault and when it strikes; seconds and bytes, None where nothing is asked for.

    `amount` is the number behind the fault's name: a status, a duration, a size, a share or a
    ceiling. `message`, `reason` and `pool` are what the server says of a workload that waits or
    has ended.
    """

    text: str
    fault: Fault
    amount: float = 0.0
    note: str = ""
    on: frozenset[str] | None = None
    # A login or a list that fails by accident would hide what the rule is about.
    at: frozenset[Route] = frozenset({Route.WORKLOADS})
    name: str | None = None
    kind: str | None = None
    project: str | None = None
    share: float | None = None
    nth: Span | None = None
    attempt: Span | None = None
    every: int | None = None
    times: int | None = None
    after: float = 0.0
    lasts: float | None = None
    retry_after: float | None = None
    retry_date: bool = False
    status: int | None = None
    page: Page = Page.JSON
    executed: bool = False
    hangup: bool = False
    jitter: float = 0.0
    chunk: int = 64
    message: str | None = None
    reason: str = "OverLimit"
    pool: str | None = None


def read_rule(text: str) -> FaultRule:
    """Read one rule; raises SandboxError that names the word it stumbles over."""
    try:
        # The rules of a shell: messages may hold spaces, and a copied line means the same here.
        head, *options = shlex.split(text)
    except ValueError:
        raise SandboxError(f"fault rule '{text}' is empty or has an open quote") from None
    try:
        fields = _read_head(head)
        for option in options:
            key, equals, value = option.partition("=")
            if key in _FLAGS and not equals:
                fields[key] = True
            elif key in _OPTIONS and equals:
                field, read = _OPTIONS[key]
                fields[field] = read(value)
                # Two spellings of one field: only the form of the header differs.
                fields["retry_date"] = fields.get("retry_date", False) or key == "retry-date"
            else:
                names = ", ".join((*_OPTIONS, *_FLAGS))
                raise ValueError(f"'{option}' is not understood; known are {names}")
    except ValueError as exc:
        raise SandboxError(f"fault rule '{text}': {exc}") from None
    rule = FaultRule(text=text, **fields)
    # A fault of a workload's life that cannot strike would be a rehearsal of nothing.
    methods = WORKLOAD_FAULTS.get(rule.fault)
    if methods is not None and rule.on is not None and not rule.on <= set(methods):
        reason = "has its own method, drop on="
        if len(methods) > 1:
            reason = f"strikes {' and '.join(methods)} only"
        raise SandboxError(f"fault rule '{text}': '{rule.fault}' {reason}")
    return rule


def read_rules(text: str) -> tuple[FaultRule, ...]:
    """Read a file of rules: one a line, `#` starts a comment; raises SandboxError."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(read_rule(line) for line in lines if line and not line.startswith("#"))


def _read_head(head: str) -> dict[str, Any]:
    """Read a rule's first word: a status code, or the name of a fault with its value."""
    name, equals, value = head.partition("=")
    if name.isascii() and name.isdigit():
        return {"fault": Fault.STATUS, "amount": float(_read_status(name))}
    if name not in _HEADS:
        raise ValueError(f"'{name}' is no fault; known are a status code, {', '.join(_HEADS)}")
    fault = Fault(name)
    read, default = _HEADS[name]
    if read is None:
        return {"fault": fault, "note": value or default}
    if not equals and default is None:
        raise ValueError(f"'{name}' needs a value: {name}=…")
    return {"fault": fault, "amount": float(read(value)) if equals else float(default)}


def _read_status(text: str) -> int:
    status = read_count(text)
    # A 3xx needs a place to go: that is `redirect`.
    if not (200 <= status <= 299 or 400 <= status <= 599):
        raise ValueError(f"{text} is not a status from 200 to 299 or from 400 to 599")
    return status


def _read_methods(text: str) -> frozenset[str]:
    methods = frozenset(text.upper().split(","))
    unknown = sorted(methods.difference(METHODS))
    if unknown:
        raise ValueError(f"on={text}: {unknown[0]} is not GET, POST, PUT or DELETE")
    return methods


def _read_routes(text: str) -> frozenset[Route]:
    routes: frozenset[Route] = frozenset()
    try:
        for part in text.split(","):
            routes |= _ROUTE_GROUPS.get(part) or {Route(part)}
    except ValueError:
        names = ", ".join((*Route, *_ROUTE_GROUPS))
        raise ValueError(f"at={text}: known are {names}") from None
    return routes


def _read_page(text: str) -> Page:
    try:
        return Page(text)
    except ValueError:
        raise ValueError(f"page={text}: known are {', '.join(Page)}") from None


def _read_reason(text: str) -> str:
    if text not in ("NonPreemptibleOverQuota", "OverLimit"):
        raise ValueError(f"reason={text}: known are NonPreemptibleOverQuota, OverLimit")
    return text


_Reader = Callable[[str], Any]
# name -> how its value is read, and its default; without a reader the value is a text. A default
# of None means that the value must be there.
_HEADS: dict[str, tuple[_Reader | None, Any]] = {
    # The discard port: nobody listens there, so a client that follows finds nothing.
    Fault.REDIRECT: (None, "http://127.0.0.1:9/"),
    Fault.CAP: (read_count, None),
    Fault.RATE: (read_count, None),
    Fault.DROP: (None, ""),
    Fault.LOST: (None, ""),
    Fault.LATE: (read_duration, None),
    Fault.SLOW: (read_duration, None),
    # Short enough to end within the first member of any body of the API.
    Fault.TRUNCATE: (read_size, 10),
    Fault.DRIP: (read_duration, 0.1),
    Fault.OVERSIZE: (read_size, 100 * 1024**2),
    Fault.BOMB: (read_size, 100 * 1024**2),
    Fault.GARBLE: (None, ""),
    Fault.LATENCY: (read_duration, None),
    Fault.LAG: (read_duration, None),
    Fault.LIST_LAG: (read_duration, None),
    Fault.STRIP: (None, "*"),
    Fault.SYNC_DELAY: (read_duration, None),
    Fault.SYNC_STUCK: (None, ""),
    Fault.SYNC_FAILS: (None, "admission webhook denied the request"),
    Fault.PENDING: (read_duration, float("inf")),
    Fault.COMPLETES: (read_duration, None),
    Fault.FAILS: (read_duration, None),
    Fault.DEGRADES: (read_duration, None),
    Fault.PREEMPTED: (read_duration, None),
    Fault.IDLE: (read_share, 1.0),
    Fault.LINGER: (read_duration, float("inf")),
    Fault.DELETE_FAILS: (None, "the cluster did not delete the workload"),
    Fault.STALE_STATUS: (read_duration, None),
    Fault.MERGE: (None, ""),
    Fault.IMMUTABLE: (None, ""),
    Fault.DELETING: (None, ""),
    Fault.IGNORE_DRY_RUN: (None, ""),
}
_OPTIONS: dict[str, tuple[str, _Reader]] = {
    "on": ("on", _read_methods),
    "at": ("at", _read_routes),
    "name": ("name", str),
    "kind": ("kind", str),
    "project": ("project", str),
    "p": ("share", read_share),
    "nth": ("nth", read_span),
    "try": ("attempt", read_span),
    "every": ("every", read_count),
    "times": ("times", read_count),
    "after": ("after", read_duration),
    "for": ("lasts", read_duration),
    "retry-after": ("retry_after", read_duration),
    "retry-date": ("retry_after", read_duration),
    "status": ("status", _read_status),
    "page": ("page", _read_page),
    "jitter": ("jitter", read_duration),
    "chunk": ("chunk", read_count),
    "message": ("message", str),
    "reason": ("reason", _read_reason),
    "pool": ("pool", str),
}
_FLAGS = ("executed", "hangup")

"""Whether the settings of a lifecycle that end a workload can be read, and fit together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from reconciler.core.durations import parse_duration
from reconciler.kinds.registry import serves_until_ended
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.rules.check_context import CheckContext

_DURATIONS = ("ttl", "maxRuntime")
_ENDINGS = frozenset({"afterCompletion", *_DURATIONS})


def check_lifecycle(context: CheckContext) -> None:
    """Report what cannot be meant, and what never takes effect."""
    lifecycle = context.get("lifecycle")
    if not isinstance(lifecycle, dict) or _ENDINGS.isdisjoint(lifecycle):
        return
    for name in _DURATIONS:
        _check_duration(context, name)
    written, manifest = context.get("lifecycle", "afterCompletion"), context.get(INLINE)
    has_ttl = context.get("lifecycle", "ttl") is not None
    if has_ttl and written in ("keep", "forget"):
        context.report(
            "lifecycle-conflict",
            f"'ttl' deletes what has completed, and 'afterCompletion: {written}' does not",
            ["lifecycle", "ttl"],
            hint="remove one of the two; defaults may have given the other",
            at_key=True,
        )
    ends = [
        name
        for name, is_set in (
            ("afterCompletion", written == "delete"),
            ("ttl", has_ttl),
            ("maxRuntime", context.get("lifecycle", "maxRuntime") is not None),
        )
        if is_set
    ]
    if context.get("lifecycle", "protect") is True:
        for name in ends:
            _report_idle(
                context,
                name,
                "a protected workload is never deleted",
                "remove it, or 'protect: true'",
            )
    elif isinstance(manifest, Mapping) and serves_until_ended(manifest):
        completing = [*ends, "afterCompletion"] if written == "forget" else ends
        for name in completing:
            if name != "maxRuntime":
                kind = context.get(INLINE, "kind")
                hint = "remove it; 'maxRuntime' ends what serves until somebody ends it"
                _report_idle(context, name, f"a {kind} does not complete by itself", hint)


def _check_duration(context: CheckContext, name: str) -> None:
    value = context.get("lifecycle", name)
    # That it has to be a text is the schema's to say.
    if not isinstance(value, str):
        return
    try:
        is_short = parse_duration(value) <= timedelta()
        message = f"'{name}' must be longer than nothing"
    except ValueError as error:
        is_short, message = True, f"'{name}': {error}"
    if is_short:
        hint = "write a number with a unit: 45m, 24h, 7d or 1h30m"
        context.report("bad-duration", message, ["lifecycle", name], hint=hint)


def _report_idle(context: CheckContext, name: str, why: str, hint: str) -> None:
    message = f"'{name}' has no effect: {why}"
    context.report("idle-lifecycle", message, ["lifecycle", name], hint=hint, at_key=True)

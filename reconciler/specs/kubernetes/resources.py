"""What containers ask of a node: amounts that can be read, whole GPUs, and shares of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.kinds.fields import WHOLE_GPU, UnreadableError, read_fraction, read_positive
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import CONTAINERS, Body, Manifest
from reconciler.specs.kubernetes.paths import Path, find, find_all
from reconciler.specs.kubernetes.syntax import hint_at_quantity, read_quantity
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import quote_value

FRACTION, MEMORY, DEVICES = "gpu-fraction", "gpu-memory", "gpu-fraction-num-devices"
_PARTS = ("requests", "limits")
# Where no kind asks for resources, though most of a manifest may be in there.
_ELSEWHERE = frozenset({"args", "command", "env", "metadata"})
_WHOLE = "is a whole GPU, not a share of one"


def check_resources(context: CheckContext, body: Body) -> None:
    """Amounts can be read, are not negative, and no request is above its limit."""
    for path, resources in _find_resources(body.manifest):
        for part in _PARTS:
            asked = resources.get(part)
            for name, value in asked.items() if isinstance(asked, dict) else ():
                _check_amount(context, (*path, part, name), name, value)
        _check_balance(context, path, resources)


def _find_resources(manifest: Manifest) -> Iterator[tuple[Path, Manifest]]:
    """Yield every mapping called `resources`: wherever a kind has them, they are written alike."""
    # Every part of every manifest comes by here: paths are only put together for what is found.
    pending: list[tuple[Any, Any]] = [(manifest, (INLINE,))]
    for value, trail in pending:
        for step, one in value.items() if type(value) is dict else enumerate(value):
            kind = type(one)
            if kind is dict and step == "resources":
                yield _path((trail, step)), one
            elif (kind is dict or kind is list) and step not in _ELSEWHERE:
                pending.append((one, (trail, step)))


def _path(trail: Any) -> Path:
    """Put together a path from its last step and the trail that leads there."""
    steps: list[Any] = []
    while len(trail) == 2:
        trail, step = trail
        steps.append(step)
    return (*trail, *reversed(steps))


def _check_amount(context: CheckContext, path: Path, name: str, value: Any) -> None:
    # Where a kind has something else than an amount, its own schema knows better.
    if value is None or isinstance(value, dict | list):
        return
    code = "bad-gpu-request" if name.startswith("nvidia.com/") else "bad-quantity"
    amount = read_quantity(value)
    if amount is None:
        message = f"{quote_value(value)} is no amount of {name}"
        context.report(code, message, path, hint=hint_at_quantity(str(value)))
    elif amount < 0:
        context.report(code, f"{quote_value(value)} of {name} is less than nothing", path)
    elif _is_extended(name) and amount != amount.to_integral_value():
        hint = f"ask for a share with the annotation {FRACTION}" if name == WHOLE_GPU else ""
        context.report(
            code, f"{name} is given out whole, not as {quote_value(value)}", path, hint=hint
        )
    elif name == "memory" and isinstance(value, str) and value.endswith(("m", "u", "n")):
        _say_tiny(context, path, value)


def _say_tiny(context: CheckContext, path: Path, value: str) -> None:
    message = f"{quote_value(value)} of memory is a fraction of a byte"
    hint = f"did you mean {value[:-1]}Mi?"
    context.report("bad-quantity", message, path, hint=hint, severity=Severity.WARNING)


def _check_balance(context: CheckContext, path: Path, resources: Manifest) -> None:
    requests, limits = (resources.get(part) for part in _PARTS)
    for name, value in requests.items() if isinstance(requests, dict) else ():
        limit = limits.get(name) if isinstance(limits, dict) else None
        if limit is None and not _is_extended(name):
            continue
        if value == limit or context.has_reported((*path, "requests", name)):
            continue
        asked, most = read_quantity(value), read_quantity(limit)
        code = "bad-gpu-request" if name.startswith("nvidia.com/") else "bad-quantity"
        here = [*path, "requests", name]
        if _is_extended(name) and limit is None and asked is not None:
            message = f"{name} is requested without a limit, which Kubernetes refuses"
            context.report(code, message, here, hint="write it under 'limits', which is enough")
        elif asked is None or most is None:
            # What cannot be read has had its finding.
            continue
        elif _is_extended(name) and asked != most:
            message = (
                f"the request of {quote_value(value)} {name} "
                f"differs from its limit of {quote_value(limit)}"
            )
            context.report(code, message, here, hint="write it under 'limits' only")
        elif asked > most:
            message = (
                f"the request of {quote_value(value)} {name} "
                f"is above its limit of {quote_value(limit)}"
            )
            context.report(code, message, here)


def _is_extended(name: str) -> bool:
    # Kubernetes' own resources have no domain, or its own.
    return "/" in name and not name.rpartition("/")[0].endswith("kubernetes.io")


def check_shares(context: CheckContext, body: Body) -> None:
    """Shares of a GPU are asked for in one way, in quotes, within what one GPU is."""
    holders: dict[Path, Manifest] = {
        path: one for path, one in body.templates if isinstance(one, dict)
    }
    if body.layout.inherits_annotations:
        holders[(INLINE,)] = body.manifest
    else:
        _check_place(context, body)
    for path, holder in holders.items():
        for _, given in find(holder, "metadata/annotations"):
            if isinstance(given, dict):
                here = (*path, "metadata", "annotations")
                _check_share(context, here, given)
                _check_exclusive(context, body, here, given)


def _check_place(context: CheckContext, body: Body) -> None:
    given = next((found for _, found in find(body.manifest, "metadata/annotations")), None)
    for name in (FRACTION, MEMORY, DEVICES):
        if isinstance(given, dict) and name in given and body.layout.pods:
            message = f"'{name}' has no effect on a {body.kind} itself"
            hint = "write it under the annotations of the pod template"
            here = (INLINE, "metadata", "annotations", name)
            context.report("misplaced-gpu-share", message, here, hint=hint, at_key=True)


def _check_share(context: CheckContext, path: Path, annotations: Manifest) -> None:
    for name in (FRACTION, MEMORY, DEVICES):
        value = annotations.get(name)
        # One without quotes is no annotation at all, which has been said.
        problem, hint = _problem_of_share(name, value) if isinstance(value, str) else ("", "")
        if problem:
            # Some schedulers take it; none gives more than a whole GPU for it.
            severity = Severity.WARNING if problem == _WHOLE else None
            message = f"{name} {problem}"
            context.report("bad-gpu-share", message, (*path, name), hint=hint, severity=severity)


def _problem_of_share(name: str, value: str) -> tuple[str, str]:
    if name == FRACTION:
        return _problem_of_fraction(value)
    try:
        read_positive({name: value}, name, 0)
    except UnreadableError:
        unit = "MiB" if name == MEMORY else "devices"
        example = "4096" if name == MEMORY else "2"
        return (
            f"must be a whole number of {unit} above 0, not {quote_value(value)}",
            f'such as "{example}"',
        )
    return "", ""


def _problem_of_fraction(value: str) -> tuple[str, str]:
    try:
        share = read_fraction(value)
    except UnreadableError:
        # The scheduler also reads exponents, which nobody writes but which are no mistake.
        if re.fullmatch(r"[0-9]*\.?[0-9]+[eE]-?[0-9]{1,3}", value) and 0 < float(value) < 1:
            return "", ""
        return f"must be a share between 0 and 1, not {quote_value(value)}", 'such as "0.5"'
    if share == 1:
        return _WHOLE, f"ask for a whole GPU under limits: {WHOLE_GPU}: 1"
    return "", ""


def _check_exclusive(context: CheckContext, body: Body, here: Path, annotations: Manifest) -> None:
    asked = [name for name in (FRACTION, MEMORY) if annotations.get(name) is not None]
    if len(asked) == 2:
        message = f"{FRACTION} and {MEMORY} exclude each other"
        context.report("bad-gpu-share", message, (*here, MEMORY), at_key=True)
    elif not asked and annotations.get(DEVICES) is not None:
        message = f"{DEVICES} says of how many GPUs, but no share is asked for"
        hint = f"add {FRACTION} or {MEMORY}"
        context.report("bad-gpu-share", message, (*here, DEVICES), hint=hint, at_key=True)
    if asked and _asks_for_whole(body, here):
        message = f"{asked[0]} excludes whole GPUs, and a container asks for {WHOLE_GPU}"
        context.report("bad-gpu-share", message, (*here, asked[0]), at_key=True, hint="remove one")


def _asks_for_whole(body: Body, here: Path) -> bool:
    """Whether a container beside the annotations at a path asks for GPUs."""
    pod: Any = body.manifest
    for step in here[1:-2]:
        pod = pod[step]
    containers = tuple(f"spec/{field}/*/resources/limits" for field in CONTAINERS)
    in_notebook = tuple(f"spec/template/{pattern}" for pattern in containers)
    patterns = containers if here[1:-2] or body.kind == "Pod" else in_notebook
    return any(
        isinstance(limits, dict) and WHOLE_GPU in limits for _, limits in find_all(pod, patterns)
    )

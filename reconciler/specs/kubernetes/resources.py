"""What containers ask of a node: amounts that can be read, whole GPUs, and shares of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.core.fields import WHOLE_GPU, UnreadableError, read_fraction, read_positive
from reconciler.specs.drafts import INLINE
from reconciler.specs.kubernetes.anatomy import Anatomy, Path, find, find_all
from reconciler.specs.kubernetes.pods import CONTAINERS
from reconciler.specs.kubernetes.syntax import hint_at_quantity, read_quantity
from reconciler.specs.shapes import show
from reconciler.specs.sheet import Sheet

Manifest = Mapping[str, Any]

FRACTION, MEMORY, DEVICES = "gpu-fraction", "gpu-memory", "gpu-fraction-num-devices"
_PARTS = ("requests", "limits")
_WHOLE = "is a whole GPU, not a share of one"


def check_resources(sheet: Sheet, manifest: Manifest, anatomy: Anatomy) -> None:
    """Amounts can be read, are not negative, and no request is above its limit."""
    del anatomy  # wherever a kind has them, they are written alike
    for path, resources in _find_resources(manifest, (INLINE,)):
        for part in _PARTS:
            asked = resources.get(part)
            for name, value in asked.items() if isinstance(asked, dict) else ():
                _check_amount(sheet, (*path, part, name), name, value)
        _check_balance(sheet, path, resources)


def _find_resources(value: Any, path: Path) -> list[tuple[Path, Manifest]]:
    found: list[tuple[Path, Manifest]] = []
    _collect_resources(value, path, found)
    return found


def _collect_resources(value: Any, path: Path, found: list[tuple[Path, Manifest]]) -> None:
    # No generator: every part of every manifest comes through here.
    if isinstance(value, list):
        for index, one in enumerate(value):
            if isinstance(one, dict):
                _collect_resources(one, (*path, index), found)
        return
    for name, one in value.items():
        if isinstance(one, dict) and name == "resources":
            found.append(((*path, name), one))
        elif isinstance(one, dict | list):
            _collect_resources(one, (*path, name), found)


def _check_amount(sheet: Sheet, path: Path, name: str, value: Any) -> None:
    # Where a kind has something else than an amount, its own schema knows better.
    if value is None or isinstance(value, dict | list):
        return
    code = "bad-gpu-request" if name.startswith("nvidia.com/") else "bad-quantity"
    amount = read_quantity(value)
    if amount is None:
        message = f"{show(value)} is no amount of {name}"
        sheet.say(code, message, path, hint=hint_at_quantity(str(value)))
    elif amount < 0:
        sheet.say(code, f"{show(value)} of {name} is less than nothing", path)
    elif _is_extended(name) and amount != amount.to_integral_value():
        hint = f"ask for a share with the annotation {FRACTION}" if name == WHOLE_GPU else ""
        sheet.say(code, f"{name} is given out whole, not as {show(value)}", path, hint=hint)
    elif name == "memory" and isinstance(value, str) and value.endswith(("m", "u", "n")):
        _say_tiny(sheet, path, value)


def _say_tiny(sheet: Sheet, path: Path, value: str) -> None:
    message = f"{show(value)} of memory is a fraction of a byte"
    hint = f"did you mean {value[:-1]}Mi?"
    sheet.say("bad-quantity", message, path, hint=hint, severity=Severity.WARNING)


def _check_balance(sheet: Sheet, path: Path, resources: Manifest) -> None:
    requests, limits = (resources.get(part) for part in _PARTS)
    for name, value in requests.items() if isinstance(requests, dict) else ():
        limit = limits.get(name) if isinstance(limits, dict) else None
        if value == limit or sheet.has_said((*path, "requests", name)):
            continue
        asked, most = read_quantity(value), read_quantity(limit)
        code = "bad-gpu-request" if name.startswith("nvidia.com/") else "bad-quantity"
        here = [*path, "requests", name]
        if _is_extended(name) and limit is None and asked is not None:
            message = f"{name} is requested without a limit, which Kubernetes refuses"
            sheet.say(code, message, here, hint="write it under 'limits', which is enough")
        elif asked is None or most is None:
            continue
        elif _is_extended(name) and asked != most:
            message = f"the request of {show(value)} {name} differs from its limit of {show(limit)}"
            sheet.say(code, message, here, hint="write it under 'limits' only")
        elif asked > most:
            message = f"the request of {show(value)} {name} is above its limit of {show(limit)}"
            sheet.say(code, message, here)


def _is_extended(name: str) -> bool:
    # Kubernetes' own resources have no domain, or its own.
    return "/" in name and not name.rpartition("/")[0].endswith("kubernetes.io")


def check_shares(sheet: Sheet, manifest: Manifest, anatomy: Anatomy) -> None:
    """Shares of a GPU are asked for in one way, in quotes, within what one GPU is."""
    patterns = tuple(f"{pod}/metadata/annotations".lstrip("/") for pod in anatomy.pods)
    if anatomy.inherits:
        patterns = ("metadata/annotations", *(p for p in patterns if p != "metadata/annotations"))
    else:
        _check_place(sheet, manifest, anatomy)
    for path, given in find_all(manifest, patterns):
        if isinstance(given, dict):
            _check_share(sheet, (INLINE, *path), given)
            _check_exclusive(sheet, manifest, path, given)


def _check_place(sheet: Sheet, manifest: Manifest, anatomy: Anatomy) -> None:
    given = next((found for _, found in find(manifest, "metadata/annotations")), None)
    for name in (FRACTION, MEMORY, DEVICES):
        if isinstance(given, dict) and name in given and anatomy.pods:
            message = f"'{name}' has no effect on a {manifest['kind']} itself"
            hint = "write it under the annotations of the pod template"
            here = (INLINE, "metadata", "annotations", name)
            sheet.say("misplaced-gpu-share", message, here, hint=hint, at_key=True)


def _check_share(sheet: Sheet, path: Path, annotations: Manifest) -> None:
    for name in (FRACTION, MEMORY, DEVICES):
        value = annotations.get(name)
        # One without quotes is no annotation at all, which has been said.
        problem, hint = _problem_of_share(name, value) if isinstance(value, str) else ("", "")
        if problem:
            # Some schedulers take it; none gives more than a whole GPU for it.
            severity = Severity.WARNING if problem == _WHOLE else None
            message = f"{name} {problem}"
            sheet.say("bad-gpu-share", message, (*path, name), hint=hint, severity=severity)


def _problem_of_share(name: str, value: str) -> tuple[str, str]:
    if name == FRACTION:
        return _problem_of_fraction(value)
    try:
        read_positive({name: value}, name, 0)
    except UnreadableError:
        unit = "MiB" if name == MEMORY else "devices"
        example = "4096" if name == MEMORY else "2"
        return (
            f"must be a whole number of {unit} above 0, not {show(value)}",
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
        return f"must be a share between 0 and 1, not {show(value)}", 'such as "0.5"'
    if share == 1:
        return _WHOLE, f"ask for a whole GPU under limits: {WHOLE_GPU}: 1"
    return "", ""


def _check_exclusive(sheet: Sheet, manifest: Manifest, path: Path, annotations: Manifest) -> None:
    asked = [name for name in (FRACTION, MEMORY) if annotations.get(name) is not None]
    here = (INLINE, *path)
    if len(asked) == 2:
        message = f"{FRACTION} and {MEMORY} exclude each other"
        sheet.say("bad-gpu-share", message, (*here, MEMORY), at_key=True)
    elif not asked and annotations.get(DEVICES) is not None:
        message = f"{DEVICES} says of how many GPUs, but no share is asked for"
        hint = f"add {FRACTION} or {MEMORY}"
        sheet.say("bad-gpu-share", message, (*here, DEVICES), hint=hint, at_key=True)
    if asked and _asks_for_whole(manifest, path):
        message = f"{asked[0]} excludes whole GPUs, and a container asks for {WHOLE_GPU}"
        sheet.say("bad-gpu-share", message, (*here, asked[0]), at_key=True, hint="remove one")


def _asks_for_whole(manifest: Manifest, path: Path) -> bool:
    """Whether a container beside the annotations at a path asks for GPUs."""
    pod: Any = manifest
    for step in path[:-2]:
        pod = pod[step]
    containers = tuple(f"spec/{field}/*/resources/limits" for field in CONTAINERS)
    in_notebook = tuple(f"spec/template/{pattern}" for pattern in containers)
    patterns = containers if path[:-2] or manifest["kind"] == "Pod" else in_notebook
    return any(
        isinstance(limits, dict) and WHOLE_GPU in limits for _, limits in find_all(pod, patterns)
    )

"""The resources that containers ask for: readable amounts, whole GPUs, and shares of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.kinds.devices import WHOLE_GPU
from reconciler.kinds.fields import UnreadableError, read_fraction, read_positive
from reconciler.kinds.registry import group_kind
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import CONTAINERS, Body, Manifest
from reconciler.specs.kubernetes.paths import Path, find, find_all
from reconciler.specs.kubernetes.podspec.amounts import HUGE_PAGES, looks_like_gpu
from reconciler.specs.kubernetes.syntax import hint_at_quantity, read_quantity
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

FRACTION, MEMORY, DEVICES = "gpu-fraction", "gpu-memory", "gpu-fraction-num-devices"
_PARTS = ("requests", "limits")
# Fields below which no kind asks for resources, though most of a manifest may be in there.
_ELSEWHERE = frozenset({"args", "command", "env", "metadata"})
_SHARES = (FRACTION, MEMORY, DEVICES)
_LONGER_SHARES = (f"{FRACTION}-", f"{MEMORY}-")
# Their schemas take whole numbers and texts; the API server's own kinds take fractions as well.
_TEXTS_ONLY = frozenset(
    {
        *("apps.nvidia.com", "jobset.x-k8s.io", "kubeflow.org", "leaderworkerset.x-k8s.io"),
        *("machinelearning.seldon.io", "nvidia.com", "ray.io", "serving.knative.dev"),
        "serving.kserve.io",
    }
)


def check_resources(context: CheckContext, body: Body) -> None:
    """Amounts can be read, are not negative, and no request is above its limit."""
    refuses_fractions = group_kind(body.manifest)[0] in _TEXTS_ONLY
    for path, resources in _find_resources(body.manifest):
        for part in _PARTS:
            amounts = resources.get(part)
            for name, value in amounts.items() if isinstance(amounts, dict) else ():
                amount_path = (*path, part, name)
                _check_amount(context, amount_path, name, value)
                if "/" in name and looks_like_gpu(name):
                    _warn_of_likeness(context, amount_path, name, WHOLE_GPU)
                if refuses_fractions and isinstance(value, float) and not value.is_integer():
                    message = f"a {body.kind} takes {quote_value(value)} of {name} as a text only"
                    hint = context.quoting_hint(amount_path)
                    context.report("bad-quantity", message, amount_path, hint=hint)
        _check_request_and_limit(context, path, resources)


def _warn_of_likeness(context: CheckContext, path: Path, name: str, meant: str) -> None:
    # Some device plugin may have it: the API server takes it, and most often nothing serves it.
    message = f"'{name}' is taken for a resource of its own, of which there is likely none"
    hint = f"did you mean {meant}?"
    context.report(
        "unknown-resource", message, path, hint=hint, at_key=True, severity=Severity.WARNING
    )


def _find_resources(manifest: Manifest) -> Iterator[tuple[Path, Manifest]]:
    """Yield every mapping called `resources`: wherever a kind has them, they are written alike."""
    # Every part of every manifest is visited, so a path is only put together where one is needed:
    # until then it is a pair of the trail to the parent and the last step.
    pending: list[tuple[Any, Any]] = [(manifest, (INLINE,))]
    for value, trail in pending:
        for step, part in value.items() if type(value) is dict else enumerate(value):
            kind = type(part)
            if kind is dict and step == "resources":
                steps: list[Any] = [step]
                parent = trail
                while len(parent) == 2:
                    parent, parent_step = parent
                    steps.append(parent_step)
                yield (*parent, *reversed(steps)), part
            elif (kind is dict or kind is list) and step not in _ELSEWHERE:
                pending.append((part, (trail, step)))


def _check_amount(context: CheckContext, path: Path, name: str, value: Any) -> None:
    # Where a kind has something else than an amount, its own schema knows better.
    if value is None or isinstance(value, dict | list):
        return
    code, severity, hint = _code_for(name), None, ""
    amount = read_quantity(value)
    if amount is None:
        message = f"{quote_value(value)} is no amount of {name}"
        hint = hint_at_quantity(str(value))
    elif amount < 0:
        message = f"{quote_value(value)} of {name} is negative"
    elif _is_extended(name) and amount != amount.to_integral_value():
        message = f"{name} must be a whole number, not {quote_value(value)}"
        if name == WHOLE_GPU:
            hint = f"ask for a share with the annotation {FRACTION}"
    elif name == "memory" and isinstance(value, str) and value.endswith(("m", "u", "n")):
        # Kubernetes takes it, and rounds it up to a few bytes.
        message = f"{quote_value(value)} of memory is a fraction of a byte"
        hint, severity = f"did you mean {value[:-1]}Mi?", Severity.WARNING
    else:
        return
    context.report(code, message, path, hint=hint, severity=severity)


def _check_request_and_limit(context: CheckContext, path: Path, resources: Manifest) -> None:
    requests, limits = (resources.get(part) for part in _PARTS)
    for name, value in requests.items() if isinstance(requests, dict) else ():
        limit = limits.get(name) if isinstance(limits, dict) else None
        request_path = (*path, "requests", name)
        if limit is None and not _is_whole(name):
            continue
        if value == limit or context.has_reported(request_path):
            continue
        requested, most = read_quantity(value), read_quantity(limit)
        request = f"the request of {quote_value(value)} {name}"
        hint = ""
        if _is_whole(name) and limit is None and requested is not None:
            message = f"{name} is requested without a limit, which Kubernetes refuses"
            hint = "write it under 'limits', which is enough"
        elif requested is None or most is None:
            # What cannot be read has been reported.
            continue
        elif _is_whole(name) and requested != most:
            message = f"{request} differs from its limit of {quote_value(limit)}"
            hint = "write it under 'limits' only"
        elif requested > most:
            message = f"{request} is above its limit of {quote_value(limit)}"
        else:
            continue
        context.report(_code_for(name), message, request_path, hint=hint)


def _code_for(name: str) -> str:
    return "bad-gpu-request" if name.startswith("nvidia.com/") else "bad-quantity"


def _is_extended(name: str) -> bool:
    # Kubernetes' own resources have no domain, or its own.
    return "/" in name and not name.rpartition("/")[0].endswith("kubernetes.io")


def _is_whole(name: str) -> bool:
    """Whether what is requested is held for the pod alone, and so is its limit as well."""
    return _is_extended(name) or name.startswith(HUGE_PAGES)


def check_shares(context: CheckContext, body: Body) -> None:
    """Shares of a GPU are asked for in one way, in quotes, within what one GPU is."""
    holders: dict[Path, Manifest] = {
        path: template for path, template in body.templates if isinstance(template, dict)
    }
    if body.layout.inherits_annotations:
        holders[(INLINE,)] = body.manifest
    elif body.layout.pods:
        for _, annotations in find(body.manifest, "metadata/annotations"):
            for name in _SHARES if isinstance(annotations, dict) else ():
                if name in annotations:
                    message = f"'{name}' has no effect on a {body.kind} itself"
                    hint = "write it under the annotations of the pod template"
                    path = (INLINE, "metadata", "annotations", name)
                    context.report("misplaced-gpu-share", message, path, hint=hint, at_key=True)
    for holder_path, holder in holders.items():
        for steps, annotations in find(holder, "metadata/annotations"):
            if isinstance(annotations, dict):
                annotations_path = (*holder_path, *steps)
                _check_spelling(context, annotations_path, annotations)
                for name in _SHARES:
                    # A value without quotes is no annotation at all, which has been reported.
                    if isinstance(value := annotations.get(name), str):
                        _check_share(context, (*annotations_path, name), name, value)
                _check_exclusive(context, body, annotations_path, annotations)


def _check_spelling(context: CheckContext, path: Path, annotations: Manifest) -> None:
    """An annotation that is nearly one of a share has no effect, and is easily overlooked."""
    for name in annotations:
        # Longer ones are the scheduler's own, such as gpu-fraction-container-name.
        if name in _SHARES or not name.startswith("gpu") or name.startswith(_LONGER_SHARES):
            continue
        if (meant := did_you_mean(name, _SHARES)) and "/" not in name:
            _warn_of_likeness(context, (*path, name), name, meant.split("'")[1])


def _check_share(context: CheckContext, path: Path, name: str, value: str) -> None:
    severity = None
    try:
        if name != FRACTION:
            read_positive({name: value}, name, 0)
            return
        if read_fraction(value) != 1:
            return
        message = f"{name} is a whole GPU, not a share of one"
        hint = f"ask for a whole GPU under limits: {WHOLE_GPU}: 1"
        # Some schedulers take it; none gives more than a whole GPU for it.
        severity = Severity.WARNING
    except UnreadableError:
        if name == FRACTION:
            # The scheduler also reads exponents, which nobody writes but which are no mistake.
            is_number = re.fullmatch(r"[0-9]*\.?[0-9]+[eE]-?[0-9]{1,3}", value)
            if is_number and 0 < float(value) < 1:
                return
            noun, example = "a share between 0 and 1", "0.5"
        elif name == MEMORY:
            noun, example = "a whole number of MiB above 0", "4096"
        else:
            noun, example = "a whole number of devices above 0", "2"
        message = f"{name} must be {noun}, not {quote_value(value)}"
        hint = f'such as "{example}"'
    context.report("bad-gpu-share", message, path, hint=hint, severity=severity)


def _check_exclusive(context: CheckContext, body: Body, path: Path, annotations: Manifest) -> None:
    shares = [name for name in (FRACTION, MEMORY) if annotations.get(name) is not None]
    if len(shares) == 2:
        message = f"{FRACTION} and {MEMORY} exclude each other"
        context.report("bad-gpu-share", message, (*path, MEMORY), at_key=True)
    elif not shares and annotations.get(DEVICES) is not None:
        message = f"{DEVICES} needs {FRACTION} or {MEMORY} beside it"
        hint = f"add {FRACTION} or {MEMORY}"
        context.report("bad-gpu-share", message, (*path, DEVICES), hint=hint, at_key=True)
    if not shares:
        return
    # The pod that the annotations are about: their holder, or for a Notebook its template.
    pod: Any = body.manifest
    for step in path[1:-2]:
        pod = pod[step]
    prefix = "" if path[1:-2] or body.kind == "Pod" else "spec/template/"
    limits_of_containers = find_all(
        pod, tuple(f"{prefix}spec/{field}/*/resources/limits" for field in CONTAINERS)
    )
    if any(isinstance(limits, dict) and WHOLE_GPU in limits for _, limits in limits_of_containers):
        message = f"{shares[0]} excludes whole GPUs, and a container asks for {WHOLE_GPU}"
        context.report("bad-gpu-share", message, (*path, shares[0]), at_key=True, hint="remove one")

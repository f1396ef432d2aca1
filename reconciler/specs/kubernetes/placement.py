"""Where pods may run: tolerations, and what affinities and selectors ask of labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.rules.check_context import CheckContext

# Below these, labels are asked for in expressions.
_ASKING = frozenset({"affinity", "topologySpreadConstraints"})


def check_placement(context: CheckContext, body: Body) -> None:
    """Tolerations and expressions say what their operators need, and nothing that they forbid."""
    for pod in body.pods:
        for path, toleration in pod.listed("tolerations"):
            _check_toleration(context, path, toleration)
        for field in _ASKING if not _ASKING.isdisjoint(pod.spec) else ():
            for path, one in _expressions(pod.spec.get(field), (*pod.path, field)):
                _check_expression(context, path, one)
    if body.layout.selects:
        for path, selector in body.find("spec/selector"):
            for here, one in _expressions(selector, path):
                _check_expression(context, here, one)


def _check_toleration(context: CheckContext, path: Path, given: Manifest) -> None:
    operator = given.get("operator") or "Equal"
    if operator == "Exists" and given.get("value"):
        message = "'Exists' asks for no value"
        context.report("bad-placement", message, (*path, "value"), hint="remove it, or write Equal")
    elif operator != "Exists" and not given.get("key"):
        message = "a toleration without a key is for every taint, and needs the operator Exists"
        context.report("bad-placement", message, path, hint="write operator: Exists, or a key")
    if given.get("tolerationSeconds") is not None and given.get("effect") != "NoExecute":
        message = "'tolerationSeconds' is about the effect NoExecute only"
        context.report("bad-placement", message, (*path, "tolerationSeconds"), at_key=True)


def _check_expression(context: CheckContext, path: Path, given: Manifest) -> None:
    operator, values = given.get("operator"), given.get("values") or []
    if not isinstance(values, list):
        return
    if operator in ("In", "NotIn") and not values:
        context.report(
            "bad-placement", f"'{operator}' needs values", path, hint="write them as a list"
        )
    elif operator in ("Exists", "DoesNotExist") and values:
        message = f"'{operator}' asks for no values"
        context.report("bad-placement", message, (*path, "values"), hint="remove them, or write In")
    elif operator in ("Gt", "Lt") and len(values) != 1:
        context.report("bad-placement", f"'{operator}' needs one value, a whole number", path)


def _expressions(value: Any, path: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the expressions about labels and fields at and below a part of a pod."""
    steps = value.items() if isinstance(value, dict) else ()
    for step, one in enumerate(value) if isinstance(value, list) else steps:
        if step in ("matchExpressions", "matchFields") and isinstance(one, list):
            found = ((at, item) for at, item in enumerate(one) if isinstance(item, dict))
            yield from (((*path, step, at), item) for at, item in found)
        elif isinstance(one, dict | list):
            yield from _expressions(one, (*path, step))

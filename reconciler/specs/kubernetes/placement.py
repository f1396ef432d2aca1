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
        for path, toleration in pod.items("tolerations"):
            _check_toleration(context, path, toleration)
        for field in _ASKING if not _ASKING.isdisjoint(pod.spec) else ():
            for path, expression in _expressions(pod.spec.get(field), (*pod.path, field)):
                _check_expression(context, path, expression)
    if body.layout.selects:
        for selector_path, selector in body.find("spec/selector"):
            for path, expression in _expressions(selector, selector_path):
                _check_expression(context, path, expression)


def _check_toleration(context: CheckContext, path: Path, toleration: Manifest) -> None:
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists" and toleration.get("value"):
        message = "'Exists' takes no value"
        context.report("bad-placement", message, (*path, "value"), hint="remove it, or write Equal")
    elif operator != "Exists" and not toleration.get("key"):
        message = "a toleration without a key is for every taint, and needs the operator Exists"
        context.report("bad-placement", message, path, hint="write operator: Exists, or a key")
    # Only NoExecute evicts a pod that runs, so only there is something to wait for.
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        message = "'tolerationSeconds' is about the effect NoExecute only"
        context.report("bad-placement", message, (*path, "tolerationSeconds"), at_key=True)


def _check_expression(context: CheckContext, path: Path, expression: Manifest) -> None:
    operator, values = expression.get("operator"), expression.get("values") or []
    if not isinstance(values, list):
        # Its type is the schema's to report.
        return
    if operator in ("In", "NotIn") and not values:
        message = f"'{operator}' needs values"
        context.report("bad-placement", message, path, hint="write them as a list")
    elif operator in ("Exists", "DoesNotExist") and values:
        message = f"'{operator}' takes no values"
        context.report("bad-placement", message, (*path, "values"), hint="remove them, or write In")
    elif operator in ("Gt", "Lt") and len(values) != 1:
        context.report("bad-placement", f"'{operator}' needs one value, a whole number", path)


def _expressions(value: Any, path: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the expressions about labels and fields at and below a part of a pod."""
    entries = value.items() if isinstance(value, dict) else ()
    for step, part in enumerate(value) if isinstance(value, list) else entries:
        if step in ("matchExpressions", "matchFields") and isinstance(part, list):
            for index, expression in enumerate(part):
                if isinstance(expression, dict):
                    yield (*path, step, index), expression
        elif isinstance(part, dict | list):
            yield from _expressions(part, (*path, step))

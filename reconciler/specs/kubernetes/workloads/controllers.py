"""Deployments, ReplicaSets and StatefulSets: how they replace their pods, and what they claim."""

from __future__ import annotations

from reconciler.core.diagnostics import Severity
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body
from reconciler.specs.kubernetes.podspec.affinity import check_expression
from reconciler.specs.kubernetes.podspec.claims import check_claim_spec
from reconciler.specs.kubernetes.problems import Problem, Problems, is_number, mapping
from reconciler.specs.kubernetes.workloads.amounts import (
    check_least,
    check_most_share,
    check_share,
    is_zero,
)
from reconciler.specs.schema.compiled_schema import quote_value

_SPEC = (INLINE, "spec")
_STRATEGIES = {"Deployment": "strategy", "StatefulSet": "updateStrategy"}
_ROLLING = "RollingUpdate"
_USUAL_DEADLINE = 600


def check_rollout(body: Body) -> Problems:
    """The strategy of a controller allows it to replace its pods."""
    field = _STRATEGIES.get(body.kind)
    if field is None:
        return
    path = (*_SPEC, field)
    strategy = mapping(body.manifest, "spec", field)
    details = strategy.get("rollingUpdate")
    if not isinstance(details, dict):
        return
    details_path = (*path, "rollingUpdate")
    kind = strategy.get("type") or _ROLLING
    if kind != _ROLLING:
        message = f"'rollingUpdate' is for the type {_ROLLING}, not for {quote_value(kind)}"
        yield Problem(details_path, message, at_key=True)
        return
    surge, missing = details.get("maxSurge"), details.get("maxUnavailable")
    if is_zero(surge) and is_zero(missing):
        message = "maxSurge and maxUnavailable are both 0, so no pod can be replaced"
        hint = "give maxSurge or maxUnavailable another value than 0"
        yield Problem(details_path, message, hint)
    for name, value in (("maxSurge", surge), ("maxUnavailable", missing)):
        yield from check_share((*details_path, name), value)
    yield from check_most_share((*details_path, "maxUnavailable"), missing)
    yield from check_least(details_path, details, "partition", 0)


def check_deadline(body: Body) -> Problems:
    """A deployment has longer to make progress than a pod has to be ready."""
    spec = mapping(body.manifest, "spec")
    ready, deadline = spec.get("minReadySeconds"), spec.get("progressDeadlineSeconds")
    most = _USUAL_DEADLINE if deadline is None else deadline
    if body.kind == "Deployment" and is_number(ready) and is_number(most) and ready >= most > 0:
        message = f"progressDeadlineSeconds ({most}) must be above minReadySeconds ({ready})"
        name = "minReadySeconds" if deadline is None else "progressDeadlineSeconds"
        yield Problem((*_SPEC, name), message)


def check_template(body: Body) -> Problems:
    """What runs until it is ended has no deadline, and is selected by labels that there can be."""
    deadline = mapping(body.manifest, "spec", "template", "spec").get("activeDeadlineSeconds")
    if deadline is not None:
        message = f"the pods of a {body.kind} have no deadline"
        path = (*_SPEC, "template", "spec", "activeDeadlineSeconds")
        yield Problem(path, message, "remove it", at_key=True)
    for expression_path, expression in body.find("spec/selector/matchExpressions/*"):
        if isinstance(expression, dict):
            yield from check_expression(expression_path, expression)


def check_claims(body: Body) -> Problems:
    """The claims that a StatefulSet makes are such as can be made; the server looks only then."""
    for path, template in body.find("spec/volumeClaimTemplates/*"):
        if isinstance(template, dict):
            for problem in check_claim_spec((*path, "spec"), template.get("spec")):
                yield problem._replace(severity=Severity.WARNING)


def check_ordinals(body: Body) -> Problems:
    """The numbers of the pods begin at 0 or above."""
    ordinals = mapping(body.manifest, "spec", "ordinals")
    yield from check_least((*_SPEC, "ordinals"), ordinals, "start", 0)

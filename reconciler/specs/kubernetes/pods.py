"""The pods that a kind makes: their containers, how they restart, what they are selected by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.kinds.fields import LARGEST_COUNT
from reconciler.kinds.kind import ANY_POLICY, FINITE_POLICIES, ROLE_POLICIES
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path, find
from reconciler.specs.kubernetes.syntax import problem_of_label
from reconciler.specs.kubernetes.workloads.serving import implemented_nodes
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

# Of a shell: `$(NAME)` is of Kubernetes, which fills it in elsewhere.
_VARIABLE = re.compile(r"\$[A-Za-z_]")


def check_containers(context: CheckContext, body: Body) -> None:
    """Each pod has containers, each of them an image and a name of its own."""
    _check_presence(context, body)
    with_image = implemented_nodes(body.manifest) if body.kind == "SeldonDeployment" else ()
    for pod in body.pods:
        names: set[str] = set()
        for path, container in pod.containers:
            name, image = container.get("name"), container.get("image")
            image_path = [*path, "image"]
            if (image is None or image == "") and name not in with_image:
                noun = (
                    f"the container {quote_value(name)}"
                    if isinstance(name, str)
                    else "the container"
                )
                context.report("no-image", f"{noun} has no image", image_path, at_key=True)
            elif isinstance(image, str) and _VARIABLE.search(image):
                # The API server takes any text, and no kubelet pulls this one.
                message = f"the image {quote_value(image)} holds a variable that is not filled in"
                hint = "fill it in first, and validate the result"
                context.report(
                    "unrendered-template", message, image_path, hint=hint, severity=Severity.WARNING
                )
            elif isinstance(image, str) and image != image.strip():
                message = f"the image {quote_value(image)} has blanks around it"
                context.report("no-image", message, image_path)
            if not isinstance(name, str):
                continue
            if problem := problem_of_label(name):
                message = f"the container's name {quote_value(name)} {problem}"
                context.report("bad-name", message, [*path, "name"])
            elif name in names:
                message = f"two containers of the pod are named '{name}'"
                hint = "give each a name of its own"
                context.report("bad-name", message, [*path, "name"], hint=hint)
            else:
                names.add(name)


def _check_presence(context: CheckContext, body: Body) -> None:
    templates = [
        (path, template) for path, template in body.templates if isinstance(template, dict)
    ]
    for path, template in templates:
        spec = template.get("spec")
        # A spec or a list of another type is reported by the schema.
        if spec is None or (isinstance(spec, dict) and not spec.get("containers")):
            containers_path = [*path, "spec", "containers"]
            context.report(
                "no-containers", "the pod has no containers", containers_path, at_key=True
            )
    if body.layout.needs_pods and not templates:
        first = body.layout.pods[0]
        message = f"a {body.kind} needs a pod template at {first}"
        context.report("no-containers", message, [INLINE, *first.split("/")], at_key=True)


def check_restarts(context: CheckContext, body: Body) -> None:
    """Pods, and the roles of a training job, restart as their kind allows."""
    layout = body.layout
    for pod in body.pods:
        policies, is_required = layout.restart_policies, layout.needs_restart_policy
        _check_restart(context, body.kind, pod.path, pod.spec, policies, is_required=is_required)
    if not layout.roles:
        return
    is_v2 = body.manifest.get("apiVersion") == "kubeflow.org/v2beta1"
    policies = FINITE_POLICIES if is_v2 else ROLE_POLICIES
    for path, role in body.find(layout.roles):
        if isinstance(role, dict):
            _check_restart(context, body.kind, path, role, policies, is_required=False)


def _check_restart(
    context: CheckContext,
    kind: str,
    path: Path,
    holder: Manifest,
    policies: Sequence[str],
    *,
    is_required: bool,
) -> None:
    policy = holder.get("restartPolicy")
    policy_path = [*path, "restartPolicy"]
    hint = f"write {' or '.join(policies)}"
    if policy is None:
        if is_required:
            message = f"a {kind} needs a restartPolicy: Kubernetes' default is not allowed for it"
            context.report("bad-restart-policy", message, policy_path, hint=hint, at_key=True)
    elif isinstance(policy, str) and policy not in policies:
        message = f"the restartPolicy {quote_value(policy)} is not allowed for a {kind}"
        # A policy of other kinds is not misspelt.
        if policy not in ANY_POLICY:
            hint = did_you_mean(policy, policies) or hint
        context.report("bad-restart-policy", message, policy_path, hint=hint)


def check_selector(context: CheckContext, body: Body) -> None:
    """A controller finds its own pods: the selector matches the labels of their template."""
    spec = body.manifest.get("spec") if body.layout.selects else None
    if not isinstance(spec, dict):
        return
    selector = spec.get("selector")
    labels: Any = next((value for _, value in find(spec, "template/metadata/labels")), {})
    if not isinstance(selector, dict) or not isinstance(labels, dict):
        return
    path = (INLINE, "spec", "selector")
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        context.report("bad-selector", "the selector is empty", path, at_key=True)
    for steps, selected in find(selector, "matchLabels/*"):
        actual = labels.get(steps[-1])
        if isinstance(selected, str) and (actual or "") != selected:
            has = f"has '{actual}'" if actual else "does not have it"
            message = f"the selector wants the label {steps[-1]}={selected}, and the template {has}"
            hint = "write the same label under template.metadata.labels"
            context.report("bad-selector", message, [*path, *steps], hint=hint)
    for steps, expression in find(selector, "matchExpressions/*"):
        if isinstance(expression, dict) and not _matches(expression, labels):
            key = expression.get("key")
            message = f"the template's labels do not meet the selector for '{key}'"
            context.report("bad-selector", message, [*path, *steps])


def _matches(expression: Manifest, labels: Manifest) -> bool:
    """Whether labels match an expression; one that Kubernetes does not know is not judged."""
    key, values = expression.get("key"), expression.get("values") or []
    if not (isinstance(key, str) and isinstance(values, list)):
        return True
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return True


def check_counts(context: CheckContext, body: Body) -> None:
    """Numbers of pods are numbers, and not negative."""
    for path, count in body.find(*body.layout.counts):
        # A bool is an int to `isinstance`.
        if type(count) is int and 0 <= count <= LARGEST_COUNT:
            continue
        message = f"'{path[-1]}' must be a whole number from 0, not {quote_value(count)}"
        hint = "remove the quotes" if isinstance(count, str) and count.isdecimal() else ""
        context.report("bad-count", message, path, hint=hint)


def check_schedule(context: CheckContext, body: Body) -> None:
    """The schedule of a CronJob can be read by its controller."""
    if not body.layout.schedule:
        return
    # Few repositories have a CronJob, and the grammar costs patterns to compile.
    from reconciler.specs.kubernetes.schedules import problem_of_schedule

    for path, schedule in body.find(body.layout.schedule):
        if isinstance(schedule, str) and (problem := problem_of_schedule(schedule)):
            message = f"the schedule {quote_value(schedule)} {problem}"
            context.report("bad-schedule", message, path)

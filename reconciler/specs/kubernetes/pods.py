"""The pods that a kind makes: their containers, how they restart, what they are selected by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.kinds.fields import LARGEST_COUNT
from reconciler.kinds.kind import ANY_POLICY, FINITE_POLICIES, ROLE_POLICIES
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path, find
from reconciler.specs.kubernetes.syntax import problem_of_label
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value


def check_containers(context: CheckContext, body: Body) -> None:
    """Each pod has containers, each of them an image and a name of its own."""
    _check_presence(context, body)
    for pod in body.pods:
        names: dict[str, Path] = {}
        for path, container in pod.containers:
            _check_image(context, path, container)
            _check_container_name(context, path, container, names)


def _check_presence(context: CheckContext, body: Body) -> None:
    templates = [one for one in body.templates if isinstance(one[1], dict)]
    for path, template in templates:
        spec = template.get("spec")
        if spec is None or (isinstance(spec, dict) and not spec.get("containers")):
            here = [*path, "spec", "containers"]
            context.report("no-containers", "the pod has no containers", here, at_key=True)
    if body.layout.needs_pods and not templates:
        first = body.layout.pods[0]
        message = f"a {body.kind} without pods: there is nothing at {first}"
        context.report("no-containers", message, [INLINE, *first.split("/")], at_key=True)


def _check_image(context: CheckContext, path: Path, container: Manifest) -> None:
    image = container.get("image")
    if image is None or image == "":
        name = container.get("name")
        whose = f"the container {quote_value(name)}" if isinstance(name, str) else "the container"
        context.report("no-image", f"{whose} has no image", [*path, "image"], at_key=True)
    elif isinstance(image, str) and image != image.strip():
        context.report(
            "no-image", f"the image {quote_value(image)} has blanks around it", [*path, "image"]
        )


def _check_container_name(
    context: CheckContext, path: Path, container: Manifest, names: dict[str, Path]
) -> None:
    name = container.get("name")
    if not isinstance(name, str):
        return
    if problem := problem_of_label(name):
        context.report(
            "bad-name", f"the container's name {quote_value(name)} {problem}", [*path, "name"]
        )
    elif names.setdefault(name, path) is not path:
        message = f"two containers of the pod are named '{name}'"
        context.report("bad-name", message, [*path, "name"], hint="give each a name of its own")


def check_restarts(context: CheckContext, body: Body) -> None:
    """Pods, and the roles of a training job, restart as their kind allows."""
    layout = body.layout
    for pod in body.pods:
        given, legal = pod.spec.get("restartPolicy"), layout.restart_policies
        _check_restart(context, body.kind, pod.path, given, legal, must=layout.needs_restart_policy)
    if not layout.roles:
        return
    legal = (
        FINITE_POLICIES
        if body.manifest.get("apiVersion") == "kubeflow.org/v2beta1"
        else ROLE_POLICIES
    )
    for path, role in body.find(layout.roles):
        if isinstance(role, dict):
            given = role.get("restartPolicy")
            _check_restart(context, body.kind, path, given, legal, must=False)


def _check_restart(
    context: CheckContext, kind: str, path: Path, given: Any, legal: Sequence[str], *, must: bool
) -> None:
    allowed = " or ".join(legal)
    hint = f"write {allowed}"
    here = [*path, "restartPolicy"]
    if given is None:
        if must:
            message = f"a {kind} needs a restartPolicy: Kubernetes' default is not allowed for it"
            context.report("bad-restart-policy", message, here, hint=hint, at_key=True)
    elif isinstance(given, str) and given not in legal:
        message = f"the restartPolicy {quote_value(given)} is not allowed for a {kind}"
        if given not in ANY_POLICY:
            hint = did_you_mean(given, legal) or hint
        context.report("bad-restart-policy", message, here, hint=hint)


def check_selector(context: CheckContext, body: Body) -> None:
    """A controller finds its own pods: the selector matches the labels of their template."""
    spec = body.manifest.get("spec") if body.layout.selects else None
    if not isinstance(spec, dict):
        return
    selector = spec.get("selector")
    labels: Any = next((found for _, found in find(spec, "template/metadata/labels")), {})
    if not isinstance(selector, dict) or not isinstance(labels, dict):
        return
    path = (INLINE, "spec", "selector")
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        context.report("bad-selector", "the selector is empty", path, at_key=True)
    for here, wanted in find(selector, "matchLabels/*"):
        given = labels.get(here[-1])
        if isinstance(wanted, str) and (given or "") != wanted:
            has = f"has '{given}'" if given else "does not have it"
            message = f"the selector wants the label {here[-1]}={wanted}, and the template {has}"
            hint = "write the same label under template.metadata.labels"
            context.report("bad-selector", message, [*path, *here], hint=hint)
    for here, wanted in find(selector, "matchExpressions/*"):
        if isinstance(wanted, dict) and not _is_met(wanted, labels):
            message = f"the template's labels do not meet the selector for '{wanted.get('key')}'"
            context.report("bad-selector", message, [*path, *here])


def _is_met(wanted: Manifest, labels: Manifest) -> bool:
    key, values = wanted.get("key"), wanted.get("values") or []
    if not (isinstance(key, str) and isinstance(values, list)):
        # What it is instead is a matter of its shape.
        return True
    match wanted.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            # Nor is there another operator.
            return True


def check_counts(context: CheckContext, body: Body) -> None:
    """Numbers of pods are numbers, and not negative."""
    for path, count in body.find(*body.layout.counts):
        if type(count) is int and 0 <= count <= LARGEST_COUNT:
            continue
        message = f"'{path[-1]}' must be a whole number from 0, not {quote_value(count)}"
        hint = "remove the quotes" if isinstance(count, str) and count.isdecimal() else ""
        context.report("bad-count", message, path, hint=hint)


def check_schedule(context: CheckContext, body: Body) -> None:
    """The schedule of a CronJob can be read by its controller."""
    if not body.layout.schedule:
        return
    from reconciler.specs.kubernetes.schedules import problem_of_schedule

    for path, schedule in body.find(body.layout.schedule):
        if isinstance(schedule, str) and (problem := problem_of_schedule(schedule)):
            message = f"the schedule {quote_value(schedule)} {problem}"
            context.report("bad-schedule", message, path)

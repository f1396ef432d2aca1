"""How the parts of a pod fit together: volumes and mounts, ports, variables, probes.

The rules are those of `pkg/apis/core/validation` in Kubernetes' source.
"""

from __future__ import annotations

import re

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.bodies import Body, Manifest, Pod, list_items
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.syntax import problem_of_label
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")

# The API server reads the pods of these itself; those of others are read when they are made.
_OWN_GROUPS = frozenset({"", "apps", "batch"})
_PORT_NAME = re.compile(r"(?=[a-z0-9-]{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


def check_parts(context: CheckContext, body: Body) -> None:
    """Volumes, mounts, ports, variables and probes of each pod fit together."""
    group, slash, _ = str(body.manifest.get("apiVersion")).partition("/")
    is_own = (group if slash else "") in _OWN_GROUPS
    # A StatefulSet claims volumes of its own for each of its pods.
    is_set = body.kind == "StatefulSet"
    claims = body.find("spec/volumeClaimTemplates/*/metadata/name") if is_set else ()
    claimed = {name for _, name in claims if isinstance(name, str)}
    for pod in body.pods:
        names = _check_volumes(context, pod) | claimed
        for path, container in pod.containers:
            _check_mounts(context, path, container, names, None if is_own else Severity.WARNING)
            _check_ports(context, path, container)
            _check_variables(context, path, container)
            for name in PROBES:
                if isinstance(probe := container.get(name), dict):
                    _check_probe(context, (*path, name), probe)


def _check_volumes(context: CheckContext, pod: Pod) -> set[str]:
    """Check the volumes of a pod; returns their names."""
    names: set[str] = set()
    for path, volume in pod.items("volumes"):
        name = volume.get("name")
        if isinstance(name, str):
            if problem := problem_of_label(name):
                message = f"the volume's name {quote_value(name)} {problem}"
                context.report("bad-volume", message, (*path, "name"))
            elif name in names:
                context.report("bad-volume", f"two volumes are named '{name}'", (*path, "name"))
            names.add(name)
        # Each field beside the name is one kind of source.
        sources = [key for key, source in volume.items() if key != "name" and source is not None]
        if len(sources) > 1:
            message = f"a volume has one source, not {' and '.join(sources)}"
            context.report("bad-volume", message, (*path, sources[1]), at_key=True)
    return names


def _check_mounts(
    context: CheckContext,
    path: Path,
    container: Manifest,
    names: set[str],
    severity: Severity | None,
) -> None:
    places: set[str] = set()
    for mount_path, mount in list_items(path, container, "volumeMounts"):
        name, place = mount.get("name"), mount.get("mountPath")
        if isinstance(name, str) and name not in names:
            hint = did_you_mean(name, names) or "add it under 'volumes' of the pod"
            message = f"the pod has no volume '{name}'"
            context.report(
                "bad-volume", message, (*mount_path, "name"), hint=hint, severity=severity
            )
        if isinstance(place, str) and place:
            if place in places:
                message = f"two volumes are mounted at {quote_value(place)}"
                context.report("bad-volume", message, (*mount_path, "mountPath"), severity=severity)
            places.add(place)


def _check_ports(context: CheckContext, path: Path, container: Manifest) -> None:
    names: set[str] = set()
    for port_path, port in list_items(path, container, "ports"):
        name = port.get("name")
        if not isinstance(name, str) or not name:
            continue
        if _PORT_NAME.fullmatch(name) is None:
            message = f"the port's name {quote_value(name)} is not one that Kubernetes takes"
            hint = "at most 15 lower case letters, digits and single '-' inside, one a letter"
            context.report("bad-port", message, (*port_path, "name"), hint=hint)
        elif name in names:
            message = f"two ports of the container are named '{name}'"
            context.report("bad-port", message, (*port_path, "name"))
        names.add(name)


def _check_variables(context: CheckContext, path: Path, container: Manifest) -> None:
    names: set[str] = set()
    variables = container.get("env")
    # There are many of them, so that even a path is only made where it is needed.
    for index, variable in enumerate(variables if isinstance(variables, list) else ()):
        if not isinstance(variable, dict):
            continue
        name, source = variable.get("name"), variable.get("valueFrom")
        if isinstance(name, str):
            if name in names:
                message = f"'{name}' is given twice, and the later one counts"
                name_path = (*path, "env", index, "name")
                context.report("bad-env", message, name_path, severity=Severity.WARNING)
            elif not name or "=" in name:
                message = f"{quote_value(name)} cannot name a variable"
                context.report("bad-env", message, (*path, "env", index, "name"))
            names.add(name)
        if not isinstance(source, dict):
            continue
        source_path = (*path, "env", index, "valueFrom")
        # A null is a field that was left out, and an empty value none at all.
        kinds = [key for key, reference in source.items() if reference is not None]
        if variable.get("value") not in (None, ""):
            message = "'value' and 'valueFrom' exclude each other"
            context.report("bad-env", message, source_path, at_key=True)
        elif len(kinds) != 1:
            listed = f"one source, not {' and '.join(kinds)}" if kinds else "a source"
            message = f"'valueFrom' needs {listed}"
            context.report("bad-env", message, source_path, at_key=True)


def _check_probe(context: CheckContext, path: Path, probe: Manifest) -> None:
    handlers = [name for name in HANDLERS if probe.get(name) is not None]
    if len(handlers) != 1:
        listed = f"one handler, not {' and '.join(handlers)}" if handlers else "a handler"
        message = f"the {path[-1]} needs {listed}"
        hint = f"write one of {', '.join(HANDLERS)}"
        context.report("bad-probe", message, path, hint=hint, at_key=True)
    threshold = probe.get("successThreshold")
    if path[-1] != "readinessProbe" and type(threshold) is int and threshold > 1:
        message = f"the successThreshold of a {path[-1]} is always 1"
        context.report("bad-probe", message, (*path, "successThreshold"), hint="remove it")

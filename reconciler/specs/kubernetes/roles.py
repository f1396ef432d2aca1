"""The roles of a training job: which there are, and the containers that its operator looks for."""

from __future__ import annotations

from reconciler.core.diagnostics import Severity
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import CONTAINERS, Body, Manifest, list_items
from reconciler.specs.kubernetes.paths import Path, find
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import did_you_mean


def check_roles(context: CheckContext, body: Body) -> None:
    """A training job has roles that its operator knows, and the containers that it looks for."""
    layout = body.layout
    if not layout.roles:
        return
    # Operators have taken names in any case, and newer ones do not.
    known_names = {name.lower() for name in layout.role_names}
    names: set[str] = set()
    for path, role in body.find(layout.roles):
        name = str(path[-1])
        names.add(name.lower())
        if name.lower() not in known_names:
            message = f"a {body.kind} has no role '{name}'"
            hint = did_you_mean(name, layout.role_names)
            hint = hint or f"known roles: {', '.join(layout.role_names)}"
            context.report("bad-role", message, path, hint=hint, at_key=True)
        elif layout.worker_container and isinstance(role, dict):
            _check_worker(context, body, path, role)
    first = layout.role_names[0]
    if layout.needs_first_role and names and first.lower() not in names:
        field = layout.roles.split("/")[1]
        message = f"a {body.kind} needs the role '{first}'"
        context.report("bad-role", message, (INLINE, "spec", field), at_key=True)


def _check_worker(context: CheckContext, body: Body, path: Path, role: Manifest) -> None:
    worker = body.layout.worker_container
    for steps, spec in find(role, "template/spec"):
        pod_path = (*path, *steps)
        containers = list_items(pod_path, spec, CONTAINERS[0]) if isinstance(spec, dict) else ()
        names = [container.get("name") for _, container in containers]
        if names and worker not in names:
            message = f"no container is called '{worker}', which a {body.kind} looks for"
            name_path = (*pod_path, CONTAINERS[0], 0, "name")
            context.report("bad-role", message, name_path, severity=Severity.WARNING)

"""What the server's projects say against the specs in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Desired
from reconciler.core.protocol.live import ServerProject
from reconciler.specs.loaded import Loaded
from reconciler.specs.rules.codes import make_diagnostic

_LEAVING = frozenset({"Deleting", "Deleted"})
# What it says of a project that it has made and not finished; a workload can be created there.
_UNREADY = frozenset({"Creating", "Initializing", "NotReady"})


def check_projects(
    desired: Iterable[Desired], projects: Mapping[str, ServerProject], loaded: Loaded
) -> list[Diagnostic]:
    """What is wrong with the projects of these specs, as far as the server has listed them.

    `loaded` knows where each part of a spec was written.
    """
    diagnostics = [
        diagnostic
        for spec in desired
        if (project := projects.get(spec.address.project)) is not None
        for diagnostic in _check_project(spec, project, loaded)
    ]
    # Defaults give a whole folder its project in one line.
    return list({(d.where, d.code, d.message): d for d in diagnostics}.values())


def _check_project(spec: Desired, project: ServerProject, loaded: Loaded) -> Iterator[Diagnostic]:
    label = f"project {project.id} ({project.name})"
    because = f": {project.phase_message}" if project.phase_message else ""
    pointer = f"/metadata/{'project' if loaded.is_named(spec.address) else 'projectId'}"
    if project.phase in _LEAVING:
        yield _diagnostic(
            spec,
            loaded,
            code="project-being-deleted",
            message=f"{label} is being deleted{because}",
            pointer=pointer,
            hint="move the spec to another project, or remove it",
        )
    elif project.phase in _UNREADY:
        yield _diagnostic(
            spec,
            loaded,
            code="project-not-ready",
            message=f"{label} is not ready: the server says {project.phase}{because}",
            pointer=pointer,
            hint="what is created there may wait until it is",
        )
    metadata = spec.manifest.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    if isinstance(namespace, str) and project.namespace and namespace != project.namespace:
        yield _diagnostic(
            spec,
            loaded,
            code="other-namespace",
            message=f"the manifest names the namespace '{namespace}', and that of {label} is "
            f"'{project.namespace}'",
            pointer="/manifest/metadata/namespace",
            hint="remove it: the project decides",
        )


def _diagnostic(
    spec: Desired, loaded: Loaded, *, code: str, message: str, pointer: str, hint: str
) -> Diagnostic:
    where = spec.source
    # A spec that was not read from a file has no place of its own for its parts.
    with suppress(KeyError):
        where = loaded.locate(spec.address, pointer)
    return make_diagnostic(
        code, message, where, hint=hint, pointer=pointer, address=str(spec.address)
    )

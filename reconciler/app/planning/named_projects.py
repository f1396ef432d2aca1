"""Specs that give their projects by name: resolved, and held against what the state knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reconciler.app.planning.server_projects import ServerProjects
from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError
from reconciler.core.model import Recorded
from reconciler.core.projects.pins import check_pins, explained_projects, renew_pins
from reconciler.core.projects.resolution import Resolution, leave_unresolved
from reconciler.errors import UsageError
from reconciler.specs.source.deadline import Deadline

# Of a run that has no end of its own.
_LONGEST = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedProjects:
    """What the names of projects mean in one run.

    `workspace` has every address resolved, `meant` the id of each name that a spec has. `pins` is
    what the state is to know from now on, `explained` the projects that an accepted name has left.
    """

    workspace: Workspace
    meant: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    explained: frozenset[str] = frozenset()


def check_names(
    workspace: Workspace,
    *,
    pins: Mapping[str, str],
    recorded: Collection[Recorded],
    accepted: Mapping[str, str],
) -> NamedProjects:
    """Hold what the names of these specs mean against their pins.

    Raises GuardError for one that means another project than before.
    """
    meant = workspace.loaded.ids
    if refusals := check_pins(pins, meant, accepted, recorded=recorded):
        raise GuardError(refusals)
    return NamedProjects(
        workspace=workspace,
        meant=meant,
        pins=renew_pins(pins, meant, recorded),
        explained=explained_projects(
            pins, meant, {spec.address.project for spec in workspace.desired}
        ),
    )


async def resolve_workspace(
    workspace: Workspace,
    projects: ServerProjects,
    *,
    pins: Mapping[str, str],
    may_ask: bool = True,
) -> Workspace:
    """The same specs with the ids of their projects; `pins` is what the names meant before.

    Without `may_ask` that is trusted. A name that means nothing, or that nobody may look up, has an
    error among the diagnostics. Raises UnreachableError when the run ends meanwhile.
    """
    loaded, settings = workspace.loaded, workspace.settings
    if not loaded.unresolved:
        return workspace
    if may_ask:
        resolution = await projects.resolve(loaded.unresolved, pins=pins, aliases=settings.projects)
    else:
        known = {name: pins[str(name)] for name in loaded.unresolved if str(name) in pins}
        rest = [name for name in loaded.unresolved if name not in known]
        resolution = replace(
            leave_unresolved(rest, "--no-refresh asks the server nothing", pins=pins),
            ids={str(name): id_ for name, id_ in known.items()},
        )
    return _with_resolution(workspace, resolution)


def _with_resolution(workspace: Workspace, resolution: Resolution) -> Workspace:
    deadline = Deadline.after(min(workspace.settings.deadline, _LONGEST))
    loaded = workspace.loaded.resolved(resolution, deadline)
    return replace(workspace, loaded=loaded, desired=loaded.desired, diagnostics=loaded.diagnostics)


def need_no_acceptance(accepted: Mapping[str, str]) -> None:
    """Raise UsageError for a name that is accepted where no name decides anything."""
    if accepted:
        raise UsageError(
            "--accept-project is for plan and apply: a destroy goes by the ids in the state",
            hint="leave it out",
        )

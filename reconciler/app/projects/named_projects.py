"""Specs that give their projects by name: resolved, and held against what the state knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace

from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.refused import GuardError
from reconciler.core.model import Recorded
from reconciler.core.projects.names import ProjectName
from reconciler.core.projects.pins import check_pins, explained_projects, renew_pins
from reconciler.core.projects.resolution import Resolution, leave_unresolved
from reconciler.errors import UsageError
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedProjects:
    """What the names of projects mean in one run.

    `workspace` has every address resolved, `meant` the id of each name that a spec has. `pins` is
    what the state is to know from now on, `explained` the projects that an accepted name has left,
    `names` are the names that specs have, by id.
    """

    workspace: Workspace
    meant: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    explained: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)


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
        names={project: name.name for name, project in workspace.loaded.names.items()},
    )


async def resolve_workspace(
    workspace: Workspace,
    projects: ServerProjects,
    *,
    pins: Mapping[str, str],
    may_ask: bool = True,
) -> Workspace:
    """The same specs with the ids of their projects; as `find_resolution`."""
    names = workspace.loaded.unresolved
    if not names:
        return workspace
    aliases = workspace.settings.projects
    return workspace.resolved(
        await find_resolution(names, projects, pins=pins, aliases=aliases, may_ask=may_ask)
    )


async def find_resolution(
    names: Collection[ProjectName],
    projects: ServerProjects,
    *,
    pins: Mapping[str, str],
    aliases: Collection[str],
    may_ask: bool = True,
) -> Resolution:
    """What names mean that only a server knows; `pins` is what they meant before.

    Without `may_ask` that is trusted. Raises UnreachableError when the run ends meanwhile.
    """
    if not names:
        return Resolution()
    if may_ask:
        return await projects.resolve(names, pins=pins, aliases=aliases)
    rest = [name for name in names if str(name) not in pins]
    unresolved = leave_unresolved(rest, "--no-refresh asks the server nothing", pins=pins)
    return replace(unresolved, ids={n: pins[n] for n in map(str, names) if n in pins})


async def need_same_projects(
    projects: ServerProjects,
    *,
    pins: Mapping[str, str],
    aliases: Collection[str],
    recorded: Collection[Recorded],
) -> None:
    """Raise GuardError where a name means another project on the server than its pin says.

    Raises UnreachableError when the run ends meanwhile.
    """
    names = [ProjectName.of(name) for name in pins if name not in aliases]
    meant = await find_resolution(names, projects, pins=pins, aliases=aliases)
    if refusals := check_pins(pins, meant.ids, {}, recorded=recorded):
        raise GuardError(refusals)


def need_whole_acceptance(accepted: Mapping[str, str], *, is_narrowed: bool) -> None:
    """Raise UsageError where a name is accepted for a part of its workloads.

    The pin moves with the first intent of the run: what it leaves out would stay in a project that
    no name means any more.
    """
    if accepted and is_narrowed:
        raise UsageError(
            "--accept-project is about every workload of a project, and this run is about some",
            hint="leave out --target, --exclude, --project, and folders below the root",
        )


def need_no_acceptance(accepted: Mapping[str, str]) -> None:
    """Raise UsageError for a name that is accepted where no name decides anything."""
    if accepted:
        raise UsageError(
            "--accept-project is for plan and apply: a destroy goes by the ids in the state",
            hint="leave it out",
        )

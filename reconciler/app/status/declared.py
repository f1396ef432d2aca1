"""What the repository around the working directory declares, for commands that read a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.app.planning.workspace import Workspace, open_workspace
from reconciler.app.repositories import read_config
from reconciler.app.settings import Flags
from reconciler.core.diagnostics import Severity
from reconciler.core.model import Desired
from reconciler.core.projects.names import ProjectName
from reconciler.core.projects.resolution import Resolution
from reconciler.specs.config import config_file
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSpecs:
    """The specs at hand and the projects that they and the configuration name.

    `stack` is whose specs they are. `problem` says why they may not be all. A project that a spec
    gives by a name which only the server knows is a placeholder until that is `resolved`.
    """

    stack: str = ""
    desired: tuple[Desired, ...] = ()
    projects: frozenset[str] = frozenset()
    problem: str = ""
    workspace: Workspace | None = None

    @property
    def unresolved(self) -> tuple[ProjectName, ...]:
        """The names of projects that nobody has looked up yet."""
        return self.workspace.loaded.unresolved if self.workspace is not None else ()

    def resolved(self, ids: Mapping[str, str]) -> DeclaredSpecs:
        """The same with the ids of some names; the others stay as they are."""
        if self.workspace is None or not self.unresolved:
            return self
        workspace = self.workspace.resolved(Resolution(ids=ids))
        return replace(self, workspace=workspace, desired=workspace.desired)


NOTHING_DECLARED = DeclaredSpecs()


def read_declared(folder: Path, flags: Flags, environ: Mapping[str, str]) -> DeclaredSpecs:
    """Read the specs of the repository that a folder belongs to, if it has a configuration.

    Without one any folder would be a repository, whatever lies in it.
    """
    root, config = read_config(folder, flags)
    if config_file(root) is None:
        return NOTHING_DECLARED
    workspace = open_workspace([root], flags, environ)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in workspace.diagnostics)
    problem = f"the specs have errors ({errors}): reconciler validate" if errors else ""
    return DeclaredSpecs(
        stack=workspace.settings.stack,
        desired=workspace.desired,
        projects=frozenset(
            {*config.projects.values(), *(spec.address.project for spec in workspace.desired)}
        ),
        problem=problem,
        # Nothing is checked again where every project is known.
        workspace=workspace if workspace.loaded.unresolved else None,
    )

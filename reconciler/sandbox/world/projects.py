"""Projects by id: a closed list when one was given, otherwise any id with a derived name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

from reconciler.sandbox.settings import Project, Settings

# The alphabet that the API document allows for project names.
_PROJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Projects:
    """The projects of the tenant."""

    def __init__(self, settings: Settings) -> None:
        self._projects = {project.id: project for project in settings.projects}
        # That no project is left must not open the list.
        self._is_open = not settings.projects
        self._cluster_id = settings.cluster_id

    @property
    def listed(self) -> Iterator[Project]:
        """The projects that were given, in their order."""
        return iter(self._projects.values())

    def get(self, project_id: str) -> Project | None:
        """A project that was given, or any in an open list."""
        if project_id in self._projects:
            return self._projects[project_id]
        is_derived = self._is_open and project_id
        return Project(id=project_id, name=_derived_name(project_id)) if is_derived else None

    def exists(self, project_id: str) -> bool:
        """Whether a workload can be created there; an open list has every project."""
        return self._is_open or project_id in self._projects

    def name_of(self, project_id: str) -> str:
        """The project's name, derived from the id when none was given."""
        project = self._projects.get(project_id)
        return _derived_name(project_id) if project is None else project.name

    def cluster_of(self, project_id: str) -> str:
        """The id of the cluster that a project is on."""
        project = self._projects.get(project_id)
        return self._cluster_id if project is None else project.cluster_id or self._cluster_id

    def namespace_of(self, project_id: str) -> str:
        """The namespace of a project: its own, or the one that it gets by default."""
        project = self._projects.get(project_id)
        own = None if project is None else project.namespace
        return own or default_namespace(self.name_of(project_id))

    def in_namespace(self, cluster_id: str, namespace: str | None) -> str | None:
        """The id of the project that owns a namespace; an open list derives it from the name."""
        for project_id in self._projects:
            owned = self.cluster_of(project_id), self.namespace_of(project_id)
            if owned == (cluster_id, namespace):
                return project_id
        project_id = (namespace or "").removeprefix(default_namespace("project-"))
        derived = self._is_open and default_namespace(_derived_name(project_id)) == namespace
        return project_id if derived and cluster_id == self._cluster_id else None

    def put(self, project: Project) -> None:
        """Add a project, or change one; the list is closed from then on."""
        self._projects[project.id] = project
        self._is_open = False

    def remake(self, project: Project, new_id: str) -> None:
        """Delete a project and make it again, which gives it another id."""
        self._projects.pop(project.id, None)
        self.put(replace(project, id=new_id))


def default_namespace(project_name: str) -> str:
    """The namespace that a project gets by default."""
    return f"runai-{project_name}"


# Asked for each create and each row of a list; two regular expressions a row would be felt.
@lru_cache(maxsize=4096)
def _derived_name(project_id: str) -> str:
    if _PROJECT_NAME.fullmatch(project_id):
        return f"project-{project_id}"
    digest = blake2b(project_id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"project-{digest}"

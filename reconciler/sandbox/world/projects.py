"""Projects by id: a closed list when one was given, otherwise any id with a derived name."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from reconciler.sandbox.settings import Project

# The alphabet that the API document allows for project names.
_PROJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Projects:
    """The projects of the tenant."""

    def __init__(self, projects: tuple[Project, ...]) -> None:
        self._names = {project.id: project.name for project in projects}
        self.listed = projects

    def exists(self, project_id: str) -> bool:
        """Whether a workload can be created there; an open list has every project."""
        return not self._names or project_id in self._names

    def name_of(self, project_id: str) -> str:
        """The project's name, derived from the id when none was given."""
        return self._names.get(project_id) or _derived_name(project_id)

    def in_namespace(self, namespace: str | None) -> str | None:
        """The id of the project that owns a namespace; an open list derives it from the name."""
        for project_id, name in self._names.items():
            if namespace_of(name) == namespace:
                return project_id
        project_id = (namespace or "").removeprefix(namespace_of("project-"))
        derived = not self._names and namespace_of(_derived_name(project_id)) == namespace
        return project_id if derived else None


def namespace_of(project_name: str) -> str:
    """The namespace that a project gets by default."""
    return f"runai-{project_name}"


# Asked for each create and each row of a list; two regular expressions a row would be felt.
@lru_cache(maxsize=4096)
def _derived_name(project_id: str) -> str:
    if _PROJECT_NAME.fullmatch(project_id):
        return f"project-{project_id}"
    digest = blake2b(project_id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"project-{digest}"

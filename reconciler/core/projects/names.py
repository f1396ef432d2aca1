"""A project as people write it, before anybody knows its id."""

from __future__ import annotations

import re

from reconciler.values import dataclass

# The API's own rule for the names of projects.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ProjectName:
    """A project by its name, and by its cluster where that is written: its name or its id."""

    name: str
    cluster: str = ""

    @classmethod
    def of(cls, text: str) -> ProjectName:
        """Read `NAME`, `NAME@CLUSTER` or the placeholder of one of them."""
        name, _, cluster = text.removeprefix("@").partition("@")
        return cls(name=name, cluster=cluster)

    def __str__(self) -> str:
        return f"{self.name}@{self.cluster}" if self.cluster else self.name

    @property
    def placeholder(self) -> str:
        """What takes the place of its id while that is not known; no id looks like this."""
        return f"@{self}"


def is_placeholder(project: str) -> bool:
    """Whether a project is known by its name only."""
    return project.startswith("@")


def may_be_on_server(name: str) -> bool:
    """Whether a server can have a project of that name."""
    return _NAME.fullmatch(name) is not None

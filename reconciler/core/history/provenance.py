"""Where a run came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.values import dataclass

_CHANGED = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The commit that a run is made from, and the address of the CI job that it is.

    `commit` has `+` behind it where files differ from it. Both are empty for none.
    """

    commit: str = ""
    job: str = ""

    @property
    def revision(self) -> str:
        """The commit alone, as git knows it."""
        return self.commit.removesuffix(_CHANGED)

    @property
    def is_clean(self) -> bool:
        """Whether all files are as they were committed."""
        return bool(self.commit) and not self.commit.endswith(_CHANGED)

    def to_json(self) -> dict[str, Any]:
        """The published form; empty where nothing is known."""
        document: dict[str, Any] = {}
        if self.commit:
            document |= {"commit": self.revision, "clean": self.is_clean}
        return document | ({"job": self.job} if self.job else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Provenance:
        """Read the published form back."""
        commit = document.get("commit", "")
        changed = "" if document.get("clean", True) else _CHANGED
        return cls(commit=f"{commit}{changed}", job=document.get("job", ""))


UNKNOWN_PROVENANCE = Provenance()

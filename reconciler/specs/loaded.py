"""What loading a repository gives."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired
from reconciler.errors import Where
from reconciler.specs.drafts import Draft
from reconciler.specs.fileaccess import STDIN
from reconciler.specs.nodes import place_of_value, resolve_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a repository declares, and what is wrong with it.

    `desired` holds the specs without errors, by address; while `diagnostics` has errors they are
    not the whole. `files` counts the files read as specs. `targets` are the given paths, relative
    to the root. `prefix` goes before a file's name to make a path from the working directory.
    """

    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: int
    targets: tuple[str, ...] = (".",)
    prefix: str = ""
    drafts: Mapping[Address, Draft] = field(default_factory=dict, repr=False, compare=False)

    @property
    def targeted(self) -> tuple[Desired, ...]:
        """The specs that lie in the given paths."""
        return tuple(one for one in self.desired if self._is_target(one.source.file))

    def locate(self, address: Address, pointer: str) -> Where:
        """Find where a part of an effective spec was written, or the nearest part above it.

        Raises KeyError for an address that no spec declares.
        """
        draft = self.drafts[address]
        return place_of_value(draft.tree(), resolve_steps(draft.value, pointer)).where

    def display(self, where: Where) -> str:
        """Name the file of a place as a path from the working directory."""
        return display_name(where.file, self.prefix)

    def _is_target(self, file: str) -> bool:
        return any(
            target in (".", file) or file.startswith(f"{target}/") for target in self.targets
        )


def display_name(file: str, prefix: str) -> str:
    """Put a prefix before a file's name, unless it is standard input."""
    return file if file == STDIN else posixpath.normpath(prefix + file)

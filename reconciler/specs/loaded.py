"""What loading a repository gives."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired
from reconciler.errors import Where
from reconciler.specs.drafts import Draft
from reconciler.specs.fileaccess import STDIN
from reconciler.specs.files import CONFIG_FILE
from reconciler.specs.ignoring import IGNORE_FILE
from reconciler.specs.nodes import place_of_value, resolve_steps

# A change here may bring in specs that have not changed themselves.
_DECIDING = frozenset({CONFIG_FILE, IGNORE_FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a repository declares, and what is wrong with it.

    `desired` holds the specs without errors, by address; while `diagnostics` has errors they are
    not the whole. `sources` are the files read as specs, `rules` those that every spec is judged
    by: configuration and policies. `targets` are the given paths. All are relative to the root;
    `prefix` goes before such a name to make a path from the working directory.
    """

    desired: tuple[Desired, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: tuple[str, ...] = ()
    rules: frozenset[str] = frozenset()
    targets: tuple[str, ...] = (".",)
    prefix: str = ""
    drafts: Mapping[Address, Draft] = field(default_factory=dict, repr=False, compare=False)

    @property
    def files(self) -> int:
        """How many files were read as specs."""
        return len(self.sources)

    @property
    def targeted(self) -> tuple[Desired, ...]:
        """The specs that lie in the given paths."""
        return tuple(one for one in self.desired if self._is_target(one.source.file))

    @property
    def targeted_files(self) -> int:
        """How many files in the given paths were read as specs."""
        return sum(map(self._is_target, self.sources))

    def about(self, files: Collection[str]) -> Loaded:
        """Narrow to what some files have a part in: the specs made of them, and their findings.

        A finding in any file stays if it concerns such a spec, and every finding does if the
        files are among those that decide about all specs.
        """
        if any(file in self.rules or posixpath.basename(file) in _DECIDING for file in files):
            return self
        made = {
            address
            for address, draft in self.drafts.items()
            if any(document.page.file in files for document in draft.documents)
        }
        desired = tuple(one for one in self.desired if one.address in made)
        told = {str(address) for address in made}
        own = {self.drafts[address].document.page.file for address in made}.union(files)
        found = (
            one
            for one in self.diagnostics
            if one.address in told or one.where.file in files or one.where.file in self.rules
        )
        sources = tuple(file for file in self.sources if file in own)
        return replace(self, desired=desired, diagnostics=tuple(found), sources=sources)

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
        return file == STDIN or any(
            target in (".", file) or file.startswith(f"{target}/") for target in self.targets
        )


def display_name(file: str, prefix: str) -> str:
    """Put a prefix before a file's name, unless it is standard input."""
    return file if file == STDIN else posixpath.normpath(prefix + file)

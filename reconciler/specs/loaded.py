"""A loaded repository: its specs and diagnostics, and how to narrow them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired
from reconciler.core.projects.names import ProjectName, is_placeholder
from reconciler.core.projects.resolution import Resolution
from reconciler.errors import Where
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.discovery.files import CONFIG_FILE, DEFAULTS_FILE
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.fileaccess import STDIN
from reconciler.specs.source.nodes import place_of_value, resolve_steps

# A change here may bring in specs that have not changed themselves.
_DECIDING = frozenset({CONFIG_FILE, IGNORE_FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The specs that a repository declares, and the diagnostics about it.

    `desired` holds the specs without errors, by address; while `diagnostics` has errors they are
    not the whole. `sources` are the files read as specs, `rules` those that every spec is checked
    by: configuration, policies and patches. `included` are the folders that the root includes,
    `targets` the given paths. All are relative to the root; `prefix` goes before such a name to
    make a path from the working directory. `names` are the projects that
    specs give by name, each with its id or a placeholder for that.
    """

    desired: tuple[Desired, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: tuple[str, ...] = ()
    rules: frozenset[str] = frozenset()
    included: tuple[str, ...] = ()
    targets: tuple[str, ...] = (".",)
    prefix: str = ""
    composed: Mapping[Address, ComposedSpec] = field(
        default_factory=dict, repr=False, compare=False
    )
    names: Mapping[ProjectName, str] = field(default_factory=dict)
    check_again: Callable[[Deadline, Resolution], Loaded] | None = field(
        default=None, repr=False, compare=False
    )
    _narrowings: tuple[Callable[[str], bool], ...] = field(default=(), repr=False, compare=False)

    @property
    def ids(self) -> dict[str, str]:
        """The id of each project that a spec gives by a name that is resolved."""
        return {str(name): id_ for name, id_ in self.names.items() if not is_placeholder(id_)}

    @property
    def unresolved(self) -> tuple[ProjectName, ...]:
        """The names that only a server can tell the ids of, in order."""
        return tuple(sorted(name for name, id_ in self.names.items() if is_placeholder(id_)))

    def resolved(self, resolution: Resolution, deadline: Deadline) -> Loaded:
        """The same with what names of projects mean: nothing is read again, all is checked again.

        What a policy or another spec says may depend on the project that a name turns out to be.
        """
        if self.check_again is None:
            return self
        loaded = self.check_again(deadline, resolution)
        for is_chosen in self._narrowings:
            loaded = loaded._narrow(is_chosen)
        return loaded

    @property
    def files(self) -> int:
        """How many files were read as specs."""
        return len(self.sources)

    def narrow_to_files(self, files: Collection[str]) -> Loaded:
        """Narrow to what some files have a part in: the specs made of them, and their diagnostics.

        A diagnostic in any file stays if it concerns such a spec, and every diagnostic does if the
        files are among those that decide about all specs.
        """
        return self if self._decides_all(files) else self._narrow(files.__contains__)

    def narrow_to_targets(self) -> Loaded:
        """Narrow likewise to the given paths, and to what is wrong with the defaults above them."""
        if "." in self.targets or self._decides_all(self.targets):
            return self
        return self._narrow(self._is_target)

    def _decides_all(self, files: Collection[str]) -> bool:
        # Another root beside this one has files of these names as well.
        below = (posixpath.basename(file) for file in files if not file.startswith("../"))
        return not (self.rules.isdisjoint(files) and _DECIDING.isdisjoint(below))

    def _narrow(self, is_chosen: Callable[[str], bool]) -> Loaded:
        chosen = {a: spec for a, spec in self.composed.items() if any(map(is_chosen, spec.files))}
        addresses = {str(address) for address in chosen}
        parts = {file for spec in chosen.values() for file in spec.files}.union(self.rules)
        own = {spec.document.source.file for spec in chosen.values()}
        return replace(
            self,
            desired=tuple(spec for spec in self.desired if spec.address in chosen),
            diagnostics=tuple(
                diagnostic
                for diagnostic in self.diagnostics
                if diagnostic.address in addresses
                or is_chosen(diagnostic.where.file)
                # What is not about a spec, but about a file that one is made of.
                or (not diagnostic.address and diagnostic.where.file in parts)
            ),
            sources=tuple(file for file in self.sources if file in own or is_chosen(file)),
            names={
                name: project
                for name, project in self.names.items()
                if any(address.project == project for address in chosen)
            },
            _narrowings=(*self._narrowings, is_chosen),
        )

    def locate(self, address: Address, pointer: str) -> Where:
        """Find where a part of an effective spec was written, or the nearest part above it.

        Raises KeyError for an address that no spec declares.
        """
        spec = self.composed[address]
        return place_of_value(spec.tree(), resolve_steps(spec.value, pointer)).where

    def written_at(self, address: Address, pointer: str) -> Where | None:
        """Where a part of an effective spec was written; None where no file writes it."""
        spec = self.composed.get(address)
        if spec is None:
            return None
        value: Any = spec.value
        steps = resolve_steps(value, pointer)
        for step in steps:
            is_there = step in value if isinstance(value, dict) else isinstance(step, int)
            if not is_there:
                return None
            value = value[step]
        return place_of_value(spec.tree(), steps).where

    def _is_target(self, file: str) -> bool:
        folder, slash, name = file.rpartition("/")
        return file == STDIN or any(
            target == file
            or file.startswith(f"{target}/")
            # Defaults hold for a target below their folder.
            or (name == DEFAULTS_FILE and target.startswith(folder + slash))
            for target in self.targets
        )


def merge_roots(parts: Sequence[Loaded]) -> Loaded:
    """Several roots as one, for showing them: each file is named from the working directory."""

    def named(where: Where, prefix: str) -> Where:
        return replace(where, file=display_name(where.file, prefix))

    return Loaded(
        desired=tuple(
            replace(spec, source=named(spec.source, part.prefix))
            for part in parts
            for spec in part.desired
        ),
        diagnostics=tuple(
            replace(diagnostic, where=named(diagnostic.where, part.prefix))
            for part in parts
            for diagnostic in part.diagnostics
        ),
        sources=tuple(display_name(file, part.prefix) for part in parts for file in part.sources),
        names={name: project for part in parts for name, project in part.names.items()},
    )


def display_name(file: str, prefix: str) -> str:
    """Put a prefix before a file's name, unless it is standard input."""
    return file if file == STDIN else posixpath.normpath(prefix + file)

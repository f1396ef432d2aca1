"""A loaded repository: its specs, and where each part of them was written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.model import Address, Desired
from reconciler.core.projects.names import is_placeholder
from reconciler.core.projects.resolution import Resolution
from reconciler.errors import Where
from reconciler.specs.checked import AddressKey, CheckedSpecs
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.nodes import place_of_value, resolve_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(CheckedSpecs):
    """The specs that a repository declares, and the diagnostics about it.

    `desired` holds the specs without errors, by address; while `diagnostics` has errors they are
    not the whole. `composed` are all of them.
    """

    desired: tuple[Desired, ...] = ()
    composed: Mapping[Address, ComposedSpec] = field(
        default_factory=dict, repr=False, compare=False
    )
    check_again: Callable[[Deadline, Resolution], Loaded] | None = field(
        default=None, repr=False, compare=False
    )
    _narrowings: tuple[Callable[[str], bool], ...] = field(default=(), repr=False, compare=False)

    @property
    def ids(self) -> dict[str, str]:
        """The id of each project that a spec gives by a name that is resolved."""
        return {str(name): id_ for name, id_ in self.names.items() if not is_placeholder(id_)}

    def resolved(self, resolution: Resolution, deadline: Deadline) -> Loaded:
        """The same with what names of projects mean: nothing is read again, all is checked again.

        What a policy or another spec says may depend on the project that a name turns out to be.
        """
        if self.check_again is None:
            return self
        loaded = self.check_again(deadline, resolution)
        for is_chosen in self._narrowings:
            loaded = loaded.narrow(is_chosen)
        return loaded

    @property
    def workloads(self) -> Collection[AddressKey]:
        """The specs without errors."""
        return [(spec.address.project, spec.address.name) for spec in self.desired]

    @property
    def own_files(self) -> Mapping[AddressKey, str]:
        """The file of each spec, also of one with errors."""
        return {
            (address.project, address.name): spec.document.source.file
            for address, spec in self.composed.items()
        }

    def files_of(self, key: AddressKey) -> Collection[str]:
        """All files that parts of a spec come from."""
        project, name = key
        return self.composed[Address(project=project, name=name)].files

    def _only(self, chosen: Collection[AddressKey]) -> Loaded:
        desired = (
            spec for spec in self.desired if (spec.address.project, spec.address.name) in chosen
        )
        return replace(self, desired=tuple(desired))

    def narrow(self, is_chosen: Callable[[str], bool]) -> Loaded:
        """Narrow to the specs made of files that are chosen, also once names are resolved."""
        narrowed = CheckedSpecs.narrow(self, is_chosen)
        return replace(narrowed, _narrowings=(*self._narrowings, is_chosen))

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

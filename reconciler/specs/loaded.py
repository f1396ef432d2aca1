"""A loaded repository: its specs, and where each part of them was written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from typing import Any

from reconciler.core.model import Address, Desired
from reconciler.core.projects.names import is_placeholder
from reconciler.core.projects.resolution import Resolution
from reconciler.errors import InvalidInputError, Where
from reconciler.specs.checked import AddressKey, CheckedSpecs
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.opening import SpecOpener
from reconciler.specs.rules.checks import effective
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.nodes import place_of_value, resolve_steps
from reconciler.specs.verdicts import SpecFacts
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(CheckedSpecs):
    """The specs that a repository declares, and the diagnostics about it.

    `desired` holds the specs without errors, by address; while `diagnostics` has errors they are
    not the whole. `declared` is what is known of all of them, and the `opener` reads one again that
    has to say where its parts are written.
    """

    desired: tuple[Desired, ...] = ()
    declared: Mapping[AddressKey, SpecFacts] = field(
        default_factory=dict, repr=False, compare=False
    )
    opener: SpecOpener | None = field(default=None, repr=False, compare=False)
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
        return {key: facts.file for key, facts in self.declared.items()}

    def files_of(self, key: AddressKey) -> Collection[str]:
        """All files that parts of a spec come from."""
        return self.opener.files_of(self.declared[key]) if self.opener else ()

    def _only(self, chosen: Collection[AddressKey]) -> Loaded:
        desired = (
            spec for spec in self.desired if (spec.address.project, spec.address.name) in chosen
        )
        return replace(self, desired=tuple(desired))

    def narrow(self, is_chosen: Callable[[str], bool]) -> Loaded:
        """Narrow to the specs made of files that are chosen, also once names are resolved."""
        narrowed = CheckedSpecs.narrow(self, is_chosen)
        return replace(narrowed, _narrowings=(*self._narrowings, is_chosen))

    def is_named(self, address: Address) -> bool:
        """Whether the spec with this address gives its project by a name."""
        facts = self.declared.get((address.project, address.name))
        return facts is not None and bool(facts.named)

    def locate(self, address: Address, pointer: str) -> Where:
        """Find where a part of an effective spec is written, or the nearest part above it.

        Raises KeyError for an address that no spec declares, and where its files are others by now.
        """
        composed = self._open(address)
        if composed is None:
            raise KeyError(address)
        return place_of_value(composed.tree(), resolve_steps(composed.value, pointer)).where

    def written_at(self, address: Address, pointer: str) -> Where | None:
        """Where a part of an effective spec is written; None where no file writes it."""
        composed = self._open(address)
        if composed is None:
            return None
        value: Any = composed.value
        steps = resolve_steps(value, pointer)
        for step in steps:
            is_there = step in value if isinstance(value, dict) else isinstance(step, int)
            if not is_there:
                return None
            value = value[step]
        return place_of_value(composed.tree(), steps).where

    def as_written(self, spec: Desired) -> Desired:
        """The same spec with its keys in the order in which its author wrote them."""
        composed = self._open(spec.address)
        if composed is None:
            return spec
        value = effective(composed.value, spec.address)
        return replace(spec, metadata=value["metadata"], manifest=value[INLINE])

    def _open(self, address: Address) -> ComposedSpec | None:
        """A spec with its places, as long as its files still say what they said."""
        facts = self.declared.get((address.project, address.name))
        if facts is None or self.opener is None:
            return None
        try:
            composed = self.opener.reopen(facts)
        except InvalidInputError:
            return None
        at = bisect_left(self.desired, address, key=lambda spec: spec.address)
        spec = next((spec for spec in self.desired[at : at + 1] if spec.address == address), None)
        if spec is None:
            return composed
        if not isinstance(composed.value.get("metadata"), dict):
            return None
        now = effective(composed.value, address)
        is_same = now["metadata"] == spec.metadata and now.get(INLINE) == spec.manifest
        return composed if is_same else None

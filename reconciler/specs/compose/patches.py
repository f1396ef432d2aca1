"""The patches of a repository: which of them reach a spec, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import combinations

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.core.json_pointer import join_steps
from reconciler.core.model import Address
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.compose.patching import Patch, first_overlap
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at, violation_diagnostics
from reconciler.specs.schema.compiled_schema import find_violations, shipped_schema
from reconciler.specs.source.nodes import place_of_value
from reconciler.specs.source.source_cache import SourceCache


class Patches:
    """The documents of all `_patches.yaml` files, in the order in which they are applied."""

    def __init__(self, files: Iterable[SourceFile], sources: SourceCache) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._patches: list[Patch] = []
        self._unused: set[int] = set()
        self._compared: set[tuple[int, ...]] = set()
        for file in files:
            self._patches += self._read(file, sources)
        self._unused.update(range(len(self._patches)))

    def __len__(self) -> int:
        return len(self._patches)

    def __getitem__(self, number: int) -> Patch:
        return self._patches[number]

    def lay_over(
        self, spec: ComposedSpec, address: Address | None, diagnostics: list[Diagnostic]
    ) -> ComposedSpec:
        """Apply to a spec what matches it as it is without any patch."""
        if not self._patches:
            return spec
        numbers = [n for n, patch in enumerate(self._patches) if _matches(patch, spec, address)]
        applied = [self._patches[number] for number in numbers]
        value = spec.value
        for patch in applied:
            value, unreachable = patch.apply(value)
            for path, reason in unreachable:
                name = spec.value["metadata"]["name"]
                message = f"the pointer leads nowhere in '{name}': {reason}"
                hint = "correct the pointer, or narrow 'match'"
                diagnostics.append(
                    diagnostic_at(
                        patch.tree,
                        "patch-misses",
                        message,
                        path,
                        hint=hint,
                        address=str(address or ""),
                    )
                )
        return spec._replace(value=value, patches=tuple(applied)) if applied else spec

    def numbers_of(self, applied: Sequence[Patch]) -> tuple[int, ...]:
        """Which of them were applied to a spec."""
        return tuple(n for n, patch in enumerate(self._patches) if any(patch is a for a in applied))

    def note_use(self, numbers: Sequence[int]) -> None:
        """Take note of what one spec matches; patches that write the same are warned of."""
        self._unused.difference_update(numbers)
        self._compare(numbers)

    def unused(self) -> Iterator[Diagnostic]:
        """Those that match no spec; only told where every spec could be read."""
        for number in sorted(self._unused):
            where = place_of_value(self._patches[number].tree, ["match"]).where
            hint = "correct 'match', or remove the patch"
            message = "the patch matches no spec"
            yield make_diagnostic("unused-patch", message, where, hint=hint)

    def _read(self, file: SourceFile, sources: SourceCache) -> Iterator[Patch]:
        reading = sources.read(file)
        schema = shipped_schema("patches")
        for document in reading.documents:
            violations = find_violations(schema, document.value)
            if violations:
                self.diagnostics += violation_diagnostics(violations, document.tree())
            elif not has_errors(reading.diagnostics):
                yield Patch(document=document)

    def _compare(self, numbers: Sequence[int]) -> None:
        """Warn of fields that two patches of one spec write: the later one decides."""
        for pair in combinations(numbers, 2):
            if pair in self._compared:
                continue
            self._compared.add(pair)
            earlier, later = (self._patches[number] for number in pair)
            if (overlap := first_overlap(earlier, later)) is None:
                continue
            field, first, second = overlap
            place = place_of_value(earlier.tree, first).where
            message = f"the patch at {place} writes '{join_steps(field)}' as well; this one decides"
            hint = "write it once, or narrow 'match' of one of them"
            self.diagnostics.append(
                diagnostic_at(later.tree, "patch-overlap", message, second, hint=hint)
            )


def _matches(patch: Patch, spec: ComposedSpec, address: Address | None) -> bool:
    wanted = patch.value["match"]
    metadata, manifest = spec.value.get("metadata"), spec.value.get(INLINE)
    if not (isinstance(metadata, dict) and isinstance(metadata.get("name"), str)):
        return False
    project = wanted.get("project")
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    return (
        fnmatchcase(metadata["name"], wanted.get("name", "*"))
        and wanted.get("kind", kind) == kind
        # By its alias or by its id, as the spec may be written either way.
        and (project is None or project in (metadata.get("project"), address and address.project))
    )

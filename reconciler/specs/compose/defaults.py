"""`_defaults.yaml` files: what every spec of a folder and below starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.specs.compose.manifest_integers import spec_value
from reconciler.specs.compose.merging import merge
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import violation_diagnostics
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.documents import Document
from reconciler.specs.source.source_cache import SourceCache


class DefaultsChain(NamedTuple):
    """The defaults that reach a folder, the root's first; `broken` if some could not be used."""

    value: dict[str, Any]
    layers: tuple[Document, ...] = ()
    broken: bool = False


class Defaults:
    """The defaults of a repository, merged once per folder."""

    def __init__(
        self,
        files: Iterable[SourceFile],
        sources: SourceCache,
        schemas: SpecSchemas,
        included: Sequence[str] = (),
    ) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._schemas = schemas
        self._included = included
        self._layers: dict[str, Document | None] = {}
        self._chains: dict[str, DefaultsChain] = {}
        for file in files:
            folder = file.name.rpartition("/")[0]
            self._layers[folder] = self._read(file, sources)

    def reaching(self, folder: str) -> DefaultsChain:
        """Return the defaults of a folder relative to the root, whose own name is empty.

        A folder that is included has the root's as well, as if it stood there: over its own of the
        same level, under those farther in.
        """
        chain = self._chains.get(folder)
        if chain is None:
            top = self._top_of(folder)
            is_top = folder == top
            chain = DefaultsChain(value={}) if is_top else self.reaching(folder.rpartition("/")[0])
            chain = self._extend(chain, folder)
            if top:
                chain = self._extend(chain, folder[len(top) :].removeprefix("/"))
            self._chains[folder] = chain
        return chain

    def _top_of(self, folder: str) -> str:
        """The included folder that a folder lies in, or the root's empty name."""
        return next((top for top in self._included if f"{folder}/".startswith(f"{top}/")), "")

    def _extend(self, chain: DefaultsChain, folder: str) -> DefaultsChain:
        layer = self._layers.get(folder)
        if layer is None:
            return chain._replace(broken=True) if folder in self._layers else chain
        return DefaultsChain(
            value=merge(chain.value, spec_value(layer)),
            layers=(*chain.layers, layer),
            broken=chain.broken,
        )

    def _read(self, file: SourceFile, sources: SourceCache) -> Document | None:
        """Return the one document of a file; None, with a diagnostic, where it cannot be used."""
        reading = sources.read(file)
        if not reading.documents:
            return None
        if len(reading.documents) > 1:
            second = reading.documents[1].where
            message = "a file of defaults must be one document"
            self.diagnostics.append(make_diagnostic("many-documents", message, second))
            return None
        document = reading.documents[0]
        if not isinstance(document.value, dict):
            message = "defaults must be a mapping, shaped like a spec"
            self.diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
            return None
        violations = self._schemas.find_violations("defaults", document.value)
        if violations:
            self.diagnostics.extend(violation_diagnostics(violations, document.tree()))
        return None if has_errors(reading.diagnostics) else document

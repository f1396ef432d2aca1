"""`_defaults.yaml` files: what every spec of a folder and below starts from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.specs.compose.merging import merge
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import violation_diagnostics
from reconciler.specs.schema.compiled_schema import find_violations, shipped_schema
from reconciler.specs.source.documents import Document
from reconciler.specs.source.source_cache import SourceCache


class DefaultsChain(NamedTuple):
    """The defaults that reach a folder, the root's first; `broken` if some could not be used."""

    value: dict[str, Any]
    layers: tuple[Document, ...] = ()
    broken: bool = False


class Defaults:
    """The defaults of a repository, merged once per folder."""

    def __init__(self, files: Iterable[SourceFile], library: SourceCache) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._layers: dict[str, Document | None] = {}
        self._chains: dict[str, DefaultsChain] = {}
        for file in files:
            folder = file.name.rpartition("/")[0]
            self._layers[folder] = self._read(file, library)

    def reaching(self, folder: str) -> DefaultsChain:
        """Return what holds in a folder, given relative to the root; the root itself is empty."""
        known = self._chains.get(folder)
        if known is None:
            above = self.reaching(folder.rpartition("/")[0]) if folder else DefaultsChain(value={})
            known = self._chains[folder] = self._extend(above, folder)
        return known

    def _extend(self, above: DefaultsChain, folder: str) -> DefaultsChain:
        if folder not in self._layers:
            return above
        layer = self._layers[folder]
        if layer is None:
            return DefaultsChain(layers=above.layers, value=above.value, broken=True)
        value = merge(above.value, layer.value)
        return DefaultsChain(layers=(*above.layers, layer), value=value, broken=above.broken)

    def _read(self, file: SourceFile, library: SourceCache) -> Document | None:
        """Return the one document of a file; None, with a finding, where it cannot be used."""
        reading = library.read(file)
        if not reading.documents:
            return None
        if len(reading.documents) > 1:
            second = reading.documents[1].where
            self.diagnostics.append(
                make_diagnostic("many-documents", "defaults are one document", second)
            )
            return None
        document = reading.documents[0]
        if not isinstance(document.value, dict):
            message = "defaults are a mapping, shaped like a spec"
            self.diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
            return None
        breaches = find_violations(shipped_schema("defaults"), document.value)
        self.diagnostics.extend(
            violation_diagnostics(breaches, document.tree()) if breaches else ()
        )
        return None if has_errors(reading.diagnostics) else document

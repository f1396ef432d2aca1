"""The schemas of kinds that `schema import-crd` wrote, and that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.config import Config, name_below
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas, compile_crd
from reconciler.specs.kubernetes.outlines import Outlines
from reconciler.specs.kubernetes.structure import definitions
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.compiled_schema import CompiledSchema
from reconciler.specs.schema.imported_schemas import (
    crd_files,
    problem_with_schema,
    without_unknown_patterns,
)
from reconciler.specs.source.fileaccess import ReadBoundary, ReadFailure
from reconciler.specs.source.source_cache import read_data

_WAY_OUT = "write it with: reconciler schema import-crd FILE --out DIR"


def load_object_schemas(config: Config, root: Path, diagnostics: list[Diagnostic]) -> ObjectSchemas:
    """The schemas of a run's objects; what is wrong with imported ones goes to `diagnostics`."""
    return ObjectSchemas(
        imported=dict(_load_all(config, root, diagnostics)),
        lenient=config.lenient,
        outlines=None if config.crds else Outlines(),
    )


def _load_all(
    config: Config, root: Path, diagnostics: list[Diagnostic]
) -> Iterator[tuple[tuple[str, str], CompiledSchema]]:
    if config.crds is None or config.path is None:
        return
    # Around the configuration: its folder may lead no further than that one's checkout.
    boundary = ReadBoundary.around(config.path.parent)
    files = crd_files(config)
    if not files:
        message = f"there is no schema of a kind in '{config.crds}'"
        where = config.where["crds"]
        diagnostics.append(make_diagnostic("bad-schema", message, where, hint=_WAY_OUT))
    for path in files:
        name = name_below(path, root)
        data = boundary.read(path)
        if isinstance(data, ReadFailure):
            diagnostics.append(data.at(config.where["crds"], f"'{name}'"))
            continue
        reading = read_data(data, name)
        diagnostics.extend(reading.diagnostics)
        if reading.broken or len(reading.documents) != 1:
            continue
        schema = without_unknown_patterns(reading.documents[0].value)
        if problem := _problem_with(schema):
            message = f"this cannot be used as a schema of a kind: {problem}"
            where = Where(file=name)
            diagnostics.append(make_diagnostic("bad-schema", message, where, hint=_WAY_OUT))
            continue
        version, _, kind = schema["title"].partition(" ")
        yield (version, kind), compile_crd(schema)


def _problem_with(schema: Any) -> str:
    if problem := problem_with_schema(schema, definitions()):
        return problem
    title = schema.get("title")
    if not isinstance(title, str) or len(title.split(" ")) != 2:
        return "its title is not an apiVersion and a kind"
    if not isinstance(schema.get("$defs"), Mapping):
        return "it has no '$defs'"
    return ""

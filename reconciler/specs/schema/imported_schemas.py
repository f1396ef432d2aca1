"""The schemas that `schema import` wrote, and that `schemas` in the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.protocol.capabilities import KNOWN_VERSIONS, capabilities_of
from reconciler.errors import Where
from reconciler.resources import SUFFIX, load_schema
from reconciler.specs.config import Config, name_below
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.compiled_schema import CompiledSchema
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.fileaccess import ReadBoundary, ReadFailure, absolute
from reconciler.specs.source.source_cache import read_data

_NAMES = ("spec", "defaults")
# What `schema import` writes beside the schemas: the document that they follow from.
_DOCUMENTS, _DOCUMENT = "openapi", "workloads-v2-"
_DEFS = "#/$defs/"
# What CRDs say of an amount of a resource; it has no way to go back.
_QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_WAY_OUT = "write it with: reconciler schema import FILE --out DIR"


def load_schemas(config: Config, root: Path, diagnostics: list[Diagnostic]) -> SpecSchemas:
    """The schemas that a configuration asks for; what is wrong is added to `diagnostics`."""
    folder = schemas_folder_of(config)
    if folder is None:
        return SpecSchemas.of_version(config.api_version)
    imported = {
        name: schema
        for name in _NAMES
        if (schema := _load(folder / f"{name}{SUFFIX}", config, root, diagnostics)) is not None
    }
    return SpecSchemas.of_version(
        config.api_version, imported if len(imported) == len(_NAMES) else None
    )


def schemas_folder_of(config: Config) -> Path | None:
    """The folder that a configuration names."""
    if config.schemas is None or config.path is None:
        return None
    return absolute(config.path.parent / config.schemas)


def crd_files(config: Config) -> list[Path]:
    """The files in the folder of the schemas of kinds that a configuration names."""
    if config.crds is None or config.path is None:
        return []
    folder = absolute(config.path.parent / config.crds)
    return [path for path in _entries(folder) if path.name.endswith(".json")]


def imported_files(config: Config) -> list[str]:
    """The real paths of what `schema import` and `import-crd` wrote: files that are no specs.

    Not the folder as a whole: what else lies there is declared as ever, and is not removed by a
    line of the configuration.
    """
    paths = crd_files(config)
    if (folder := schemas_folder_of(config)) is not None:
        paths += [path for path in _entries(folder) if path.name.endswith(SUFFIX)]
        documents = _entries(folder / _DOCUMENTS)
        paths += [path for path in documents if path.name.startswith(_DOCUMENT)]
    reals = (ReadBoundary.around(path.parent).resolve(path) for path in paths)
    return [real for real in reals if isinstance(real, str)]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        # Who reads the schemas says so.
        return []


def _load(
    path: Path, config: Config, root: Path, diagnostics: list[Diagnostic]
) -> CompiledSchema | None:
    name, where = name_below(path, root), config.where["schemas"]
    # Around the configuration, not the path: it may lead no further than that one's checkout.
    boundary = ReadBoundary.around(config.path.parent if config.path else root)
    data = boundary.read(path)
    if isinstance(data, ReadFailure):
        diagnostics.append(data._replace(hint=data.hint or _WAY_OUT).at(where, f"'{name}'"))
        return None
    reading = read_data(data, name)
    diagnostics.extend(reading.diagnostics)
    if reading.broken or len(reading.documents) != 1:
        return None
    schema = without_unknown_patterns(reading.documents[0].value)
    problem = problem_with_schema(schema)
    if problem:
        message = f"this cannot be used as a schema of specs: {problem}"
        diagnostics.append(make_diagnostic("bad-schema", message, Where(file=name), hint=_WAY_OUT))
        return None
    return CompiledSchema(schema)


def problem_with_schema(schema: Any, known: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Why a schema cannot be used, or nothing; `known` are definitions that it may refer to."""
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(schema, dict):
        return "it is not a mapping"
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        return f"it is not a valid JSON Schema: {getattr(error, 'message', 'it nests too deeply')}"
    definitions = {**schema.get("$defs", {}), **known}
    for keyword, value in _walk(schema):
        if keyword in ("$dynamicRef", "$id") and value != schema.get("$id"):
            return f"it uses '{keyword}'"
        if keyword == "$ref" and _target(value) not in definitions:
            return f"nothing is defined at '{value}'"
    for name in schema.get("$defs", {}):
        if _leads_back(name, definitions):
            return f"'{_DEFS}{name}' refers to itself"
    return ""


def _leads_back(name: str, definitions: dict[str, Any]) -> bool:
    """Whether following references from a definition leads to it again: no field of specs does."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for keyword, value in _walk(definitions[waiting.pop()]):
            target = _target(value)
            if keyword == "$ref" and target == name:
                return True
            if keyword == "$ref" and target not in seen:
                seen.add(target)
                waiting.append(target)
    return False


def _target(reference: Any) -> str:
    """The definition that a reference leads to, or into."""
    return str(reference).removeprefix(_DEFS).partition("/properties/")[0]


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key of every mapping in a schema with its value."""
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            yield from part.items()
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)


def without_unknown_patterns(value: Any) -> Any:
    """Leave out the patterns that the shipped schemas do not have.

    A regular expression can keep Python busy for years, and nothing interrupts it; this file may be
    a stranger's, and the server checks names itself.
    """
    if isinstance(value, list):
        return [without_unknown_patterns(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_unknown_patterns(part)
        for key, part in value.items()
        if key != "patternProperties"
        and not (key == "pattern" and isinstance(part, str) and part not in _known_patterns())
    }


@cache
def _known_patterns() -> frozenset[str]:
    folders = {capabilities_of(version).schema_folder for version in KNOWN_VERSIONS}
    schemas = [load_schema(name, folder) for name in _NAMES for folder in folders]
    return frozenset(
        {
            value
            for schema in schemas
            for key, value in _walk(schema)
            if key == "pattern" and isinstance(value, str)
        }
        | {_QUANTITY}
    )

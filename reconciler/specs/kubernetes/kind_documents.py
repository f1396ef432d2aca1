"""The schemas of kinds as documents that stand by themselves, for people and editors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.kinds.registry import KINDS
from reconciler.resources import crd_text
from reconciler.specs.config import Config
from reconciler.specs.kubernetes.imported_kinds import load_object_schemas
from reconciler.specs.kubernetes.structure import ORIGIN, core_shapes

_DEFS = "#/$defs/"


class KindDocument(NamedTuple):
    """The schema of one kind in one version, and what it is taken from."""

    api_version: str
    kind: str
    schema: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """The release, or the definition, that the schema follows."""
        return str(self.schema.get(ORIGIN))

    def text(self) -> str:
        """The schema as JSON, with the definitions that it needs and no others."""
        needed: dict[str, Any] = {}
        definitions = self.schema["$defs"]
        waiting = list(_references({**self.schema, "$defs": {}}))
        while waiting:
            if (name := waiting.pop()) not in needed:
                needed[name] = definitions[name]
                waiting += _references(definitions[name])
        return json.dumps({**self.schema, "$defs": dict(sorted(needed.items()))}, indent=2)


def kind_documents(config: Config, root: Path, diagnostics: list[Diagnostic]) -> list[KindDocument]:
    """The kinds whose schema is known here: imported, of operators, and of Kubernetes.

    An imported one stands for a shipped one of the same name; what is wrong with the folder that
    `crds` names is added to `diagnostics`.
    """
    imported = load_object_schemas(config, root, diagnostics).imported
    known = {key: compiled.schema for key, compiled in imported.items()}
    for key, schema in _shipped():
        known.setdefault(key, schema)
    return [KindDocument(*name, known[name]) for name in sorted(known)]


def _shipped() -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    shapes = core_shapes().definitions
    for kind in KINDS.values():
        for version in kind.api_versions:
            if kind.is_core:
                origin = shapes[kind.name][ORIGIN]
                schema = {"$ref": f"{_DEFS}{kind.name}", ORIGIN: origin, "$defs": shapes}
                yield (version, kind.name), schema
            elif (text := crd_text(version, kind.name)) is not None:
                own = json.loads(text)
                yield (version, kind.name), {**own, "$defs": {**own["$defs"], **shapes}}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.removeprefix(_DEFS).partition("/properties/")[0]
        for part in value.values():
            yield from _references(part)

"""The schemas of whole objects: those of core kinds, of operators' kinds, and imported ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from reconciler.kinds.kind import Kind
from reconciler.resources import crd_text
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.outlines import Outlines
from reconciler.specs.kubernetes.structure import (
    check_structure,
    core_shapes,
    definition_schema,
)
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import CompiledSchema

# Where steps run later, fields may hold templates of what the limits of pods speak about.
_FILLED_IN_LATER = frozenset({"argoproj.io", "tekton.dev", "workspace.devfile.io"})


class ObjectSchemas(NamedTuple):
    """The schemas that the objects of a run are held to.

    `imported` are those of a repository by apiVersion and kind, which go before the shipped ones.
    `lenient` makes a warning of a field that a schema does not have. `outlines` are None where
    schemas may ask for more of texts than the shipped ones.
    """

    imported: Mapping[tuple[str, str], CompiledSchema] = {}
    lenient: bool = False
    outlines: Outlines | None = None

    def check(self, context: CheckContext, manifest: Mapping[str, Any], kind: Kind | None) -> None:
        """Report where an object is not as its schema says; of any object, its metadata."""
        version, name = manifest.get("apiVersion"), manifest.get("kind")
        schema = None
        if isinstance(version, str) and isinstance(name, str):
            schema = self.imported.get((version, name))
        if schema is None and kind is not None:
            schema = object_schema(str(version), kind)
        if schema is not None:
            check_structure(context, manifest, (INLINE,), schema, lenient=self.lenient)
        elif (metadata := manifest.get("metadata")) is not None:
            check_structure(
                context,
                metadata,
                (INLINE, "metadata"),
                definition_schema("ObjectMeta"),
                lenient=self.lenient,
            )


def object_schema(version: str, kind: Kind) -> CompiledSchema | None:
    """The shipped schema of the objects of a kind; None where nobody publishes one."""
    if kind.is_core:
        return definition_schema(kind.name)
    if version not in kind.api_versions:
        version = kind.api_versions[-1]
    return _crd_schema(version, kind.name, limited=kind.group not in _FILLED_IN_LATER)


@cache
def _crd_schema(version: str, name: str, *, limited: bool) -> CompiledSchema | None:
    # A few kinds belong to services that publish none.
    text = crd_text(version, name)
    return None if text is None else compile_crd(json.loads(text), limited=limited)


def compile_crd(schema: Mapping[str, Any], *, limited: bool = True) -> CompiledSchema:
    """Compile the schema of a custom kind, which refers to Kubernetes' definitions for pods."""
    core = core_shapes(limited=limited)
    known = {**schema["$defs"], **core.definitions}
    return CompiledSchema({**schema, "$defs": known}, core.prechecks)

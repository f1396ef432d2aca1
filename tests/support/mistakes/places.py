"""The parts of a manifest with what its schema says of each, to choose where to make a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from reconciler.kinds.registry import registered_kind
from reconciler.specs.kubernetes.object_schemas import object_schema

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = dict[str, Any]


class Place(NamedTuple):
    """One part of a manifest: its path, what holds it, and the schemas of both."""

    path: Path
    holder: Any
    schema: Schema
    holder_schema: Schema

    @property
    def key(self) -> Any:
        """The last step of the path."""
        return self.path[-1]

    @property
    def value(self) -> Any:
        """The part itself."""
        return self.holder[self.key]

    @property
    def is_closed(self) -> bool:
        """Whether the mapping around it has the fields of its schema and no others."""
        return self.holder_schema.get("additionalProperties") is False

    @property
    def is_required(self) -> bool:
        """Whether it may not be left out."""
        return self.key in self.holder_schema.get("required", ())

    @property
    def types(self) -> tuple[str, ...]:
        """The types that the schema takes, none where it says nothing."""
        types = self.schema.get("type", ())
        return (types,) if isinstance(types, str) else tuple(types)


def places(manifest: Any) -> list[Place]:
    """Every part of a manifest of a registered kind whose holder's schema is known."""
    kind = registered_kind(manifest)
    assert kind
    compiled = object_schema(manifest["apiVersion"], kind)
    assert compiled
    root = compiled.schema
    return list(_walk(manifest, _resolve(root, root), root, ()))


def _walk(value: Any, schema: Schema, root: Schema, path: Path) -> Iterator[Place]:
    parts = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value) if isinstance(value, list) else parts:
        if isinstance(value, list):
            below = schema.get("items")
        else:
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if not isinstance(below, dict):
            continue
        resolved = _resolve(below, root)
        yield Place((*path, key), value, resolved, schema)
        yield from _walk(part, resolved, root, (*path, key))


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def is_in_pod(path: Path) -> bool:
    """Whether a path leads into a pod, whichever way its kind writes one."""
    return not {"containers", "initContainers", "container", "mainContainer"}.isdisjoint(path) or (
        "template" in path and path[path.index("template") :][1:2] in (("spec",), ("metadata",))
    )

"""The overlay: which schemas are derived, from what, and the rules that the document leaves out.

A rule is a JSON merge patch (RFC 7396) on a derived schema: what is null is taken away, objects
merge, everything else replaces. An object with `x-if-present: true` only merges into what is there:
the documents of older versions lack some fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError
from reconciler.openapi.translate import as_object
from reconciler.openapi.walk import Schema
from reconciler.values import dataclass

IF_PRESENT = "x-if-present"
_KEYS = frozenset(
    {"title", "description", "component", "at", "named", "optional", "extends", "patch"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one schema is made: from an OpenAPI component, or from a schema derived before it.

    `at` is the JSON pointer of the same schema in a document that has it inline or under another
    name. `named` are definitions with the pointers at which the schema refers to them: they get
    these names, whatever the document calls them. An `optional` schema is left out where the
    document describes nothing of the kind.
    """

    name: str
    title: str
    description: str
    component: str | None
    extends: str | None
    patch: Mapping[str, Any]
    at: str = ""
    named: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False


def read_recipes(overlay: object) -> tuple[Recipe, ...]:
    """Return an overlay's recipes in their order; raises InvalidInputError, naming the place."""
    schemas = as_object(overlay, "overlay").get("schemas")
    recipes: dict[str, Recipe] = {}
    for name, value in as_object(schemas, "overlay#/schemas").items():
        at = f"overlay#/schemas/{escape_step(name)}"
        fields = as_object(value, at)
        if unknown := sorted(fields.keys() - _KEYS):
            raise InvalidInputError(f"{at}: unknown key '{unknown[0]}'")
        if ("component" in fields) == ("extends" in fields):
            raise InvalidInputError(f"{at}: exactly one of 'component' and 'extends' is needed")
        # Only schemas before this one, so that none can extend itself over others.
        if (extends := fields.get("extends")) is not None and extends not in [*recipes]:
            raise InvalidInputError(
                f"{at}/extends: no schema before this one is called {extends!r}"
            )
        recipes[name] = Recipe(
            name=name,
            title=_text(fields, "title", at),
            description=_text(fields, "description", at),
            component=_text(fields, "component", at) if "component" in fields else None,
            extends=extends,
            patch=as_object(fields.get("patch", {}), f"{at}/patch"),
            at=_text(fields, "at", at) if "at" in fields else "",
            named=as_object(fields.get("named", {}), f"{at}/named"),
            optional=fields.get("optional") is True,
        )
    return tuple(recipes.values())


def merge(target: Schema, patch: Mapping[str, Any], at: str) -> Schema:
    """Return the schema with a merge patch applied.

    Raises InvalidInputError where the patch takes away what is not there: the document has
    changed under the overlay.
    """
    merged = dict(target)
    for key, value in patch.items():
        key_at = f"{at}/{escape_step(key)}"
        if key == IF_PRESENT:
            continue
        if value is None:
            if key not in merged:
                raise InvalidInputError(f"{key_at}: the overlay takes away what is not there")
            del merged[key]
        elif isinstance(value, Mapping):
            if value.get(IF_PRESENT) is True and key not in merged:
                continue
            inner = merged.get(key)
            merged[key] = merge(inner if isinstance(inner, dict) else {}, value, key_at)
        else:
            merged[key] = value
    return merged


def _text(fields: Mapping[str, Any], key: str, at: str) -> str:
    text = fields.get(key)
    if not isinstance(text, str) or not text:
        raise InvalidInputError(f"{at}/{key}: expected a text")
    return text

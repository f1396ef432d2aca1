"""The overlay: which schemas are derived, from what, and the rules that the document leaves out.

A rule is a JSON merge patch (RFC 7396) on a derived schema: what is null is taken away, objects
merge, everything else replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError
from reconciler.openapi.translate import as_object
from reconciler.openapi.walk import Schema

_KEYS = frozenset({"title", "description", "component", "extends", "patch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one schema is made: from an OpenAPI component, or from a schema derived before it."""

    name: str
    title: str
    description: str
    component: str | None
    extends: str | None
    patch: Mapping[str, Any]


def read_recipes(overlay: object) -> tuple[Recipe, ...]:
    """Return an overlay's recipes in their order; raises InvalidInputError, naming the place."""
    schemas = as_object(overlay, "overlay").get("schemas")
    recipes: list[Recipe] = []
    for name, value in as_object(schemas, "overlay#/schemas").items():
        recipes.append(_recipe(name, value, tuple(recipe.name for recipe in recipes)))
    return tuple(recipes)


def merge(target: Schema, patch: Mapping[str, Any], at: str) -> Schema:
    """Return the schema with a merge patch applied.

    Raises InvalidInputError where the patch takes away what is not there: the document has
    changed under the overlay.
    """
    merged = dict(target)
    for key, value in patch.items():
        here = f"{at}/{escape_step(key)}"
        if value is None:
            _remove(merged, key, here)
        elif isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = merge(inner if isinstance(inner, dict) else {}, value, here)
        else:
            merged[key] = value
    return merged


def _remove(merged: Schema, key: str, at: str) -> None:
    if key not in merged:
        raise InvalidInputError(f"{at}: the overlay takes away what is not there")
    del merged[key]


def _recipe(name: str, value: object, before: tuple[str, ...]) -> Recipe:
    at = f"overlay#/schemas/{escape_step(name)}"
    given = as_object(value, at)
    if unknown := sorted(given.keys() - _KEYS):
        raise InvalidInputError(f"{at}: unknown key '{unknown[0]}'")
    if ("component" in given) == ("extends" in given):
        raise InvalidInputError(f"{at}: exactly one of 'component' and 'extends' is needed")
    if (extends := given.get("extends")) is not None and extends not in before:
        raise InvalidInputError(f"{at}/extends: no schema before this one is called {extends!r}")
    return Recipe(
        name=name,
        title=_text(given, "title", at),
        description=_text(given, "description", at),
        component=_text(given, "component", at) if "component" in given else None,
        extends=extends,
        patch=as_object(given.get("patch", {}), f"{at}/patch"),
    )


def _text(given: Mapping[str, Any], key: str, at: str) -> str:
    text = given.get(key)
    if not isinstance(text, str) or not text:
        raise InvalidInputError(f"{at}/{key}: expected a text")
    return text

"""OpenAPI document and overlay in, standalone JSON Schemas (draft 2020-12) out: values only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.json_pointer import escape_step, join_steps
from reconciler.errors import InvalidInputError
from reconciler.openapi.overlay import Recipe, merge, read_recipes
from reconciler.openapi.translate import COMPONENTS, as_object, translate
from reconciler.openapi.walk import DEFS, Schema, reachable, references

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def derive(document: object, overlay: object) -> dict[str, Schema]:
    """Return every schema that the overlay asks for, by name.

    Raises InvalidInputError, naming the place, for a document or an overlay that cannot be
    followed to the letter.
    """
    version = document_version(document)
    bodies: dict[str, Schema] = {}
    for recipe in read_recipes(overlay):
        base = (
            bodies[recipe.extends]
            if recipe.extends
            else standalone(document, str(recipe.component))
        )
        bodies[recipe.name] = merge(base, recipe.patch, f"overlay#/schemas/{recipe.name}/patch")
    return {
        recipe.name: _complete(recipe, bodies[recipe.name], version)
        for recipe in read_recipes(overlay)
    }


def standalone(document: object, component: str) -> Schema:
    """Translate one component together with all that it refers to, kept under `$defs`.

    Raises InvalidInputError, naming the JSON pointer, for whatever has no exact translation.
    """
    components = as_object(_section(document, "components", "schemas"), COMPONENTS)
    root = _component(components, component)
    definitions: dict[str, Schema] = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop().removeprefix(DEFS)
        if name not in definitions:
            definitions[name] = _component(components, name)
            waiting.extend(references(definitions[name]))
    # In the document's order, whichever was referred to first: a change moves no other part.
    ordered = {name: definitions[name] for name in components if name in definitions}
    return root | ({"$defs": ordered} if ordered else {})


def document_version(document: object) -> str:
    """Return which version of the API an OpenAPI 3.0 document describes.

    Raises InvalidInputError where it does not say so, or speaks another OpenAPI.
    """
    dialect = as_object(document, "OpenAPI document").get("openapi")
    if not isinstance(dialect, str) or not dialect.startswith("3.0."):
        raise InvalidInputError(
            f"#/openapi: expected an OpenAPI 3.0 document, found {dialect!r}",
            hint="later versions speak JSON Schema already, earlier ones another language",
        )
    version = as_object(_section(document, "info"), "#/info").get("version")
    if not isinstance(version, str):
        raise InvalidInputError(
            "#/info/version: the document does not say which API it describes",
            hint="the version is a string, in YAML also where it looks like a number: quote it",
        )
    return version


def write_schema(schema: Schema) -> str:
    """Write a schema down: two spaces deep, keys as they were stated, one newline at the end."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _component(components: Mapping[str, Any], name: str) -> Schema:
    at = f"{COMPONENTS}/{escape_step(name)}"
    if name not in components:
        raise InvalidInputError(f"{at}: the OpenAPI document has no such component")
    return translate(components[name], at)


def _complete(recipe: Recipe, body: Schema, version: str) -> Schema:
    """Put the head of a schema before its body; raises InvalidInputError if it is not valid."""
    from jsonschema import Draft202012Validator, SchemaError

    name = recipe.name
    defined, undefined = reachable(body)
    if undefined:
        raise InvalidInputError(
            f"overlay#/schemas/{name}: nothing is defined at {min(undefined)!r}"
        )
    # A definition that nothing refers to any more is a rule that no longer holds, unnoticed.
    if unused := sorted(body.get("$defs", {}).keys() - defined):
        raise InvalidInputError(
            f"overlay#/schemas/{name}/patch/$defs/{unused[0]}: nothing refers to it",
            hint="the OpenAPI document may have renamed it; drop it with null if that is meant",
        )
    head = {
        "$schema": DIALECT,
        "$id": f"urn:workload-reconciler:schema:{name}:{version}",
        "$comment": "Derived from the API's OpenAPI document and overlay.json; "
        "change those, then run `reconciler schema derive`.",
        "title": recipe.title,
        "description": recipe.description,
    }
    # The definitions come last, so that a reader meets the document's own structure first.
    own = {key: value for key, value in body.items() if key not in head and key != "$defs"}
    schema = head | own | {"$defs": body["$defs"]} if "$defs" in body else head | own
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidInputError(
            f"{name}#{join_steps(error.absolute_path)}: not a valid JSON Schema: {error.message}",
            hint="look for this place in the OpenAPI document and in the overlay",
        ) from error
    return schema


def _section(document: object, *path: str) -> object:
    value, at = document, "#"
    for key in path:
        value = as_object(value, at).get(key)
        at = f"{at}/{key}"
        if value is None:
            raise InvalidInputError(f"{at}: the OpenAPI document has no such section")
    return value

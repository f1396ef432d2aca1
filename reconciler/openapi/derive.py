"""OpenAPI document and overlay in, standalone JSON Schemas (draft 2020-12) out: values only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from reconciler.core.json_pointer import escape_step, join_steps, split_pointer
from reconciler.errors import InvalidInputError
from reconciler.openapi.overlay import Recipe, merge, read_recipes
from reconciler.openapi.translate import COMPONENTS, as_object, translate
from reconciler.openapi.translate31 import translate_3_1
from reconciler.openapi.walk import DEFS, Schema, reachable, references

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Translate = Callable[[object, str], Schema]

_TRANSLATORS: Mapping[str, Translate] = {"3.0.": translate, "3.1.": translate_3_1}
# A chain of references that is longer leads round in a circle.
_MOST_REFERENCES = 20


def derive(document: object, overlay: object) -> dict[str, Schema]:
    """Return every schema that the overlay asks for, by name.

    Raises InvalidInputError, naming the place, for a document or an overlay that cannot be
    followed to the letter.
    """
    version = document_version(document)
    recipes = read_recipes(overlay)
    bodies: dict[str, Schema] = {}
    for recipe in recipes:
        base = bodies.get(recipe.extends) if recipe.extends else _base_of(recipe, document)
        if base is not None:
            at = f"overlay#/schemas/{recipe.name}"
            base = _with_names(base, recipe.named, f"{at}/named")
            bodies[recipe.name] = merge(base, recipe.patch, f"{at}/patch")
    return {
        recipe.name: _complete(recipe, bodies[recipe.name], version)
        for recipe in recipes
        if recipe.name in bodies
    }


def standalone(document: object, component: str) -> Schema:
    """Translate one component together with all that it refers to, kept under `$defs`.

    Raises InvalidInputError, naming the JSON pointer, for whatever has no exact translation.
    """
    at = f"{COMPONENTS}/{escape_step(component)}"
    components = as_object(_section(document, "components", "schemas"), COMPONENTS)
    if component not in components:
        raise InvalidInputError(f"{at}: the OpenAPI document has no such component")
    return _standalone(document, components[component], at)


def document_version(document: object) -> str:
    """Return which version of the API an OpenAPI document of 3.0 or 3.1 describes.

    Raises InvalidInputError where it does not say so, or speaks another OpenAPI.
    """
    _translator(document)
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


def _translator(document: object) -> Translate:
    openapi = as_object(document, "OpenAPI document").get("openapi")
    for prefix, translator in _TRANSLATORS.items():
        if isinstance(openapi, str) and openapi.startswith(prefix):
            return translator
    raise InvalidInputError(
        f"#/openapi: expected an OpenAPI document of 3.0 or 3.1, found {openapi!r}",
        hint="earlier versions describe schemas in another language",
    )


def _base_of(recipe: Recipe, document: object) -> Schema | None:
    """What a recipe begins with; None for an optional one of which the document has nothing."""
    component = str(recipe.component)
    components = _find(document, COMPONENTS.removeprefix("#"))
    if not (isinstance(components, Mapping) and component in components) and recipe.at:
        inline = _find(document, recipe.at)
        if inline is not None:
            return _standalone(document, inline, f"#{recipe.at}")
        if recipe.optional:
            return None
    return standalone(document, component)


def _standalone(document: object, schema: object, at: str) -> Schema:
    translator = _translator(document)
    components = _find(document, COMPONENTS.removeprefix("#"))
    components = components if isinstance(components, Mapping) else {}
    root = translator(as_object(schema, at), at)
    definitions: dict[str, Schema] = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop().removeprefix(DEFS)
        if name not in definitions:
            name_at = f"{COMPONENTS}/{escape_step(name)}"
            if name not in components:
                raise InvalidInputError(f"{name_at}: the OpenAPI document has no such component")
            definitions[name] = translator(components[name], name_at)
            waiting.extend(references(definitions[name]))
    # In the document's order, whichever was referred to first: a change moves no other part.
    ordered = {name: definitions[name] for name in components if name in definitions}
    return root | ({"$defs": ordered} if ordered else {})


def _find(document: object, pointer: str) -> object | None:
    """What a JSON pointer leads to, through references; None where it leads nowhere."""
    value: object | None = document
    for step in split_pointer(pointer):
        value = _follow(document, value)
        value = value.get(step) if isinstance(value, Mapping) else None
    return _follow(document, value)


def _follow(document: object, value: object | None) -> object | None:
    """What a reference refers to, or the value itself where it is none; None for a circle."""
    for _ in range(_MOST_REFERENCES):
        reference = value.get("$ref") if isinstance(value, Mapping) else None
        if not (isinstance(reference, str) and reference.startswith("#/")):
            return value
        value = document
        for step in split_pointer(reference.removeprefix("#")):
            value = value.get(step) if isinstance(value, Mapping) else None
    return None


def _with_names(schema: Schema, names: Mapping[str, str], at: str) -> Schema:
    """Give definitions the names by which the overlay speaks of them.

    Publishers number their components, and write some of them where they are used; the next
    version may do otherwise. Raises InvalidInputError where nothing is at the place of a name.
    """
    if not names:
        return schema
    schema = json.loads(json.dumps(schema))
    definitions: Schema = schema.get("$defs", {})
    for name, pointer in names.items():
        steps = split_pointer(pointer)
        holder = _find({**schema, "$defs": definitions}, join_steps(steps[:-1]))
        part = holder.get(steps[-1]) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or not isinstance(part, dict):
            raise InvalidInputError(f"{at}/{escape_step(name)}: the document has nothing there")
        former = str(part.get("$ref", "")).removeprefix(DEFS)
        if former == name:
            continue
        if name in definitions:
            raise InvalidInputError(f"{at}/{escape_step(name)}: the document means something else")
        definitions[name] = definitions[former] if former else part
        holder[steps[-1]] = {**(part if former else {}), "$ref": DEFS + name}
    used, _ = reachable({**schema, "$defs": definitions})
    return schema | {"$defs": {name: value for name, value in definitions.items() if name in used}}


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

"""Takes Schema Objects of OpenAPI 3.1 over as JSON Schema draft 2020-12, which they are already.

What is left to do: references lead into `$defs`, and what OpenAPI adds to the language goes.
"""

from __future__ import annotations

from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError
from reconciler.openapi.translate import ANYTHING, as_list, as_object, component_of
from reconciler.openapi.walk import DEFS, LISTS, MAPS, SINGLE, Schema

# What is accepted does not depend on them (OpenAPI 3.1, Schema Object): a discriminator is a hint.
_WITHOUT_MEANING = frozenset(
    {"contentSchema", "discriminator", "example", "externalDocs", "nullable", "xml"}
)
# They make a schema a resource of its own, or name places in it: a derived schema stands alone.
_UNTRANSLATABLE = frozenset(
    {"$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$schema", "$vocabulary"}
)


def translate_3_1(schema: object, at: str) -> Any:
    """Take over one Schema Object, found at the JSON pointer `at`; true and false are schemas too.

    Raises InvalidInputError, naming the JSON pointer, for what has no counterpart.
    """
    if isinstance(schema, bool):
        return schema
    translated: Schema = {}
    for keyword, value in as_object(schema, at).items():
        here = f"{at}/{escape_step(keyword)}"
        match keyword:
            case "$ref":
                # Unlike in 3.0, what stands beside a reference counts.
                translated["$ref"] = DEFS + component_of(value, here)
            case _ if keyword in _UNTRANSLATABLE:
                raise InvalidInputError(f"{here}: '{keyword}' cannot be taken over")
            case _ if keyword in _WITHOUT_MEANING or keyword.startswith("x-"):
                continue
            case "format" | "pattern" if value == ANYTHING:
                continue
            case _ if keyword in SINGLE:
                translated[keyword] = translate_3_1(value, here)
            case _ if keyword in LISTS:
                branches = enumerate(as_list(value, here))
                translated[keyword] = [
                    translate_3_1(branch, f"{here}/{index}") for index, branch in branches
                ]
            case _ if keyword in MAPS:
                translated[keyword] = {
                    name: translate_3_1(part, f"{here}/{escape_step(name)}")
                    for name, part in as_object(value, here).items()
                }
            case _:
                translated[keyword] = value
    return translated

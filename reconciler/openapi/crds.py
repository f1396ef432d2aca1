"""From a CustomResourceDefinition to JSON Schemas that accept what the API server accepts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.errors import InvalidInputError
from reconciler.openapi.walk import Schema
from reconciler.values import dataclass

CRD = "CustomResourceDefinition"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"
# Written by the cluster: a rule of its own says what is wrong with sending it.
_STATUS = "status"

_KEPT = (
    *("maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"),
    *("multipleOf", "enum"),
)
_BRANCHES = ("allOf", "anyOf", "oneOf")
# What has more than 64 bits is refused where it is read.
_INT32 = (-(2**31), 2**31 - 1)
# The API server takes more notations of a time than one: only what is none is refused.
_PATTERNS = {
    "byte": r"^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$",
    "date-time": r"^\d{4}-\d{2}-\d{2}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomKind:
    """One version of a kind that a cluster was taught.

    `structural` is the schema in its definition, and `schema` the JSON Schema of its objects.
    """

    group: str
    version: str
    name: str
    structural: Mapping[str, Any]
    schema: Schema

    @property
    def api_version(self) -> str:
        """What manifests of this kind have as `apiVersion`."""
        return f"{self.group}/{self.version}"


def find_crds(document: Any, file: str) -> Iterator[Mapping[str, Any]]:
    """Yield the definitions in a document: itself, or the items of a list of them.

    Raises InvalidInputError where there is something else.
    """
    kind = document.get("kind") if isinstance(document, Mapping) else None
    items = document.get("items") if isinstance(document, Mapping) else None
    if kind == CRD:
        yield document
    elif isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for item in items:
            yield from find_crds(item, file)
    else:
        raise InvalidInputError(
            f"{file}: not a {CRD}",
            hint="write it with: kubectl get crd NAME -o yaml",
        )


def custom_kinds(crd: Mapping[str, Any], file: str) -> list[CustomKind]:
    """The served versions of a definition; raises InvalidInputError where it is not whole.

    A version without a schema, or of which objects keep whatever they hold, is left out.
    """
    try:
        spec = crd["spec"]
        group, name = str(spec["group"]), str(spec["names"]["kind"])
        if not isinstance(versions := spec["versions"], list) or spec.get("preserveUnknownFields"):
            return []
        return [
            CustomKind(
                group=group,
                version=str(version["name"]),
                name=name,
                structural=schema,
                schema=_object(schema),
            )
            for version in versions
            if version.get("served", True)
            and (schema := (version.get("schema") or {}).get("openAPIV3Schema") or {}).get(
                "properties"
            )
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{file}: this {CRD} is not whole: {error!r}") from error


def _object(structural: Mapping[str, Any]) -> Schema:
    """The schema of a whole object, whose head is the same for all kinds."""
    schema = translate({**structural, _EMBEDDED: True})
    if _STATUS in schema["properties"]:
        schema["properties"][_STATUS] = {}
    # An object without a name gets that of its workload, and so its metadata.
    required = [name for name in schema.pop("required", ()) if name != "metadata"]
    return {**schema, "required": required} if required else schema


def translate(schema: Mapping[str, Any], *, closed: bool = True) -> Schema:
    """Translate a structural schema, without its prose.

    A mapping has the fields that are named and no others, as strict field validation has it, unless
    it keeps them or is part of another schema's conditions (not `closed`). A field with a default
    need not be given.
    """
    translated: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if kind := schema.get("type"):
        translated["type"] = kind
    if schema.get(_INT_OR_STRING):
        translated["type"] = ["integer", "string"]
    translated |= _bounds(schema) | _pattern(schema)
    properties = {
        name: translate(part, closed=closed)
        for name, part in (schema.get("properties") or {}).items()
    }
    if schema.get(_EMBEDDED):
        properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, **properties}
        properties["metadata"] = {"$ref": "#/$defs/ObjectMeta"}
    if properties:
        translated["properties"] = properties
    if required := _required(schema):
        translated["required"] = required
    if isinstance(items := schema.get("items"), Mapping):
        translated["items"] = translate(items, closed=closed)
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        translated["additionalProperties"] = translate(others, closed=closed)
    elif closed and others is None and kind == "object" and not schema.get(_PRESERVE):
        translated["additionalProperties"] = False
    for keyword in _BRANCHES:
        # The two types of an int-or-string have been told already.
        if (branches := schema.get(keyword)) and not (
            schema.get(_INT_OR_STRING) and keyword == "anyOf"
        ):
            translated[keyword] = [translate(branch, closed=False) for branch in branches]
    if unwanted := schema.get("not"):
        translated["not"] = translate(unwanted, closed=False)
    if schema.get("x-kubernetes-list-type") == "set":
        translated["uniqueItems"] = True
    return translated


def _required(schema: Mapping[str, Any]) -> list[str]:
    properties = schema.get("properties") or {}
    return [
        name for name in schema.get("required") or () if "default" not in properties.get(name, {})
    ]


def _bounds(schema: Mapping[str, Any]) -> Schema:
    """The range of a number: OpenAPI 3.0 has a flag where JSON Schema has a keyword."""
    bounds: Schema = {}
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if keyword in schema:
            bounds[exclusive if schema.get(exclusive) is True else keyword] = schema[keyword]
    if schema.get("format") == "int32" and schema.get("type") == "integer":
        least, most = _INT32
        if not {"minimum", "exclusiveMinimum"} & bounds.keys():
            bounds["minimum"] = least
        if not {"maximum", "exclusiveMaximum"} & bounds.keys():
            bounds["maximum"] = most
    return bounds


def _pattern(schema: Mapping[str, Any]) -> Schema:
    pattern = schema.get("pattern") or _PATTERNS.get(schema.get("format", ""))
    return {"pattern": pattern} if pattern and _is_understood(pattern) else {}


def _is_understood(pattern: str) -> bool:
    """Whether Python reads an expression as Go does: what it does not know, or reads otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            re.compile(pattern)
        except (re.error, FutureWarning, RecursionError):
            return False
    return True

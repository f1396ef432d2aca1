"""Makes the schema of a custom kind small: what occurs twice in it is written once.

What a custom kind says of pods is a copy of what Kubernetes said when the operator was built. It is
replaced by a reference to the definitions that the core kinds are checked by.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from reconciler.openapi.walk import DEFS, Schema, references

# A name of its own costs about as much as this many characters of a schema.
_WORTH_A_NAME = 90
# A longer part gets a line of its own, which is only looked at for a manifest that has the part.
_LONG = 250
# How many fields of a copy may be younger than it, or left out by its operator.
_MOST_MISSING = 0.35
# What has so many fields of a definition, and so few others, is that with fields of its own.
_FEWEST_COMMON, _LEAST_SHARE = 5, 0.6
_PLAIN = ("string", "integer", ["integer", "string"])
_BOUNDS = ("minimum", "maximum")
_TOLD_BY_RULES = frozenset({"pattern", "uniqueItems", *_BOUNDS})
_STRUCTURE = frozenset(
    {"type", "properties", "required", "items", "additionalProperties", "$ref", *_TOLD_BY_RULES}
)


class CoreDefinitions:
    """Kubernetes' own definitions, and where in a custom schema one of them may stand."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._in_pods = _reachable_from("PodSpec", definitions)
        self._by_field: dict[str, list[Schema]] = defaultdict(list)
        for definition in definitions.values():
            for field, schema in definition.get("properties", {}).items():
                if schema not in self._by_field[field] and _refers(schema):
                    self._by_field[field].append(schema)

    @property
    def names(self) -> Collection[str]:
        """What the definitions are called."""
        return self._definitions.keys()

    def replace(self, schema: Schema, field: str = "") -> Schema:
        """Return a schema with references to the definitions in place of copies of them."""
        candidates = [
            candidate
            for candidate in self._by_field.get(field, ())
            if self._covers(candidate, schema) and self._is_near(candidate, schema)
        ]
        if candidates:
            return min(candidates, key=self._count_fields)
        if self._is_pod_template(schema):
            return {"$ref": f"{DEFS}PodTemplateSpec"}
        replaced = dict(schema)
        if properties := schema.get("properties"):
            own = self._fields_of_pods(properties)
            replaced["properties"] = {
                name: own.get(name) or self.replace(part, name) for name, part in properties.items()
            }
        for keyword in ("items", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                replaced[keyword] = self.replace(schema[keyword])
        return replaced

    def _is_pod_template(self, schema: Schema) -> bool:
        properties = schema.get("properties", {})
        template: Schema = {"$ref": f"{DEFS}PodTemplateSpec"}
        spec = properties.get("spec", {})
        return "containers" in spec.get("properties", {}) and self._covers(template, schema)

    def _fields_of_pods(self, properties: Mapping[str, Schema]) -> dict[str, Schema]:
        """The plain fields of a mapping that is a definition of pods with some more fields.

        Of such values the API server asks more than definitions say, wherever they stand.
        """
        names = properties.keys()
        likest = max(
            self._in_pods,
            key=lambda name: len(self._definitions[name].get("properties", {}).keys() & names),
        )
        core_fields = self._definitions[likest].get("properties", {})
        common = core_fields.keys() & names
        if len(common) < max(_FEWEST_COMMON, _LEAST_SHARE * len(names)):
            return {}
        return {
            field: {"$ref": f"{DEFS}{likest}/properties/{field}"}
            for field in sorted(common)
            if core_fields[field].get("type") in _PLAIN
            and self._covers(core_fields[field], properties[field])
        }

    def _resolve(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        return self._definitions[reference.removeprefix(DEFS)] if reference else schema

    def _covers(self, core: Schema, own: Schema) -> bool:
        """Whether a definition accepts whatever a custom schema accepts, and says no less of it."""
        if "$ref" in own and own == core:
            return True
        core = self._resolve(core)
        if not core:
            return True
        own = self._resolve(own)
        if own.keys() - _STRUCTURE or not _types(own) or not _types(own) <= _types(core):
            return False
        if "enum" in core or any(core.get(bound) != own.get(bound) for bound in _BOUNDS):
            return False
        if not set(core.get("required", ())) <= set(own.get("required", ())):
            return False
        fields, core_fields = own.get("properties", {}), core.get("properties")
        if core_fields is not None:
            is_closed = own.get("additionalProperties") is False
            return (
                is_closed
                and fields.keys() <= core_fields.keys()
                and all(self._covers(core_fields[name], part) for name, part in fields.items())
            )
        return all(
            self._covers(core[keyword], own[keyword])
            if isinstance(own.get(keyword), dict) and isinstance(core.get(keyword), dict)
            else keyword not in core
            for keyword in ("items", "additionalProperties")
        )

    def _is_near(self, core: Schema, own: Schema) -> bool:
        """Whether a definition has few fields that a custom schema does not have."""
        core = self._resolve(core)
        for keyword in ("items", "additionalProperties"):
            if isinstance(core.get(keyword), dict) and isinstance(own.get(keyword), dict):
                return self._is_near(core[keyword], own[keyword])
        core_fields, fields = core.get("properties", {}), own.get("properties", {})
        return len(core_fields.keys() - fields.keys()) <= _MOST_MISSING * len(core_fields)

    def _count_fields(self, schema: Schema) -> int:
        core = self._resolve(schema)
        return len(self._resolve(core.get("items", core)).get("properties", {}))


def _refers(schema: Schema) -> bool:
    """Whether a schema, or that of its items, is a definition."""
    inner = schema.get("items") or schema.get("additionalProperties") or schema
    return isinstance(inner, dict) and "$ref" in inner


def _types(schema: Schema) -> set[str]:
    kind = schema.get("type", ())
    types = {kind} if isinstance(kind, str) else set(kind)
    return types | {"integer"} if "number" in types else types


def _reachable_from(name: str, definitions: Mapping[str, Schema]) -> list[str]:
    """A definition and all that it refers to, in alphabetical order."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting += [one.removeprefix(DEFS) for one in references(definitions[name])]
    return sorted(seen)


def share(schema: Schema, taken: Iterable[str]) -> tuple[Schema, dict[str, Schema]]:
    """Return a schema that refers to definitions for its large or repeated parts, and these.

    Definitions are named after the field that they are first met at; names that are `taken` are
    left to others.
    """
    uses: dict[str, int] = defaultdict(int)
    _count(schema, uses)
    sharing = _Sharing({text for text, count in uses.items() if count > 1}, set(taken))
    shortened = sharing.shorten_parts(schema, "object")
    return shortened, dict(sorted(sharing.definitions.items()))


def _text(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)


def _parts(schema: Schema) -> Iterator[Schema]:
    yield from schema.get("properties", {}).values()
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]


def _count(schema: Schema, uses: dict[str, int]) -> None:
    text = _text(schema)
    if len(text) < _WORTH_A_NAME:
        return
    uses[text] += 1
    # What stands inside of something that is met again is met again with it.
    if uses[text] == 1:
        for part in _parts(schema):
            _count(part, uses)


class _Sharing:
    def __init__(self, shared: set[str], taken: set[str]) -> None:
        self.definitions: dict[str, Schema] = {}
        self._shared = shared
        self._taken = taken
        self._names: dict[str, str] = {}

    def shorten(self, schema: Schema, field: str) -> Schema:
        """Return a schema, or a reference to the definition that it becomes."""
        text = _text(schema)
        if text in self._names:
            return {"$ref": f"{DEFS}{self._names[text]}"}
        shortened = self.shorten_parts(schema, field)
        if text not in self._shared and len(_text(shortened)) < _LONG:
            return shortened
        name, number = field, 1
        while name in self._taken:
            number += 1
            name = f"{field}{number}"
        self._taken.add(name)
        self._names[text] = name
        self.definitions[name] = shortened
        return {"$ref": f"{DEFS}{name}"}

    def shorten_parts(self, schema: Schema, field: str) -> Schema:
        """Return a schema whose fields and items are shortened."""
        shortened = dict(schema)
        if "properties" in schema:
            shortened["properties"] = {
                name: self.shorten(part, name) for name, part in schema["properties"].items()
            }
        for keyword in ("items", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                shortened[keyword] = self.shorten(schema[keyword], field)
        return shortened

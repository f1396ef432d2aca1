"""The part of YAML that JSON could express: an OpenAPI document needs no more."""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class PlainLoader(yaml.SafeLoader):
    """A loader whose values are those of JSON, and whose keys are text, such as a status code.

    Aliases are refused, since a few lines of them are a document of any size, and so are keys
    that are given twice. Only `true` and `false` are truth values, and a date is a text.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own declaration

    yaml_constructors = {  # noqa: RUF012 - PyYAML's own declaration
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (None, *(f"tag:yaml.org,2002:{name}" for name in _TAGS))
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a value; raises ComposerError for an alias."""
        mark = self.get_mark()
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping; raises ConstructorError for a key twice, or one that is no text."""
        mapping: dict[Any, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name in mapping:
                problem = "a key is given twice" if name in mapping else "a key that is not text"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            mapping[name] = self.construct_object(value, deep=deep)
        return mapping


def _resolve(tag: str, pattern: str, first: str) -> None:
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:true|false)$", "tf")
_resolve("null", r"^(?:null|~|)$", "n~")
# PyYAML looks resolvers up by the first character, and an empty value has none.
PlainLoader.yaml_implicit_resolvers[""] = PlainLoader.yaml_implicit_resolvers["~"][:1]
_resolve("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789")
_resolve("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", "-0123456789")

"""The tables of a schema say what the schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.schema_docs import PAGES, describe, schema_pages

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
SCHEMA = {
    "description": "All of <it>.",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "Its `*name*` *here*.", "pattern": "^[a|b]$"},
        "size": {"$ref": "#/$defs/Size", "default": 3},
        "part": {"$ref": "#/$defs/Part"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "inner": {"type": ["object", "null"], "properties": {"kind": {"enum": ["a", None]}}},
    },
    "$defs": {
        "Size": {"type": "integer", "minimum": 1, "examples": [8, 9]},
        "Part": {"description": "One of them.", "properties": {"id": {"const": "x"}}},
    },
}


def test_an_object_is_a_section() -> None:
    """What refers to it leads there, and what is no object is written where it is used."""
    top, part = describe(SCHEMA, inline=False)
    assert (top.about, part.name, part.about) == ("All of &lt;it&gt;.", "Part", "One of them.")
    assert top.rows == (
        ("`name`", "string", "yes", "Its `*name*` \\*here\\*. Matches `^[a|b]$`."),
        ("`size`", "integer", "", "At least 1; default `3`; for example `8`."),
        ("`part`", "[Part](#part)", "", "One of them."),
        ("`parts`", "array of [Part](#part)", "", ""),
        ("`inner`", "object or null", "", ""),
        ("`inner.kind`", '`"a"`, `null`', "", ""),
    )
    assert part.rows == (("`id`", '`"x"`', "", ""),)


def test_what_people_write_is_one_table() -> None:
    """The fields of an object follow the field that holds it."""
    (top,) = describe(SCHEMA, inline=True)
    assert [row[0] for row in top.rows] == [
        "`name`",
        "`size`",
        "`part`",
        "`part.id`",
        "`parts`",
        "`inner`",
        "`inner.kind`",
    ]


def property_names(value: Any) -> Iterator[str]:
    """Every name that a schema gives to a field, at any depth."""
    if isinstance(value, dict):
        fields = value.get("properties")
        yield from fields if isinstance(fields, dict) else ()
        for inner in value.values():
            yield from property_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from property_names(inner)


@pytest.mark.parametrize("name", PAGES)
def test_every_field_is_documented(name: str) -> None:
    """No field of a published schema is missing on its page, however deep it lies."""
    page = "\n".join(dict(schema_pages(SCHEMAS))[name])
    schema = json.loads((SCHEMAS / f"{PAGES[name].schema}.schema.json").read_text("utf-8"))
    missing = [
        field
        for field in property_names(schema)
        if f"`{field}`" not in page and f".{field}`" not in page
    ]
    assert missing == []

"""Writes the published JSON Schemas down as tables: a row for a field, a section for an object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.markdown import escape, fill, table

Schema = Mapping[str, Any]

# What is said of a value beside its description, in the order in which it reads well.
_LIMITS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("minItems", "at least {} of them"),
    ("uniqueItems", "each once"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The page of one schema; what people write is read from top to bottom, so it is `inline`."""

    schema: str
    title: str
    intro: str
    inline: bool = False


PAGES = {
    "configuration": Reference(
        schema="config",
        title="reconciler.yaml",
        intro="A flag and its [variable](environment.md) go before what stands here. "
        "`reconciler doctor` shows each value with its origin, `reconciler init` writes a "
        "commented file.",
        inline=True,
    ),
    "spec": Reference(
        schema="spec",
        title="Specs",
        intro="A file is YAML or JSON and may hold several documents. Of `manifest`, "
        "`manifestFile` and `manifestBase64Encoded` there is exactly one, of `projectId` and "
        "`project` as well. What is sent is the API's create request: `metadata` and the "
        "manifest. What is [checked](../validation.md) is more than this.",
        inline=True,
    ),
    "plan": Reference(
        schema="plan",
        title="The plan document",
        intro="`plan -o json` and `show -o json` write it. The same inputs give the same bytes, "
        "`created_at` aside. How it may change is on the page about "
        "[versions](../versioning.md#documents).",
    ),
    "events": Reference(
        schema="event",
        title="The stream of an apply",
        intro="`apply -o ndjson` writes one object a line. Nothing is reported as done before it "
        "is durable in the state. Readers ignore fields and events that they do not know.",
    ),
    "diagnostic": Reference(
        schema="diagnostic",
        title="A finding",
        intro="`validate -o json` writes a list of these, and a plan document holds one. Its codes "
        "are on the page about [diagnostics](../diagnostics.md).",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An object with fields of its own; `rows` hold field, type, whether it is required, meaning.

    The schema itself has no name.
    """

    name: str
    about: str
    rows: tuple[tuple[str, str, str, str], ...]


def schema_pages(folder: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """The name and the lines of each page, from the schemas in a folder."""
    for name, page in PAGES.items():
        text = (folder / f"{page.schema}.schema.json").read_text(encoding="utf-8")
        yield name, _write(page, json.loads(text))


def _write(page: Reference, schema: Schema) -> Iterator[str]:
    yield from (f"# {page.title}", "")
    for section in describe(schema, inline=page.inline):
        if section.name:
            yield from (f"## {section.name}", "")
        if section.about:
            yield from (fill(section.about), "")
        if not section.name:
            file = f"[`{page.schema}.schema.json`](../../schemas/{page.schema}.schema.json)"
            yield from (fill(f"{page.intro} The schema: {file}."), "")
        yield from (*table(("Field", "Type", "Required", "Meaning"), section.rows), "")


def describe(schema: Schema, *, inline: bool) -> Iterator[Section]:
    """The sections of a schema; `inline` puts what is referred to below the field that does so."""
    yield _section("", schema, schema, inline=inline)
    if not inline:
        for name, part in schema.get("$defs", {}).items():
            if part.get("properties"):
                yield _section(name, part, schema, inline=inline)


def _section(name: str, part: Schema, root: Schema, *, inline: bool) -> Section:
    rows = (
        (
            f"`{field}`",
            _type_words(known, root, inline=inline),
            "yes" if required else "",
            _meaning(known, root),
        )
        for field, known, required in _fields(part, root, "", inline=inline)
    )
    return Section(name=name, about=escape(part.get("description", "")), rows=tuple(rows))


def _fields(
    section: Schema, root: Schema, prefix: str, *, inline: bool
) -> Iterator[tuple[str, Schema, bool]]:
    """Every field of an object with its schema, and whether it has to be there."""
    required = section.get("required", ())
    for name, part in section.get("properties", {}).items():
        known = {**_target(part, root), **part} if inline else part
        yield f"{prefix}{name}", known, name in required
        inner, suffix = (known["items"], "[]") if "items" in known else (known, "")
        if inner.get("properties"):
            yield from _fields(inner, root, f"{prefix}{name}{suffix}.", inline=inline)


def _type_words(part: Schema, root: Schema, *, inline: bool) -> str:
    """What a value may be."""
    target = _target(part, root)
    if target and target.get("properties") and not inline:
        name = part["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    known = {**target, **part}
    if "const" in known:
        return _value(known["const"])
    if "enum" in known:
        return ", ".join(map(_value, known["enum"]))
    kinds = known.get("type", "any value")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if "items" in known:
        return f"{words} of {_type_words(known['items'], root, inline=inline)}"
    return words


def _meaning(part: Schema, root: Schema) -> str:
    """What a field is about: its description, then what holds of its values."""
    known = {**_target(part, root), **part}
    said = [words.format(known[key]) for key, words in _LIMITS if key in known]
    if "pattern" in known and "enum" not in known:
        said.append(f"matches `{known['pattern']}`")
    if "default" in known:
        said.append(f"default {_value(known['default'])}")
    said += [f"for example {_value(each)}" for each in known.get("examples", ())[:1]]
    rest = "; ".join(said)
    rest = f"{rest[0].upper()}{rest[1:]}." if rest else ""
    return f"{escape(known.get('description', ''))} {rest}".strip()


def _target(part: Schema, root: Schema) -> Schema:
    name = part.get("$ref", "").rpartition("/")[2]
    found: Schema = root.get("$defs", {}).get(name, {})
    return found


def _value(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"

"""The schemas of custom kinds as files: reading definitions, and what is written for each kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconciler.errors import InvalidInputError
from reconciler.openapi.crds import CustomKind, custom_kinds, find_crds
from reconciler.openapi.sharing import CoreDefinitions, share
from reconciler.openapi.sources import load_json, load_yaml_documents, read_text
from reconciler.openapi.walk import Schema
from reconciler.resources import crd_file_name

# They become a part of a file's name, and of a line that a person reads.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


def read_crds(text: str, file: str) -> list[CustomKind]:
    """The kinds that a text defines, in JSON or YAML, as kubectl prints it or as operators ship it.

    Raises InvalidInputError where it cannot be read, or defines no kind that can be checked.
    """
    try:
        is_json = text.lstrip().startswith(("{", "["))
        documents = [load_json(text, file)] if is_json else load_yaml_documents(text, file)
        kinds = [
            kind
            for document in documents
            if document is not None
            for crd in find_crds(document, file)
            for kind in custom_kinds(crd, file)
        ]
    except RecursionError as error:
        raise InvalidInputError(f"{file}: it nests too deeply") from error
    for kind in kinds:
        for part in (kind.group, kind.version, kind.name):
            if not _NAME.fullmatch(part):
                raise InvalidInputError(f"{file}: {part!r} cannot name a part of a kind")
    if not kinds:
        raise InvalidInputError(
            f"{file}: no kind in it has a schema",
            hint="a definition with preserveUnknownFields, or without a schema, checks nothing",
        )
    return kinds


def read_crd_file(file: Path) -> list[CustomKind]:
    """The kinds that a file defines; raises InvalidInputError as `read_crds` does."""
    return read_crds(read_text(file), str(file))


def schema_files(
    kinds: Iterable[CustomKind], core: CoreDefinitions, *, origin: str, comment: str
) -> dict[str, bytes]:
    """Return the content of the file of each kind, by its name.

    `origin` names the release that a field is missing in, and `comment` stands at the top.
    """
    return {
        crd_file_name(kind.api_version, kind.name): to_text(
            core.replace(kind.schema),
            core.names,
            {
                "$comment": comment,
                "title": f"{kind.api_version} {kind.name}",
                "x-origin": origin,
            },
        ).encode()
        for kind in kinds
    }


def to_text(schema: Schema, taken: Iterable[str], head: Schema) -> str:
    """Write a schema with a line for each definition, so that another release can be read."""
    root, defined = share(schema, taken)
    whole = {**head, **root}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in whole.items()]
    return "\n".join(["{", *lines, *_definition_lines(defined), "}", ""])


def _definition_lines(defined: Mapping[str, Schema]) -> list[str]:
    if not defined:
        return [' "$defs": {}']
    lines = [f"  {json.dumps(name)}: {json.dumps(schema)}" for name, schema in defined.items()]
    return [' "$defs": {', ",\n".join(lines), " }"]

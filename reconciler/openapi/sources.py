"""Reads the publisher's documents: OpenAPI in JSON or YAML, or a page of excerpts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError, Where
from reconciler.regularfiles import read_regular

_FENCED = re.compile(r"^```json[ \t]*\r?\n(.*?)^```[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_PAGES = (".md", ".markdown")
_YAML = (".yaml", ".yml")
# Ten times the largest that anybody publishes.
MOST_BYTES = 64 * 1024 * 1024


def read_document(file: Path) -> object:
    """Read an OpenAPI document, whichever way it is written; the name says which one it is.

    Raises InvalidInputError for what cannot be read, with its place where there is one.
    """
    text = read_text(file)
    if file.name.endswith(_PAGES):
        excerpts: list[object] = []
        for block in _FENCED.finditer(text):
            value = load_json(block[1], str(file), text.count("\n", 0, block.start(1)))
            # A page may also show requests and responses.
            if isinstance(value, dict) and "openapi" in value:
                excerpts.append(value)
        return merge_excerpts(excerpts, str(file))
    return _load_yaml(text, str(file)) if file.name.endswith(_YAML) else load_json(text, str(file))


def read_text(file: Path) -> str:
    """Return a file's text; raises InvalidInputError."""
    try:
        # A path may lead to a pipe, which would never end.
        return read_regular(file, max_bytes=MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file}: not UTF-8 text") from error


def load_json(text: str, file: str, line: int = 0) -> object:
    """Read JSON that stands below a line of a file; raises InvalidInputError at its place."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = Where(file=file, line=line + error.lineno, column=error.colno)
        raise InvalidInputError(f"not JSON: {error.msg}", where=where) from error


def merge_excerpts(excerpts: list[object], page: str) -> object:
    """Put the excerpts of one document together again, each key where it comes up first.

    Raises InvalidInputError where there is none, or where two of them contradict each other.
    """
    if not excerpts:
        raise InvalidInputError(
            f"{page}: the page holds no OpenAPI excerpt",
            hint="it is expected in blocks that begin with ```json and have the key 'openapi'",
        )
    merged = excerpts[0]
    for excerpt in excerpts[1:]:
        merged = _merge(merged, excerpt, "#")
    return merged


def keep_descriptions(document: object, shipped: object) -> object:
    """Give a document the descriptions that a shipped one has for the same things.

    Descriptions bind nobody, and the shipped ones are written for readers of specs: where the two
    still differ then, they differ in substance.
    """
    if isinstance(document, Mapping) and isinstance(shipped, Mapping):
        described = {
            key: keep_descriptions(value, shipped[key]) if key in shipped else value
            for key, value in document.items()
        }
        for key in ("summary", "description"):
            # A property may have either name, and then it is a schema and no text.
            if isinstance(document.get(key), str) and isinstance(shipped.get(key), str):
                described[key] = shipped[key]
        return described
    if isinstance(document, list) and isinstance(shipped, list) and len(document) == len(shipped):
        return [keep_descriptions(*pair) for pair in zip(document, shipped, strict=True)]
    return document


def _merge(left: Any, right: Any, at: str) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return left | {
            key: _merge(left[key], value, f"{at}/{escape_step(key)}") if key in left else value
            for key, value in right.items()
        }
    # The types too: to Python, 1 and true are equal.
    if type(left) is type(right) and left == right:
        return left
    raise InvalidInputError(f"{at}: two excerpts of the page say different things")


def _load_yaml(text: str, file: str) -> object:
    documents = load_yaml_documents(text, file)
    if len(documents) > 1:
        raise InvalidInputError(f"{file}: several documents where one is expected")
    return documents[0] if documents else None


def load_yaml_documents(text: str, file: str) -> list[object]:
    """Read the documents of a YAML text; raises InvalidInputError at the place of a mistake."""
    import yaml

    from reconciler.openapi.plainyaml import PlainLoader

    try:
        return list(yaml.load_all(text, PlainLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(file=file, line=mark.line + 1, column=mark.column + 1) if mark else None
        raise InvalidInputError(f"not YAML: {error.problem or error}", where=where) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInputError(f"{file}: not YAML: {error}") from error

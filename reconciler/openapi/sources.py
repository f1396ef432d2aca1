"""Documents as the publisher gives them: OpenAPI in JSON or YAML, or a page of excerpts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
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


def read_document(file: Traversable) -> object:
    """Read an OpenAPI document, whichever way it is written; the name says which one it is.

    Raises InvalidInputError for what cannot be read, with its place where there is one.
    """
    text = read_text(file)
    if file.name.endswith(_PAGES):
        return merge_excerpts(list(_excerpts(text, str(file))), str(file))
    return _load_yaml(text, str(file)) if file.name.endswith(_YAML) else load_json(text, str(file))


def read_text(file: Traversable) -> str:
    """Return a file's text; raises InvalidInputError."""
    try:
        data = (
            read_regular(file, max_bytes=MOST_BYTES)
            if isinstance(file, Path)
            else file.read_bytes()
        )
        return data.decode("utf-8-sig")
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


def keep_words(document: object, known: object) -> object:
    """Give a document the descriptions that a known one has for the same things.

    Words bind nobody, and the known document's are written for readers of specs: what then still
    differs has changed in substance.
    """
    if isinstance(document, Mapping) and isinstance(known, Mapping):
        return {
            key: keep_words(value, known[key]) if key in known else value
            for key, value in document.items()
        } | _described(document, known)
    if isinstance(document, list) and isinstance(known, list) and len(document) == len(known):
        return [keep_words(*pair) for pair in zip(document, known, strict=True)]
    return document


def _described(document: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        word: known[word]
        for word in ("summary", "description")
        if isinstance(document.get(word), str) and isinstance(known.get(word), str)
    }


def _excerpts(text: str, page: str) -> Iterator[object]:
    for block in _FENCED.finditer(text):
        value = load_json(block[1], page, text.count("\n", 0, block.start(1)))
        # A page may also show requests and answers.
        if isinstance(value, dict) and "openapi" in value:
            yield value


def _merge(one: Any, other: Any, at: str) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {
            key: _merge(one[key], value, f"{at}/{escape_step(key)}") if key in one else value
            for key, value in other.items()
        }
    if type(one) is type(other) and one == other:
        return one
    raise InvalidInputError(f"{at}: two excerpts of the page say different things")


def _load_yaml(text: str, file: str) -> object:
    import yaml

    from reconciler.openapi.plainyaml import PlainLoader

    try:
        return yaml.load(text, PlainLoader)  # noqa: S506 - it makes nothing but JSON's values
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(file=file, line=mark.line + 1, column=mark.column + 1) if mark else None
        raise InvalidInputError(f"not YAML: {error.problem or error}", where=where) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInputError(f"{file}: not YAML: {error}") from error

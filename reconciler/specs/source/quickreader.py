"""The fast ways to plain values: no positions, no findings, and None wherever there is any doubt.

Most documents are plain and right. What is declined here, and whatever turns out to need a
position, is read by `yamlreader` or `jsonreader`; a property test holds all ways equal.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from reconciler.specs.source.linereader import read_lines
from reconciler.specs.source.nodes import MAX_DEPTH, MAX_VALUES, FastDocument
from reconciler.specs.source.scalars import LARGEST, SMALLEST
from reconciler.specs.source.source_text import SourceText


class _DeclineError(Exception):
    """Something here wants the careful reader."""


def read_quickly(source: SourceText) -> list[FastDocument] | None:
    """Return the documents of a source, or None if any part of it is out of the ordinary."""
    return _read_json(source.text) if source.notation == "json" else _read_yaml(source.text)


def _read_yaml(text: str) -> list[FastDocument] | None:
    read = read_lines(text)
    if read is not None:
        first, last, value = read
        return [FastDocument(0, len(text), first, last, value)]
    from reconciler.specs.source.eventreader import read_events

    return read_events(text)


def _read_json(text: str) -> list[FastDocument] | None:
    try:
        return [_read_document(text)]
    except (_DeclineError, ValueError, RecursionError):
        return None


def _read_document(text: str) -> FastDocument:
    # Escapes may hide half a surrogate pair; depth and size are bounded by counting openings.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        raise _DeclineError
    if text.count(",") >= MAX_VALUES // 2:
        raise _DeclineError
    value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_constant=_decline_constant,
        parse_float=_fraction,
        parse_int=_integer,
    )
    first = len(text) - len(text.lstrip())
    return FastDocument(0, len(text), first, len(text.rstrip()), value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _DeclineError
    return made


def _decline_constant(name: str) -> Any:
    raise _DeclineError(name)


def _fraction(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _decline()


def _integer(text: str) -> int:
    number = int(text)
    if not SMALLEST <= number <= LARGEST:
        raise _DeclineError
    return number


def _decline() -> NoReturn:
    raise _DeclineError

"""The fast way to plain values: no positions, no findings, and None wherever there is any doubt.

Most documents are plain and right. What this reader declines, and whatever turns out to need a
position, is read by `yamlreader` or `jsonreader`; a property test holds the two ways equal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from sys import intern
from typing import Any, NoReturn

import yaml

from reconciler.specs.pages import Page
from reconciler.specs.scalars import LARGEST, SMALLEST, TELLING, read_plain
from reconciler.specs.yamlreader import FORBIDDEN, LOADER, MAX_DEPTH, MAX_VALUES

_NO_KEY: Any = object()


@dataclass(frozen=True, slots=True)
class Quick:
    """One document: its slice of the text, where its content begins and ends, and its value."""

    start: int
    end: int
    first: int
    last: int
    value: Any


class _DeclineError(Exception):
    """Something here wants the careful reader."""


def read_quickly(page: Page) -> list[Quick] | None:
    """Return the documents of a page, or None if any part of it is out of the ordinary."""
    try:
        return _read_json(page.text) if page.notation == "json" else _read_yaml(page.text)
    except (_DeclineError, yaml.YAMLError, ValueError, RecursionError):
        return None


def _read_yaml(text: str) -> list[Quick]:
    if FORBIDDEN.search(text):
        raise _DeclineError
    documents: list[Quick] = []
    following = LOADER(text).get_event
    end = 0
    following()
    while type(following()) is yaml.DocumentStartEvent:
        first = following()
        value, last = _read_value(first, following)
        start, end = end, following().end_mark.index
        documents.append(Quick(start, end, first.start_mark.index, last, value))
    return documents


def _read_value(event: Any, following: Any) -> tuple[Any, int]:
    """Build the value that begins with an event; also returns the offset where it ends."""
    start, last = event.start_mark.index, event.end_mark.index
    if type(event) is yaml.ScalarEvent:
        # Nothing between two separators is worth a finding.
        return _scalar(event) if last > start else _decline(), last
    into, key = _open(event), _NO_KEY
    stack: list[tuple[Any, Any]] = []
    values = 1
    while True:
        event = following()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value, last = _scalar(event), event.end_mark.index
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            if event.end_mark.index > event.start_mark.index:
                last = event.end_mark.index
            if not stack:
                return into, last
            value = into
            into, key = stack.pop()
        else:
            stack.append((into, key))
            into, key = _open(event), _NO_KEY
            if len(stack) >= MAX_DEPTH:
                raise _DeclineError
            continue
        values += 1
        key = _place(into, key, value)
        if values > MAX_VALUES:
            raise _DeclineError


def _place(into: Any, key: Any, value: Any) -> Any:
    """Put a value into its collection; returns the key that waits for one."""
    if type(into) is list:
        into.append(value)
        return _NO_KEY
    if key is _NO_KEY:
        if type(value) is not str or value in into or value == "<<":
            raise _DeclineError
        return intern(value)
    into[key] = value
    return _NO_KEY


def _scalar(event: Any) -> Any:
    if event.anchor is not None or event.tag is not None:
        raise _DeclineError
    text = event.value
    if event.implicit[0] and (not text or text[0] in TELLING):
        read = read_plain(text)
        if read.problem or read.older:
            raise _DeclineError
        return read.value
    return text


def _open(event: Any) -> Any:
    if type(event) is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
        raise _DeclineError
    return {} if type(event) is yaml.MappingStartEvent else []


def _decline() -> NoReturn:
    raise _DeclineError


def _read_json(text: str) -> list[Quick]:
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
    return [Quick(0, len(text), first, len(text.rstrip()), value)]


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

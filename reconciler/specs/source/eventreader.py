"""The second way to plain values: YAML by its events, of which only the anchors are left out."""

from __future__ import annotations

from sys import intern
from typing import Any, NoReturn

import yaml

from reconciler.specs.source.nodes import MAX_DEPTH, MAX_DOCUMENTS, MAX_VALUES, FastDocument
from reconciler.specs.source.scalars import TELLING, read_plain
from reconciler.specs.source.yamlreader import FORBIDDEN, LOADER

_NO_KEY: Any = object()


class _DeclineError(Exception):
    """Something here wants the careful reader."""


def read_events(text: str) -> list[FastDocument] | None:
    """Return the documents of a text, or None if any part of it is out of the ordinary."""
    try:
        return _read_documents(text)
    except (_DeclineError, yaml.YAMLError, ValueError, RecursionError):
        return None


def _read_documents(text: str) -> list[FastDocument]:
    if FORBIDDEN.search(text):
        raise _DeclineError
    documents: list[FastDocument] = []
    following = LOADER(text).get_event
    end = 0
    following()
    while type(following()) is yaml.DocumentStartEvent:
        first = following()
        value, last = _read_value(first, following)
        start, end = end, following().end_mark.index
        if len(documents) == MAX_DOCUMENTS:
            raise _DeclineError
        documents.append(FastDocument(start, end, first.start_mark.index, last, value))
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

"""The second fast reader: YAML by its events, all of it but anchors, tags and what is wrong.

`readers` says when it is used. No document is built by PyYAML: see `yamlreader` for the reasons.
"""

from __future__ import annotations

from sys import intern
from typing import Any

import yaml

from reconciler.specs.source.documents import Document
from reconciler.specs.source.nodes import MAX_DEPTH, MAX_DOCUMENTS, MAX_VALUES
from reconciler.specs.source.scalars import TYPED_STARTS, read_plain
from reconciler.specs.source.source_text import SourceText
from reconciler.specs.source.yamlreader import LOADER, find_forbidden

_NO_KEY: Any = object()


class _DeclineError(Exception):
    """The text holds something that the careful reader has to judge."""


def read_events(source: SourceText) -> list[Document] | None:
    """Return the documents of a text, or None if any part of it is out of the ordinary."""
    if find_forbidden(source.text):
        return None
    documents: list[Document] = []
    end = 0
    try:
        next_event = LOADER(source.text).get_event
        next_event()
        while type(next_event()) is yaml.DocumentStartEvent:
            event = next_event()
            value, last = _read_value(event, next_event)
            start, end = end, next_event().end_mark.index
            if len(documents) == MAX_DOCUMENTS:
                return None
            documents.append(Document(source, start, end, event.start_mark.index, last, value))
    except (_DeclineError, yaml.YAMLError, ValueError, RecursionError):
        return None
    return documents


def _read_value(event: Any, next_event: Any) -> tuple[Any, int]:  # noqa: PLR0912 - a call for each event is slow
    """Build the value that begins with an event; also returns the offset where it ends.

    One loop with a stack of its own: a call for each of millions of events takes longer than what
    it does, and Python's stack is no bound on what others write.
    """
    start, last = event.start_mark.index, event.end_mark.index
    if type(event) is yaml.ScalarEvent:
        if last == start:
            # Nothing between two separators is worth a diagnostic.
            raise _DeclineError
        return _scalar(event), last
    collection, key = _open(event), _NO_KEY
    stack: list[tuple[Any, Any]] = []
    values = 1
    while True:
        event = next_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value, last = _scalar(event), event.end_mark.index
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            # Only a flow collection ends with a character of its own, `]` or `}`.
            if event.end_mark.index > event.start_mark.index:
                last = event.end_mark.index
            if not stack:
                return collection, last
            value = collection
            collection, key = stack.pop()
        else:
            stack.append((collection, key))
            collection, key = _open(event), _NO_KEY
            if len(stack) >= MAX_DEPTH:
                raise _DeclineError
            continue
        values += 1
        if values > MAX_VALUES:
            raise _DeclineError
        if type(collection) is list:
            collection.append(value)
        elif key is not _NO_KEY:
            collection[key] = value
            key = _NO_KEY
        elif type(value) is not str or value in collection or value == "<<":
            raise _DeclineError
        else:
            # The same few keys stand in every spec: one string serves them all.
            key = intern(value)


def _scalar(event: Any) -> Any:
    if event.anchor is not None or event.tag is not None:
        raise _DeclineError
    text = event.value
    if event.implicit[0] and (not text or text[0] in TYPED_STARTS):
        scalar = read_plain(text)
        if scalar.unusable or scalar.yaml11:
            raise _DeclineError
        return scalar.value
    return text


def _open(event: Any) -> Any:
    if type(event) is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
        raise _DeclineError
    return {} if type(event) is yaml.MappingStartEvent else []

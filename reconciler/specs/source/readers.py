"""Which reader reads a source text, and why there are several.

A careful reader (`yamlreader`, `jsonreader`) knows every position and explains every mistake, but
builds a tree that takes many times as long to make as the values. Most files have no mistake, so
fast readers go first. They give values alone, and decline a text as soon as it holds anything that
could be wrong, ambiguous or merely unusual; then the next one reads the text from its beginning:

1. `linereader` takes block YAML line by line: four times as fast as PyYAML, which it does not load.
2. `eventreader` takes all YAML without anchors and tags, over the events of PyYAML's C parser: for
   folded text, several documents or collections across lines.
3. For JSON, the standard library's parser with hooks that decline what it would let pass.

Property tests hold every fast reader equal to the careful one. The figures, and why no parser of
somebody else's takes the place of the first two, are in `docs/decisions/0003-reading-speed.md`.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.source.documents import Document, Reading, read_trees
from reconciler.specs.source.linereader import read_lines
from reconciler.specs.source.nodes import MAX_DEPTH, MAX_VALUES, plain
from reconciler.specs.source.scalars import LARGEST, SMALLEST
from reconciler.specs.source.source_text import SourceText


def read_source(source: SourceText) -> Reading:
    """Read all documents of a source text, carefully only where the fast readers decline."""
    documents = read_quickly(source)
    return Reading(documents=tuple(documents)) if documents else read_carefully(source)


def read_quickly(source: SourceText) -> list[Document] | None:
    """Return the documents of a source text; None if any part of it is out of the ordinary."""
    if source.notation == "json":
        return _read_json(source)
    document = read_lines(source)
    if document is not None:
        return [document]
    from reconciler.specs.source.eventreader import read_events

    return read_events(source)


def read_carefully(source: SourceText) -> Reading:
    """Read all documents with positions; a text that YAML refuses may still be JSON."""
    diagnostics: list[Diagnostic] = []
    parsed = read_trees(source, diagnostics)
    if diagnostics and source.notation == "yaml" and source.text.lstrip()[:1] in ("{", "["):
        # Not all JSON is YAML to PyYAML: it refuses surrogate pairs as escapes, keys of more than
        # 1,024 characters, and a colon on a line of its own.
        as_json = source._replace(notation="json")
        json_diagnostics: list[Diagnostic] = []
        json_parsed = read_trees(as_json, json_diagnostics)
        if json_parsed and not json_diagnostics:
            source, parsed, diagnostics = as_json, json_parsed, []
    blank = [document for document in parsed if document.is_blank]
    documents = tuple(
        Document(
            source=source,
            start=document.start,
            end=document.end,
            first=document.root.start,
            last=document.root.end,
            value=plain(document.root),
            ambiguous=document.ambiguous,
        )
        for document in parsed
        if not document.is_blank
    )
    if diagnostics:
        pass
    elif not documents:
        # An error: a file that lost its content would look like one whose specs were removed.
        message = "the file holds no document"
        hint = "delete it if it is no longer wanted: an empty file may have been cut off"
        diagnostics.append(make_diagnostic("empty-file", message, source.where(0, 0), hint=hint))
    else:
        message = "this document is empty"
        diagnostics += [make_diagnostic("empty-document", message, one.root.where) for one in blank]
    return Reading(documents=documents, diagnostics=tuple(diagnostics))


def _read_json(source: SourceText) -> list[Document] | None:
    text = source.text
    # Escapes may hide half a surrogate pair. Depth and size are bounded before anything is parsed,
    # by counting characters that also may stand in strings: too many of them only cost time.
    is_deep = text.count("[") + text.count("{") > MAX_DEPTH
    if "\\u" in text or is_deep or text.count(",") >= MAX_VALUES // 2:
        return None
    try:
        value = _decode_json(text)
    except (ValueError, RecursionError):
        return None
    first = len(text) - len(text.lstrip())
    return [Document(source, 0, len(text), first, len(text.rstrip()), value)]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a key is given twice")
    return entries


def _finite_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("not a number that JSON can hold")
    return number


def _int64(text: str) -> int:
    number = int(text)
    if not SMALLEST <= number <= LARGEST:
        raise ValueError("more than 64 bits")
    return number


# Made once: to make one takes a third as long as to decode a spec.
_decode_json = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    # NaN and Infinity are no JSON, but Python's parser takes them.
    parse_constant=_finite_float,
    parse_float=_finite_float,
    parse_int=_int64,
).decode

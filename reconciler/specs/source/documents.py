"""Documents: plain values that can say, when asked, where each part of them was written."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import Where
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.source.nodes import FastDocument, Node, ParsedDocument, plain
from reconciler.specs.source.quickreader import read_quickly
from reconciler.specs.source.source_text import SourceText


class Document(NamedTuple):
    """One document of a source. Positions are not kept but read again from its slice on demand.

    Thousands of files are read, few have findings, and a tree weighs many times its text.
    `start` and `end` bound the slice, `first` and `last` what is written in it.
    """

    source: SourceText
    start: int
    end: int
    first: int
    last: int
    value: Any
    ambiguous: bool = False

    @property
    def where(self) -> Where:
        """The place of the document's content."""
        return self.source.where(self.first, self.last)

    @property
    def decoded_place(self) -> str:
        """What a message has to add where the place alone does not show the line."""
        return self.source.decoded_place(self.first)

    @property
    def folder(self) -> str:
        """The folder of its file, relative to the root; empty for the root itself."""
        return self.source.file.rpartition("/")[0]

    def holds(self, text: str) -> bool:
        """Whether a text is written anywhere in the document."""
        return self.source.text.find(text, self.start, self.end) >= 0

    def tree(self) -> Node:
        """Read the document again, with the place of every key and value."""
        return _read_trees(self.source, [], self.start, self.end)[0].root


class Reading(NamedTuple):
    """What a source holds, and what is wrong with it as a text."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the documents cannot be relied on."""
        return has_errors(self.diagnostics)


def read_source(source: SourceText) -> Reading:
    """Read all documents of a source, carefully only where the fast way declines."""
    quick = read_quickly(source)
    if quick:
        return Reading(documents=tuple(_from_quick(source, one) for one in quick))
    return read_carefully(source)


def read_carefully(source: SourceText) -> Reading:
    """Read all documents of a source with positions; a text that YAML refuses may still be JSON."""
    found: list[Diagnostic] = []
    parsed = _read_trees(source, found)
    if found and source.notation == "yaml" and source.text.lstrip()[:1] in ("{", "["):
        source, parsed, found = _retry_as_json(source, parsed, found)
    documents = tuple(_from_tree(source, one) for one in parsed if not _is_empty(one))
    if not found:
        found = _note_empty(source, parsed, has_content=bool(documents))
    return Reading(documents=documents, diagnostics=tuple(found))


def _read_trees(
    source: SourceText, found: list[Diagnostic], start: int = 0, end: int | None = None
) -> list[ParsedDocument]:
    # The careful readers are only loaded for what is not plain or not right.
    if source.notation == "json":
        from reconciler.specs.source.jsonreader import read_json

        return read_json(source, found)
    from reconciler.specs.source.yamlreader import read_yaml

    return read_yaml(source, found, start, end)


def _retry_as_json(
    source: SourceText, parsed: list[ParsedDocument], found: list[Diagnostic]
) -> tuple[SourceText, list[ParsedDocument], list[Diagnostic]]:
    other: list[Diagnostic] = []
    as_json = SourceText(
        file=source.file, text=source.text, notation="json", decoded_from=source.decoded_from
    )
    read = _read_trees(as_json, other)
    return (as_json, read, other) if read and not other else (source, parsed, found)


def _from_quick(source: SourceText, quick: FastDocument) -> Document:
    return Document(
        source=source,
        start=quick.start,
        end=quick.end,
        first=quick.first,
        last=quick.last,
        value=quick.value,
    )


def _from_tree(source: SourceText, parsed: ParsedDocument) -> Document:
    return Document(
        source=source,
        start=parsed.start,
        end=parsed.end,
        first=parsed.root.start,
        last=parsed.root.end,
        value=plain(parsed.root),
        ambiguous=parsed.ambiguous,
    )


def _is_empty(parsed: ParsedDocument) -> bool:
    return parsed.root.value is None and parsed.root.is_blank


def _note_empty(
    source: SourceText, parsed: list[ParsedDocument], *, has_content: bool
) -> list[Diagnostic]:
    if not has_content:
        message = "the file holds no document"
        hint = "delete it if it is no longer wanted: an empty file may have been cut off"
        return [make_diagnostic("empty-file", message, source.where(0, 0), hint=hint)]
    return [
        make_diagnostic("empty-document", "this document is empty", one.root.where)
        for one in parsed
        if _is_empty(one)
    ]

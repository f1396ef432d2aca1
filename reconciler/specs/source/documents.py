"""Documents: plain values that can say, when asked, where each part of them was written."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import Where
from reconciler.specs.rules.codes import finding
from reconciler.specs.source.nodes import FastDocument, Node, ParsedDocument, plain
from reconciler.specs.source.quickreader import read_quickly
from reconciler.specs.source.source_text import SourceText


class Document(NamedTuple):
    """One document of a page. Positions are not kept but read again from its slice on demand.

    Thousands of files are read, few have findings, and a tree weighs many times its text.
    `start` and `end` bound the slice, `first` and `last` what is written in it.
    """

    page: SourceText
    start: int
    end: int
    first: int
    last: int
    value: Any
    ambiguous: bool = False

    @property
    def where(self) -> Where:
        """The place of the document's content."""
        return self.page.where(self.first, self.last)

    @property
    def note(self) -> str:
        """What a message has to add where the place alone does not show the line."""
        return self.page.note(self.first)

    @property
    def folder(self) -> str:
        """The folder of its file, relative to the root; empty for the root itself."""
        return self.page.file.rpartition("/")[0]

    def holds(self, text: str) -> bool:
        """Whether a text is written anywhere in the document."""
        return self.page.text.find(text, self.start, self.end) >= 0

    def tree(self) -> Node:
        """Read the document again, with the place of every key and value."""
        return _read_trees(self.page, [], self.start, self.end)[0].root


class Reading(NamedTuple):
    """What a page holds, and what is wrong with it as a text."""

    documents: tuple[Document, ...]
    findings: tuple[Diagnostic, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the documents cannot be relied on."""
        return has_errors(self.findings)


def read_page(page: SourceText) -> Reading:
    """Read all documents of a page, carefully only where the fast way declines."""
    quick = read_quickly(page)
    if quick:
        return Reading(documents=tuple(_from_quick(page, one) for one in quick))
    return read_carefully(page)


def read_carefully(page: SourceText) -> Reading:
    """Read all documents of a page with positions; a text that YAML refuses may still be JSON."""
    found: list[Diagnostic] = []
    parsed = _read_trees(page, found)
    if found and page.notation == "yaml" and page.text.lstrip()[:1] in ("{", "["):
        page, parsed, found = _retry_as_json(page, parsed, found)
    documents = tuple(_from_tree(page, one) for one in parsed if not _is_empty(one))
    if not found:
        found = _note_empty(page, parsed, has_content=bool(documents))
    return Reading(documents=documents, findings=tuple(found))


def _read_trees(
    page: SourceText, found: list[Diagnostic], start: int = 0, end: int | None = None
) -> list[ParsedDocument]:
    # The careful readers are only loaded for what is not plain or not right.
    if page.notation == "json":
        from reconciler.specs.source.jsonreader import read_json

        return read_json(page, found)
    from reconciler.specs.source.yamlreader import read_yaml

    return read_yaml(page, found, start, end)


def _retry_as_json(
    page: SourceText, parsed: list[ParsedDocument], found: list[Diagnostic]
) -> tuple[SourceText, list[ParsedDocument], list[Diagnostic]]:
    other: list[Diagnostic] = []
    as_json = SourceText(file=page.file, text=page.text, notation="json", inside=page.inside)
    read = _read_trees(as_json, other)
    return (as_json, read, other) if read and not other else (page, parsed, found)


def _from_quick(page: SourceText, quick: FastDocument) -> Document:
    return Document(
        page=page,
        start=quick.start,
        end=quick.end,
        first=quick.first,
        last=quick.last,
        value=quick.value,
    )


def _from_tree(page: SourceText, parsed: ParsedDocument) -> Document:
    return Document(
        page=page,
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
    page: SourceText, parsed: list[ParsedDocument], *, has_content: bool
) -> list[Diagnostic]:
    if not has_content:
        message = "the file holds no document"
        hint = "delete it if it is no longer wanted: an empty file may have been cut off"
        return [finding("empty-file", message, page.where(0, 0), hint=hint)]
    return [
        finding("empty-document", "this document is empty", one.root.where)
        for one in parsed
        if _is_empty(one)
    ]

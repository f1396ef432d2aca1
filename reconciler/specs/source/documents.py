"""Documents: plain values that can say, when asked, where each part of them was written."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import Where
from reconciler.specs.source.nodes import Node, ParsedDocument
from reconciler.specs.source.source_text import SourceText


class Document(NamedTuple):
    """One document of a source text; `start` and `end` bound its slice of the text.

    `first` and `last` bound what is written in the slice. Positions are not kept but read again
    on demand: thousands of files are read, few have diagnostics, and a tree weighs many times its
    text.
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
        if self.source.notation == "yaml":
            from reconciler.specs.source.treereader import read_tree

            if (tree := read_tree(self.source, self.start, self.end)) is not None:
                return tree
        return read_trees(self.source, [], self.start, self.end)[0].root


class Reading(NamedTuple):
    """The documents of a source text, and the diagnostics about it as a text."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the documents cannot be relied on."""
        return has_errors(self.diagnostics)


def read_trees(
    source: SourceText, diagnostics: list[Diagnostic], start: int = 0, end: int | None = None
) -> list[ParsedDocument]:
    """Read a source text, or a slice of it, with the careful reader of its notation.

    What is wrong is added to `diagnostics`.
    """
    # Loading PyYAML takes longer than reading ten files: a run without it is the usual one.
    if source.notation == "json":
        from reconciler.specs.source.jsonreader import read_json

        return read_json(source, diagnostics)
    from reconciler.specs.source.yamlreader import read_yaml

    return read_yaml(source, diagnostics, start, end)

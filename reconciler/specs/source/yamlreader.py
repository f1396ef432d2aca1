"""YAML text to trees with positions, inside bounds that hold before anything is built.

Only PyYAML's event parser is used: its composer and constructor recurse (the compiled one takes
the process down on deep nesting), expand aliases without limit and follow YAML 1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS, make_diagnostic, too_many_diagnostics
from reconciler.specs.source.nodes import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_DOCUMENTS,
    MAX_VALUES,
    Entry,
    Node,
    ParsedDocument,
)
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.scalars import read_core, read_plain
from reconciler.specs.source.source_text import SourceText

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

# The complement of c-printable, section 5.1 of YAML 1.2.2, and the three separators which are
# line breaks in YAML 1.1 alone: the parser would silently make blanks of them.
FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)+")
_CORE = "tag:yaml.org,2002:"
_SCALAR_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


class _GiveUpError(Exception):
    """The text cannot be read any further; a finding has been noted."""


class _Size(NamedTuple):
    """How much there is of a document, aliases expanded: values, and characters in them."""

    values: int = 0
    characters: int = 0


@dataclass(slots=True)
class _Frame:
    """A collection under construction; `before` is the size of what came ahead of it."""

    node: Node
    anchor: str | None
    before: _Size
    flow: bool
    key: Node | None = None
    merges: list[Node] = field(default_factory=list)
    height: int = 1


@dataclass(slots=True)
class _Anchored:
    """A finished node that aliases may repeat, with what each repetition costs."""

    node: Node
    size: _Size
    height: int


def read_yaml(
    source: SourceText, found: list[Diagnostic], start: int = 0, end: int | None = None
) -> list[ParsedDocument]:
    """Read the documents of a source, or of a slice of it; what is wrong is added to `found`."""
    text = source.text[start:end] if start or end is not None else source.text
    if forbidden := FORBIDDEN.search(text):
        found.append(_forbidden(source, start + forbidden.start(), forbidden.group()))
        return []
    reader = _Reader(source, found, start)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            reader.take(event)
    except _GiveUpError:
        pass
    except yaml.MarkedYAMLError as error:
        found.append(_syntax(source, start, error))
    return reader.parsed


class _Reader:
    """Turns events into trees; goes on after a finding wherever the rest can be understood."""

    def __init__(self, source: SourceText, found: list[Diagnostic], base: int) -> None:
        self.source = source
        self.found = found
        self.base = base
        self.parsed: list[ParsedDocument] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.size = _Size()
        self.ambiguous = False
        self.root: Node | None = None
        self.end = base

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self.add(self.scalar(event), event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self.open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.close(event)
        elif kind is yaml.AliasEvent:
            self.alias(event)
        elif kind is yaml.DocumentStartEvent:
            self.root, self.size, self.ambiguous = None, _Size(), False
            self.anchors.clear()
        elif kind is yaml.DocumentEndEvent:
            self.finish(event)

    def finish(self, event: Any) -> None:
        start, self.end = self.end, self.base + event.end_mark.index
        if self.root is not None:
            self.count_document(self.root)
            self.parsed.append(
                ParsedDocument(start=start, end=self.end, root=self.root, ambiguous=self.ambiguous)
            )

    def node(self, event: Any, value: Any, older: str = "") -> Node:
        start, end = self.base + event.start_mark.index, self.base + event.end_mark.index
        if (event.anchor is not None or event.tag is not None) and start < end:
            # Point at the value itself, behind `&anchor` and `!tag`.
            properties = _PROPERTIES.match(self.source.text, start)
            start = properties.end() if properties and properties.end() <= end else start
        return Node(self.source, start, end, value, older)

    def scalar(self, event: Any) -> Node:
        tag = event.tag
        if tag is None and event.implicit[0]:
            return self.plain_scalar(event)
        if tag is None or tag in ("!", _CORE + "str"):
            return self.node(event, event.value)
        kind = tag.removeprefix(_CORE)
        value, problem = read_core(event.value)
        node = self.node(event, value)
        expected = _SCALAR_TYPES.get(kind) if tag != kind else None
        if expected is None:
            self.say("unsupported-tag", _unsupported(tag), self.whole(event), hint="remove the tag")
        elif problem:
            self.say("unsupported-number", f"{quote(event.value, 40)} {problem}", node)
        elif type(value) not in expected:
            message = f"'{quote(event.value, 40)}' is no !!{kind}"
            self.say("unsupported-tag", message, self.whole(event))
        return node

    def plain_scalar(self, event: Any) -> Node:
        read = read_plain(event.value)
        node = self.node(event, read.value, read.older)
        if read.problem:
            message = f"{quote(event.value, 40)} {read.problem}"
            self.say("unsupported-number", message, node, hint="quote it if it is meant as text")
        if read.older:
            self.ambiguous = True
        return node

    def open(self, event: Any, value: Any) -> None:
        node = self.node(event, value)
        self.check_depth(1, node)
        if event.tag not in (None, "!", _CORE + ("map" if isinstance(value, dict) else "seq")):
            here = Node(self.source, self.whole(event).start, node.start, None)
            self.say("unsupported-tag", _unsupported(event.tag), here, hint="remove the tag")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Frame(node, event.anchor, self.size, bool(event.flow_style)))
        self.count(_Size(1), node)

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        node = frame.node
        if frame.merges:
            self.merge(frame)
        if frame.flow:
            node.end = self.base + event.end_mark.index
        elif node.value:
            # The parser ends a block where the next token begins, comments included.
            last = node.value[-1] if isinstance(node.value, list) else _last_entry(node.value)
            node.end = max(node.start, last.end)
        if frame.anchor is not None:
            before, after = frame.before, self.size
            size = _Size(after.values - before.values, after.characters - before.characters)
            self.anchors[frame.anchor] = _Anchored(node, size, frame.height)
        self.place(node, frame.height)

    def alias(self, event: Any) -> None:
        here = self.whole(event)
        known = self.anchors.get(event.anchor)
        if known is None:
            what = "refers to itself" if event.anchor in self.anchors else "has no anchor before it"
            self.say("unknown-alias", f"the alias *{quote(event.anchor, 40)} {what}", here)
            self.place(here, 0)
            return
        self.count(known.size, here)
        self.check_depth(known.height, here)
        self.place(known.node, known.height)

    def whole(self, event: Any) -> Node:
        """Stand for everything that an event spans, `&anchor` and `!tag` included."""
        start, end = self.base + event.start_mark.index, self.base + event.end_mark.index
        return Node(self.source, start, end, None)

    def add(self, node: Node, event: Any) -> None:
        size = _Size(1, len(event.value))
        self.count(size, node)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchored(node, size, 0)
        self.place(node, 0)

    def place(self, node: Node, height: int) -> None:
        """Put a finished node where it belongs."""
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        frame.height = max(frame.height, height + 1)
        into = frame.node.value
        if isinstance(into, list):
            into.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            self.enter(frame, frame.key, node)
            frame.key = None

    def enter(self, frame: _Frame, key: Node, value: Node) -> None:
        if key.value == "<<" and self.source.text.startswith("<<", key.start):
            self.note_merge(frame, key, value)
            return
        name = self.key_name(key)
        entries: dict[str, Entry] = frame.node.value
        if name in entries:
            first = entries[name][0].where
            place = f"is already given in line {first.line}, column {first.column}"
            place = place if key.source.decoded_from is None else "is given twice"
            message = f"the key '{quote(name)}' {place}"
            self.say("duplicate-key", message, key, hint="keep one of them")
            return
        entries[name] = (key, value)

    def key_name(self, key: Node) -> str:
        if isinstance(key.value, str):
            return key.value
        written = self.source.text[key.start : key.end].strip()[:40]
        if isinstance(key.value, dict | list):
            self.say("non-string-key", "a key cannot be a mapping or a list", key)
        else:
            shown = quote(written, 40)
            self.say(
                "non-string-key",
                f"the key {shown or 'null'} is not a string",
                key,
                hint=f'quote it: "{shown}"' if written else "write the key",
            )
        return written

    def note_merge(self, frame: _Frame, key: Node, value: Node) -> None:
        sources = value.value if isinstance(value.value, list) else [value]
        if frame.merges:
            self.say("duplicate-key", "'<<' is given twice", key, hint="merge a list: <<: [*a, *b]")
        elif not sources or not all(isinstance(source.value, dict) for source in sources):
            self.say("bad-merge", "'<<' merges mappings only", value)
        else:
            frame.merges = sources

    def merge(self, frame: _Frame) -> None:
        """Apply `<<`: what is written here wins, then the earlier of several sources."""
        entries: dict[str, Entry] = frame.node.value
        for source in frame.merges:
            for name, entry in source.value.items():
                entries.setdefault(name, entry)

    def count(self, more: _Size, node: Node) -> None:
        values, characters = self.size
        self.size = _Size(values + more.values, characters + more.characters)
        if self.size.values > MAX_VALUES:
            limit = f"{MAX_VALUES:,} values"
        elif self.size.characters > MAX_CHARACTERS:
            limit = f"{MAX_CHARACTERS:,} characters"
        else:
            return
        message = f"the document has more than {limit}, aliases expanded"
        self.say("too-big", message, node, hint="split the file, or use fewer aliases")
        raise _GiveUpError

    def count_document(self, root: Node) -> None:
        if len(self.parsed) == MAX_DOCUMENTS:
            # None of them is looked at: each might have findings of its own.
            self.parsed.clear()
            message = f"the file has more than {MAX_DOCUMENTS:,} documents"
            self.say("too-many-documents", message, root, hint="split the file")
            raise _GiveUpError

    def check_depth(self, more: int, node: Node) -> None:
        if len(self.stack) + more > MAX_DEPTH:
            self.say("too-deep", f"nested more than {MAX_DEPTH} levels deep", node)
            raise _GiveUpError

    def say(self, code: str, message: str, node: Node, hint: str = "") -> None:
        if len(self.found) >= MOST_DIAGNOSTICS:
            self.found.append(too_many_diagnostics(node.where))
            raise _GiveUpError
        self.found.append(
            make_diagnostic(code, message + node.decoded_place, node.where, hint=hint)
        )


def _last_entry(entries: dict[str, Entry]) -> Node:
    return next(reversed(entries.values()))[1]


def _unsupported(tag: str) -> str:
    name = tag.replace(_CORE, "!!", 1)
    return f"the tag {quote(name)} has no meaning here: a spec holds JSON values"


def _forbidden(source: SourceText, at: int, character: str) -> Diagnostic:
    name = f"U+{ord(character):04X}"
    message = (
        f"the control character {name} cannot stand in YAML as it is{source.decoded_place(at)}"
    )
    hint = "remove it, or write it as an escape inside double quotes"
    return make_diagnostic("control-character", message, source.where(at, at + 1), hint=hint)


_ADVICE = (
    ("found character that cannot start any token", "quote the value"),
    ("mapping values are not allowed", "quote a value that holds ': ', and check the indentation"),
    ("could not find expected ':'", "is a ':' missing, or the indentation off?"),
    ("did not find expected <document start>", "separate documents with a line of '---'"),
    ("did not find expected '-' indicator", "align the items of the list"),
    ("did not find expected key", "align the keys of the mapping, and close every quote"),
)


def _syntax(source: SourceText, base: int, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    at = base + mark.index if mark else base
    problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
    note = source.decoded_place(at)
    where = source.where(at, at + 1)
    if source.text[at : at + 1] == "\t":
        message = f"a tab cannot indent or separate values in YAML{note}"
        return make_diagnostic("yaml-syntax", message, where, hint="use spaces")
    if "invalid Unicode character escape" in problem:
        message = f"an escape that is no Unicode character{note}"
        return make_diagnostic("lone-surrogate", message, where, hint="write the character itself")
    if error.context and error.problem_mark and error.context_mark:
        line = _line_of(source, base, error.context_mark.index)
        problem = f"{problem}, {error.context}" + (f" that begins in line {line}" if line else "")
    hint = next((advice for words, advice in _ADVICE if words in problem), "")
    problem = quote(problem, 200)
    return make_diagnostic("yaml-syntax", f"not YAML: {problem}{note}", where, hint=hint)


def _line_of(source: SourceText, base: int, index: int) -> int:
    # Nobody sees the lines of a decoded text.
    return source.where(base + index, base + index).line if source.decoded_from is None else 0

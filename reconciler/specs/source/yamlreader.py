"""YAML text to trees with positions, inside bounds that hold before anything is built.

Only PyYAML's event parser is used: its composer and constructor recurse (the compiled one takes
the process down on deep nesting), expand aliases without limit and follow YAML 1.1.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, NamedTuple

import yaml

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS, make_diagnostic, too_many_diagnostics
from reconciler.specs.source.linereader import is_printable
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
from reconciler.values import dataclass

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

# The complement of c-printable, section 5.1 of YAML 1.2.2, and the three separators which are
# line breaks in YAML 1.1 alone: the parser would silently make blanks of them.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)+")
_CORE = "tag:yaml.org,2002:"
_SCALAR_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


def find_forbidden(text: str) -> re.Match[str] | None:
    """The first character that cannot stand in YAML."""
    # To compile the expression takes as long as to read fifty files: it sorts 65,536 characters.
    return None if is_printable(text) else re.compile(_FORBIDDEN).search(text)


class _GiveUpError(Exception):
    """The text cannot be read any further; a diagnostic has been noted."""


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
    source: SourceText, diagnostics: list[Diagnostic], start: int = 0, end: int | None = None
) -> list[ParsedDocument]:
    """Read the documents of a source text, or of a slice of it.

    What is wrong is added to `diagnostics`.
    """
    text = source.text[start:end] if start or end is not None else source.text
    if forbidden := find_forbidden(text):
        at = start + forbidden.start()
        name = f"U+{ord(forbidden.group()):04X}"
        place = source.decoded_place(at)
        message = f"the control character {name} cannot stand in YAML as it is{place}"
        hint = "remove it, or write it as an escape inside double quotes"
        where = source.where(at, at + 1)
        diagnostics.append(make_diagnostic("control-character", message, where, hint=hint))
        return []
    reader = _Reader(source, diagnostics, start)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            reader.take(event)
    except _GiveUpError:
        pass
    except yaml.MarkedYAMLError as error:
        diagnostics.append(_syntax_diagnostic(source, start, error))
    return reader.parsed


class _Reader:
    """Turns events into trees; goes on after a diagnostic wherever the rest can be understood."""

    def __init__(self, source: SourceText, diagnostics: list[Diagnostic], base: int) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.base = base
        self.parsed: list[ParsedDocument] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.size = _Size()
        self.ambiguous = False
        self.root: Node | None = None
        # Where the document before ended: what stands between is part of the next one's slice.
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
            if len(self.parsed) == MAX_DOCUMENTS:
                # None of them is looked at: each might have diagnostics of its own.
                self.parsed.clear()
                message = f"the file has more than {MAX_DOCUMENTS:,} documents"
                self.say("too-many-documents", message, self.root, hint="split the file")
                raise _GiveUpError
            self.parsed.append(
                ParsedDocument(start=start, end=self.end, root=self.root, ambiguous=self.ambiguous)
            )

    def node(self, event: Any, value: Any, yaml11: str = "") -> Node:
        start, end = self.base + event.start_mark.index, self.base + event.end_mark.index
        if (event.anchor is not None or event.tag is not None) and start < end:
            # Point at the value itself, behind `&anchor` and `!tag`.
            properties = _PROPERTIES.match(self.source.text, start)
            start = properties.end() if properties and properties.end() <= end else start
        return Node(self.source, start, end, value, yaml11)

    def scalar(self, event: Any) -> Node:
        tag = event.tag
        if tag is None and event.implicit[0]:
            return self.plain_scalar(event)
        if tag is None or tag in ("!", _CORE + "str"):
            return self.node(event, event.value)
        # A core tag overrules the quotes: `!!int "3"` is a number.
        kind = tag.removeprefix(_CORE)
        value, problem = read_core(event.value)
        node = self.node(event, value)
        expected = _SCALAR_TYPES.get(kind) if tag != kind else None
        if expected is None:
            self.say("unsupported-tag", _unsupported(tag), self.whole(event), hint="remove the tag")
        elif problem:
            self.say("unsupported-number", f"{quote(event.value, 40)} {problem}", node)
        elif type(value) not in expected:
            message = f"'{quote(event.value, 40)}' is not a value of !!{kind}"
            self.say("unsupported-tag", message, self.whole(event))
        return node

    def plain_scalar(self, event: Any) -> Node:
        scalar = read_plain(event.value)
        node = self.node(event, scalar.value, scalar.yaml11)
        node.integer = scalar.integer
        if scalar.unusable:
            message = f"{quote(event.value, 40)} {scalar.unusable}"
            self.say("unsupported-number", message, node, hint="quote it if it is meant as text")
        if scalar.yaml11:
            self.ambiguous = True
        return node

    def open(self, event: Any, value: Any) -> None:
        node = self.node(event, value)
        self.check_depth(1, node)
        if event.tag not in (None, "!", _CORE + ("map" if isinstance(value, dict) else "seq")):
            tag = Node(self.source, self.whole(event).start, node.start, None)
            self.say("unsupported-tag", _unsupported(event.tag), tag, hint="remove the tag")
        if event.anchor is not None:
            # Unfinished until it is closed: an alias within would contain itself.
            self.anchors[event.anchor] = None
        self.stack.append(_Frame(node, event.anchor, self.size, bool(event.flow_style)))
        self.count(_Size(1), node)

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        node = frame.node
        # What the mapping itself gives wins over `<<`, then the earlier of several sources.
        for merged in frame.merges:
            for name, entry in merged.value.items():
                node.value.setdefault(name, entry)
        if frame.flow:
            node.end = self.base + event.end_mark.index
        elif node.value:
            # The parser ends a block where the next token begins, comments included.
            is_list = isinstance(node.value, list)
            last = node.value[-1] if is_list else next(reversed(node.value.values()))[1]
            # The last value may stand further up, brought here by an alias or `<<`.
            node.end = max(node.start, last.end)
        if frame.anchor is not None:
            before, after = frame.before, self.size
            size = _Size(after.values - before.values, after.characters - before.characters)
            self.anchors[frame.anchor] = _Anchored(node, size, frame.height)
        self.place(node, frame.height)

    def alias(self, event: Any) -> None:
        alias = self.whole(event)
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            is_inside = event.anchor in self.anchors
            mistake = "refers to itself" if is_inside else "has no anchor before it"
            self.say("unknown-alias", f"the alias *{quote(event.anchor, 40)} {mistake}", alias)
            self.place(alias, 0)
            return
        # The same node again, not a copy; but it counts as if it were written out, because that is
        # what whoever walks the values goes through (the "billion laughs").
        self.count(anchored.size, alias)
        self.check_depth(anchored.height, alias)
        self.place(anchored.node, anchored.height)

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
        collection = frame.node.value
        if isinstance(collection, list):
            collection.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            self.enter(frame, frame.key, node)
            frame.key = None

    def enter(self, frame: _Frame, key: Node, value: Node) -> None:
        # `"<<"` in quotes is a key like any other.
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
            quoted = quote(written, 40)
            hint = f'quote it: "{quoted}"' if written else "write the key"
            self.say("non-string-key", f"the key {quoted or 'null'} is not a string", key, hint)
        return written

    def note_merge(self, frame: _Frame, key: Node, value: Node) -> None:
        sources = value.value if isinstance(value.value, list) else [value]
        if frame.merges:
            self.say("duplicate-key", "'<<' is given twice", key, hint="merge a list: <<: [*a, *b]")
        elif not sources or not all(isinstance(source.value, dict) for source in sources):
            self.say("bad-merge", "'<<' merges mappings only", value)
        else:
            frame.merges = sources

    def count(self, added: _Size, node: Node) -> None:
        values, characters = self.size
        self.size = _Size(values + added.values, characters + added.characters)
        if self.size.values > MAX_VALUES:
            limit = f"{MAX_VALUES:,} values"
        elif self.size.characters > MAX_CHARACTERS:
            limit = f"{MAX_CHARACTERS:,} characters"
        else:
            return
        message = f"the document has more than {limit}, aliases expanded"
        self.say("too-big", message, node, hint="split the file, or use fewer aliases")
        raise _GiveUpError

    def check_depth(self, levels: int, node: Node) -> None:
        if len(self.stack) + levels > MAX_DEPTH:
            self.say("too-deep", f"nested more than {MAX_DEPTH} levels deep", node)
            raise _GiveUpError

    def say(self, code: str, message: str, node: Node, hint: str = "") -> None:
        # A hostile file could have a mistake in each of 16 million characters.
        if len(self.diagnostics) >= MOST_DIAGNOSTICS:
            self.diagnostics.append(too_many_diagnostics(node.where))
            raise _GiveUpError
        self.diagnostics.append(
            make_diagnostic(code, message + node.decoded_place, node.where, hint=hint)
        )


def _unsupported(tag: str) -> str:
    name = tag.replace(_CORE, "!!", 1)
    return f"the tag {quote(name)} has no meaning here: a spec holds JSON values"


# By words of libyaml's messages, which PyYAML passes on.
_ADVICE = (
    ("found character that cannot start any token", "quote the value"),
    ("mapping values are not allowed", "quote a value that holds ': ', and check the indentation"),
    ("could not find expected ':'", "is a ':' missing, or the indentation off?"),
    ("did not find expected <document start>", "separate documents with a line of '---'"),
    ("did not find expected '-' indicator", "align the items of the list"),
    ("did not find expected key", "align the keys of the mapping, and close every quote"),
)


def _syntax_diagnostic(source: SourceText, base: int, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    at = base + mark.index if mark else base
    problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
    note = source.decoded_place(at)
    where = source.where(at, at + 1)
    if source.text[at : at + 1] == "\t":
        message = f"a tab cannot indent or separate values in YAML{note}"
        return make_diagnostic("yaml-syntax", message, where, hint="use spaces")
    if "invalid Unicode character escape" in problem:
        message = f"this escape is not a Unicode character{note}"
        return make_diagnostic("lone-surrogate", message, where, hint="write the character itself")
    # The problem is where the parser gave up; the context, where what it was reading had begun.
    if error.context and error.problem_mark and error.context_mark:
        problem = f"{problem}, {error.context}"
        # Nobody sees the lines of a decoded text.
        if source.decoded_from is None:
            begin = base + error.context_mark.index
            problem += f" that begins in line {source.where(begin, begin).line}"
    hint = next((advice for phrase, advice in _ADVICE if phrase in problem), "")
    problem = quote(problem, 200)
    return make_diagnostic("yaml-syntax", f"not YAML: {problem}{note}", where, hint=hint)

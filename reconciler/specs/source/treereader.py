"""The fast reader of trees: for a document that was read already, and has neither anchors nor tags.

A finding needs the place of its cause, and most of what a finding costs is to read its document a
second time. `yamlreader` explains mistakes; here there are none left, so this declines instead.
"""

from __future__ import annotations

from sys import intern
from typing import Any

import yaml

from reconciler.specs.source.nodes import Node
from reconciler.specs.source.scalars import TYPED_STARTS, read_plain
from reconciler.specs.source.source_text import SourceText
from reconciler.specs.source.yamlreader import LOADER

_Open = tuple[Node, Node | None, bool]


def read_tree(source: SourceText, start: int, end: int) -> Node | None:
    """The tree of the one document in a slice of a text; None for what `yamlreader` has to read."""
    next_event = LOADER(source.text[start:end]).get_event
    try:
        next_event()
        next_event()
        return _read(source, start, next_event)
    except yaml.YAMLError:
        return None


def _read(source: SourceText, base: int, next_event: Any) -> Node | None:  # noqa: PLR0912 - as `eventreader`
    """One loop with a stack of its own, for the reasons that `eventreader` gives."""
    stack: list[_Open] = []
    node: Node | None = None
    key: Node | None = None
    is_flow = False
    while True:
        event = next_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            done: Node | None = _scalar(source, base, event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            done = node
            if done is not None:
                _close(done, base + event.end_mark.index if is_flow else None)
            if not stack:
                return done
            node, key, is_flow = stack.pop()
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if event.anchor is not None or event.tag is not None:
                return None
            if node is not None:
                stack.append((node, key, is_flow))
            value: Any = {} if kind is yaml.MappingStartEvent else []
            start, end = base + event.start_mark.index, base + event.end_mark.index
            node, key, is_flow = Node(source, start, end, value), None, bool(event.flow_style)
            continue
        else:
            # An alias.
            return None
        if done is None or node is None:
            return done
        collection = node.value
        if type(collection) is list:
            collection.append(done)
        elif key is not None:
            collection[key.value] = (key, done)
            key = None
        elif type(done.value) is not str or done.value in collection or done.value == "<<":
            return None
        else:
            done.value = intern(done.value)
            key = done


def _scalar(source: SourceText, base: int, event: Any) -> Node | None:
    if event.anchor is not None or event.tag is not None:
        return None
    text = event.value
    start, end = base + event.start_mark.index, base + event.end_mark.index
    if event.implicit[0] and (not text or text[0] in TYPED_STARTS):
        scalar = read_plain(text)
        return Node(source, start, end, scalar.value, scalar.yaml11, scalar.integer)
    return Node(source, start, end, text)


def _close(node: Node, flow_end: int | None) -> None:
    """Give a collection its end: a block ends where its last value does, comments not included."""
    if flow_end is not None:
        node.end = flow_end
    elif node.value:
        is_list = type(node.value) is list
        last = node.value[-1] if is_list else next(reversed(node.value.values()))[1]
        node.end = max(node.start, last.end)

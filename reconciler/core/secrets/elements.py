"""XML in a text: elements, attributes, and names that stand beside their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from reconciler.core.secrets.structures import is_shown_field

# A closing tag has to follow: `serve --token <token> --port 1` is no XML.
_TEXT = r"(?:\s*<!\[CDATA\[((?:(?!<!\[CDATA\[).)*?)\]\]>\s*|([^<]+))(?=</)"
_TAG = r"<((?:[\w.-]{1,99}:)?([\w.-]{1,99}))(?:\s[^<>]{0,500})?(?<!/)>"
_LEAF = re.compile(_TAG + _TEXT, re.DOTALL)
_PARENT = re.compile(_TAG + r"(?=\s*<(?!!\[CDATA\[|/))")
_QUOTE = r"\\{0,3}[\"']"
_NAMED = rf"<[\w.:-]{{1,99}}\s[^<>]{{0,300}}?\b(?:name|key)\s*=\s*{_QUOTE}([\w.-]{{1,99}}){_QUOTE}"
# `<add key="…" value="…"/>`, `<property name="…">…</property>`.
_NAMED_VALUE = re.compile(rf"{_NAMED}[^<>]{{0,300}}?\bvalue\s*=\s*{_QUOTE}([^\"'<>\\]+)")
_NAMED_TEXT = re.compile(rf"{_NAMED}[^<>]{{0,300}}(?<!/)>{_TEXT}", re.DOTALL)
# As property lists and Hadoop have it: `<name>…</name><value>…</value>`.
_NEIGHBOURS = re.compile(
    rf"<(?:key|name)>\s*([\w.-]{{1,99}})\s*</(?:key|name)>\s*<(?:string|value)>{_TEXT}", re.DOTALL
)


def find_elements(
    text: str, is_secret: Callable[[str], bool]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """The name of each secret in XML and where its value stands, in the order of the text."""
    candidates = [
        (match[1], _span(match))
        for pattern in (_NAMED_VALUE, _NAMED_TEXT, _NEIGHBOURS)
        for match in pattern.finditer(text)
    ]
    candidates += [(match[2], _span(match)) for match in _LEAF.finditer(text)]
    end = 0
    for parent in _PARENT.finditer(text):
        # What stands within another one was found with it.
        if parent.start() < end or not is_secret(parent[2]):
            continue
        end = text.find(f"</{parent[1]}", parent.end())
        if end < 0:
            break
        candidates += [
            (parent[2], _span(leaf))
            for leaf in _LEAF.finditer(text, parent.end(), end)
            if not is_shown_field(leaf[2], of=parent[2])
        ]
    named = [(name, span) for name, span in candidates if span[0] < span[1] and is_secret(name)]
    yield from sorted(named, key=lambda pair: pair[1])


def _span(match: re.Match[str]) -> tuple[int, int]:
    """Where the value of a match stands, without the blanks around it."""
    start, end = match.span(match.lastindex or 0)
    value = match.string[start:end]
    return start + len(value) - len(value.lstrip()), end - len(value) + len(value.rstrip())

"""Generated values and texts: documents as people write them, and as nobody should."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.source.jsonreader import read_json
from reconciler.specs.source.nodes import Node
from reconciler.specs.source.source_text import SourceText

KEYS = st.sampled_from(["name", "kind", "spec", "a", "b", "on", "8080", "x/y", "k~", "ключ", "<<"])
TEXTS = st.one_of(
    st.sampled_from(
        ["no", "017", "1e3", "12:30:45", "", " ", "null", "- a", "a: b", "#", "'", '"']
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    st.sampled_from(["two\nlines", "tab\there", "\u2028", "\x85", "emoji 😀", "trailing \n\n"]),
)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=5)

FRAGMENTS = st.sampled_from(
    [
        *"{}[],:-?&*!|>'\"%@`#~ \t\n\r",
        "---\n",
        "...\n",
        "<<: ",
        "&a ",
        "*a",
        "!!binary ",
        "!x ",
        "%YAML 1.1\n",
        "\ufeff",
        "\x00",
        "\x85",
        "\u2028",
        "\\ud800",
        "0o7",
        ".nan",
        "9" * 30,
        "é😀",
        "- - - ",
        "? ",
        "metadata: ",
        "manifestFile: a.yaml\n",
        "manifestBase64Encoded: ",
        "[" * 120,
    ]
)


def tree(value: Any) -> Node:
    """Return the tree of a value, by way of JSON text."""
    found: list[Diagnostic] = []
    (parsed,) = read_json(SourceText(file="a.json", text=json.dumps(value), notation="json"), found)
    return parsed.root


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Take a text and cut, double and insert pieces of it."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.one_of(FRAGMENTS, st.just(""), st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[end:]
    return text


JSON_TEXTS = VALUES.map(lambda value: json.dumps(value, indent=1, ensure_ascii=False))

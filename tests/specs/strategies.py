"""Generated values and texts: documents as people write them, and as nobody should."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.source.jsonreader import read_json
from reconciler.specs.source.nodes import Node
from reconciler.specs.source.source_text import SourceText
from tests.specs.manifests import MANIFESTS, fresh

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


@st.composite
def places(draw: st.DrawFn, value: Any) -> tuple[Any, Any]:
    """Choose a part of a value: what holds it, and the step to it."""
    while True:
        steps = list(value) if isinstance(value, dict) else list(range(len(value)))
        step = draw(st.sampled_from(steps))
        below = value[step]
        if not (isinstance(below, dict | list) and below) or draw(st.integers(0, 3)) == 0:
            return value, step
        value = below


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Any]:
    """Return a kind, and a manifest of it in which something is replaced, added or taken away."""
    kind = draw(st.sampled_from(sorted(MANIFESTS)))
    value = fresh(kind)
    value["metadata"] = {"name": "llm", "labels": {"a": "b"}, "annotations": {"gpu-memory": "1"}}
    for _ in range(draw(st.integers(1, 3))):
        holder, step = draw(places(value))
        holder[step] = draw(VALUES)
        if isinstance(holder, dict):
            holder[draw(st.sampled_from(FIELDS))] = draw(VALUES)
    return kind, value


FIELDS = sorted(
    {"replicas", "restartPolicy", "containers", "resources", "limits", "requests", "schedule"}
    | {"selector", "matchLabels", "matchExpressions", "labels", "annotations", "image", "name"}
    | {"gpu-fraction", "nvidia.com/gpu", "memory", "nodeSelector", "template", "metadata"}
)

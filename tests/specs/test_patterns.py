"""Our own patterns: no text keeps one of them busy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

from reconciler import specs
from reconciler.core.globs import read_pattern, selects
from reconciler.specs.source.deadline import Deadline

SCHEMAS = Path(__file__).parents[2] / "schemas"
# One by one, and in pairs: what repetitions share out among each other.
PIECES = ["a", "A", "0", "1", "-", ".", "/", "~0", "*", "_", ",", " ", "[", "@every 1", "1h", ":2"]


def patterns_of(schema: Any) -> Iterator[str]:
    """Every pattern in a schema, keys of `patternProperties` included."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from schema.get("patternProperties", ())
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            yield from patterns_of(part)


def own_patterns() -> Iterator[Callable[[str], object]]:
    """Those of the shipped schemas, and those that the readers of specs have as constants.

    All of them: what a module is about says nothing of who wrote what it reads.
    """
    shipped = set[str]()
    for file in SCHEMAS.rglob("*.schema.json"):
        shipped |= set(patterns_of(json.loads(file.read_text())))
    yield from (re.compile(pattern).search for pattern in sorted(shipped))
    constants = {
        value.pattern: value
        for module in walk_packages(specs.__path__, f"{specs.__name__}.")
        for value in vars(import_module(module.name)).values()
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str)
    }
    yield from (pattern.fullmatch for pattern in constants.values())


@pytest.mark.parametrize("match", list(own_patterns()), ids=lambda match: match.__self__.pattern)
def test_a_pattern_of_ours_takes_no_time(match: Callable[[str], object]) -> None:
    """Whatever is repeated in a text, and however it ends."""
    with Deadline.after(20).enforced():
        for first, second in product(PIECES, repeat=2):
            for text in ((first + second) * 1_000, "/manifest" + (first + second) * 1_000):
                match(text)
                match(text + "!")


@pytest.mark.parametrize("glob", ["*a" * 30, "**/" * 30 + "b", "a*" * 500 + "b", "[!a]*" * 30])
def test_a_glob_takes_no_time(glob: str) -> None:
    """The patterns of `.reconcilerignore`, of suppressions and of what a policy is about."""
    pattern = read_pattern(glob)
    assert pattern is not None
    with Deadline.after(20).enforced():
        assert not selects([pattern], "a" * 2_000 + "c")
        assert not selects([pattern], "a/" * 1_000 + "c")

"""Values in a manifest by patterns of paths, where `*` stands for every item or entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias

from reconciler.specs.source.nodes import Step

Path: TypeAlias = tuple[Step, ...]


def find(value: Any, pattern: str) -> Iterable[tuple[Path, Any]]:
    """Yield the paths and values that a pattern leads to; null is a field that is left out."""
    steps = _split(pattern)
    if "*" in steps:
        return _walk(value, steps, 0, ())
    # Most lead to one place, and an iterator for it would take longer than going there.
    for step in steps:
        value = value.get(step) if type(value) is dict else None
    return () if value is None else ((steps, value),)


# A few dozen patterns are asked of every manifest.
@cache
def _split(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("/")) if pattern else ()


def _walk(value: Any, steps: tuple[str, ...], start: int, path: Path) -> Iterator[tuple[Path, Any]]:
    at = start
    while value is not None and at < len(steps) and steps[at] != "*":
        value = value.get(steps[at]) if isinstance(value, dict) else None
        at += 1
    if value is None:
        return
    path += steps[start:at]
    if at == len(steps):
        yield path, value
        return
    entries = value.items() if isinstance(value, dict) else ()
    for step, part in enumerate(value) if isinstance(value, list) else entries:
        yield from _walk(part, steps, at + 1, (*path, step))


def find_all(value: Any, patterns: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    """Yield what several patterns lead to."""
    for pattern in patterns:
        yield from find(value, pattern)

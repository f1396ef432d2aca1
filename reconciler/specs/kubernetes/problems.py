"""What a rule of Kubernetes says of a part of a manifest, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path


class Problem(NamedTuple):
    """A sentence about a place in the spec; `at_key` points at the key instead of the value."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    severity: Severity | None = None


Problems: TypeAlias = Iterator[Problem]


def mapping(value: Any, *steps: str) -> Manifest:
    """The mapping at a path, or an empty one: another type is the schema's to report."""
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def entries(value: Any, path: Path) -> Iterator[tuple[Path, Manifest]]:
    """The mappings in a list, with their paths."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield (*path, index), item


def texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The texts in a list, with their paths."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str):
            yield (*path, index), item


def is_number(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number; true is none, though Python counts with it."""
    return type(value) is int


def given(value: Manifest, *fields: str) -> list[str]:
    """Which of these fields are there; null is a field that is left out."""
    return [field for field in fields if value.get(field) is not None]


def find_repeated(pairs: Iterator[tuple[Path, str]], noun: str) -> Problems:
    """Texts that stand in a list twice."""
    seen: set[str] = set()
    for path, text in pairs:
        if text in seen:
            yield Problem(path, f"{noun} '{text}' is given twice", "remove one of them")
        seen.add(text)

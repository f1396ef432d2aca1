"""JSON pointers (RFC 6901): paths through JSON values, written as text."""

from __future__ import annotations

from collections.abc import Iterable


def escape_step(step: str) -> str:
    """Write one step of a pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def join_steps(steps: Iterable[str | int]) -> str:
    """Write a path as a pointer; the empty path is the whole value and an empty text."""
    return "".join(f"/{escape_step(str(step))}" for step in steps)


def split_pointer(pointer: str) -> list[str]:
    """Return the steps of a pointer; an index of a list stays a text."""
    # `~1` goes first: `~01` stands for `~1`, and not for a slash.
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

"""A mistake that is put into the running engine for a while, as patches: no switch leads to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

Patch = tuple[object, str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake: what it is in words, and the patches that make it.

    `paused` is one that shows where processes stand still, and there only; `shared` one that shows
    where they are replaced meanwhile.
    """

    mistake: str
    paused: bool = False
    shared: bool = False
    patches: Callable[[], list[Patch]]

    @contextmanager
    def made(self) -> Iterator[None]:
        """Make the mistake within a block."""
        with ExitStack() as stack:
            for target, name, replacement in self.patches():
                stack.enter_context(mock.patch.object(target, name, replacement))
            yield

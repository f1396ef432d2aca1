"""State files that are opened, and processes that die over them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from reconciler.state.sqlite import SqliteStore, open_state


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SqliteStore]:
    """Open a state for a while."""
    store = open_state(path)
    try:
        yield store
    finally:
        store.close()


class KilledError(BaseException):
    """What a process feels when it is killed: nothing that anybody would catch."""

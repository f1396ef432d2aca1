"""State files that are opened, and processes that die over them."""

from __future__ import annotations

import contextlib
import sqlite3
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


def sql(path: Path, *statements: str) -> None:
    """Do something to a database behind the program's back."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        for statement in statements:
            conn.execute(statement)
        conn.commit()


class KilledError(BaseException):
    """What a process feels when it is killed: nothing that anybody would catch."""

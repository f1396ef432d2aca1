"""What can be asked of a state without a server, and the small surgery on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.app.settings import Settings
from reconciler.core.model import Address, Header, Recorded, Target
from reconciler.errors import StateError, UsageError
from reconciler.ports import StateStore
from reconciler.state.memory import MemoryStore
from reconciler.state.sqlite import SqliteStore, create_state, is_there, open_state


@contextmanager
def read_state(path: Path) -> Iterator[SqliteStore]:
    """A state to look at; raises StateError where there is none."""
    store = open_state(path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def read_state_or_none(path: Path, target: Target) -> Iterator[StateStore]:
    """A state to plan with: where there is none yet, an empty one that is never written."""
    if not is_there(path):
        yield MemoryStore(Header(lineage="", serial=0, target=target))
        return
    with read_state(path) as store:
        yield store


def make_state(settings: Settings) -> Path:
    """Make an empty state for the target of these settings; raises StateError where one is."""
    create_state(settings.state, Target(url=settings.need_url(), stack=settings.stack)).close()
    return settings.state


def find_record(rows: Sequence[Recorded], text: str) -> Recorded:
    """The record of an address; raises StateError with the nearest ones where there is none."""
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="'reconciler state list' shows them") from None
    for row in reversed(rows):
        if row.address == address:
            return row
    raise StateError(
        f"the state has no {address}", hint="'reconciler state list' shows what it has"
    )


def set_protection(path: Path, text: str, *, protect: bool, command: str) -> bool:
    """Protect a workload against deletes and replaces, or lift that; False when it was so already.

    Raises StateError and LockedError.
    """
    with read_state(path) as store:
        store.hold(command)
        row = find_record(store.read(), text)
        if (row.protected or row.lifecycle.protect) is protect:
            return False
        lifecycle = row.lifecycle
        if not protect:
            lifecycle = dataclasses.replace(lifecycle, protect=False)
        store.write([dataclasses.replace(row, protected=protect, lifecycle=lifecycle)])
        return True

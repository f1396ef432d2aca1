"""What can be asked of a state without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.app.settings import Settings
from reconciler.core.model import Address, Header, Recorded, Target
from reconciler.errors import StateError, UsageError
from reconciler.ports import Inspection, RunEntry, StateStore
from reconciler.state.check import inspect_state
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


def inspect(path: Path) -> Inspection:
    """Everything that is wrong with a state; raises StateError for what is none."""
    return inspect_state(path)


def find_record(rows: Sequence[Recorded], text: str) -> Recorded:
    """The newest record of an address; raises StateError where there is none."""
    return find_records(rows, text)[-1]


def find_records(rows: Sequence[Recorded], text: str) -> list[Recorded]:
    """The records of an address, oldest first; raises StateError where there are none."""
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="'reconciler state list' shows them") from None
    found = [row for row in rows if row.address == address]
    if not found:
        raise StateError(
            f"the state has no {address}", hint="'reconciler state list' shows what it has"
        )
    return found


def find_run(runs: Sequence[RunEntry], text: str) -> RunEntry:
    """The run whose id begins like this; raises StateError where it is none or several."""
    found = [run for run in runs if run.id.startswith(text.lower())]
    if not found:
        raise StateError(
            f"the state remembers no run {text}", hint="'reconciler runs list' shows them"
        )
    if len(found) > 1:
        raise StateError(
            f"{len(found)} runs begin with {text}", hint="give more of the id, or all of it"
        )
    return found[0]

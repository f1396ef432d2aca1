"""What can be asked of a state without a server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.app.committed import refuse_committed_journal
from reconciler.app.settings import Settings
from reconciler.app.target import CheckedServer, PinnedTarget
from reconciler.core.model import Address, Header, Recorded, Target
from reconciler.core.planning.selection import Selection
from reconciler.errors import StateError, UsageError
from reconciler.ports import Inspection, RunEntry, StateStore
from reconciler.state.backups import backups_folder
from reconciler.state.check import inspect_state
from reconciler.state.database import PATIENCE
from reconciler.state.memory import MemoryStore
from reconciler.state.names import made_as
from reconciler.state.sqlite import SqliteStore, create_state, is_there, open_state


def open_existing(path: Path, patience: float = PATIENCE) -> SqliteStore:
    """Open a state for as many seconds at most; raises StateError where there is none."""
    refuse_committed_journal(path)
    return open_state(path, min(patience, PATIENCE))


@contextmanager
def read_state(path: Path, patience: float = PATIENCE) -> Iterator[SqliteStore]:
    """A state to look at; raises StateError where there is none, or after so many seconds."""
    store = open_existing(path, patience)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def read_state_or_none(path: Path, patience: float = PATIENCE) -> Iterator[SqliteStore | None]:
    """A state to plan with, or None where there is none yet."""
    if not is_there(path):
        yield None
        return
    with read_state(path, patience) as store:
        yield store


def without_state(target: Target) -> StateStore:
    """What a plan is made from where there is no state yet; it is never written."""
    return MemoryStore(Header(lineage="", serial=0, target=target))


def pin_of(store: SqliteStore | None) -> PinnedTarget | None:
    """The target that a run on this state is bound to; a state without records binds nothing."""
    return (
        None
        if store is None
        else PinnedTarget(target=store.header.target, binds=store.has_records())
    )


def make_state(settings: Settings, server: CheckedServer) -> SqliteStore:
    """Make an empty state, pinned to a server; raises StateError where there is one."""
    return create_state(settings.state, Target(url=server.url, stack=settings.stack))


def inspect(path: Path) -> Inspection:
    """Everything that is wrong with a state; raises StateError for what is none."""
    refuse_committed_journal(path)
    return inspect_state(path)


def find_record(rows: Sequence[Recorded], text: str) -> Recorded:
    """The newest record of an address; raises StateError where there is none."""
    return find_records(rows, text)[-1]


def find_records(rows: Sequence[Recorded], text: str) -> list[Recorded]:
    """The records of an address, oldest first; raises StateError where there are none."""
    address = _parse(text)
    found = [row for row in rows if row.address == address]
    if not found:
        raise StateError(
            f"the state has no {address}", hint="'reconciler state list' shows what it has"
        )
    return found


def _parse(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="'reconciler state list' shows them") from None


def choose_records(rows: Sequence[Recorded], patterns: Sequence[str]) -> list[Recorded]:
    """The records whose addresses match; raises StateError for a pattern that matches none."""
    chosen: set[str] = set()
    for pattern in patterns:
        if not is_glob(pattern):
            _parse(pattern)
        found = [row.op for row in rows if Selection(targets=(pattern,)).takes(row.address)]
        if not found:
            raise StateError(
                f"the state has no {pattern}", hint="'reconciler state list' shows what it has"
            )
        chosen.update(found)
    return [row for row in rows if row.op in chosen]


def is_glob(pattern: str) -> bool:
    """Whether a pattern may match more than the address that it is."""
    return any(char in pattern for char in "*?[")


def merge_targets(known: Target, told: Target) -> Target:
    """What a state knows of its target, and what it did not know yet."""
    return dataclasses.replace(
        known,
        issuer=known.issuer or told.issuer,
        tenant_id=told.tenant_id if known.tenant_id is None else known.tenant_id,
    )


def list_leftovers(path: Path) -> list[Path]:
    """Files that a killed command left behind beside a state; or that another one is making now."""
    folders = (path.parent, backups_folder(path))
    return sorted(
        file
        for folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if _is_leftover(file, path)
    )


def sweep(path: Path) -> None:
    """Remove what was left behind of the making of a state that is there, and is held."""
    for file in list_leftovers(path):
        if file.parent == path.parent:
            file.unlink(missing_ok=True)


def _is_leftover(file: Path, state: Path) -> bool:
    """A state and its backups are made under a hidden name of their own, and then moved."""
    name = made_as(file.name)
    return name is not None and (file.parent != state.parent or name == state.name)


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

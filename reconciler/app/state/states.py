"""What can be asked of a state without a server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.app.committed import refuse_committed_journal
from reconciler.app.projects.typed_names import TypedNames
from reconciler.app.settings import Settings
from reconciler.core.digest import digest_text
from reconciler.core.globs import is_glob
from reconciler.core.model import Address, Header, Recorded, Target
from reconciler.core.planning.selection import Selection
from reconciler.core.states.places import FilePlace, PostgresPlace, StatePlace
from reconciler.errors import ReconcilerError, StateError, UsageError
from reconciler.ports import RecordStore, RunEntry, StateStore
from reconciler.state.backups import backups_folder
from reconciler.state.database import TIME_LIMIT
from reconciler.state.filenames import finished_name
from reconciler.state.memory import MemoryStore
from reconciler.state.places import create_state, inspect_state, open_state, sql_text

if TYPE_CHECKING:
    # It brings what plans and guards, which nobody needs who lists a state.
    from reconciler.app.target import CheckedServer
    from reconciler.core.states.inspection import Inspection

NO_IDS: Mapping[str, str] = {}


def project_ids(store: RecordStore, aliases: Mapping[str, str]) -> dict[str, str]:
    """The ids of projects by the names that a state and a configuration know."""
    return {**store.header.target.pins, **aliases}


@contextmanager
def read_state(place: StatePlace, patience: float = TIME_LIMIT) -> Iterator[StateStore]:
    """A state to look at; raises StateError where there is none, or after so many seconds."""
    # Before SQLite sees the file: opening it would already play the journal back.
    refuse_committed_journal(place)
    store = open_state(place, min(patience, TIME_LIMIT))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def edit_state(place: StatePlace, command: str, *, dry_run: bool) -> Iterator[StateStore]:
    """A state to edit by hand, held in the name of a command unless nothing will be written.

    Raises StateError where there is none, LockedError where a run holds it.
    """
    with read_state(place) as store:
        if not dry_run:
            store.hold(command)
        yield store


def recorded_stack(place: StatePlace) -> str:
    """Whose a state in a file is; empty where there is none, or none that can be read."""
    if not isinstance(place, FilePlace):
        # The stack is a part of any other place.
        return ""
    try:
        if not place.path.is_file():
            return ""
        with read_state(place) as store:
            return store.header.target.stack
    except (OSError, ReconcilerError):
        # Whoever goes on to use the state says what is wrong with it.
        return ""


def without_state(target: Target) -> RecordStore:
    """What a plan is made from where there is no state yet; it is never written."""
    return MemoryStore(Header(lineage="", serial=0, target=target))


def make_state(settings: Settings, server: CheckedServer) -> StateStore:
    """Make an empty state, pinned to a server; raises StateError where there is one."""
    return create_state(settings.state, Target(url=server.url, stack=settings.stack))


def content_digest(place: StatePlace) -> str:
    """Names what a state records and knows of its server; runs that changed nothing keep it."""
    with read_state(place) as store:
        lines = (repr(store.header.target), *sorted(map(repr, store.read())))
        return digest_text("\n".join(lines))


def inspect(place: StatePlace) -> Inspection:
    """Everything that is wrong with a state; raises StateError for what is none."""
    refuse_committed_journal(place)
    return inspect_state(place)


def sql_of(place: StatePlace, *, upgrade: bool) -> str:
    """What whoever owns a database runs for a state there; raises UsageError for another place."""
    if not isinstance(place, PostgresPlace):
        raise UsageError(
            f"the state {place.title} is in no database, and needs no tables",
            hint="name the database: --state postgresql://HOST/DATABASE?schema=SCHEMA",
        )
    return sql_text(place, upgrade=upgrade)


def find_records(
    rows: Sequence[Recorded], text: str, ids: Mapping[str, str] = NO_IDS
) -> list[Recorded]:
    """The records of an address, oldest first; `ids` are those of projects by name.

    Raises StateError where there are none, UsageError for what is no address.
    """
    names = TypedNames(ids=ids, known=frozenset(row.address for row in rows))
    address = parse_address(names.address(text))
    records = [row for row in rows if row.address == address]
    if not records:
        raise StateError(
            f"the state has no {address}", hint="'reconciler state list' shows what it has"
        )
    return records


def parse_address(text: str, hint: str = "'reconciler state list' shows them") -> Address:
    """An address as somebody typed it; raises UsageError."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint=hint) from None


def choose_records(
    rows: Sequence[Recorded], patterns: Sequence[str], ids: Mapping[str, str] = NO_IDS
) -> list[Recorded]:
    """The records whose addresses match; `ids` are those of projects by name.

    Raises StateError for a pattern that matches none, UsageError for what is no address.
    """
    chosen: set[str] = set()
    names = TypedNames(ids=ids, known=frozenset(row.address for row in rows))
    for pattern in patterns:
        spelt = names.patterns([pattern])
        if not is_glob(pattern):
            parse_address(spelt[0])
        ops = {row.op for row in rows if Selection(targets=spelt).takes(row.address)}
        if not ops:
            raise StateError(
                f"the state has no {pattern}", hint="'reconciler state list' shows what it has"
            )
        chosen |= ops
    # In the order of the rows and each once, whatever order the patterns have and share.
    return [row for row in rows if row.op in chosen]


def merge_targets(pinned: Target, target: Target) -> Target:
    """What a state knows of its target, and what it did not know yet of the same one."""
    return dataclasses.replace(
        target,
        issuer=pinned.issuer or target.issuer,
        tenant_id=target.tenant_id if pinned.tenant_id is None else pinned.tenant_id,
        can_update=pinned.can_update or target.can_update,
        keeps_removed=pinned.keeps_removed or target.keeps_removed,
        pins={**target.pins, **pinned.pins},
    )


def list_leftovers(place: StatePlace) -> list[Path]:
    """Files that a killed command left behind beside a state; or that another one is making now."""
    if not isinstance(place, FilePlace):
        return []
    path, leftovers = place.path, []
    for folder in (path.parent, backups_folder(path)):
        for file in folder.iterdir() if folder.is_dir() else ():
            # A state and its backups are made under a hidden name of their own, and then moved.
            name = finished_name(file.name)
            # The folder of a state may hold other states, that of the backups is this state's own.
            if name is not None and (folder != path.parent or name == path.name):
                leftovers.append(file)
    return sorted(leftovers)


def sweep(place: StatePlace) -> None:
    """Remove what was left behind of the making of a state that is there, and is held."""
    for file in list_leftovers(place):
        if isinstance(place, FilePlace) and file.parent == place.path.parent:
            file.unlink(missing_ok=True)


def find_run(runs: Sequence[RunEntry], text: str) -> RunEntry:
    """The run whose id begins like this; raises StateError where it is none or several."""
    matches = [run for run in runs if run.id.startswith(text.lower())]
    if not matches:
        raise StateError(
            f"the state remembers no run {text}", hint="'reconciler runs list' shows them"
        )
    if len(matches) > 1:
        raise StateError(
            f"{len(matches)} runs begin with {text}", hint="give more of the id, or all of it"
        )
    return matches[0]

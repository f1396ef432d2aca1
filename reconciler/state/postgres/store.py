"""The state of one stack in PostgreSQL, as `ports.StateStore` describes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from reconciler.core.model import Header, Own, Recorded
from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError
from reconciler.ports import (
    ActionEntry,
    LossListener,
    RunEntry,
    StateCopy,
    Transit,
)
from reconciler.state.postgres import statements
from reconciler.state.postgres.connection import Channel, Connection, snapshot
from reconciler.state.postgres.holding import HeldLock, take_lock
from reconciler.state.postgres.row import StateRow, read_state_row
from reconciler.state.rows import read_records, storable
from reconciler.state.shared import timings
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.copies import pack, unpack
from reconciler.state.shared.store import SharedStore
from reconciler.state.state_errors import naming_state

T = TypeVar("T")


class PostgresStore(SharedStore):
    """A state in PostgreSQL that is open; made by `open_state` or `create_state`.

    Reading needs no lock. Every write is one statement that also proves that the lock is still
    held; where its answer is lost, the same statement is sent again and counts once.
    """

    def __init__(
        self,
        place: PostgresPlace,
        *,
        patience: float,
        waits: timings.Timings | None = None,
        in_transit: bool = False,
    ) -> None:
        super().__init__()
        self._place = place
        self._in_transit = in_transit
        self._patience = patience
        self._timings = waits or timings.DEFAULT
        self._silent: Callable[[], None] | None = None
        self._reader = Channel(place, self._timings)
        self._held: HeldLock | None = None
        try:
            self._row = self._reader.once(self._select_row)
        except BaseException:
            self._reader.close()
            raise

    @property
    def place(self) -> PostgresPlace:
        """Where it is kept."""
        return self._place

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state, as of the last read or write."""
        return self._row.header

    def has_records(self) -> bool:
        """Whether there is any operation that is not GONE."""
        query = statements.select_rows(self._place.schema) + " LIMIT 1"
        return bool(self._fetch(query, self._row.id))

    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""
        rows = self._fetch(statements.select_runs(self._place.schema), self._row.id)
        return [statements.read_run(row) for row in rows]

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""
        query = statements.select_actions(self._place.schema)
        rows = self._fetch(query, self._row.id, storable(run_id))
        return [statements.read_action(row) for row in rows]

    @property
    def transit(self) -> Transit:
        """Why the state is not in use, as of the last read or write."""
        return self._row.transit

    def copies(self) -> Sequence[StateCopy]:
        """The copies that the state keeps of itself, the newest first."""
        rows = self._fetch(statements.select_copies(self._place.schema), self._row.id)
        return [
            StateCopy(
                name=at.astimezone(UTC).isoformat(),
                taken_at=at.astimezone(UTC).isoformat(),
                serial=serial,
            )
            for at, serial in rows
        ]

    def read_copy(self, copy: StateCopy) -> Sequence[Recorded]:
        """Every operation in a copy that is not GONE; raises StateError for a damaged one."""
        query = statements.select_copy(self._place.schema)
        copies = self._fetch(query, self._row.id, datetime.fromisoformat(copy.name))
        if not copies:
            raise StateError(
                f"the state {self._place.title} has no copy of {copy.name}",
                hint="only the last few are kept",
            )
        with naming_state(self._place.title):
            rows = read_records(unpack(copies[0][0]))
        return [row for row in rows if row.own is not Own.GONE]

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Take the lock, and date what a holder that was replaced may have sent since.

        Raises LockedError, which names the holder, after `timeout` seconds.
        """
        held = take_lock(
            self._place,
            self._timings,
            command,
            timeout=timeout,
            on_wait=self._tell_waiting,
            in_transit=self._in_transit,
        )
        self._reader.close()
        self._held, self._row = held, held.row
        try:
            if held.was_forced:
                self._date_what_was_begun()
        except BaseException:
            self.release()
            raise

    def writer(self) -> str:
        """The other process that has the lock, and its command; empty where there is none."""
        if self._held is not None:
            return ""
        row = self._reader.once(self._select_row)
        return str(row.holder) if row.is_held else ""

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for the database; any thread may say so."""
        if self._held is not None:
            self._held.channel.hurry(seconds)

    def watch(self, *, lost: LossListener, silent: Callable[[], None]) -> None:
        """Be told, from any thread, of the loss of the lock and of each long wait."""
        self._silent = silent
        if self._held is not None:
            self._held.watch(lost)

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._held is not None:
            self._held.release()
            self._held = None
            self._reader = Channel(self._place, self._timings)

    def close(self) -> None:
        """Release and close."""
        self.release()
        self._reader.close()

    def _write_commit(self, commit: Commit) -> None:
        if self._held is None:
            raise AssertionError("a state is written only while it is held: call hold() first")
        self._held.commit(commit)
        self._row = self._row.updated(commit.header)

    def _keep_copy(self, rows: Sequence[Sequence[Any]]) -> str:
        taken_at = datetime.now(UTC)
        self._commit(Commit(copy=(taken_at, self.header.serial, pack(rows))))
        return taken_at.isoformat()

    def _remove_former(self) -> None:
        """Nothing: a row that was written over is the database's to clean up."""

    def _messages(self) -> Sequence[tuple[str, int, str]]:
        rows = self._fetch(statements.select_messages(self._place.schema), self._row.id)
        return [(run, number, message) for run, number, message in rows]

    def _last_number(self, run_id: str) -> int:
        query = statements.select_last_number(self._place.schema)
        ((last,),) = self._fetch(query, self._row.id, run_id)
        return int(last)

    def _rules(self) -> str:
        return self._row.rules

    def _tell_waiting(self) -> None:
        if self._silent is not None:
            self._silent()

    def _select_values(self, *, ended: bool = False) -> list[tuple[Any, ...]]:
        """The columns of records; header and records are of one instant."""
        query = statements.select_rows(self._place.schema, ended=ended).encode()

        def select(conn: Connection) -> tuple[StateRow, list[tuple[Any, ...]]]:
            with snapshot(conn):
                row = self._select_row(conn)
                return row, conn.cursor(binary=True).execute(query, [row.id]).fetchall()

        self._row, rows = self._reading(select)
        return rows

    def _select_row(self, conn: Connection) -> StateRow:
        return read_state_row(conn, self._place, in_transit=self._in_transit)

    def _fetch(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        text = query.encode()
        return self._reading(lambda conn: conn.cursor(binary=True).execute(text, values).fetchall())

    def _reading(self, work: Callable[[Connection], T]) -> T:
        if self._held is not None:
            return self._held.channel.repeat(work, self._patience)
        return self._reader.once(work, self._patience)

"""The state of one stack in PostgreSQL, as `ports.StateStore` describes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.core.places import PostgresPlace
from reconciler.core.planning.renewal import renew_row
from reconciler.core.redact import Redactor
from reconciler.errors import StateError
from reconciler.ports import (
    IN_USE,
    ActionEntry,
    LossListener,
    RunEntry,
    StateContent,
    StateCopy,
    Transit,
)
from reconciler.state.history import RETENTION
from reconciler.state.postgres import statements, timings
from reconciler.state.postgres.connection import Channel, Connection, snapshot
from reconciler.state.postgres.copies import pack, unpack, write_file
from reconciler.state.postgres.dating import date_request
from reconciler.state.postgres.holding import HeldLock, take_lock
from reconciler.state.postgres.row import StateRow, read_state_row
from reconciler.state.postgres.statements import Commit
from reconciler.state.rows import RowWriter, encode_pins, from_values, read_records, storable
from reconciler.state.state_errors import naming_state

T = TypeVar("T")

_GROUP = 1000
# Later than any run or record.
_AFTER_ALL = "9999"


class PostgresStore:
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
        self._place = place
        self._in_transit = in_transit
        self._patience = patience
        self._timings = waits or timings.DEFAULT
        self._silent: Callable[[], None] | None = None
        self._reader = Channel(place, self._timings)
        self._held: HeldLock | None = None
        self._written = False
        self._values = RowWriter()
        self._numbers: dict[str, int] = {}
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

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first; raises StateError on damage."""
        values = self._select_values()
        with naming_state(self._place.title):
            return read_records(values)

    def has_records(self) -> bool:
        """Whether there is any operation that is not GONE."""
        query = statements.select_rows(self._place.schema) + " LIMIT 1"
        return bool(self._fetch(query, self._row.id))

    def write(self, rows: Sequence[Recorded]) -> None:
        """Insert or replace rows by operation, in one durable transaction."""
        self._commit(self._with_rows(Commit(), rows))

    def amend(
        self,
        run: RunEntry,
        actions: Sequence[ActionEntry],
        *,
        rows: Sequence[Recorded] = (),
        without: Iterable[str] = (),
        target: Target | None = None,
        lineage: str | None = None,
    ) -> None:
        """Edit the record and add the edit to the history, in one durable transaction."""
        commit = Commit(
            runs=(run,),
            actions=self._numbered(run.id, actions),
            without=tuple(set(without) - {row.op for row in rows}),
            oldest=_oldest(run),
        )
        if target is not None:
            commit = self._with_target(commit, target)
        if lineage is not None and lineage != self.header.lineage:
            # Workloads carry the lineage in their markers: under another one they would be foreign.
            if self.header.serial:
                raise AssertionError("workloads may carry the lineage that would be replaced")
            commit = replace(commit, header={**commit.header, "lineage": lineage})
        self._commit(self._with_rows(commit, rows))

    def pin(self, target: Target) -> None:
        """Record what has been learnt of the target; nothing is written if nothing is new."""
        if target != self.header.target:
            self._commit(self._with_target(Commit(), target))

    def begin_run(self, run: RunEntry) -> None:
        """Remember that a run began, and forget what is too old."""
        self._commit(Commit(runs=(run,), oldest=_oldest(run)))

    def add_actions(self, run_id: str, actions: Sequence[ActionEntry]) -> None:
        """Remember what a run did, after what it did before."""
        self._commit(Commit(actions=self._numbered(run_id, actions)))

    def end_run(self, run: RunEntry) -> None:
        """Remember how a run ended."""
        self._commit(Commit(runs=(run,)))

    def renew(self, redactor: Redactor) -> None:
        """Rewrite the state so that it holds no secret by these redaction rules."""
        rules = redactor.rules.fingerprint
        if self._row.rules == rules:
            return
        renewed = []
        for values in self._select_values(ended=True):
            # A damaged row stays as it is: what it held cannot be told.
            with suppress(StateError):
                row = from_values(values)
                fresh = renew_row(row, redactor)
                if fresh is not row:
                    renewed.append(self._values.values(fresh))
        messages = [
            (run, number, storable(redactor.strict.redact(message)))
            for run, number, message in self._fetch(
                statements.select_messages(self._place.schema), self._row.id
            )
            if redactor.strict.redact(message) != message
        ]
        self._commit(Commit(rows=renewed, messages=messages, header={"rules": rules}))

    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""
        rows = self._fetch(statements.select_runs(self._place.schema), self._row.id)
        return [statements.read_run(row) for row in rows]

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""
        query = statements.select_actions(self._place.schema)
        rows = self._fetch(query, self._row.id, storable(run_id))
        return [statements.read_action(row) for row in rows]

    def back_up(self, to: Path | None = None) -> Path | str:
        """Copy the state to a SQLite file, or into the table that keeps the last few copies."""
        if to is not None:
            runs = self.runs()
            write_file(
                to,
                header=self.header,
                rows=self._select_values(ended=True),
                runs=[(run, self.actions(run.id)) for run in reversed(runs)],
            )
            return to
        taken_at = datetime.now(UTC)
        content = pack(self._select_values(ended=True))
        self._commit(Commit(copy=(taken_at, self.header.serial, content)))
        return taken_at.isoformat()

    @property
    def transit(self) -> Transit:
        """Why the state is not in use, as of the last read or write."""
        return self._row.transit

    def set_transit(self, transit: Transit) -> None:
        """Take the state out of use, or into it."""
        self._commit(Commit(header=asdict(transit)))

    def content(self) -> StateContent:
        """All of the state; raises StateError on damage."""
        values = self._select_values(ended=True)
        with naming_state(self._place.title):
            rows = tuple(read_records(values))
        return StateContent(
            header=self.header,
            rows=rows,
            runs=tuple((run, tuple(self.actions(run.id))) for run in reversed(self.runs())),
        )

    def fill(self, content: StateContent) -> None:
        """Replace all of a state that is not in use, in many commits: nobody reads it yet."""
        if self.transit == IN_USE:
            raise AssertionError("a state that is in use would be lost")
        ops = [str(values[0]) for values in self._select_values(ended=True)]
        self._commit(Commit(without=ops, oldest=_AFTER_ALL))
        self._numbers.clear()
        for rows in _groups(content.rows):
            self._commit(Commit(rows=tuple(self._values.values(row) for row in rows)))
        for run, actions in content.runs:
            self._commit(Commit(runs=(run,)))
            for group in _groups(actions):
                self._commit(Commit(actions=self._numbered(run.id, group)))
        header = content.header
        # By which rules of redaction the records were written is not known of those that came.
        fresh = {"nonce": str(uuid.uuid4()), "rules": ""}
        identity = {"lineage": header.lineage, "serial": header.serial, **fresh}
        self._commit(self._with_target(Commit(header=identity), header.target))

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
        return row.holder_text if row.is_held else ""

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

    def _date_what_was_begun(self) -> None:
        """Whoever was replaced may have sent what it had announced until this moment."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        dated = [date_request(row, now) for row in self.read()]
        begun = [row for row in dated if row.own is Own.CREATING or row.change.open is not None]
        if begun:
            self._commit(self._with_rows(Commit(), begun))

    def _commit(self, commit: Commit) -> None:
        if self._held is None:
            raise AssertionError("a state is written only while it is held: call hold() first")
        self._held.commit(commit)
        self._written = self._written or "serial" in commit.header
        self._row = self._row.updated(commit.header)

    def _tell_waiting(self) -> None:
        if self._silent is not None:
            self._silent()

    def _with_rows(self, commit: Commit, rows: Sequence[Recorded]) -> Commit:
        values = tuple(self._values.values(row) for row in {row.op: row for row in rows}.values())
        header = dict(commit.header)
        # Once per store, not per write: a serial counts runs, and tells copies of a state apart.
        if not self._written:
            header |= {"serial": self.header.serial + 1, "nonce": str(uuid.uuid4())}
        return replace(commit, rows=values, header=header)

    def _with_target(self, commit: Commit, target: Target) -> Commit:
        if target.stack != self._place.stack:
            raise AssertionError("the stack is the key of the row, and never changes")
        pinned = {
            "url": target.url,
            "issuer": target.issuer or "",
            "tenant_id": target.tenant_id,
            "can_update": target.can_update,
            "keeps_removed": target.keeps_removed,
            "pins": encode_pins(target.pins),
        }
        return replace(commit, header={**commit.header, **pinned})

    def _numbered(
        self, run_id: str, actions: Sequence[ActionEntry]
    ) -> Sequence[tuple[str, int, ActionEntry]]:
        """Actions with their places in a run: a repeated commit must not append them twice."""
        if not actions:
            return ()
        if run_id not in self._numbers:
            query = statements.select_last_number(self._place.schema)
            ((last,),) = self._fetch(query, self._row.id, run_id)
            self._numbers[run_id] = last
        first = self._numbers[run_id] + 1
        self._numbers[run_id] += len(actions)
        return [(run_id, number, action) for number, action in enumerate(actions, first)]

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


def _groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """A thousand at a time: one statement holds all values of a commit."""
    for start in range(0, len(items), _GROUP):
        yield items[start : start + _GROUP]


def _oldest(run: RunEntry) -> str:
    """The moment before which runs are too old to be kept when this one begins."""
    begun = datetime.fromisoformat(run.started).astimezone(UTC)
    return (begun - RETENTION).isoformat(timespec="seconds")

"""A state that machines share: each write becomes one commit, whatever that is where it is kept."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.core.states.places import ObjectPlace, PostgresPlace
from reconciler.errors import StateError
from reconciler.ports import IN_USE, ActionEntry, RunEntry, StateContent, Transit
from reconciler.state.history import oldest_kept
from reconciler.state.rows import RowWriter, encode_pins, from_values, read_records, storable
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.copies import write_file
from reconciler.state.shared.dating import date_request
from reconciler.state.state_errors import naming_state

T = TypeVar("T")

_GROUP = 1000
# Later than any run or record.
_AFTER_ALL = "9999"


class SharedStore(ABC):
    """What `ports.StateStore` promises, in terms of commits and of a few ways to look."""

    def __init__(self) -> None:
        self._written = False
        self._values = RowWriter()
        self._numbers: dict[str, int] = {}

    @property
    @abstractmethod
    def place(self) -> PostgresPlace | ObjectPlace:
        """Where it is kept."""

    @property
    @abstractmethod
    def header(self) -> Header:
        """Identity, serial and target of this state, as of the last read or write."""

    @property
    @abstractmethod
    def transit(self) -> Transit:
        """Why the state is not in use, as of the last read or write."""

    @abstractmethod
    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""

    @abstractmethod
    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""

    @abstractmethod
    def _write_commit(self, commit: Commit) -> None:
        """Write all of a commit if the lock is still held; raises LockLostError, StateError."""

    @abstractmethod
    def _select_values(self, *, ended: bool = False) -> Sequence[Sequence[Any]]:
        """The columns of records in the order of their operations, as of one instant."""

    @abstractmethod
    def _messages(self) -> Sequence[tuple[str, int, str]]:
        """What the actions of all runs say, by run and number."""

    @abstractmethod
    def _last_number(self, run_id: str) -> int:
        """The number of the last action of a run; -1 before the first."""

    @abstractmethod
    def _rules(self) -> str:
        """By which rules of redaction all of it was written last; empty where that is unknown."""

    @abstractmethod
    def _keep_copy(self, rows: Sequence[Sequence[Any]]) -> str:
        """Keep a copy of records, and the last few before it; returns its name."""

    @abstractmethod
    def _remove_former(self) -> None:
        """Remove what was written over, where that is still there."""

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first; raises StateError on damage."""
        values = self._select_values()
        with naming_state(self.place.title):
            return read_records(values)

    def read_by_address(self, *, checked: bool = False) -> Iterator[Recorded]:
        """The same by address, one after the other, their documents unread unless `checked`."""
        with naming_state(self.place.title):
            # In the order of their operations already, which a sort by address keeps.
            for values in sorted(self._select_values(), key=lambda row: (row[1], row[2])):
                yield from_values(values, checked=checked)

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
            oldest=oldest_kept(run.started),
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
        self._commit(Commit(runs=(run,), oldest=oldest_kept(run.started)))

    def add_actions(self, run_id: str, actions: Sequence[ActionEntry]) -> None:
        """Remember what a run did, after what it did before."""
        self._commit(Commit(actions=self._numbered(run_id, actions)))

    def end_run(self, run: RunEntry) -> None:
        """Remember how a run ended."""
        self._commit(Commit(runs=(run,)))

    def renew(self, redactor: Redactor) -> None:
        """Rewrite the state so that it holds no secret by these redaction rules."""
        rules = redactor.rules.fingerprint
        if self._rules() == rules:
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
            for run, number, message in self._messages()
            if redactor.strict.redact(message) != message
        ]
        if renewed or messages:
            self._commit(Commit(rows=renewed, messages=messages))
            self._remove_former()
        # Last, so that a kill before lets the next one begin again.
        self._commit(Commit(header={"rules": rules}))

    def back_up(self, to: Path | None = None) -> Path | str:
        """Copy the state to a SQLite file, or beside itself, where the last few copies are kept."""
        values = self._select_values(ended=True)
        if to is None:
            return self._keep_copy(values)
        runs = [(run, self.actions(run.id)) for run in reversed(self.runs())]
        write_file(to, header=self.header, rows=values, runs=runs)
        return to

    def set_transit(self, transit: Transit) -> None:
        """Take the state out of use, or into it."""
        self._commit(Commit(header=asdict(transit)))

    def content(self) -> StateContent:
        """All of the state; raises StateError on damage."""
        values = self._select_values(ended=True)
        with naming_state(self.place.title):
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

    def _date_what_was_begun(self) -> None:
        """Whoever was replaced may have sent what it had announced until this moment."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        dated = [date_request(row, now) for row in self.read()]
        begun = [row for row in dated if row.own is Own.CREATING or row.change.open is not None]
        if begun:
            self._commit(self._with_rows(Commit(), begun))

    def _commit(self, commit: Commit) -> None:
        self._write_commit(commit)
        self._written = self._written or "serial" in commit.header

    def _with_rows(self, commit: Commit, rows: Sequence[Recorded]) -> Commit:
        values = tuple(self._values.values(row) for row in {row.op: row for row in rows}.values())
        header = dict(commit.header)
        # Once per store, not per write: a serial counts runs, and tells copies of a state apart.
        if not self._written:
            header |= {"serial": self.header.serial + 1, "nonce": str(uuid.uuid4())}
        return replace(commit, rows=values, header=header)

    def _with_target(self, commit: Commit, target: Target) -> Commit:
        if target.stack != self.place.stack:
            raise AssertionError("the stack is the key of the state, and never changes")
        return replace(commit, header={**commit.header, **target_fields(target)})

    def _numbered(
        self, run_id: str, actions: Sequence[ActionEntry]
    ) -> Sequence[tuple[str, int, ActionEntry]]:
        """Actions with their places in a run: a repeated commit must not append them twice."""
        if not actions:
            return ()
        if run_id not in self._numbers:
            self._numbers[run_id] = self._last_number(run_id)
        first = self._numbers[run_id] + 1
        self._numbers[run_id] += len(actions)
        return [(run_id, number, action) for number, action in enumerate(actions, first)]


def _groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """A thousand at a time: one commit is one request."""
    for start in range(0, len(items), _GROUP):
        yield items[start : start + _GROUP]


def target_fields(target: Target) -> dict[str, Any]:
    """What a state says of its target, but for the stack, by name."""
    return {
        "url": target.url,
        "issuer": target.issuer or "",
        "tenant_id": target.tenant_id,
        "can_update": target.can_update,
        "keeps_removed": target.keeps_removed,
        "pins": encode_pins(target.pins),
    }

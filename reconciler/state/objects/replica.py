"""All of a state in memory, as of one segment of its log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from reconciler.core.model import Header, Own, Target
from reconciler.errors import StateError
from reconciler.ports import ActionEntry, RunEntry, Transit
from reconciler.state.objects.segments import Segment, Snapshot
from reconciler.state.rows import COLUMNS, read_pins
from reconciler.values import dataclass

_OWN = list(COLUMNS).index("own")
_LAST_SENT = list(COLUMNS).index("last_sent_at")


@dataclass(kw_only=True)
class Run:
    """A run as the log tells it.

    `stored` is the key of an object with actions that the log has no more, `messages` are texts
    that take the place of those in it.
    """

    entry: RunEntry | None = None
    stored: str = ""
    actions: dict[int, ActionEntry] = field(default_factory=dict)
    messages: dict[int, str] = field(default_factory=dict)

    def merged(self, stored: Mapping[int, ActionEntry]) -> dict[int, ActionEntry]:
        """All actions in their order, given those of the object."""
        merged = {**stored, **self.actions}
        merged |= {
            number: replace(merged[number], message=message)
            for number, message in self.messages.items()
            if number in merged
        }
        return dict(sorted(merged.items()))


@dataclass(kw_only=True)
class Replica:
    """A state as of the segment `number`; `token` is of whoever wrote that, and `digest` of it.

    `base` is the number of the snapshot that it began with, 0 for none. `fences` are segments that
    have to stay, however old they are, `base_history` the objects with actions as of the snapshot.
    """

    number: int = 0
    epoch: int = 0
    token: str = ""
    digest: str = ""
    base: int = 0
    header_fields: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    fences: list[int] = field(default_factory=list)
    base_history: frozenset[str] = frozenset()

    @classmethod
    def of(cls, snapshot: Snapshot) -> Replica:
        """The state that a snapshot holds."""
        return cls(
            number=snapshot.number,
            epoch=snapshot.epoch,
            token=snapshot.token,
            digest=snapshot.digest,
            base=snapshot.number,
            header_fields=dict(snapshot.header),
            rows={str(row[0]): tuple(row) for row in snapshot.rows},
            runs={entry.id: Run(entry=entry, stored=key) for entry, key in snapshot.runs},
            fences=list(snapshot.fences),
            base_history=frozenset(key for _, key in snapshot.runs),
        )

    def follow(self, segment: Segment, digest: str) -> None:
        """Take over what the next segment says; raises StateError for one that does not follow."""
        is_next = segment.number == self.number + 1 and segment.previous == self.digest
        # Whoever takes over has a token of its own and counts the epoch up; all else is of the
        # holder before.
        is_taken = segment.holder is not None and segment.epoch == self.epoch + 1
        is_held = (segment.epoch, segment.token) == (self.epoch, self.token)
        if not is_next or not (is_taken or (is_held and segment.holder is None)):
            raise StateError(
                f"segment {segment.number} does not follow from the one before",
                hint="the bucket was put back or changed by hand: get the last versions of its "
                "objects back, or 'reconciler state recover' into another folder",
            )
        self.number, self.digest = segment.number, digest
        if segment.holder is not None:
            self.epoch, self.token = segment.epoch, segment.token
        # The first one of all stays, so that nobody can make the state a second time.
        if segment.was_forced or segment.number == 1:
            self.fences.append(segment.number)
        self._apply(segment)

    def snapshot(self) -> Snapshot:
        """All of it as a value, in which every run has its actions in an object."""
        return Snapshot(
            number=self.number,
            epoch=self.epoch,
            token=self.token,
            digest=self.digest,
            header=self.header_fields,
            rows=[self.rows[op] for op in sorted(self.rows)],
            runs=[(run.entry, run.stored) for run in self.runs.values() if run.entry],
            fences=self.fences,
        )

    @property
    def header(self) -> Header:
        """Identity, serial and target."""
        fields = self.header_fields
        return Header(
            lineage=fields["lineage"], serial=fields["serial"], target=read_target(fields)
        )

    @property
    def transit(self) -> Transit:
        """Why the state is not in use."""
        fields = self.header_fields
        return Transit(arriving_from=fields["arriving_from"], moved_to=fields["moved_to"])

    @property
    def history(self) -> frozenset[str]:
        """The keys of all objects with actions of a run."""
        return frozenset(run.stored for run in self.runs.values())

    def values(self, *, ended: bool = False) -> list[tuple[Any, ...]]:
        """The columns of records in the order of their operations."""
        rows = (self.rows[op] for op in sorted(self.rows))
        return [row for row in rows if ended or row[_OWN] != Own.GONE]

    def _apply(self, segment: Segment) -> None:
        commit = segment.commit
        self.header_fields |= commit.header
        for op in commit.without:
            self.rows.pop(op, None)
        self.rows |= {str(row[0]): tuple(row) for row in commit.rows}
        if commit.oldest is not None:
            self._forget(commit.oldest, ended=not commit.rows)
        for entry in commit.runs:
            self._run(entry.id).entry = entry
        for run, number, action in commit.actions:
            self._run(run).actions[number] = action
        for run, number, message in commit.messages:
            self._run(run).messages[number] = message

    def _forget(self, oldest: str, *, ended: bool) -> None:
        """Drop runs that began before a moment, and with `ended` records that ended before it."""
        self.runs = {
            id_: run
            for id_, run in self.runs.items()
            if run.entry is None or run.entry.started >= oldest
        }
        if ended:
            self.rows = {
                op: row
                for op, row in self.rows.items()
                if row[_OWN] != Own.GONE or not row[_LAST_SENT] or row[_LAST_SENT] >= oldest
            }

    def _run(self, id_: str) -> Run:
        return self.runs.setdefault(id_, Run())


def read_target(fields: Mapping[str, Any]) -> Target:
    """The target in what a state says of itself."""
    return Target(
        url=fields["url"],
        stack=fields["stack"],
        issuer=fields["issuer"] or None,
        tenant_id=fields["tenant_id"],
        can_update=fields["can_update"],
        keeps_removed=fields["keeps_removed"],
        pins=read_pins(fields["pins"]),
    )

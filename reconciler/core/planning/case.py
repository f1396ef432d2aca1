"""Everything that the decision about one recorded workload may depend on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from reconciler.core.diff.comparison import Compared, SpecChanges, what_runs
from reconciler.core.diff.diff import FieldChange, is_ignored, project
from reconciler.core.globs import matches_any
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Desired,
    Json,
    Live,
    Recorded,
    Remote,
)
from reconciler.core.planning.actions import Reason
from reconciler.core.planning.in_place import exchanges_nothing, mark_forcing
from reconciler.core.planning.plan import PlanTarget
from reconciler.core.planning.submission import Submission, lifecycle_changes, submit
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.changes import ShownRev, declared_by_us
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.redact import Redactor
from reconciler.values import dataclass


class OnDrift(StrEnum):
    """What a change made only on the server leads to."""

    REPORT = "report"
    UPDATE = "update"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the caller decides about a plan; the defaults are the careful ones.

    `replace` are globs on the addresses that are replaced by name; with `retry_failed` so is
    whatever the cluster has refused, unless an earlier content of it may still run.

    `destroying` says that specs are missing because everything was asked to go. The last two are no
    decisions but what is known of the server at the moment, so no saved plan keeps them. Where it
    is not known whether it can update, nothing is updated, nor replaced in the place of an update;
    one that `keeps_removed` has not taken a field away because an update no longer had it.
    """

    on_drift: OnDrift = OnDrift.REPORT
    no_delete: bool = False
    no_create: bool = False
    no_update: bool = False
    replace: tuple[str, ...] = ()
    retry_failed: bool = False
    refreshed: bool = True
    destroying: bool = False
    can_update: CanUpdate = CanUpdate.UNKNOWN
    keeps_removed: bool = False


@dataclass(frozen=True, kw_only=True)
class DecisionInputs:
    """One workload that has a record: everything its decision may depend on.

    `renewed` says that the row is not what the state holds: it was written under other rules of
    what is a secret. `unmarked` says that what lives under its id has lost the marker that the
    record knows, `taken_by` who has put another there.

    `row` is the record as of the update that the workload shows, which may not be proven yet, and
    `stored` is what the state holds: both comparisons are made with the former, and only the latter
    is written. `shown_rev` says what that update is to the record. `listed` is what the lists of v1
    say of it, among what lives or what was deleted of late, and `now` the server's time.
    """

    row: Recorded
    stored: Recorded
    desired: Desired | None
    options: PlanOptions
    target: PlanTarget
    redactor: Redactor
    live: Live | None = None
    drift: tuple[FieldChange, ...] = ()
    since: SpecChanges | None = None
    renewed: bool = False
    unmarked: bool = False
    taken_by: str = ""
    shown_rev: ShownRev = ShownRev.CONFIRMED
    is_status_stale: bool = False
    listed: LiveWorkload | None = None
    now: datetime | None = None

    @property
    def _by_author(self) -> tuple[FieldChange, ...]:
        """What the author has changed since the record was made, ignored or not."""
        return self.since.changes if self.since else ()

    @property
    def restated(self) -> tuple[FieldChange, ...]:
        """What the author has only written differently."""
        return self.since.restated if self.since else ()

    @cached_property
    def changes(self) -> tuple[FieldChange, ...]:
        """What the author has changed and wants to be acted on, and what of it forces a replace."""
        patterns = self.lifecycle.ignore_changes
        return self.mark(
            change for change in self._by_author if not is_ignored(change.pointer, patterns)
        )

    def mark(self, changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
        """Changes with whether each forces a replace of what runs."""
        changes = tuple(changes)
        # Nearly every workload ends here: what runs is worked out only where something differs.
        if not changes:
            return ()
        return mark_forcing(changes, self.running, self.declared, self.options.can_update)

    @property
    def declared(self) -> Json:
        """The redacted spec; what was recorded of it, once it is gone."""
        return self.since.spec if self.since else self.row.spec

    @property
    def is_only_read_anew(self) -> bool:
        """Whether nobody has changed the spec: its numbers are read otherwise than they were."""
        return self.since is not None and self.since.only_read_anew

    @property
    def ignored(self) -> tuple[FieldChange, ...]:
        """What the author has changed, and wants to be left as it runs."""
        patterns = self.lifecycle.ignore_changes
        return tuple(
            replace(change, ignored=True)
            for change in self._by_author
            if is_ignored(change.pointer, patterns)
        )

    @property
    def settings(self) -> tuple[FieldChange, ...]:
        """Our own settings that differ from those in the record."""
        return tuple(lifecycle_changes(self.row.lifecycle, self.lifecycle))

    @cached_property
    def submission(self) -> Submission:
        """What would be sent for what is wanted, held against what runs."""
        if self.desired is None or self.since is None:
            raise AssertionError("nothing is sent for a workload without a spec")
        # Of what is gone nothing can be read that ignoreChanges would keep.
        lives = isinstance(self.live, Remote) and not self.live.is_gone
        submission = submit(self.desired, self.since, self.running, self.redactor, keeps=lives)
        return replace(submission, changes=self.mark(submission.changes))

    @property
    def declared_by_us(self) -> Json:
        """What the record, and every update that may have reached the server, declares."""
        if not self.row.is_declared:
            return project(self.row.spec, self.since.spec) if self.since else self.row.spec
        # Several updates may have reached the server: what any of them declared is ours to remove.
        rev = self.live.rev if isinstance(self.live, Compared) else self.stored.change.confirmed
        return declared_by_us(self.stored, rev)

    @cached_property
    def running(self) -> Json:
        """What is on the server as far as anybody declares it, redacted."""
        live = self.live if isinstance(self.live, Compared) else None
        return what_runs(self.row, live, self.declared, self.redactor)

    @property
    def open_drift(self) -> tuple[FieldChange, ...]:
        """What somebody changed on the server and the spec has not followed."""
        # Where the author has changed it as well, the spec's value is sent anyway.
        followed = {change.pointer for change in self.changes}
        return tuple(change for change in self.drift if change.pointer not in followed)

    @property
    def fresh_drift(self) -> tuple[FieldChange, ...]:
        """The drift that may be undone: not undone before, or nothing but what ends no work."""
        fresh = tuple(c for c in self.open_drift if c.pointer not in self.row.undone)
        return fresh or (() if self.has_returned(self.open_drift) else self.open_drift)

    def has_returned(self, drift: Iterable[FieldChange]) -> bool:
        """Whether all this drift was undone before, and undoing it in every run would end work."""
        in_place = self.options.on_drift is not OnDrift.REPLACE
        pointers = [change.pointer for change in drift]
        if in_place and all(exchanges_nothing(each, self.options.can_update) for each in pointers):
            return False
        return all(pointer in self.row.undone for pointer in pointers)

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody asked by its name that it is replaced."""
        return matches_any(str(self.row.address), self.options.replace)

    @property
    def lifecycle(self) -> Lifecycle:
        """What the spec says now; what it said last, once it is gone."""
        return self.desired.lifecycle if self.desired else self.row.lifecycle

    def common(self, reason: Reason, detail: str = "", **fields: Any) -> dict[str, Any]:
        """The fields that every action of this case shares."""
        return {
            "address": self.row.address,
            "reason": reason,
            "detail": detail,
            "source": self.desired.source if self.desired else None,
            "wave": self.lifecycle.wave,
            **fields,
        }

"""Everything that the decision about one recorded workload may depend on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from reconciler.core.diff.comparison import Compared, SpecChanges, what_runs
from reconciler.core.diff.diff import FieldChange, is_ignored
from reconciler.core.model import Desired, Lifecycle, Live, Recorded, Remote
from reconciler.core.planning.actions import Reason
from reconciler.core.planning.submission import Submission, lifecycle_changes, submit
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.redact import Redactor


class OnDrift(StrEnum):
    """What a change made only on the server leads to."""

    REPORT = "report"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the caller decides about a plan; the defaults are the careful ones.

    `destroying` says that specs are missing because everything was asked to go. `can_update` is no
    decision but what is known of the server at the moment, so no saved plan keeps it.
    """

    on_drift: OnDrift = OnDrift.REPORT
    no_delete: bool = False
    no_create: bool = False
    replace: tuple[str, ...] = ()
    refreshed: bool = True
    destroying: bool = False
    can_update: CanUpdate = CanUpdate.NO


@dataclass(frozen=True, kw_only=True)
class DecisionInputs:
    """One workload that has a record: everything its decision may depend on.

    `renewed` says that the row is not what the state holds: it was written under other rules of
    what is a secret. `unmarked` says that what lives under its id has lost the marker that the
    record knows.
    """

    row: Recorded
    desired: Desired | None
    options: PlanOptions
    redactor: Redactor
    live: Live | None = None
    drift: tuple[FieldChange, ...] = ()
    since: SpecChanges | None = None
    renewed: bool = False
    unmarked: bool = False

    @property
    def _by_author(self) -> tuple[FieldChange, ...]:
        """What the author has changed since the record was made, ignored or not."""
        return self.since.changes if self.since else ()

    @property
    def restated(self) -> tuple[FieldChange, ...]:
        """What the author has only written differently."""
        return self.since.restated if self.since else ()

    @property
    def changes(self) -> tuple[FieldChange, ...]:
        """What the author has changed and wants to be acted on.

        The base version of the API has no update, so every changed field forces a replace.
        """
        patterns = self.lifecycle.ignore_changes
        return tuple(
            replace(change, forces_replace=True)
            for change in self._by_author
            if not is_ignored(change.pointer, patterns)
        )

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
            raise AssertionError("nothing is sent for what nobody wants")
        there = isinstance(self.live, Remote) and not self.live.is_gone
        live = self.live if isinstance(self.live, Compared) else None
        runs = what_runs(self.row, live, self.since.spec, self.redactor)
        return submit(self.desired, self.since, runs, self.redactor, keeps=there)

    @property
    def lifecycle(self) -> Lifecycle:
        """What the spec says now; what it said last, once it is gone."""
        return self.desired.lifecycle if self.desired else self.row.lifecycle

    def common(self, reason: Reason, detail: str = "", **more: Any) -> dict[str, Any]:
        """The fields that every action of this case shares."""
        return {
            "address": self.row.address,
            "reason": reason,
            "detail": detail,
            "source": self.desired.source if self.desired else None,
            "wave": self.lifecycle.wave,
            **more,
        }

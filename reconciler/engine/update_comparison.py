"""Compares what a look at a workload shows with what one update declares, has planned and sent."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.diff.update import (
    Leftovers,
    UpdateContent,
    find_drift,
    find_leftovers,
    find_unlike,
)
from reconciler.core.model import Json, Recorded, Remote
from reconciler.core.planning.actions import Reason, Update
from reconciler.core.protocol.marker import read_rev
from reconciler.core.redact import Redactor


class UpdateComparison:
    """One update beside what the server shows; `spec` is what is to be recorded as declared.

    `sent` is what this run has sent last, if anything, and `before` what it was sent on top of.
    No request and no record is made here.
    """

    def __init__(self, action: Update, redactor: Redactor, *, spec: Json, digest: str) -> None:
        self.spec = spec
        self.digest = digest
        self.sent: UpdateContent | None = None
        self.before: Remote | None = None
        self._action = action
        self._redactor = redactor
        self._ignored = action.desired.lifecycle.ignore_changes

    def find_unplanned(self, row: Recorded, live: Remote) -> list[str] | None:
        """Where the drift is not the one that the plan has shown; None where it is."""
        drift, planned = find_drift(row, live, self._redactor, self._ignored), self._action.drift
        if drift == planned:
            return None
        differing = {change.pointer: change for change in (*planned, *drift)}
        return [
            pointer
            for pointer, change in differing.items()
            if not (change in drift and change in planned)
        ]

    def is_outdated(self, row: Recorded, live: Remote) -> bool:
        """Whether the update that is live is not what is wanted now: another one follows."""
        under_way = row.change.open
        if under_way is None or under_way.digest != self.digest:
            return True
        # Only once in a run: whoever makes a change again and again is not fought for ever.
        drift = find_drift(row, live, self._redactor, self._ignored)
        return self._action.undo_drift and bool(drift) and self.sent is None

    def shows_sent(self, row: Recorded, live: Remote) -> bool:
        """Whether it has the content of this run's update, had not before, and shows no rev.

        A server may drop annotations, so that only the content says whose update it shows.
        """
        if self.before is None or read_rev(live.raw_manifest):
            return False

        def differs(remote: Remote) -> bool:
            return bool(self.find_unlike(row, remote) or self.find_leftovers(row, remote).pointers)

        return differs(self.before) and not differs(live)

    def find_unlike(self, row: Recorded, live: Remote) -> list[str]:
        """Where the server does not show what this run has sent."""
        if self.sent is None:
            return []
        declared = self.take_over_spec(row)
        unlike = find_unlike(declared, self.sent.sent, live, self._redactor, self._ignored)
        return [change.pointer for change in unlike]

    def find_leftovers(self, row: Recorded, live: Remote) -> Leftovers:
        """What is declared no more, and the server still has: it may merge what it is sent (A8)."""
        return find_leftovers(row, self.spec, live, self._redactor, self._ignored)

    def take_over_spec(self, row: Recorded) -> Recorded:
        """The record of what is declared now; whoever has lost a change is not fought for ever."""
        before = row.undone if self._action.reason is Reason.DRIFTED else ()
        overwritten = (change.pointer for change in self._action.overwrites)
        desired = self._action.desired
        return replace(
            row,
            spec=self.spec,
            digest=self.digest,
            lifecycle=desired.lifecycle,
            source=desired.source.file,
            undone=tuple(dict.fromkeys((*before, *overwritten))),
        )

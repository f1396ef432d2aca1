"""Compares what a look at a workload shows with what one update declares, has planned and sent."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.diff.comparison import LiveContent
from reconciler.core.diff.three_way import Value
from reconciler.core.diff.update import (
    Leftovers,
    UpdateContent,
    compose_update,
    find_drift,
    find_leftovers,
    find_unlike,
)
from reconciler.core.model import Json, OpenChange, Recorded
from reconciler.core.planning.actions import Reason, Update
from reconciler.core.redact import Redactor


class UpdateComparison:
    """One update beside what the server shows; `spec` is what is to be recorded as declared.

    `digest` names that. `sent` is what this run has sent last, if anything, and `before` what it
    was sent on top of. No request and no record is made here.
    """

    def __init__(self, action: Update, redactor: Redactor) -> None:
        plain = action.desired.spec
        spec, digest = redactor.redact_and_digest(plain)
        self._declared = Value(plain, spec)
        if action.marks:
            # Only who owns it changes: of its content, what is recorded goes on to count.
            spec, digest = action.recorded.spec, action.recorded.digest
        self.spec: Json = spec
        self.digest = digest
        self.sent: UpdateContent | None = None
        self.before: LiveContent | None = None
        self._action = action
        self._redactor = redactor
        self._ignored = action.desired.lifecycle.ignore_changes

    def compose(self, row: Recorded, live: LiveContent) -> UpdateContent:
        """What is to be sent on top of what is live."""
        action = self._action
        # By identity: the plan has merged on this record, and one that this run has declared or
        # written anew since is another base.
        is_as_planned = row is action.recorded and live.digest == action.merged_with
        return compose_update(
            row,
            self._declared,
            live,
            self._redactor,
            ignored=self._ignored,
            undo_drift=action.undo_drift,
            planned=action.document if is_as_planned else None,
        )

    def open_change(self, content: UpdateContent, *, rev: str, base: str, marks: str) -> OpenChange:
        """The record of what is to be sent under a new rev, on top of another."""
        return OpenChange(
            rev=rev,
            base=base,
            body_digest=content.digest,
            digest=self.digest,
            spec=self.spec,
            body=content.base,
            marks=marks,
        )

    def find_unplanned(self, row: Recorded, live: LiveContent) -> list[str] | None:
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

    def is_outdated(self, row: Recorded, live: LiveContent) -> bool:
        """Whether the update that is live is not what is wanted now: another one follows."""
        under_way = row.change.open
        if under_way is None or under_way.digest != self.digest:
            return True
        # Only once in a run: whoever makes a change again and again is not fought for ever.
        undoes = self._action.undo_drift and self.sent is None
        return undoes and bool(find_drift(row, live, self._redactor, self._ignored))

    def shows_sent(self, row: Recorded, live: LiveContent) -> bool:
        """Whether it has the content of this run's update, had not before, and shows no rev.

        A server may drop annotations, so that only the content says whose update it shows.
        """
        if self.before is None or live.rev:
            return False

        def differs(content: LiveContent) -> bool:
            unlike, leftovers = self.find_unlike(row, content), self.find_leftovers(row, content)
            return bool(unlike or leftovers.pointers)

        return differs(self.before) and not differs(live)

    def find_unlike(self, row: Recorded, live: LiveContent) -> list[str]:
        """Where the server does not show what this run has sent."""
        if self.sent is None or live.digest == self.sent.digest:
            return []
        declared = self.take_over_spec(row)
        unlike = find_unlike(declared, self.sent, live, self._redactor, self._ignored)
        return [change.pointer for change in unlike]

    def find_leftovers(self, row: Recorded, live: LiveContent) -> Leftovers:
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

"""What will be sent for a workload, and every field in which it differs from what runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from enum import Enum
from typing import Any

from reconciler.core.diff.comparison import SpecChanges
from reconciler.core.diff.diff import (
    ABSENT,
    FieldChange,
    Origin,
    find_changes,
    is_ignored,
    is_same,
    undo,
)
from reconciler.core.diff.equality import reword
from reconciler.core.lifecycle import (
    Lifecycle,
    OnChange,
)
from reconciler.core.model import (
    Desired,
    Json,
)
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew
from reconciler.core.secrets.marks import is_redacted
from reconciler.core.stored_json import decoded
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A body on its way, and what a reviewer has to see of it.

    `desired` is sent: the spec, in which ignored fields are as they run. `changes` are all
    differences between it and what runs, and those of the spec that are ignored. `kept` is what
    runs, where any of it is to be kept; `exposed` are pointers of ignored fields that cannot be
    kept, since what runs there is a secret.
    """

    desired: Desired
    changes: tuple[FieldChange, ...] = ()
    kept: Json | None = None
    exposed: tuple[str, ...] = ()

    @property
    def exposed_text(self) -> str:
        """What a reviewer is told of them; empty where there are none."""
        if not self.exposed:
            return ""
        fields = ", ".join(self.exposed)
        return f"{fields} runs with a secret that is not kept, so the spec's is sent"


def submit(
    desired: Desired, since: SpecChanges, runs: Json, redactor: Redactor, *, keeps: bool
) -> Submission:
    """Put together what is sent in the place of what runs.

    `since` says what the author has changed: what else differs is somebody's on the server. With
    `keeps`, a field under ignoreChanges keeps its value of what runs; without, nothing could be
    read that could be kept, and the spec's value is sent.
    """
    if since.row.is_declared and is_same(runs, decoded(since.row.spec)):
        # What was compared with the record already, and renewed before that.
        differences = list(since.changes)
    else:
        # What a server says is hidden by stricter rules: a mark may be of a text that the spec
        # shows.
        runs = renew(runs, redactor, plain=desired.spec)
        # A server may write the same in another form, and that is no change.
        differences = find_changes(reword(runs, like=since.spec), since.spec)
    patterns = desired.lifecycle.ignore_changes if keeps else ()
    ignored = [change for change in differences if is_ignored(change.pointer, patterns)]
    # Of a secret only its digest is known here, and a digest must never be sent.
    keep = [
        change
        for change in ignored
        if not is_redacted(
            change.before
            if isinstance(change.before, str)
            else json.dumps(change.before, default=str)
        )
    ]
    if keep:
        body = undo(desired.spec, keep)
        desired = replace(desired, metadata=body["metadata"], manifest=body["manifest"])
    return Submission(
        desired=desired,
        changes=tuple(
            replace(_attribute(change, since.changes), ignored=change in keep)
            for change in differences
        ),
        # Also where all of it is secret: after a kill the next plan has to say so again.
        kept=runs if ignored else None,
        exposed=tuple(change.pointer for change in ignored if change not in keep),
    )


def _attribute(change: FieldChange, by_author: Iterable[FieldChange]) -> FieldChange:
    """What the author has not changed, somebody has on the server."""
    # With the slash, `/spec/a` is no part of `/spec/ab`.
    path = f"{change.pointer}/"
    for authored in by_author:
        other = f"{authored.pointer}/"
        if path.startswith(other) or other.startswith(path):
            return change
    return replace(change, origin=Origin.REMOTE)


def lifecycle_changes(before: Lifecycle, after: Lifecycle) -> Iterator[FieldChange]:
    """Which of our own settings differ, as their author spells them."""
    if before == after:
        return
    old, new = asdict(before), asdict(after)
    if before.on_change is None and after.on_change is not OnChange.HOLD:
        # What an older version took for granted is not what its author has changed.
        old["on_change"] = after.on_change
    for name in old:
        if old[name] != new[name]:
            yield FieldChange(
                pointer=f"/lifecycle/{spell(name)}",
                before=_setting(old[name]),
                after=_setting(new[name]),
            )


def spell(name: str) -> str:
    """A setting's name as specs have it: `on_change` is `onChange`."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _setting(value: Any) -> Any:
    """A setting's value as specs have it; one that is not set is absent."""
    if value is None or value == ():
        return ABSENT
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, Enum) else value

"""What a workload of the simulated server shows and says after updates: forms, one after the other.

An update replaces or merges; it may be shown late (A6), and the status may speak about the form
before it for a while (A7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.model import Json, LastSeen
from reconciler.core.protocol.marker import REV, read_own_annotations, read_rev, unmark

# Fields that others write and no spec declares.
FOREIGN = "minReadySeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The content of a workload from one instant on; seconds on the timeline.

    `shown` is when a GET shows it, `spoken_of` when the status is about it.
    """

    metadata: Json
    manifest: Json
    born: float
    synced: float
    shown: float = 0.0
    spoken_of: float = 0.0
    refused: bool = False

    def seen(self, now: float) -> LastSeen:
        """What syncInfo says of it, while the workload is not being deleted."""
        if now >= self.synced:
            return LastSeen.FAILED if self.refused else LastSeen.SYNCED
        return LastSeen.QUEUED if now < (self.born + self.synced) / 2 else LastSeen.APPLYING


def shown_form(forms: Sequence[Form], now: float) -> Form:
    """What a GET shows: the last form that can be seen."""
    return next((form for form in reversed(forms) if form.shown <= now), forms[0])


def seen_status(forms: Sequence[Form], now: float) -> LastSeen:
    """What the status says: it may be about an older form."""
    form = next((form for form in reversed(forms) if form.spoken_of <= now), forms[0])
    return form.seen(now)


def merge(old: Any, new: Any) -> Any:
    """RFC 7386: maps member by member, null removes, everything else replaces."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    merged = {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def drop(manifest: Json, dropped: str) -> Json:
    """A manifest as a server keeps it that loses our rev, or all of our annotations."""
    if dropped == "all":
        return unmark(manifest)
    if dropped == "rev" and read_rev(manifest):
        kept = {k: v for k, v in read_own_annotations(manifest).items() if k != REV}
        return {**manifest, "metadata": {**manifest["metadata"], "annotations": kept}}
    return manifest

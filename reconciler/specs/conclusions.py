"""From a checked draft to the value that is planned with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.model import (
    Address,
    Desired,
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.errors import Where
from reconciler.specs.checks import effective
from reconciler.specs.drafts import INLINE, Draft


def conclude(draft: Draft, address: Address) -> Desired:
    """Return what a draft without errors declares."""
    spec = effective(draft.value, address)
    start = draft.document.where
    return Desired(
        address=address,
        source=Where(file=start.file, line=start.line, column=start.column),
        metadata=spec["metadata"],
        manifest=spec[INLINE],
        encoded=draft.encoded,
        lifecycle=_lifecycle(spec.get("lifecycle", {})),
    )


def _lifecycle(given: Mapping[str, Any]) -> Lifecycle:
    missing = given.get("onMissing")
    return Lifecycle(
        protect=given.get("protect", False),
        on_remove=OnRemove(given.get("onRemove", OnRemove.DELETE)),
        on_missing=None if missing is None else OnMissing(missing),
        on_change=OnChange(given.get("onChange", OnChange.REPLACE)),
        on_failed=OnFailed(given.get("onFailed", OnFailed.KEEP)),
        wave=int(given.get("wave", 0)),
        ignore_changes=tuple(given.get("ignoreChanges", ())),
    )

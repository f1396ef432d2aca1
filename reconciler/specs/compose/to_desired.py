"""From a checked draft to the value that is planned with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.rules.checks import effective


def to_desired(draft: ComposedSpec, address: Address) -> Desired:
    """Return what a draft without errors declares."""
    spec = effective(draft.value, address)
    document = draft.document
    line, column = document.source.position(document.first)
    return Desired(
        address=address,
        source=Where(file=document.source.file, line=line, column=column),
        metadata=spec["metadata"],
        manifest=spec[INLINE],
        encoded=draft.encoded,
        lifecycle=_lifecycle(spec.get("lifecycle", {})),
    )


def _lifecycle(given: Mapping[str, Any]) -> Lifecycle:
    return Lifecycle(**{_FIELDS[key][0]: _FIELDS[key][1](value) for key, value in given.items()})


# By the name in a spec: the name in the model, and what makes its value.
_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "protect": ("protect", bool),
    "onRemove": ("on_remove", OnRemove),
    "onMissing": ("on_missing", OnMissing),
    "onChange": ("on_change", OnChange),
    "onFailed": ("on_failed", OnFailed),
    "wave": ("wave", int),
    "ignoreChanges": ("ignore_changes", tuple),
}

"""From a checked spec to the value that is planned with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.core.json_pointer import join_steps
from reconciler.core.lifecycle import (
    AfterCompletion,
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    Address,
    Desired,
)
from reconciler.errors import Where
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.compose.manifest_integers import find_older_readings
from reconciler.specs.rules.checks import effective


def to_desired(composed: ComposedSpec, address: Address) -> Desired:
    """Return what a composed spec without errors declares."""
    spec = effective(composed.value, address)
    document = composed.document
    line, column = document.source.position(document.first)
    older = {}
    if any(each.ambiguous for each in composed.documents):
        older = {join_steps(path): before for path, before in find_older_readings(composed.tree())}
    return Desired(
        address=address,
        source=Where(file=document.source.file, line=line, column=column),
        metadata=spec["metadata"],
        manifest=spec[INLINE],
        encoded=composed.encoded,
        older_readings=older,
        lifecycle=Lifecycle(
            **{
                _LIFECYCLE_FIELDS[key][0]: _LIFECYCLE_FIELDS[key][1](value)
                for key, value in spec.get("lifecycle", {}).items()
            }
        ),
    )


# By the name in a spec: the name in the model, and what makes its value.
_LIFECYCLE_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "protect": ("protect", bool),
    "onRemove": ("on_remove", OnRemove),
    "onMissing": ("on_missing", OnMissing),
    "onChange": ("on_change", OnChange),
    "onFailed": ("on_failed", OnFailed),
    "afterCompletion": ("after_completion", AfterCompletion),
    "ttl": ("ttl", str),
    "maxRuntime": ("max_runtime", str),
    "wave": ("wave", int),
    "ignoreChanges": ("ignore_changes", tuple),
}

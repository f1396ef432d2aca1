"""From a checked spec to the value that is planned with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

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
from reconciler.core.stored_json import StoredJson, encode
from reconciler.errors import Where
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.compose.manifest_integers import find_older_readings
from reconciler.specs.rules.checks import effective

if TYPE_CHECKING:
    from reconciler.core.gpus import GpuRequest

# Nearly every spec has none: one value for all of thousands.
_NO_READINGS: Mapping[str, Any] = MappingProxyType({})


class SpecContent(NamedTuple):
    """What a composed spec without errors declares: JSON texts, as a state holds documents.

    Decoded, it would take five times the memory, and nobody looks into most of thousands. `gpus` is
    what the manifest asks for, where that was counted.
    """

    metadata: str
    manifest: str
    lifecycle: str
    encoded: bool
    older_readings: Mapping[str, Any]
    gpus: GpuRequest | None = None

    @classmethod
    def of(cls, composed: ComposedSpec, address: Address) -> SpecContent:
        """The content of a spec, with its project's name resolved if it is."""
        spec = effective(composed.value, address)
        older = {}
        if any(each.ambiguous for each in composed.documents):
            readings = find_older_readings(composed.tree())
            older = {join_steps(path): before for path, before in readings}
        return cls(
            metadata=encode(spec["metadata"]),
            manifest=encode(spec[INLINE]),
            lifecycle=encode(lifecycle) if (lifecycle := spec.get("lifecycle")) else "{}",
            encoded=composed.encoded,
            older_readings=older,
        )

    def written(self) -> list[Any]:
        """The same for JSON."""
        *content, gpus = self
        return [*content, gpus and astuple(gpus)]

    @classmethod
    def read(cls, written: Sequence[Any]) -> SpecContent:
        """What another process has written of a content."""
        content = cls(*written)
        if content.gpus is None:
            return content
        from reconciler.core.gpus import GpuRequest

        gpus, memory, instances, unknown = written[-1]
        request = GpuRequest(
            gpus=gpus, memory_mib=memory, mig_instances=instances, unknown=tuple(unknown)
        )
        return content._replace(gpus=request)

    def resolved(self, address: Address) -> SpecContent:
        """The same with the name of its project resolved."""
        spec = effective({"metadata": json.loads(self.metadata)}, address)
        return self._replace(metadata=encode(spec["metadata"]))

    def declares_same(self, other: SpecContent) -> bool:
        """Whether the other one declares the same, whichever of the two was counted."""
        return self._replace(gpus=None) == other._replace(gpus=None)

    def to_desired(self, address: Address, source: Where) -> Desired:
        """What is planned with."""
        manifest = StoredJson(self.manifest)
        if self.gpus is not None:
            # Only a plan pays for loading it.
            from reconciler.core.gpus import CountedManifest

            manifest = CountedManifest(self.manifest, self.gpus)
        return Desired(
            address=address,
            source=source,
            metadata=StoredJson(self.metadata),
            manifest=manifest,
            encoded=self.encoded,
            older_readings=self.older_readings or _NO_READINGS,
            lifecycle=_read_lifecycle(self.lifecycle),
        )


# Few of thousands differ, and what is frozen can be shared.
@lru_cache(maxsize=256)
def _read_lifecycle(text: str) -> Lifecycle:
    return Lifecycle(
        **{
            _LIFECYCLE_FIELDS[key][0]: _LIFECYCLE_FIELDS[key][1](value)
            for key, value in json.loads(text).items()
        }
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

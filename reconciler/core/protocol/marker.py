"""The two annotations by which a workload proves whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.model import Json

PREFIX = "workload-reconciler/"
OP = PREFIX + "op"
STACK = PREFIX + "stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Who created a workload: the state's lineage, the operation in it, and the owner's name."""

    lineage: str
    op: str
    stack: str

    def __str__(self) -> str:
        return f"{self.lineage}/{self.op}"

    def is_of(self, lineage: str, stack: str) -> bool:
        """Whether this state and this owner made the workload that carries it."""
        return (self.lineage, self.stack) == (lineage, stack)


def mark(manifest: Json, marker: Marker) -> dict[str, Any]:
    """A copy of a manifest that carries the marker; the original is untouched."""
    metadata = dict(_mapping(manifest.get("metadata")))
    annotations = dict(_mapping(metadata.get("annotations")))
    annotations |= {OP: str(marker), STACK: marker.stack}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def read_marker(manifest: Json) -> Marker | None:
    """The marker that a manifest carries, or None where there is none or it is not whole."""
    annotations = _mapping(_mapping(manifest.get("metadata")).get("annotations"))
    proof, stack = annotations.get(OP), annotations.get(STACK)
    if not (isinstance(proof, str) and isinstance(stack, str)):
        return None
    lineage, slash, op = proof.partition("/")
    if not (lineage and slash and op):
        return None
    return Marker(lineage=lineage, op=op, stack=stack)


def unmark(manifest: Json) -> Json:
    """A manifest as its author knows it: without our annotations, nor the map made for them."""
    metadata = _mapping(manifest.get("metadata"))
    annotations = _mapping(metadata.get("annotations"))
    if not any(key.startswith(PREFIX) for key in annotations):
        return manifest
    kept = {key: value for key, value in annotations.items() if not key.startswith(PREFIX)}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    if kept:
        rest["annotations"] = kept
    return {**manifest, "metadata": rest}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

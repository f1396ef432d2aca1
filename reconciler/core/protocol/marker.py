"""The annotations by which a workload proves whose it is, and which update it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.model import Json
from reconciler.core.stored_json import MAPS, StoredJson
from reconciler.values import dataclass

PREFIX = "workload-reconciler/"
OP = PREFIX + "op"
STACK = PREFIX + "stack"
# Stands in the place of an operation where a server was asked only to check. What exists with it
# was created by mistake: nobody's workload, adopted by nothing, and deleted where it is found.
DRY_RUN = PREFIX + "dry-run"
# Names the update that a workload shows: on the object alone, since on a pod template it would
# make every pod anew.
REV = PREFIX + "rev"
# The commit that the content came from: for people, and compared with nothing.
COMMIT = PREFIX + "commit"


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


def mark(manifest: Json, marker: Marker) -> Json:
    """A copy of a manifest that carries the marker; the original is untouched."""
    return with_annotations(manifest, {OP: str(marker), STACK: marker.stack})


def read_marker(manifest: Json) -> Marker | None:
    """The marker that a manifest carries; None where it is missing or incomplete."""
    annotations = read_own_annotations(manifest)
    proof, stack = annotations.get(OP), annotations.get(STACK)
    if not (isinstance(proof, str) and isinstance(stack, str)):
        return None
    lineage, slash, op = proof.partition("/")
    if not (lineage and slash and op):
        return None
    return Marker(lineage=lineage, op=op, stack=stack)


def read_rev(manifest: Json) -> str:
    """The rev of the update that a manifest shows; empty for a workload as it was created."""
    rev = read_own_annotations(manifest).get(REV)
    return rev if isinstance(rev, str) else ""


def annotations_of_update(live: Json, *, rev: str, commit: str | None) -> dict[str, str]:
    """Our annotations on a workload as an update sends them; without a `commit`, its own stays."""
    # Who created it stays as it is live: an update proves nothing about that.
    own = {k: v for k, v in read_own_annotations(live).items() if k.startswith(PREFIX)}
    own |= {REV: rev}
    if commit is not None:
        # Content from no commit at all must not go on to name one.
        own.pop(COMMIT, None)
        own |= {COMMIT: commit} if commit else {}
    return own


def read_own_annotations(manifest: Json) -> Mapping[str, Any]:
    """The annotations of an object itself, not those of its pods."""
    return _mapping(_mapping(manifest.get("metadata")).get("annotations"))


def with_annotations(manifest: Json, annotations: Mapping[str, str]) -> Json:
    """A copy of a manifest with these annotations added; the original is untouched."""

    def annotated(value: Any) -> dict[str, Any]:
        metadata = _mapping(value)
        return {**metadata, "annotations": {**_mapping(metadata.get("annotations")), **annotations}}

    if isinstance(manifest, StoredJson):
        return manifest.with_member("metadata", annotated)
    return {**manifest, "metadata": annotated(manifest.get("metadata"))}


def unmark(manifest: Json) -> Json:
    """A manifest without our annotations, and without a map of annotations made for them alone."""
    metadata = _mapping(manifest.get("metadata"))
    annotations = _mapping(metadata.get("annotations"))
    if not any(key.startswith(PREFIX) for key in annotations):
        return manifest
    others = {key: value for key, value in annotations.items() if not key.startswith(PREFIX)}
    unmarked = {key: value for key, value in metadata.items() if key != "annotations"}
    if others:
        unmarked["annotations"] = others
    return {**manifest, "metadata": unmarked}


def _mapping(value: Any) -> Mapping[str, Any]:
    # A server or an author may have put anything there; the schema reports it, not we.
    return value if isinstance(value, MAPS) else {}

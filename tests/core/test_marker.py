from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given

from reconciler.core.diff.diff import is_same
from reconciler.core.protocol.body import make_body
from reconciler.core.protocol.marker import (
    COMMIT,
    Marker,
    mark,
    read_marker,
    read_own_annotations,
    unmark,
)
from tests.support.factories import make_desired
from tests.support.strategies import json_objects, markers

MARKER = Marker(lineage="l1", op="o1", stack="team-a")
OURS = {"workload-reconciler/op": "l1/o1", "workload-reconciler/stack": "team-a"}


@given(json_objects, markers)
def test_a_marker_is_read_back_and_leaves_the_original_alone(
    manifest: dict[str, Any], marker: Marker
) -> None:
    """Whatever a manifest looks like, it can carry the marker."""
    original = copy.deepcopy(manifest)
    assert read_marker(mark(manifest, marker)) == marker
    assert manifest == original


@given(json_objects, json_objects, markers)
def test_marking_and_unmarking_gives_the_manifest_back(
    manifest: dict[str, Any], annotations: dict[str, Any], marker: Marker
) -> None:
    """Diffs never show the marker; a map that was there before it stays, if it held anything."""
    metadata = {"name": "x", **({"annotations": annotations} if annotations else {})}
    manifest = {**manifest, "metadata": metadata}
    assert is_same(unmark(mark(manifest, marker)), manifest)


@given(json_objects, markers)
def test_the_commit_is_no_part_of_the_content(manifest: dict[str, Any], marker: Marker) -> None:
    """Bodies of two commits differ in one annotation, and in nothing once they are unmarked."""
    desired = make_desired("1/a", manifest=manifest)
    first, second = (
        make_body(desired, marker, commit)["manifest"] for commit in ("a" * 40, "b" * 40 + "+")
    )
    assert read_own_annotations(first)[COMMIT] == "a" * 40
    assert read_own_annotations(second)[COMMIT] == "b" * 40 + "+"
    assert read_marker(first) == read_marker(second) == marker
    assert unmark(first) == unmark(second) == unmark(make_body(desired, marker)["manifest"])


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"metadata": None},
        {"metadata": "x"},
        {"metadata": {"annotations": []}},
        {"metadata": {"annotations": {"workload-reconciler/op": "l1/o1"}}},
        {"metadata": {"annotations": {**OURS, "workload-reconciler/op": 1}}},
        {"metadata": {"annotations": {**OURS, "workload-reconciler/op": "l1"}}},
        {"metadata": {"annotations": {**OURS, "workload-reconciler/op": "/o1"}}},
        {"metadata": {"annotations": {**OURS, "workload-reconciler/op": "l1/"}}},
        {"metadata": {"annotations": {**OURS, "workload-reconciler/stack": None}}},
    ],
)
def test_half_a_marker_is_none(manifest: dict[str, Any]) -> None:
    """What is not whole proves nothing."""
    assert read_marker(manifest) is None


def test_annotations_of_others_stay() -> None:
    """Only what begins with our own prefix is taken off."""
    marked = mark({"metadata": {"annotations": {"team": "a"}}}, MARKER)
    assert marked == {"metadata": {"annotations": {"team": "a", **OURS}}}
    assert unmark(marked) == {"metadata": {"annotations": {"team": "a"}}}


def test_the_body_of_an_inline_manifest() -> None:
    """Exactly the two fields of a create request, marked, nothing of the lifecycle."""
    desired = make_desired(manifest={"kind": "Job"}, metadata={"priority": None}, protect=True)
    assert make_body(desired, MARKER) == {
        "metadata": {"name": "llm", "projectId": "4501", "priority": None},
        "manifest": {"kind": "Job", "metadata": {"annotations": OURS}},
    }


def test_the_body_of_an_encoded_manifest() -> None:
    """What came as base64 is sent as base64, as JSON, which every version of YAML reads alike."""
    desired = make_desired(manifest={"kind": "Job", "on": "ü\ud800"}, encoded=True)
    body = make_body(desired, MARKER)
    assert list(body) == ["metadata", "manifestBase64Encoded"]
    assert json.loads(base64.b64decode(body["manifestBase64Encoded"])) == {
        "kind": "Job",
        "on": "ü\ud800",
        "metadata": {"annotations": OURS},
    }

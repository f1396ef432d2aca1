from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.wire.payloads import (
    ListItem,
    ListPage,
    WireError,
    read_error_code,
    read_get_response,
    read_page,
    read_workload,
    requested_address,
)
from reconciler.core.model import LastSeen
from reconciler.core.protocol.body import create_body
from tests.api.factories import ADDRESS, BODY, ID, MANIFEST, METADATA, error, remote, workload

READERS = [read_workload, read_get_response, read_error_code, read_page]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
KEYS = st.sampled_from(
    ["workload", "syncInfo", "metadata", "id", "name", "projectId", "deletedAt", "tenantId",
     "rawManifest", "desiredPhase", "status", "message", "code", "details", "workloads", "next"]
)  # fmt: skip
SHAPED = st.recursive(
    JSON | st.just(ID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
)


@pytest.mark.parametrize("read", READERS)
@given(data=JSON | SHAPED)
def test_a_reader_raises_its_own_error_only(read: Callable[[object], object], data: Any) -> None:
    """Whatever JSON a server sends, the client sees a value or a WireError."""
    with suppress(WireError):
        read(data)


def test_post_and_delete_answer_a_bare_workload() -> None:
    """Extra fields are kept in the metadata and otherwise ignored."""
    assert read_workload({**workload(), "novelty": 1}) == remote()


def test_get_wraps_the_workload_beside_its_sync_info() -> None:
    """The status becomes `seen`, its message is kept."""
    data = {"workload": workload(), "syncInfo": {"status": "Failed", "message": "quota"}}
    assert read_get_response(data) == remote(LastSeen.FAILED, "quota")
    assert read_get_response({"workload": workload(), "syncInfo": None}) == remote()


@pytest.mark.parametrize("seen", ["Queued", "Applying", "Deleting", "Synced", "Deleted", "Failed"])
def test_each_documented_sync_status_is_known(seen: str) -> None:
    """The enum of the API maps by its own words."""
    data = {"workload": workload(), "syncInfo": {"status": seen}}
    assert read_get_response(data).seen == seen


@pytest.mark.parametrize("status", ["Hibernating", "unknown", "missing"])
def test_an_unfamiliar_sync_status_never_proves_absence(status: str) -> None:
    """Beside a deletion time it reads as a delete under way; `missing` is our word, not theirs."""
    sync = {"status": status}
    gone = {"workload": workload(deletedAt="2026-03-03T10:00:00Z"), "syncInfo": sync}
    assert (read_get_response(gone).seen, read_get_response(gone).is_gone) == (
        LastSeen.DELETING,
        False,
    )
    assert read_get_response({"workload": workload(), "syncInfo": sync}) == remote(
        LastSeen.UNKNOWN, f"the server reports the unfamiliar sync status '{status}'"
    )


def test_a_numeric_project_is_the_same_project() -> None:
    """The schema says string, its example is a bare number; the echo must not drift."""
    assert read_workload(workload(projectId=4501)) == remote()


@pytest.mark.parametrize("never", [None, "", "0001-01-01T00:00:00Z"])
def test_a_zero_time_is_no_deletion(never: str | None) -> None:
    """Go servers write "never" as the year 1."""
    assert read_workload(workload(deletedAt=never)).deleted_at is None


def test_a_deletion_time_is_kept_as_written() -> None:
    """Nanoseconds and all."""
    at = "2026-03-03T10:00:00.123456789Z"
    assert read_workload(workload(deletedAt=at)).deleted_at == at


@pytest.mark.parametrize(
    ("read", "data", "problem"),
    [
        (read_workload, [], "is not an object"),
        (read_workload, {}, "metadata: is missing"),
        (read_workload, {"metadata": 1}, "metadata: is not an object"),
        (read_workload, workload(id=""), "metadata.id: is not a workload id"),
        (read_workload, workload(id=".."), "metadata.id: is not a workload id"),
        (read_workload, workload(id=7), "metadata.id: is not a string"),
        (read_workload, workload(name=""), "metadata.name: is empty"),
        (read_workload, workload(projectId=True), "metadata.projectId: is not a string"),
        (read_workload, workload(deletedAt="soon"), "metadata.deletedAt: is not a date and time"),
        (read_workload, workload(tenantId="7"), "metadata.tenantId: is not an integer"),
        (read_workload, {**workload(), "rawManifest": "x"}, "rawManifest: is not an object"),
        (read_get_response, workload(), "workload: is missing"),
        (
            read_get_response,
            {"workload": workload(id=None)},
            "workload.metadata.id: is missing",
        ),
        (
            read_get_response,
            {"workload": workload(), "syncInfo": {}},
            "syncInfo.status: is missing",
        ),
        (read_page, {}, "workloads: is missing"),
        (read_page, {"workloads": {}}, "workloads: is not a list"),
        (
            read_page,
            {"workloads": [{"id": ID, "name": "a", "projectId": 1}, {"id": ID}]},
            "workloads[1].projectId: is missing",
        ),
        (read_page, {"workloads": [], "next": "2"}, "next: is not an integer"),
        (read_error_code, {"code": 404}, "message: is missing"),
        (read_error_code, {"code": "404", "message": "no"}, "code: is not an integer"),
        (read_error_code, {**error(404), "details": 7}, "details: is not a string"),
    ],
)
def test_an_error_names_the_field_by_its_path(
    read: Callable[[object], object], data: object, problem: str
) -> None:
    """From the outermost key to the innermost, as one would write it."""
    with pytest.raises(WireError) as caught:
        read(data)
    assert str(caught.value) == problem


def test_a_page_of_the_list_keeps_what_tells_workloads_apart() -> None:
    """Go servers write an empty list as null."""
    item = {**METADATA, "id": ID, "sourceApi": "WorkloadsV2", "phase": "Running"}
    assert read_page({"workloads": [item], "next": 500}) == ListPage(
        items=(ListItem(id=ID, address=ADDRESS, source_api="WorkloadsV2"),), next=500
    )
    assert read_page({"workloads": None}) == ListPage(items=())


def test_the_error_envelope_has_three_fields() -> None:
    """Details are optional."""
    assert read_error_code({**error(400, "bad"), "details": "name"}) == 400
    assert read_error_code(error(404)) == 404


def test_a_plain_manifest_is_sent_as_an_object() -> None:
    """Nothing but metadata and manifest, and the address can be read back."""
    assert create_body(METADATA, MANIFEST) == BODY
    assert requested_address(BODY) == ADDRESS


def test_an_encoded_manifest_is_json_in_base64() -> None:
    """The key is the schema's, not the one its descriptions mention."""
    body = create_body(METADATA, MANIFEST, encoded=True)
    assert sorted(body) == ["manifestBase64Encoded", "metadata"]
    assert json.loads(base64.b64decode(body["manifestBase64Encoded"])) == MANIFEST


def test_a_number_that_json_lacks_is_refused() -> None:
    """NaN would be sent as a word that no server reads."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        create_body(METADATA, {"replicas": float("nan")}, encoded=True)


MANIFESTS = st.dictionaries(
    st.text(max_size=20),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3)
        ),
    ),
    max_size=4,
)


@given(MANIFESTS)
def test_an_encoded_manifest_reads_alike_as_json_and_as_yaml(manifest: dict[str, Any]) -> None:
    """The server parses it as YAML, which knows no surrogate pairs and forbids raw controls."""
    text = base64.b64decode(create_body(METADATA, manifest, encoded=True)["manifestBase64Encoded"])
    assert json.loads(text) == manifest
    assert yaml.safe_load(text) == manifest


def test_an_encoded_manifest_keeps_characters_and_spells_out_controls() -> None:
    """An emoji stays itself; DEL, which YAML forbids in its raw form, is escaped."""
    body = create_body(METADATA, {"a": "\U0001f600\x7f"}, encoded=True)
    text = base64.b64decode(body["manifestBase64Encoded"])
    assert text == b'{"a": "\xf0\x9f\x98\x80\\u007f"}'

"""What a request carries, whether its parts are values or still texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from reconciler.api.wire.request_body import readable_body, write_body
from reconciler.core.protocol.body import create_body
from reconciler.core.stored_json import StoredJson
from tests.support.strategies import json_objects


@given(json_objects, json_objects)
def test_texts_and_values_are_sent_alike(
    metadata: dict[str, Any], manifest: dict[str, Any]
) -> None:
    """The server reads the same, and a text goes over the wire as it is."""
    values = create_body(metadata, manifest)
    texts = create_body(StoredJson.of(metadata), StoredJson.of(manifest))
    assert json.loads(write_body(values)) == json.loads(write_body(texts)) == values
    assert StoredJson.of(manifest).text.encode() in write_body(texts)


@given(json_objects, json_objects)
def test_an_encoded_manifest_can_be_searched(
    metadata: dict[str, Any], manifest: dict[str, Any]
) -> None:
    """What went out as base64 is found again, from a value and from a text."""
    for given_manifest in (manifest, StoredJson.of(manifest)):
        body = create_body(metadata, given_manifest, encoded=True)
        assert readable_body(json.loads(write_body(body)))["manifest"] == manifest


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_no_json_is_no_body(value: object) -> None:
    """It raises before anything is sent."""
    with pytest.raises((TypeError, ValueError)):
        write_body({"metadata": {}, "manifest": {"spec": value}})

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from reconciler.sandbox import AfterDelete
from tests.sandbox.rigs import DEPLOYMENT, JOB, WORKLOADS, Rig, request

SCHEMAS = Path(__file__).parents[2] / "schemas"
DOCUMENT = json.loads((SCHEMAS / "openapi" / "workloads-v2-2.23.json").read_text())
HTTP_ITSELF = {"405", "413", "415"}


def validator(name: str) -> Draft202012Validator:
    """A validator with formats, for one of the published schemas."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


WORKLOAD, GET_RESPONSE, ERROR = (validator(name) for name in ("workload", "get-response", "error"))


def check(method: str, answer: Any) -> None:
    """Hold an answer against the API document: its status is declared, its body fits."""
    path = WORKLOADS if method == "post" else f"{WORKLOADS}/{{WorkloadV2Id}}"
    declared = DOCUMENT["paths"][path][method]["responses"].keys() | HTTP_ITSELF
    assert str(answer.status_code) in declared
    assert answer.headers["content-type"] == "application/json"
    success = GET_RESPONSE if method == "get" else WORKLOAD
    (success if answer.is_success else ERROR).validate(answer.json())
    if not answer.is_success:
        assert answer.json()["code"] == answer.status_code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
bases: list[dict[str, Any]] = [JOB, DEPLOYMENT]
manifests = st.sampled_from(bases).flatmap(
    lambda base: st.dictionaries(
        st.sampled_from(["apiVersion", "kind", "metadata", "spec", "containers"]), json_values
    ).map(lambda changes: {**base, **changes})
)
near_requests = st.fixed_dictionaries(
    {},
    optional={
        "metadata": json_values
        | st.fixed_dictionaries(
            {},
            optional={
                "name": st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True) | json_values,
                "projectId": st.text(max_size=3) | json_values,
                "priority": st.sampled_from(["low", "high"]) | json_values,
                "category": st.sampled_from(["Train", "Play"]) | json_values,
                "extra": json_values,
            },
        ),
        "manifest": manifests | json_values,
        "manifestBase64Encoded": st.text(max_size=10) | json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(body=near_requests | json_values)
def test_no_body_gets_an_answer_that_the_document_does_not_know(body: Any) -> None:
    """Requests near and far from valid are accepted or refused as declared, never a crash."""
    rig = Rig()
    answer = rig.ask(
        "POST",
        WORKLOADS,
        content=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    check("post", answer)
    if answer.is_success:
        workload_id = answer.json()["metadata"]["id"]
        check("get", rig.get(workload_id))
        check("delete", rig.delete(workload_id))


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60))
def test_no_bytes_get_an_answer_that_the_document_does_not_know(content: bytes) -> None:
    """What is not even JSON is refused in JSON."""
    headers = {"content-type": "application/json"}
    check("post", Rig().ask("POST", WORKLOADS, content=content, headers=headers))


@pytest.mark.parametrize("after", list(AfterDelete))
def test_every_phase_of_a_life_fits_the_document(after: AfterDelete) -> None:
    """From the first answer to the last body after deletion."""
    rig = Rig("sync-fails", sync_delay=4.0, delete_delay=4.0, after_delete=after)
    workload_id = rig.create()
    for _ in range(3):
        check("get", rig.get(workload_id))
        rig.now += 2
    check("delete", rig.delete(workload_id))
    for _ in range(3):
        check("get", rig.get(workload_id))
        rig.now += 2
    check("delete", rig.delete(workload_id))


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500, 503])
def test_every_declared_failure_can_be_produced(status: int) -> None:
    """By a rule if not by nature."""
    answer = Rig(str(status)).ask("POST", WORKLOADS, json=request())
    assert answer.status_code == status
    check("post", answer)

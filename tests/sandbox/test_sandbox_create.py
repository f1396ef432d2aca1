from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.sandbox import Project
from tests.sandbox.rigs import DEPLOYMENT, JOB, WORKLOADS, Rig, in_base64, request

META = {"name": "a", "projectId": "4501"}


def with_metadata(**fields: Any) -> dict[str, Any]:
    """A request with some of its metadata changed."""
    return {"metadata": {**META, **fields}, "manifest": JOB}


def with_manifest(manifest: Any) -> dict[str, Any]:
    """A request with another manifest."""
    return {"metadata": META, "manifest": manifest}


def test_a_created_workload_answers_202_with_everything_the_api_fills_in() -> None:
    """A create answers a WorkloadV2: defaults by kind, both manifests, names and stamps."""
    rig = Rig(projects=(Project(id="4501", name="team-a"),))
    answer = rig.ask("POST", WORKLOADS, json=request())
    body = answer.json()
    created = "2027-01-15T08:00:00.000Z"
    dressed = {
        **JOB,
        "metadata": {
            "name": "a",
            "annotations": {"workload-reconciler/op": "lineage/op-1"},
            "namespace": "runai-team-a",
            "labels": {
                "runai/queue": "team-a",
                "priorityClassName": "high",
                "kai.scheduler/preemptibility": "non-preemptible",
            },
        },
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "main", "image": "busybox"}],
                    "schedulerName": "runai-scheduler",
                }
            }
        },
    }
    assert answer.status_code == 202
    assert body == {
        "metadata": {
            "name": "a",
            "projectId": "4501",
            "priority": "high",
            "category": "Build",
            "preemptibility": "non-preemptible",
            "id": rig.sandbox.store.live()[0].id,
            "gvk": {"group": "batch", "version": "v1", "kind": "Job"},
            "projectName": "team-a",
            "clusterId": "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10",
            "tenantId": 1,
            "departmentId": "1",
            "departmentName": "default",
            "createdAt": created,
            "createdBy": "demo",
            "updatedAt": created,
            "updatedBy": "demo",
            "deletedAt": None,
            "deletedBy": None,
        },
        "desiredPhase": "Running",
        "workloadManifest": dressed,
        "rawManifest": JOB,
    }


@pytest.mark.parametrize(
    ("manifest", "category", "priority"),
    [
        (JOB, "Build", "high"),
        ({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}, "Train", "low"),
        (DEPLOYMENT, "Deploy", "very-high"),
        ({"apiVersion": "v1", "kind": "Pod"}, "Deploy", "very-high"),
        ({"apiVersion": "egx.nvidia.io/v1", "kind": "SPOTRequest"}, None, None),
    ],
)
def test_category_and_priority_default_by_kind(
    manifest: dict[str, Any], category: str | None, priority: str | None
) -> None:
    """What a request leaves out, or gives as null, follows the table of kinds."""
    body = {"metadata": {**META, "priority": None}, "manifest": manifest}
    answer = Rig().ask("POST", WORKLOADS, json=body).json()
    assert (answer["metadata"]["category"], answer["metadata"]["priority"]) == (category, priority)


def test_a_manifest_in_base64_is_echoed_decoded() -> None:
    """YAML in base64 comes back as the same object that JSON would have been, dates as text."""
    text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {labels: {made: 2026-01-02}}\n"
    body = {"metadata": META, "manifestBase64Encoded": in_base64(text)}
    answer = Rig().ask("POST", WORKLOADS, json=body).json()
    assert answer["rawManifest"] == {
        **DEPLOYMENT,
        "metadata": {"labels": {"made": "2026-01-02"}},
    }


NAME_RULE = (
    "The workload name must consist of lower case alphanumeric characters or '-', "
    "and start with an alphabetic character."
)
REFUSED = [
    ([], "request body must be a JSON object"),
    ({"metadata": META, "manifest": JOB, "x": 1}, 'unknown field "x" in request'),
    ({"manifest": JOB}, "metadata is required and must be an object"),
    (with_metadata(priorty="high"), 'unknown field "priorty" in metadata'),
    (with_metadata(name=""), "Workload name must not be empty"),
    (with_metadata(name=7), "metadata.name must be a string"),
    (with_metadata(name="a" * 64), "Workload name must not exceed 63 characters"),
    (with_metadata(name="1a"), NAME_RULE),
    (with_metadata(name="a_b"), NAME_RULE),
    (with_metadata(name="ab\n"), NAME_RULE),
    (with_metadata(projectId=4501), "metadata.projectId must be a string"),
    (with_metadata(projectId=""), "either projectId or clusterId must be provided"),
    (with_metadata(priority="urgent"), "priority 'urgent' is not available in this cluster"),
    (with_metadata(priority=1), "metadata.priority must be a string or null"),
    (with_metadata(category="Play"), "category 'Play' is not available in this cluster"),
    ({"metadata": META}, "either manifest or manifestBase64Encoded must be provided"),
    (
        {"metadata": META, "manifest": JOB, "manifestBase64Encoded": "e30="},
        "manifest and manifestBase64Encoded are mutually exclusive, provide only one",
    ),
    (with_manifest(None), "manifest must be an object"),
    (with_manifest({"kind": "Job"}), "missing required field: apiVersion"),
    (with_manifest({"apiVersion": "v1"}), "missing required field: kind"),
    (with_manifest({**JOB, "metadata": []}), "manifest metadata is not a valid map"),
    (
        with_manifest({**JOB, "metadata": {"labels": "x"}}),
        "manifest metadata is not a valid map",
    ),
    (
        with_manifest({**JOB, "metadata": {"annotations": False}}),
        "manifest metadata is not a valid map",
    ),
    (
        with_manifest({**JOB, "apiVersion": "batch/v2"}),
        "workload type not found for GVK: batch/v2/Job",
    ),
    (
        {"metadata": META, "manifestBase64Encoded": in_base64("a: 1\n---\nb: 2\n")},
        "failed to convert YAML to JSON",
    ),
    (
        {"metadata": META, "manifestBase64Encoded": in_base64("- a\n")},
        "failed to convert YAML to JSON",
    ),
    ({"metadata": META, "manifestBase64Encoded": 1}, "manifestBase64Encoded must be a string"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_a_request_that_breaks_a_rule_is_refused_in_the_servers_words(
    body: object, message: str
) -> None:
    """Each broken rule is a 400 with an Error body, and nothing is created."""
    rig = Rig()
    answer = rig.ask("POST", WORKLOADS, json=body)
    assert (answer.status_code, answer.json()) == (400, {"code": 400, "message": message})
    assert rig.sandbox.store.all() == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"metadata": NaN}',
        b"[" * 100_000,
        json.dumps(with_manifest({**JOB, "x": "?"})).replace('"?"', "1e999").encode(),
    ],
)
def test_a_body_that_is_not_plain_json_is_unreadable(body: bytes) -> None:
    """Broken text, NaN, absurd depth and numbers beyond a double are one and the same 400."""
    answer = Rig().ask(
        "POST", WORKLOADS, content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()) == (
        400,
        {"code": 400, "message": "Failed to read request body"},
    )


def test_base64_that_is_none_is_refused() -> None:
    """Characters outside the alphabet are not skipped."""
    body = {"metadata": META, "manifestBase64Encoded": "a*b="}
    answer = Rig().ask("POST", WORKLOADS, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("failed to decode manifestBase64Encoded")


def test_yaml_that_unfolds_without_end_is_refused() -> None:
    """Aliases of aliases are refused before they fill the memory."""
    rows = ["x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 20)]
    body = {"metadata": META, "manifestBase64Encoded": in_base64("\n".join(rows))}
    assert Rig().ask("POST", WORKLOADS, json=body).json() == {
        "code": 400,
        "message": "failed to convert YAML to JSON",
    }


def test_yaml_that_contains_itself_is_refused() -> None:
    """A loop of references has no JSON form."""
    body = {"metadata": META, "manifestBase64Encoded": in_base64("&a {apiVersion: *a}")}
    assert Rig().ask("POST", WORKLOADS, json=body).status_code == 400


def test_a_name_is_unique_in_its_project_only() -> None:
    """The same name conflicts within a project and is free in the next."""
    rig = Rig()
    rig.create("a", project="1")
    assert rig.ask("POST", WORKLOADS, json=request("a", project="2")).status_code == 202
    taken = rig.ask("POST", WORKLOADS, json=request("a", project="1"))
    assert (taken.status_code, taken.json()) == (
        409,
        {"code": 409, "message": "workload with name 'a' already exists in this project"},
    )


def test_a_conflict_can_name_the_holder() -> None:
    """By option the 409 says which id holds the name."""
    rig = Rig(conflict_names_id=True)
    holder = rig.create()
    assert holder in rig.ask("POST", WORKLOADS, json=request()).json()["message"]


def test_a_project_outside_the_list_is_forbidden() -> None:
    """Once projects are given, there are no others."""
    rig = Rig(projects=(Project(id="1", name="team-a"),))
    answer = rig.ask("POST", WORKLOADS, json=request(project="2"))
    assert answer.json() == {"code": 403, "message": "You do not have sufficient permissions."}


def test_a_body_beyond_the_limit_is_413() -> None:
    """A large body is refused whether or not its length is announced."""
    rig = Rig(max_body=100)
    big = json.dumps(request()).encode()
    headers = {"content-type": "application/json"}

    async def unannounced() -> Any:
        yield big

    announced = rig.ask("POST", WORKLOADS, content=big, headers=headers)
    streamed = rig.ask("POST", WORKLOADS, content=unannounced(), headers=headers)
    expected = {"code": 413, "message": "request body exceeds 100 bytes"}
    assert (announced.json(), streamed.json()) == (expected, expected)


@pytest.mark.parametrize("given", [{}, {"content-type": "text/plain"}])
def test_only_json_is_taken(given: dict[str, str]) -> None:
    """Another content type, or none, is a 415."""
    answer = Rig().ask("POST", WORKLOADS, content=b"{}", headers=given)
    assert answer.json() == {"code": 415, "message": "Content-Type must be application/json"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", WORKLOADS, "POST"),
        ("PATCH", f"{WORKLOADS}/x", "DELETE, GET, PUT"),
        ("TRACE", "/api/v1/token", "POST"),
        ("POST", "/api/v1/workloads", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    """405 comes with Allow, before anybody asks for a token."""
    answer = Rig().ask(method, path, token=None)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/", "/api/v2/workloads/", "/api/v2/workloads/a/b", "/sandbox/x"])
def test_an_unknown_path_is_a_json_404(path: str) -> None:
    """Nothing answers in anything but JSON; the control API is closed unless asked for."""
    answer = Rig().ask("GET", path)
    assert answer.json() == {"code": 404, "message": f"no such path: {path}"}

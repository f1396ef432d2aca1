"""The calls that only look keep their document, whatever is asked of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import BaseSchema, Case

from reconciler.sandbox import DEMO, Cluster, NodePool, Project, Sandbox, Settings
from reconciler.sandbox.faults.plan import read_life
from tests.sandbox.rigs import DEPLOYMENT, JOB, START, login

# The published calls of 2.24, as the clients of 2.23 know them too; descriptions are left out.
DOCUMENT = Path(__file__).parent / "v1-reads.json"
WEST = "11111111-1111-4111-8111-111111111111"
GPUS = {"containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": 4}}}]}
LIVES: dict[str, list[str]] = {
    "runs": ["idle=50%"],
    "waits": ["pending pool=a100"],
    "done": ["completes=1m"],
    "crashed": ["fails=1m"],
    "weak": ["degrades=1m"],
    "preempted": ["preempted=1m"],
    "refused": ["sync-fails"],
    "syncing": ["sync-stuck"],
}


def build_scene() -> tuple[Sandbox, list[str]]:
    """A sandbox with a workload in every phase, and the ids of all."""
    sandbox = Sandbox(
        Settings(
            seed=1,
            projects=(
                Project(id="1", name="a", pools=(NodePool(name="a100", deserved=8.0, limit=16.0),)),
                Project(id="2", name="a", cluster_id=WEST, phase="Deleting"),
            ),
            clusters=(Cluster(id=WEST, name="west"),),
        ),
        clock=lambda: START,
    )
    ids = []
    for name, life in LIVES.items():
        for project, manifest in (("1", JOB), ("2", DEPLOYMENT)):
            asked = {**manifest, "spec": {"template": {"spec": GPUS}}}
            request = {"metadata": {"name": name, "projectId": project}, "manifest": asked}
            native = "Training" if project == "2" else None
            planted = sandbox.store.plant(
                request, age=3600.0, faults=read_life(life), native=native
            )
            ids.append(planted.id)
    gone = sandbox.store.plant({"metadata": {"name": "gone", "projectId": "1"}, "manifest": JOB})
    sandbox.store.vanish(gone.id)
    return sandbox, [*ids, gone.id]


SANDBOX, IDS = build_scene()
TOKEN = SANDBOX.tokens.grant(json.dumps(login(DEMO)).encode())["accessToken"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def load() -> BaseSchema:
    """The document, with what this server keeps to beyond it."""
    declared: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    parameters = declared["components"]["parameters"]
    # Among random ids none is ever met: these are, with one that nobody has.
    parameters["WorkloadId"]["schema"] = {"type": "string", "enum": [*IDS, WEST]}
    parameters["ProjectId"]["schema"] = {"type": "string", "enum": ["1", "2", "3"]}
    # No offset is negative.
    parameters["Offset"]["schema"]["minimum"] = 0
    # Of fields that hold text: beside a number no text is one.
    for name, field in (
        ("WorkloadsFilter", "(name|phase|type|projectId|completedAt)"),
        ("ProjectsFilterBy", "(name|clusterId|phase)"),
        ("NodepoolsFilterBy", "(name|clusterId|phase)"),
    ):
        pattern = rf"^{field}(==|!=|<=|>=|=@|!@|=\^|=\$)[a-zA-Z0-9-]+$"
        parameters[name]["schema"] = {
            "type": "array",
            # An empty list and one empty item are written alike.
            "minItems": 1,
            "items": {"type": "string", "pattern": pattern},
        }
    failure = declared["components"]["responses"]["400BadRequest"]
    allow = {"Allow": {"required": True, "schema": {"type": "string"}}}
    for path in declared["paths"].values():
        # A parameter that cannot be read is refused somehow; the document lists it for some only.
        path["get"]["responses"].setdefault("400", failure)
        path["get"]["responses"]["405"] = {**failure, "headers": allow}
        # The bare array of clusters has its parameters in words only.
        path["get"]["parameters"] = [
            item for item in path["get"].get("parameters", []) if "$ref" in item
        ]
        path["get"]["responses"].setdefault("401", failure)
    loaded = schemathesis.openapi.from_dict(declared)
    loaded.app = SANDBOX.app
    # Ten calls that are much alike: together they get twice the examples that one other call gets.
    loaded.config.generation.update(max_examples=max(20, settings().max_examples // 5))
    return loaded


DECLARED = load()


@DECLARED.parametrize()
def test_every_read_keeps_the_document(case: Case[Any]) -> None:
    """Every row is as the document has it, and every refusal is one that it lists."""
    answer = case.call_and_validate(headers=HEADERS)
    if case.meta is not None and case.meta.generation.mode.is_positive:
        assert answer.status_code in (200, 404)


def read(path: str, **parameters: str) -> Any:
    """What a path answers, after a look into the document."""
    case = DECLARED[path]["GET"].Case(path_parameters=parameters, query={"limit": 500})
    answer = case.call_and_validate(headers=HEADERS)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("part", ["", "/history", "/events", "/pods"])
def test_a_workload_in_every_phase_keeps_the_document(part: str) -> None:
    """Whether it waits, runs, has ended, was refused or is deleted."""
    for workload_id in IDS:
        read(f"/api/v1/workloads/{{workloadId}}{part}", workloadId=workload_id)


def test_every_list_of_the_scene_keeps_the_document() -> None:
    """With a row of everything that there is."""
    rows = read("/api/v1/workloads")["workloads"]
    assert {row["phase"] for row in rows} == {
        "Running",
        "Pending",
        "Completed",
        "Failed",
        "Degraded",
        "Initializing",
    }
    assert read("/api/v1/workloads/count") == {"count": len(IDS) - 1}
    projects = read("/api/v1/org-unit/projects")["projects"]
    assert [read("/api/v1/org-unit/projects/{projectId}", projectId=p["id"]) for p in projects] == (
        projects
    )
    assert [pool["name"] for pool in read("/api/v1/node-pools")["nodepools"]] == [
        "default",
        "default",
        "a100",
    ]
    assert [cluster["name"] for cluster in read("/api/v1/clusters/minimal")] == ["sandbox", "west"]

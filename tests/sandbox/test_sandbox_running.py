"""What runs: phases that move by rule, GPUs and quotas, and the calls that tell them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.sandbox import Cluster, Credential, NodePool, Project, SandboxError
from reconciler.sandbox.faults.plan import read_life
from reconciler.sandbox.world.running import RunPhase
from tests.sandbox.rigs import DEPLOYMENT, START, WORKLOADS, Rig

LIST = "/api/v1/workloads"
PROJECTS = "/api/v1/org-unit/projects"
CLUSTER = "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10"
WEST = "11111111-1111-4111-8111-111111111111"


def at(seconds: float) -> str:
    """The time stamp of an instant after the start."""
    moment = datetime.fromtimestamp(START + seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pods(gpus: int) -> dict[str, Any]:
    """A pod template that asks for GPUs."""
    container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": gpus}}}
    return {"template": {"spec": {"containers": [container]}}}


def body(
    name: str = "a", kind: str = "Job", gpus: int = 8, project: str = "4501", **metadata: Any
) -> dict[str, Any]:
    """A create request for a job or a deployment with GPUs."""
    manifest: dict[str, Any] = {"apiVersion": "batch/v1", "kind": kind, "spec": pods(gpus)}
    if kind == "Deployment":
        manifest |= DEPLOYMENT
    return {"metadata": {"name": name, "projectId": project, **metadata}, "manifest": manifest}


def create(rig: Rig, *args: Any, **options: Any) -> str:
    """Create a workload and return its id."""
    answer = rig.ask("POST", WORKLOADS, json=body(*args, **options))
    assert answer.status_code == 202, answer.text
    workload_id: str = answer.json()["metadata"]["id"]
    return workload_id


def row(rig: Rig, workload_id: str) -> dict[str, Any]:
    """A workload as the v1 call by its id tells it."""
    answer: dict[str, Any] = rig.ask("GET", f"{LIST}/{workload_id}").json()
    return answer


def phases(rig: Rig, workload_id: str) -> list[tuple[str, str, str]]:
    """The history of a workload: time, phase and message."""
    records = rig.ask("GET", f"{LIST}/{workload_id}/history").json()["records"]
    return [
        (
            record["meta"]["creationTimestamp"],
            record["spec"]["phaseUpdate"]["phase"],
            record["spec"]["phaseUpdate"]["phaseMessage"],
        )
        for record in records
    ]


def test_a_workload_waits_runs_and_completes_by_rule() -> None:
    """Every phase begins at its instant, and the history has them all."""
    rig = Rig(
        "pending=60s message='no GPUs' pool=a100 reason=NonPreemptibleOverQuota",
        "completes=10m",
        sync_delay=4.0,
    )
    workload_id = create(rig)
    seen = []
    for now in (0, 2, 4, 64, 664):
        rig.now = START + now
        told = row(rig, workload_id)
        seen.append(
            (
                told["phase"],
                told["phaseMessage"],
                told["phaseReason"],
                told["phaseUpdatedAt"],
                told["runningPods"],
                told["allocatedResources"]["gpu"],
                told["completedAt"],
            )
        )
    quota = "NonPreemptibleOverQuota"
    assert seen == [
        ("Creating", "", None, at(0), 0, 0.0, None),
        ("Initializing", "", None, at(2), 0, 0.0, None),
        ("Pending", "no GPUs", quota, at(4), 0, 0.0, None),
        ("Running", "", None, at(64), 1, 8.0, None),
        ("Completed", "", None, at(664), 0, 0.0, at(664)),
    ]
    assert phases(rig, workload_id) == [
        (at(0), "Creating", ""),
        (at(2), "Initializing", ""),
        (at(4), "Pending", "no GPUs"),
        (at(64), "Running", ""),
        (at(664), "Completed", ""),
    ]
    told = row(rig, workload_id)
    assert (told["totalPendingTimeSeconds"], told["totalRunningTimeSeconds"]) == (60, 600)


def test_a_pending_workload_says_in_which_pool_and_why() -> None:
    """Only the call by id has the messages, one for each node pool."""
    rig = Rig("pending pool=a100 message='16 GPUs at most'")
    workload_id = create(rig)
    rig.now += 1e6
    message = {
        "nodePool": "a100",
        "phaseReason": "OverLimit",
        "reason": "16 GPUs at most",
        "orgType": "PROJECT",
        "userMessage": "16 GPUs at most",
    }
    told = row(rig, workload_id)
    assert (told["phase"], told["requestedNodePools"], told["currentNodePools"]) == (
        "Pending",
        ["a100"],
        [],
    )
    assert told["pendingSchedulingMessages"] == [message]
    (listed,) = rig.ask("GET", LIST).json()["workloads"]
    assert {**listed, "pendingSchedulingMessages": [message]} == told


@pytest.mark.parametrize(
    ("rule", "phase", "message", "gpus"),
    [
        ("fails=5s", "Failed", "Container main exited with code 1", 0.0),
        ("fails=5s message=OOMKilled", "Failed", "OOMKilled", 0.0),
        ("degrades=5s", "Degraded", "Some pods are not ready", 8.0),
        ("preempted=5s", "Pending", "Preempted by a workload of a higher priority", 0.0),
    ],
)
def test_what_runs_may_end_badly(rule: str, phase: str, message: str, gpus: float) -> None:
    """After so long, with a message; what is degraded keeps its GPUs."""
    rig = Rig(rule)
    workload_id = create(rig, kind="Deployment")
    before = row(rig, workload_id)["phase"]
    rig.now += 5
    told = row(rig, workload_id)
    assert (before, told["phase"], told["phaseMessage"]) == ("Running", phase, message)
    assert told["allocatedResources"]["gpu"] == gpus


@pytest.mark.parametrize(("kind", "phase"), [("Job", "Completed"), ("Deployment", "Running")])
def test_a_controller_keeps_its_pods_up(kind: str, phase: str) -> None:
    """A job completes; a deployment runs on, whatever a rule for all says."""
    rig = Rig("completes=1m")
    workload_id = create(rig, kind=kind)
    rig.now += 3600
    assert row(rig, workload_id)["phase"] == phase


def test_gpus_may_be_idle() -> None:
    """A share of what is allocated; nothing idles that does not run."""
    rig = Rig("idle=75% name=a", "idle name=b", "pending name=b")
    told = [row(rig, create(rig, name)) for name in ("a", "b", "c")]
    assert [(t["idleAllocatedGpus"], t["idleGpus"]) for t in told] == [(6.0, 6), (0.0, 0), (0.0, 0)]
    answer = rig.ask("GET", f"{LIST}?filterBy=idleAllocatedGpus>=5,allocatedGPU==8")
    assert [item["name"] for item in answer.json()["workloads"]] == ["a"]


def test_a_number_is_filtered_as_a_number() -> None:
    """Ten is more than nine; a text is refused."""
    rig = Rig()
    create(rig, "ten", gpus=10)
    create(rig, "nine", gpus=9)
    answer = rig.ask("GET", f"{LIST}?filterBy=allocatedGPU>=9&sortBy=allocatedGPU")
    assert [item["name"] for item in answer.json()["workloads"]] == ["nine", "ten"]
    assert rig.ask("GET", f"{LIST}?filterBy=allocatedGPU>=many").json() == {
        "code": 400,
        "message": "'many' is not a number, as allocatedGPU is",
    }
    assert rig.ask("GET", f"{LIST}?filterBy=completedAt>=2000").json() == {"workloads": []}


@pytest.mark.parametrize(
    ("spec", "gpus"),
    [
        (pods(8), 8.0),
        ({"replicas": 3, **pods(2)}, 6.0),
        ({"parallelism": 2, **pods(2)}, 4.0),
        ({"pytorchReplicaSpecs": {"Master": pods(1), "Worker": {"replicas": 3, **pods(4)}}}, 13.0),
        ({"replicatedJobs": [{"replicas": 2, "template": {"spec": pods(3)}}]}, 6.0),
        (
            {
                "replicas": 2,
                "template": {
                    "metadata": {
                        "annotations": {"gpu-fraction": "0.5", "gpu-fraction-num-devices": "2"}
                    },
                    "spec": {"containers": [{"name": "a"}]},
                },
            },
            2.0,
        ),
        (pods(-1), 0.0),
        ({"containers": "none"}, 0.0),
        ({"containers": [7, {"resources": 7}, {"resources": {"limits": 7}}]}, 0.0),
    ],
)
def test_gpus_are_counted_with_their_replicas(spec: Any, gpus: float) -> None:
    """At every level on the way to a pod; what cannot be read is none."""
    rig = Rig()
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
    planted = rig.sandbox.store.plant(
        {"metadata": {"name": "a", "projectId": "1"}, "manifest": manifest}
    )
    told = row(rig, planted.id)
    assert told["workloadRequestedResources"]["gpu"] == {"request": gpus, "limit": gpus}


def test_a_deep_manifest_is_counted_or_refused_and_never_a_crash() -> None:
    """As deep as the reader of JSON goes."""
    rig = Rig()
    for depth in (100, 300, 450, 600, 900):
        nested: Any = {}
        for _ in range(depth):
            nested = {"a": nested}
        manifest = {"apiVersion": "batch/v1", "kind": "Job", "spec": nested}
        asked = {"metadata": {"name": f"d{depth}", "projectId": "1"}, "manifest": manifest}
        assert rig.ask("POST", WORKLOADS, json=asked).status_code in (202, 400)


def test_events_come_newest_first_unless_asked_otherwise() -> None:
    """As the document has it for this list alone; pages join."""
    rig = Rig("fails=5s")
    workload_id = create(rig)
    rig.now += 5
    path = f"{LIST}/{workload_id}/events"

    def reasons(query: str) -> list[str]:
        return [event["reason"] for event in rig.ask("GET", path + query).json()["events"]]

    newest = ["Failed", "Running", "Creating"]
    assert reasons("") == newest
    assert reasons("?sortOrder=asc") == newest[::-1]
    first = rig.ask("GET", f"{path}?limit=2").json()
    assert ([event["reason"] for event in first["events"]], first["next"]) == (newest[:2], 2)
    assert {**first["events"][0], "id": ""} == {
        "createdAt": at(5),
        "id": "",
        "type": "Warning",
        "clusterId": CLUSTER,
        "message": "Container main exited with code 1",
        "reason": "Failed",
        "source": "runai",
        "involvedObject": {
            "uid": workload_id,
            "kind": "Job",
            "name": "a",
            "namespace": "runai-project-4501",
        },
    }


def test_pods_are_there_while_something_runs() -> None:
    """One row a pod, each with its share of the GPUs."""
    rig = Rig("completes=5s")
    workload_id = create(rig)
    path = f"{LIST}/{workload_id}/pods"

    def told() -> list[tuple[Any, ...]]:
        rows = rig.ask("GET", path).json()["pods"]
        return [(r["name"], r["k8sPhase"], r["allocatedResources"]["gpu"]) for r in rows]

    assert told() == [("a-0", "Running", 8.0)]
    rig.now += 5
    assert told() == [("a-0", "Succeeded", 0.0)]


def test_what_was_deleted_is_listed_for_two_weeks_with_how_it_ended() -> None:
    """Finished, then removed: Completed. Removed while it ran: Terminating."""
    rig = Rig("completes=10s name=done")
    done, stopped = create(rig, "done"), create(rig, "stopped")
    rig.now += 20
    rig.delete(done)
    rig.delete(stopped)

    def listed() -> list[tuple[Any, ...]]:
        rows = rig.ask("GET", f"{LIST}?deleted=true&sortBy=name").json()["workloads"]
        return [(r["name"], r["phase"], r["completedAt"], r["deletedAt"]) for r in rows]

    ended = [("done", "Completed", at(10), at(20)), ("stopped", "Terminating", None, at(20))]
    assert listed() == ended
    assert row(rig, done)["phase"] == "Completed"
    rig.now += 14 * 24 * 3600 - 1
    assert listed() == ended
    rig.now += 1
    assert listed() == []
    assert rig.ask("GET", f"{LIST}/{done}").status_code == 404


def test_new_pods_run_anew_and_a_refused_update_leaves_the_old_ones() -> None:
    """What an update does to the pods decides; while it syncs, it shows itself."""
    rig = Rig("fails=5s on=POST", "sync-fails on=PUT nth=2", sync_delay=2.0)
    workload_id = create(rig, kind="Deployment")
    rig.now = START + 10
    assert row(rig, workload_id)["phase"] == "Failed"
    rig.put(workload_id, body(kind="Deployment", gpus=4)["manifest"])
    rig.now = START + 11
    assert row(rig, workload_id)["phase"] == "Updating"
    rig.now = START + 12
    assert (row(rig, workload_id)["phase"], row(rig, workload_id)["phaseUpdatedAt"]) == (
        "Running",
        at(12),
    )
    rig.put(workload_id, body(kind="Deployment", gpus=2)["manifest"])
    rig.now = START + 20
    assert (rig.status(workload_id), row(rig, workload_id)["phase"]) == ("Failed", "Running")


TEAMS = (
    Project(
        id="4501",
        name="team-a",
        pools=(NodePool(name="a100", deserved=8.0, limit=16.0), NodePool(name="default")),
    ),
    Project(id="4502", name="team-a", cluster_id=WEST, phase="NotReady", namespace="own"),
)


def usage(allocated: float, fixed: float, requested: float) -> dict[str, Any]:
    """A quota status."""
    return {
        "allocated": {"gpu": allocated},
        "allocatedNonPreemptible": {"gpu": fixed},
        "requested": {"gpu": requested},
    }


def test_a_project_tells_quota_and_use_for_each_node_pool() -> None:
    """What runs is allocated, what waits is requested, what is over is neither."""
    rig = Rig(
        "pending pool=default name=waits",
        "completes=1s name=done",
        projects=TEAMS,
        clusters=(Cluster(id=WEST, name="west"),),
    )
    create(rig, "runs", gpus=6)
    create(rig, "trains", gpus=2, category="Train")
    create(rig, "waits", gpus=4)
    create(rig, "done", gpus=1)
    rig.now += 5
    project = rig.ask("GET", f"{PROJECTS}/4501").json()
    assert (project["resources"][0]["gpu"], project["resources"][1]["gpu"]) == (
        {"deserved": 8.0, "limit": 16.0},
        {"deserved": 0.0, "limit": None},
    )
    assert project["totalResources"] == {"gpuQuota": 8.0}
    assert project["status"]["quotaStatus"] == usage(8.0, 6.0, 12.0)
    pools = [
        {key: value for key, value in pool.items() if key != "nodePoolId"}
        for pool in project["status"]["nodePoolQuotaStatuses"]
    ]
    assert pools == [
        {"nodePoolName": "a100", **usage(8.0, 6.0, 8.0)},
        {"nodePoolName": "default", **usage(0, 0, 4.0)},
    ]
    listed = rig.ask("GET", f"{PROJECTS}?filterBy=name==team-a&sortBy=clusterId").json()
    assert [
        (p["id"], p["clusterId"], p["status"]["namespace"], p["status"]["phase"])
        for p in listed["projects"]
    ] == [("4502", WEST, "own", "NotReady"), ("4501", CLUSTER, "runai-team-a", "Ready")]
    assert project == listed["projects"][1]
    for query, ids in (("gpuAllocated>=8", ["4501"]), ("totalGpuQuota==1000", ["4502"])):
        rows = rig.ask("GET", f"{PROJECTS}?filterBy={query}").json()["projects"]
        assert [p["id"] for p in rows] == ids


def test_a_call_without_parameters_ignores_them() -> None:
    """As the real server ignores what it does not know; the calls beside it have them."""
    rig = Rig(projects=TEAMS)
    workload_id = create(rig)
    for path, status in (
        (f"{PROJECTS}/4501", 200),
        (f"{LIST}/{workload_id}", 200),
        (PROJECTS, 400),
        (f"{LIST}/{workload_id}/history", 400),
    ):
        assert rig.ask("GET", f"{path}?limit=many").status_code == status


def test_clusters_and_node_pools_are_listed() -> None:
    """The sandbox's own cluster first; every node pool with a quota is one of its cluster."""
    rig = Rig(projects=TEAMS, clusters=(Cluster(id=WEST, name="west", version="2.25.1"),))
    clusters = rig.ask("GET", "/api/v1/clusters/minimal").json()
    assert [(c["uuid"], c["name"], c["version"]) for c in clusters] == [
        (CLUSTER, "sandbox", "3.0.0"),
        (WEST, "west", "2.25.1"),
    ]
    pools = rig.ask("GET", f"/api/v1/node-pools?filterBy=clusterId=={CLUSTER}").json()["nodepools"]
    assert [(p["name"], p["clusterName"], p["isDefault"]) for p in pools] == [
        ("default", "sandbox", True),
        ("a100", "sandbox", False),
    ]


def test_a_project_made_again_has_another_id() -> None:
    """Its name is the same; the old id is forbidden, and its workloads are gone."""
    rig = Rig(projects=TEAMS, control=True)
    workload_id = create(rig, "a")
    order = {"do": "remake", "id": "4501", "as": "4600"}
    answer = rig.ask("POST", "/sandbox/projects", json=order, token=None)
    assert answer.json() == {
        "projects": [
            {"id": "4502", "name": "team-a", "phase": "NotReady"},
            {"id": "4600", "name": "team-a", "phase": "Ready"},
        ]
    }
    assert rig.get(workload_id).status_code == 403
    assert rig.ask("GET", f"{PROJECTS}/4501").status_code == 404
    assert rig.ask("POST", WORKLOADS, json=body()).status_code == 403
    assert rig.ask("POST", WORKLOADS, json=body(project="4600")).status_code == 202


def test_a_workload_of_others_is_there_from_long_ago() -> None:
    """Native ones are not shown by Workloads V2, and do not hold their name there."""
    rig = Rig()
    store = rig.sandbox.store
    native = store.plant(
        body("train", gpus=4),
        by="ann",
        age=7200.0,
        native="Training",
        faults=read_life(["completes=1h", "idle=50%"]),
    )
    told = row(rig, native.id)
    assert [told[key] for key in ("type", "source", "sourceApi", "submittedBy", "phase")] == [
        "Training",
        "CLI",
        None,
        "ann",
        "Completed",
    ]
    assert (told["createdAt"], told["completedAt"]) == (at(-7200), at(-3600))
    assert rig.get(native.id).status_code == 404
    assert rig.delete(native.id).status_code == 404
    create(rig, "train")
    listed = rig.ask("GET", f"{LIST}?filterBy=projectId==4501,name==train").json()["workloads"]
    assert sorted(item["sourceApi"] or "" for item in listed) == ["", "WorkloadsV2"]


def test_the_control_api_sets_a_scene() -> None:
    """It plants what others have, moves phases, and changes the state of a project."""
    rig = Rig(projects=TEAMS, control=True)

    def order(path: str, body: dict[str, Any]) -> Any:
        return rig.ask("POST", f"/sandbox/{path}", json=body, token=None)

    planted = order(
        "workloads",
        {
            "do": "plant",
            "request": body("old"),
            "by": "bob",
            "age": "1h",
            "life": ["fails=30m message=OOM"],
        },
    ).json()
    told = row(rig, planted["id"])
    assert (told["phase"], told["phaseMessage"], told["submittedBy"]) == ("Failed", "OOM", "bob")
    mine = create(rig, "mine")
    rig.now += 5
    moved = {"do": "run", "id": mine, "phase": "Pending", "reason": "OverLimit", "message": "wait"}
    assert order("workloads", moved).status_code == 200
    told = row(rig, mine)
    assert (told["phase"], told["phaseReason"], told["phaseMessage"]) == (
        "Pending",
        "OverLimit",
        "wait",
    )
    assert phases(rig, mine)[-2:] == [(at(0), "Running", ""), (at(5), "Pending", "wait")]
    quota = {"default": {"deserved": 8, "limit": 16}, "a100": {"deserved": 1, "limit": None}}
    order("projects", {"do": "put", "id": "4501", "phase": "Deleting", "pools": quota})
    project = rig.ask("GET", f"{PROJECTS}/4501").json()
    assert (project["name"], project["status"]["phase"]) == ("team-a", "Deleting")
    assert [(r["nodePool"]["name"], r["gpu"]) for r in project["resources"]] == [
        ("default", {"deserved": 8.0, "limit": 16.0}),
        ("a100", {"deserved": 1.0, "limit": None}),
    ]
    order("projects", {"do": "put", "id": "7", "name": "new", "cluster": WEST})
    listed = rig.ask("GET", f"{PROJECTS}?filterBy=clusterId=={WEST}&sortBy=name").json()
    assert [p["id"] for p in listed["projects"]] == ["7", "4502"]
    for path, wrong, status, message in (
        ("workloads", {**moved, "phase": "Dreaming"}, 400, "phase must be one of "),
        ("workloads", {"do": "plant", "age": "soon"}, 400, "life or age cannot be read: "),
        ("workloads", {"do": "plant", "life": ["drop"]}, 400, "life or age cannot be read: "),
        ("projects", {"do": "remake", "id": "9"}, 404, "project 9 not found"),
        ("projects", {"do": "remake", "id": "4501"}, 400, "do must be put, or remake with an id"),
        ("projects", {"do": "put", "id": "4501", "pools": {"a": 8}}, 400, 'say {"pools": '),
    ):
        answer = order(path, wrong)
        assert answer.status_code == status
        assert answer.json()["message"].startswith(message)


def test_a_life_is_read_from_rules_about_a_life_only() -> None:
    """A rule about requests says nothing of a workload that is planted."""
    assert read_life(["completes=1m"]).end == (60.0, RunPhase.COMPLETED, "")
    with pytest.raises(SandboxError, match="'drop' is not about the life of a workload"):
        read_life(["drop"])


@pytest.mark.parametrize("part", ["", "/history", "/events", "/pods"])
def test_what_is_told_of_one_workload_needs_rights(part: str) -> None:
    """403 in a project that the caller may not see, 404 for an id that nobody has."""
    guest = Credential(client_id="guest", client_secret="s", projects=frozenset({"9"}))
    rig = Rig(credentials=(*Rig().sandbox.settings.credentials, guest))
    path = f"{LIST}/{create(rig)}{part}"
    assert rig.ask("GET", path).status_code == 200
    assert rig.ask("GET", path, token=rig.token(guest)).status_code == 403
    assert rig.ask("GET", f"{LIST}/{WEST}{part}").status_code == 404
    assert rig.ask("POST", path, json={}).status_code == 405
    assert Rig(listing=False).ask("GET", path).status_code == 404


def test_what_runs_survives_a_restart(tmp_path: Any) -> None:
    """Runs, GPUs and who is native are in the data file."""
    data = tmp_path / "sandbox.jsonl"
    rig = Rig("pending=5s message=wait", "fails=5s", data=data)
    mine = create(rig)
    native = rig.sandbox.store.plant(body("n"), native="Training").id
    rig.now += 3
    before = [row(rig, mine), row(rig, native)]
    rig.sandbox.close()
    again = Rig(data=data, start=rig.now)
    assert [row(again, mine), row(again, native)] == before
    again.sandbox.close()

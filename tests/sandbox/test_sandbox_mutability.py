from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from reconciler.sandbox.world.kinds import KINDS
from reconciler.sandbox.world.mutability import changed_pointers, judge_update
from tests.sandbox.rigs import WORKLOADS, Rig

POD = {"containers": [{"name": "main", "image": "old"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
RAY = {"headGroupSpec": {"template": TEMPLATE}, "workerGroupSpecs": [{"template": TEMPLATE}]}


def training(replicas: str) -> dict[str, Any]:
    """The spec of a job of the training operator."""
    return {replicas: {"Worker": {"replicas": 1, "template": TEMPLATE}}, "runPolicy": {}}


# What a workload of each kind looks like before the update.
SPECS: dict[str, dict[str, Any]] = {
    "Deployment": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
    "ReplicaSet": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
    "StatefulSet": {"replicas": 1, "serviceName": "a", "template": TEMPLATE},
    "Job": {"parallelism": 1, "completions": 1, "template": TEMPLATE},
    "CronJob": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}},
    "Pod": {**POD, "tolerations": [{"key": "a"}], "nodeName": "n"},
    "JobSet": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": TEMPLATE}}}]},
    "PyTorchJob": training("pytorchReplicaSpecs"),
    "TFJob": training("tfReplicaSpecs"),
    "XGBoostJob": training("xgbReplicaSpecs"),
    "JAXJob": training("jaxReplicaSpecs"),
    "MPIJob": training("mpiReplicaSpecs"),
    "RayCluster": RAY,
    "RayJob": {"entrypoint": "python a.py", "rayClusterSpec": RAY},
    "RayService": {"serveConfigV2": "a", "rayClusterConfig": RAY},
    "LeaderWorkerSet": {"replicas": 1, "leaderWorkerTemplate": {"size": 2}},
    "TaskRun": {"params": [{"name": "a"}]},
    "PipelineRun": {"params": [{"name": "a"}]},
    "Workflow": {"entrypoint": "a"},
    "VirtualMachineInstance": {"domain": {"cpu": {"cores": 1}}},
    "NIMService": {"replicas": 1},
}


def changed(spec: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """A copy of a spec with another value at a pointer below it."""
    copy = deepcopy(spec)
    node: Any = copy
    *path, last = pointer.split("/")
    for segment in path:
        node = node[int(segment)] if isinstance(node, list) else node.setdefault(segment, {})
    node[int(last) if isinstance(node, list) else last] = value
    return copy


def outcome(kind: str, spec: dict[str, Any], pointer: str, value: Any) -> str:
    """What happens to a change: refused, no effect, or works."""
    old = {"kind": kind, "spec": spec}
    new = {"kind": kind, "spec": changed(spec, pointer, value)}
    effect = judge_update(kind, old, new, old)
    if effect.refused:
        assert effect.without_effect == ()
        return "refused"
    if effect.without_effect:
        assert effect.running == old
        return "no effect"
    assert effect.running == new
    return "works"


@pytest.mark.parametrize(
    ("kind", "pointer", "expected"),
    [
        ("Deployment", "selector/matchLabels/a", "refused"),
        ("Deployment", "template/spec/containers/0/image", "works"),
        ("Deployment", "replicas", "works"),
        ("ReplicaSet", "selector/matchLabels/a", "refused"),
        ("ReplicaSet", "template/spec/containers/0/image", "no effect"),
        ("ReplicaSet", "replicas", "works"),
        ("StatefulSet", "serviceName", "refused"),
        ("StatefulSet", "volumeClaimTemplates", "refused"),
        ("StatefulSet", "template/spec/containers/0/image", "works"),
        ("StatefulSet", "minReadySeconds", "works"),
        ("Job", "template/spec/containers/0/image", "refused"),
        ("Job", "template/metadata/labels/a", "refused"),
        ("Job", "completions", "refused"),
        ("Job", "podFailurePolicy", "refused"),
        ("Job", "managedBy", "refused"),
        ("Job", "parallelism", "works"),
        ("Job", "suspend", "works"),
        ("Job", "backoffLimit", "works"),
        ("CronJob", "schedule", "works"),
        ("CronJob", "jobTemplate/spec/template/spec/containers/0/image", "works"),
        ("Pod", "containers/0/image", "works"),
        ("Pod", "containers/0/resources", "works"),
        ("Pod", "containers/0/command", "refused"),
        ("Pod", "nodeName", "refused"),
        ("JobSet", "replicatedJobs/0/template/spec/template/spec/containers/0/image", "refused"),
        ("JobSet", "replicatedJobs/0/replicas", "refused"),
        ("JobSet", "network", "refused"),
        ("JobSet", "ttlSecondsAfterFinished", "works"),
        *(
            (kind, pointer.format(replicas), expected)
            for kind, replicas in (
                ("PyTorchJob", "pytorchReplicaSpecs"),
                ("TFJob", "tfReplicaSpecs"),
                ("XGBoostJob", "xgbReplicaSpecs"),
                ("JAXJob", "jaxReplicaSpecs"),
                ("MPIJob", "mpiReplicaSpecs"),
            )
            for pointer, expected in (
                ("runPolicy/managedBy", "refused"),
                ("runPolicy/suspend", "works"),
                ("{}/Worker/template/spec/containers/0/image", "no effect"),
                ("{}/Worker/replicas", "works"),
            )
        ),
        ("RayCluster", "managedBy", "refused"),
        ("RayCluster", "gcsFaultToleranceOptions/backend", "refused"),
        ("RayCluster", "headGroupSpec/template/spec/containers/0/image", "no effect"),
        ("RayCluster", "workerGroupSpecs/0/template/spec/containers/0/image", "no effect"),
        ("RayCluster", "workerGroupSpecs/0/replicas", "works"),
        ("RayJob", "managedBy", "refused"),
        ("RayJob", "entrypoint", "no effect"),
        ("RayJob", "rayClusterSpec/headGroupSpec/template/spec/containers/0/image", "no effect"),
        ("RayJob", "activeDeadlineSeconds", "works"),
        ("RayService", "managedBy", "refused"),
        ("RayService", "rayClusterConfig/headGroupSpec/template/spec/containers/0/image", "works"),
        ("LeaderWorkerSet", "leaderWorkerTemplate/subGroupPolicy/subGroupSize", "refused"),
        ("LeaderWorkerSet", "leaderWorkerTemplate/size", "works"),
        ("TaskRun", "params/0/name", "refused"),
        ("TaskRun", "status", "works"),
        ("PipelineRun", "params/0/name", "refused"),
        ("PipelineRun", "status", "works"),
        ("Workflow", "entrypoint", "no effect"),
        ("VirtualMachineInstance", "domain/cpu/cores", "no effect"),
        ("NIMService", "replicas", "works"),
    ],
)
def test_each_kind_takes_what_its_cluster_takes(kind: str, pointer: str, expected: str) -> None:
    """Refused, accepted without an effect on what runs, or done in place."""
    assert outcome(kind, SPECS[kind], pointer, "new") == expected


def test_every_kind_with_rules_is_registered() -> None:
    """A rule for a kind that the server does not know would never be used."""
    assert set(SPECS) <= {kind.name for kind in KINDS}


@pytest.mark.parametrize(
    ("spec", "pointer", "value", "expected"),
    [
        ({"suspend": True, **SPECS["Job"]}, "template/metadata/labels/a", "c", "works"),
        ({"suspend": True, **SPECS["Job"]}, "template/spec/nodeSelector", {"a": "b"}, "works"),
        ({"suspend": True, **SPECS["Job"]}, "template/spec/schedulingGates", [], "works"),
        ({"suspend": True, **SPECS["Job"]}, "template/spec/containers/0/image", "x", "refused"),
        ({"suspend": False, **SPECS["Job"]}, "template/metadata/labels/a", "c", "refused"),
    ],
)
def test_a_suspended_job_may_be_moved_elsewhere(
    spec: dict[str, Any], pointer: str, value: Any, expected: str
) -> None:
    """Where its pods go may change as long as there are none, what they run may not."""
    assert outcome("Job", spec, pointer, value) == expected


def test_a_suspended_job_set_may_be_moved_elsewhere() -> None:
    """So may each of its jobs."""
    spec = {"suspend": True, **SPECS["JobSet"]}
    place = "replicatedJobs/0/template/spec/template/spec"
    assert outcome("JobSet", spec, f"{place}/nodeSelector", {"a": "b"}) == "works"
    assert outcome("JobSet", spec, f"{place}/containers/0/image", "x") == "refused"


def test_an_elastic_indexed_job_may_be_resized() -> None:
    """Completions may change together with parallelism, and only then."""
    spec = SPECS["Job"] | {"completionMode": "Indexed"}
    old = {"kind": "Job", "spec": spec}
    results = [
        judge_update("Job", old, {"kind": "Job", "spec": spec | change}, old).refused
        for change in ({"completions": 3, "parallelism": 3}, {"completions": 3, "parallelism": 2})
    ]
    assert results == [(), ("/spec/completions",)]


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([{"key": "a"}, {"key": "b"}], "works"),
        ([{"key": "b"}], "refused"),
        ([], "refused"),
    ],
)
def test_tolerations_of_a_pod_can_only_be_added(tolerations: Any, expected: str) -> None:
    """Those that it has must stay."""
    assert outcome("Pod", SPECS["Pod"], "tolerations", tolerations) == expected


def test_a_ray_cluster_that_recreates_its_pods_takes_a_new_template() -> None:
    """The strategy counts that the update brings."""
    spec = SPECS["RayCluster"] | {"upgradeStrategy": {"type": "Recreate"}}
    pointer = "headGroupSpec/template/spec/containers/0/image"
    assert outcome("RayCluster", spec, pointer, "new") == "works"


def test_a_ray_job_that_has_not_started_takes_everything() -> None:
    """A suspended one starts with what it then says."""
    spec = SPECS["RayJob"] | {"suspend": True}
    assert outcome("RayJob", spec, "entrypoint", "python b.py") == "works"


def test_a_new_group_of_workers_is_made_from_its_own_template() -> None:
    """The old group runs on as it was, beside it."""
    new_template = {"spec": {"containers": [{"name": "main", "image": "new"}]}}
    old = {"kind": "RayCluster", "spec": RAY}
    groups = [{"template": TEMPLATE, "replicas": 3}, {"template": new_template}]
    head = {"template": new_template}
    new = {"kind": "RayCluster", "spec": {"headGroupSpec": head, "workerGroupSpecs": groups}}
    effect = judge_update("RayCluster", old, new, old)
    assert effect.without_effect == (
        "/spec/headGroupSpec/template/metadata/labels/a",
        "/spec/headGroupSpec/template/spec/containers/0/image",
    )
    assert effect.running["spec"] == {
        "headGroupSpec": {"template": TEMPLATE},
        "workerGroupSpecs": groups,
    }


@pytest.mark.parametrize(
    ("old", "new", "pointers"),
    [
        ({}, {}, ()),
        ({"a": None}, {}, ()),
        ({"a": 1}, {"a": True}, ("/a",)),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("/a/b",)),
        ({}, {"a": {"b": {"c": 1}}}, ("/a/b/c",)),
        ({"a": {"b": 1}}, {}, ("/a/b",)),
        ({}, {"a": {}}, ("/a",)),
        ({"a": [1, 2]}, {"a": [1, 3]}, ("/a/1",)),
        ({"a": [1, 2]}, {"a": [1]}, ("/a",)),
        ({"a": {"b": 1}}, {"a": 1}, ("/a",)),
        ({"a/b~": 1}, {"a/b~": 2}, ("/a~1b~0",)),
    ],
)
def test_changes_are_named_by_their_leaves(old: Any, new: Any, pointers: Any) -> None:
    """So that a whole block that comes or goes meets the table's pointers."""
    assert changed_pointers(old, new) == pointers


def submitted(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A create request."""
    manifest = {"apiVersion": api_version, "kind": kind, "spec": spec}
    return {"metadata": {"name": "a", "projectId": "1"}, "manifest": manifest}


@pytest.mark.parametrize(
    ("api_version", "kind", "pointer", "message"),
    [
        (
            "batch/v1",
            "Job",
            "template/spec/containers/0/image",
            'Job.batch "a" is invalid: spec.template: Invalid value: field is immutable',
        ),
        (
            "apps/v1",
            "StatefulSet",
            "serviceName",
            'StatefulSet.apps "a" is invalid: spec: Forbidden: updates for fields other than',
        ),
        (
            "v1",
            "Pod",
            "nodeName",
            'Pod "a" is invalid: spec: Forbidden: updates for fields other than',
        ),
    ],
)
def test_what_a_cluster_refuses_ends_as_failed_or_is_a_400(
    api_version: str, kind: str, pointer: str, message: str
) -> None:
    """Either way the API server's message is told, and the old program runs on."""
    rig = Rig()
    answer = rig.ask("POST", WORKLOADS, json=submitted(api_version, kind, SPECS[kind]))
    workload_id = answer.json()["metadata"]["id"]
    old, new = SPECS[kind], changed(SPECS[kind], pointer, "new")
    manifest = {"apiVersion": api_version, "kind": kind, "spec": new}
    accepted = rig.put(workload_id, manifest)
    assert accepted.status_code == 202
    sync_info = rig.get(workload_id).json()["syncInfo"]
    assert sync_info["status"] == "Failed"
    assert sync_info["message"].startswith(message)
    assert (rig.raw(workload_id)["spec"], rig.sandbox.store.running(workload_id)) == (
        new,
        manifest | {"spec": old},
    )
    # Going back is no change to the cluster, which never took the other one.
    assert rig.put(workload_id, manifest | {"spec": old}).status_code == 202
    assert rig.status(workload_id) == "Synced"
    rig.sandbox.set_faults("refuse-immutable")
    refused = rig.put(workload_id, manifest)
    assert refused.status_code == 400
    assert refused.json() == {"code": 400, "message": sync_info["message"]}
    assert (rig.status(workload_id), rig.raw(workload_id)["spec"]) == ("Synced", old)


def test_the_old_program_runs_on_behind_a_synced_update() -> None:
    """The trap: accepted, Synced, and nothing has changed for what runs; later updates add up."""
    rig = Rig()
    body = submitted("kubeflow.org/v1", "PyTorchJob", SPECS["PyTorchJob"])
    workload_id = rig.ask("POST", WORKLOADS, json=body).json()["metadata"]["id"]
    image = "pytorchReplicaSpecs/Worker/template/spec/containers/0/image"
    second = changed(SPECS["PyTorchJob"], image, "new")
    third = changed(second, "pytorchReplicaSpecs/Worker/replicas", 4)
    seen = []
    for spec in (second, third):
        rig.put(workload_id, body["manifest"] | {"spec": spec})
        running = rig.sandbox.store.running(workload_id)
        assert running is not None
        worker = running["spec"]["pytorchReplicaSpecs"]["Worker"]
        seen.append((rig.status(workload_id), worker))
    assert rig.raw(workload_id)["spec"] == third
    assert seen == [
        ("Synced", {"replicas": 1, "template": TEMPLATE}),
        ("Synced", {"replicas": 4, "template": TEMPLATE}),
    ]
    updates = [entry.update for entry in rig.sandbox.ledger if entry.update]
    assert [update.without_effect for update in updates] == [
        ("/spec/pytorchReplicaSpecs/Worker/template/spec/containers/0/image",),
        (),
    ]


@pytest.mark.parametrize(
    ("kind", "old", "new", "running"),
    [
        ("RayJob", {"rayClusterSpec": RAY}, {}, {"rayClusterSpec": RAY}),
        ("RayJob", {}, {"rayClusterSpec": RAY}, {}),
        ("RayCluster", RAY, {"workerGroupSpecs": []}, {"workerGroupSpecs": []}),
        ("RayCluster", {"headGroupSpec": 1}, {"headGroupSpec": {}}, {"headGroupSpec": {}}),
    ],
)
def test_what_comes_or_goes_without_an_effect(kind: str, old: Any, new: Any, running: Any) -> None:
    """A field that goes still counts for what runs, one that comes does not."""
    before = {"kind": kind, "spec": old}
    effect = judge_update(kind, before, {"kind": kind, "spec": new}, before)
    assert effect.running["spec"] == running


@pytest.mark.parametrize("kind", sorted({kind.name for kind in KINDS}))
@pytest.mark.parametrize("spec", [None, 1, "a", [], {"tolerations": 7, "completions": {}}])
def test_a_strange_spec_never_ends_in_a_500(kind: str, spec: Any) -> None:
    """A control plane does not look into manifests; whatever is there can be compared."""
    old, new = {"kind": kind, "spec": {"suspend": True, "tolerations": [1]}}, {"spec": spec}
    assert judge_update(kind, old, new, old).running is not None
    assert judge_update(kind, new, old, new).running is not None

"""A manifest of every kind whose pods are known, and where those pods are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from tests.support.specs import load

CONTAINERS = [{"name": "main", "image": "server:1"}]
TEMPLATE = {"spec": {"containers": CONTAINERS}}
LABELLED = {"metadata": {"labels": {"app": "a"}}, **TEMPLATE}
FINITE = {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
RAY = {
    "headGroupSpec": {"template": TEMPLATE},
    "workerGroupSpecs": [{"groupName": name, "template": TEMPLATE} for name in ("a", "b")],
}
NIM = {"authSecret": "ngc", "image": {"repository": "nvcr.example.com/nim/llm", "tag": "1"}}
CACHE: dict[str, Any] = {
    "source": {"ngc": {"authSecret": "ngc", "modelPuller": "nvcr.example.com/nim/llm:1"}},
    "storage": {"pvc": {}},
}
RAY_PODS = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")


def manifest(version: str, kind: str, spec: Any) -> dict[str, Any]:
    """Return an object without a name of its own."""
    return {"apiVersion": version, "kind": kind, "spec": spec}


def controller(kind: str) -> dict[str, Any]:
    """Return an object that selects its pods."""
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": LABELLED}
    return manifest("apps/v1", kind, spec)


def job_of_roles(
    kind: str, field: str, names: Sequence[str], worker: str = "main"
) -> dict[str, Any]:
    """Return a training job with some roles."""
    template = {"spec": {"containers": [{"name": worker, "image": "server:1"}]}}
    roles = {name: {"replicas": 1, "template": template} for name in names}
    return manifest("kubeflow.org/v1", kind, {field: roles})


def _ray(path: str) -> tuple[str, ...]:
    return tuple(f"{path}/{group}/template/spec" for group in RAY_PODS)


def _roles(field: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"/spec/{field}/{role}/template/spec" for role in names)


# Each with the pointers of the pods in it.
MANIFESTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "Pod": (manifest("v1", "Pod", TEMPLATE["spec"]), ("/spec",)),
    **{
        kind: (controller(kind), ("/spec/template/spec",))
        for kind in ("Deployment", "ReplicaSet", "StatefulSet")
    },
    "Job": (manifest("batch/v1", "Job", {"template": FINITE}), ("/spec/template/spec",)),
    "CronJob": (
        manifest(
            "batch/v1",
            "CronJob",
            {"schedule": "@daily", "jobTemplate": {"spec": {"template": FINITE}}},
        ),
        ("/spec/jobTemplate/spec/template/spec",),
    ),
    "JobSet": (
        manifest(
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            {
                "replicatedJobs": [
                    {"name": "a", "template": {"spec": {"template": FINITE}}},
                    {"name": "b", "template": {"spec": {"template": TEMPLATE}}},
                ]
            },
        ),
        tuple(f"/spec/replicatedJobs/{at}/template/spec/template/spec" for at in (0, 1)),
    ),
    "LeaderWorkerSet": (
        manifest(
            "leaderworkerset.x-k8s.io/v1",
            "LeaderWorkerSet",
            {"leaderWorkerTemplate": {"leaderTemplate": TEMPLATE, "workerTemplate": TEMPLATE}},
        ),
        tuple(f"/spec/leaderWorkerTemplate/{who}Template/spec" for who in ("leader", "worker")),
    ),
    **{
        kind: (job_of_roles(kind, field, names, worker), _roles(field, names))
        for kind, field, names, worker in (
            ("PyTorchJob", "pytorchReplicaSpecs", ("Master", "Worker"), "pytorch"),
            ("TFJob", "tfReplicaSpecs", ("Chief", "PS"), "tensorflow"),
            ("XGBoostJob", "xgbReplicaSpecs", ("Master", "Worker"), "xgboost"),
            ("JAXJob", "jaxReplicaSpecs", ("Worker",), "jax"),
            ("MPIJob", "mpiReplicaSpecs", ("Launcher", "Worker"), "main"),
        )
    },
    "Notebook": (
        manifest("kubeflow.org/v1beta1", "Notebook", {"template": TEMPLATE}),
        ("/spec/template/spec",),
    ),
    "RayCluster": (manifest("ray.io/v1", "RayCluster", RAY), _ray("/spec")),
    "RayJob": (
        manifest("ray.io/v1", "RayJob", {"rayClusterSpec": RAY, "submitterPodTemplate": FINITE}),
        (*_ray("/spec/rayClusterSpec"), "/spec/submitterPodTemplate/spec"),
    ),
    "RayService": (
        manifest("ray.io/v1", "RayService", {"rayClusterConfig": RAY}),
        _ray("/spec/rayClusterConfig"),
    ),
    "Service": (
        manifest("serving.knative.dev/v1", "Service", {"template": TEMPLATE}),
        ("/spec/template/spec",),
    ),
    "SeldonDeployment": (
        manifest(
            "machinelearning.seldon.io/v1",
            "SeldonDeployment",
            {
                "predictors": [
                    {"name": "a", "graph": {"name": "main"}, "componentSpecs": [TEMPLATE]}
                ]
            },
        ),
        ("/spec/predictors/0/componentSpecs/0/spec",),
    ),
    "InferenceService": (
        manifest(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            {"predictor": {"model": {"modelFormat": {"name": "onnx"}}}},
        ),
        (),
    ),
    "NIMService": (manifest("apps.nvidia.com/v1alpha1", "NIMService", NIM), ()),
    "NIMCache": (manifest("apps.nvidia.com/v1alpha1", "NIMCache", CACHE), ()),
    "DynamoGraphDeployment": (
        manifest("nvidia.com/v1alpha1", "DynamoGraphDeployment", {"services": {"a": {}}}),
        (),
    ),
}


def fresh(kind: str) -> Any:
    """Return a manifest of a kind of which every part can be changed by itself."""
    return json.loads(json.dumps(MANIFESTS[kind][0]))


def findings(root: Path, value: Any) -> tuple[Diagnostic, ...]:
    """Say everything that is wrong with a manifest."""
    spec = {"metadata": {"name": "llm", "projectId": "4501"}, "manifest": value}
    return load(root, {"a.json": json.dumps(spec)}).diagnostics


def said(root: Path, value: Any) -> list[tuple[str, str]]:
    """Say it shortly: codes and pointers into the manifest."""
    return sorted(
        (one.code, one.pointer.removeprefix("/manifest")) for one in findings(root, value)
    )


def at(value: Any, pointer: str) -> Any:
    """Return a part of a value that can be changed."""
    for step in pointer.split("/")[1:]:
        value = value[int(step) if isinstance(value, list) else step]
    return value

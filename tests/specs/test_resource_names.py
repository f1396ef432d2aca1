from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.diagnostics import Severity
from tests.support.kubernetes_rules import spec_text
from tests.support.specs import load, tell


def say(root: Path, manifest: dict[str, Any]) -> list[str]:
    """What is said of a manifest, but for its name."""
    loaded = load(root, {"a.yaml": spec_text("w", manifest)})
    return [tell(one).partition(" ")[2] for one in loaded.diagnostics]


def pod(limits: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A Pod whose container has limits."""
    container = {"name": "main", "image": "serve:1", "resources": {"limits": limits}}
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("name", "severity", "meant"),
    [
        ("gpu", Severity.ERROR, "nvidia.com/gpu"),
        ("nvidia-gpu", Severity.ERROR, "nvidia.com/gpu"),
        ("memroy", Severity.ERROR, "'memory'"),
        ("cpus", Severity.ERROR, "'cpu'"),
        ("nvidia/gpu", Severity.WARNING, "nvidia.com/gpu"),
        ("nvidia.com/GPU", Severity.WARNING, "nvidia.com/gpu"),
        ("nvidia.com/gpus", Severity.WARNING, "nvidia.com/gpu"),
        ("nvdia.com/gpu", Severity.WARNING, "nvidia.com/gpu"),
        ("nvidia.com/gpu", None, ""),
        ("nvidia.com/pgpu", None, ""),
        ("nvidia.com/vgpu", None, ""),
        ("nvidia.com/mig-1g.10gb", None, ""),
        ("nvidia.com/gpu.shared", None, ""),
        ("amd.com/gpu", None, ""),
        ("rdma/hca", None, ""),
        ("example.com/gpu", None, ""),
    ],
)
def test_a_misspelt_resource_is_told_with_what_was_meant(
    tmp_path: Path, name: str, severity: Severity | None, meant: str
) -> None:
    """What the API server refuses is an error, what it takes and nothing serves a warning."""
    said = say(tmp_path, pod({name: 1}))
    if severity is None:
        assert said == []
    else:
        [line] = said
        assert line.startswith(f"{severity} unknown-resource: ")
        assert line.endswith(f" | did you mean {meant}?")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpu-fractions", "gpu-fraction"),
        ("gpu-memmory", "gpu-memory"),
        ("gpu-fraction", None),
        ("gpu-fraction-container-name", None),
        ("gpu-type", None),
        ("example.com/gpu-fractions", None),
    ],
)
def test_a_misspelt_share_is_told(tmp_path: Path, name: str, meant: str | None) -> None:
    """An annotation that is nearly one of a share has no effect: a warning says so."""
    manifest = pod({"memory": "1Gi"}, annotations={name: "0.5"})
    hints = [line.partition(" | ")[2] for line in say(tmp_path, manifest)]
    assert hints == ([f"did you mean {meant}?"] if meant else [])


def test_a_fraction_without_quotes_is_a_text_to_other_kinds(tmp_path: Path) -> None:
    """Kubernetes' own kinds take it; the schemas of others take whole numbers and texts."""
    (own := tmp_path / "own").mkdir()
    (other := tmp_path / "other").mkdir()
    assert say(own, pod({"cpu": 0.5, "memory": 1})) == []
    group = {"template": {"spec": pod({"cpu": 0.5})["spec"]}}
    cluster = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {"headGroupSpec": group}}
    said = [line for line in say(other, cluster) if "cpu" in line]
    assert said == [
        'error bad-quantity: a RayCluster takes 0.5 of cpu as a text only | quote it: "0.5"'
    ]


MOUNT = [{"name": "data", "mountPath": "/data"}]
CONTAINER = {"name": "main", "image": "serve:1", "volumeMounts": MOUNT}
CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.mark.parametrize(
    "manifest",
    [
        {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "spec": {
                "leaderWorkerTemplate": {
                    "size": 2,
                    "workerTemplate": {"spec": {"containers": [CONTAINER]}},
                    "volumeClaimTemplates": [CLAIM],
                }
            },
        },
        {
            "apiVersion": "jobset.x-k8s.io/v1alpha2",
            "kind": "JobSet",
            "spec": {
                "volumeClaimPolicies": [{"templates": [CLAIM]}],
                "replicatedJobs": [
                    {
                        "name": "a",
                        "template": {
                            "spec": {
                                "template": {
                                    "spec": {"restartPolicy": "Never", "containers": [CONTAINER]}
                                }
                            }
                        },
                    }
                ],
            },
        },
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "spec": {
                "headGroupSpec": {
                    "template": {
                        "spec": {
                            "containers": [
                                {
                                    **CONTAINER,
                                    "volumeMounts": [{"name": "ray-token", "mountPath": "/t"}],
                                }
                            ]
                        }
                    }
                }
            },
        },
        {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "spec": {
                "predictors": [
                    {
                        "name": "a",
                        "componentSpecs": [{"spec": {"containers": [{"name": "model"}]}}],
                        "graph": {
                            "name": "router",
                            "implementation": "RANDOM_ABTEST",
                            "children": [{"name": "model", "implementation": "SKLEARN_SERVER"}],
                        },
                    }
                ]
            },
        },
    ],
    ids=lambda manifest: str(manifest["kind"]),
)
def test_what_a_controller_adds_is_not_missed(tmp_path: Path, manifest: dict[str, Any]) -> None:
    """Claims by templates, volumes of KubeRay, and images of Seldon's own servers are there."""
    assert say(tmp_path, manifest) == []

"""What changes of a workload in place, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.registry import KINDS
from reconciler.kinds.updates import InPlace, Surge, judge_field

WORKS, REFUSED, NO_EFFECT = InPlace.WORKS, InPlace.REFUSED, InPlace.WITHOUT_EFFECT
NOTHING: dict[str, Any] = {}
SUSPENDED = {"spec": {"suspend": True}}
RECREATE = {"spec": {"upgradeStrategy": {"type": "Recreate"}}}
ELASTIC = {"spec": {"completionMode": "Indexed", "completions": 4, "parallelism": 4}}
TOLERANT = {"spec": {"tolerations": [{"key": "a"}, {"key": "b"}]}}
LESS = {"spec": {"tolerations": [{"key": "b"}]}}


@pytest.mark.parametrize(
    ("kind", "pointer", "outcome"),
    [
        ("Deployment", "/spec/selector/matchLabels/app", REFUSED),
        ("Deployment", "/spec", REFUSED),
        ("Deployment", "/spec/template/spec/containers/0/image", WORKS),
        ("Deployment", "/kind", REFUSED),
        ("Deployment", "/metadata/name", REFUSED),
        ("Deployment", "/metadata/labels/team", WORKS),
        ("ReplicaSet", "/spec/template/spec/containers/0/image", NO_EFFECT),
        ("ReplicaSet", "/spec/replicas", WORKS),
        ("StatefulSet", "/spec/serviceName", REFUSED),
        ("StatefulSet", "/spec/template/spec/containers/0/image", WORKS),
        ("Job", "/spec/template/spec/containers/0/image", REFUSED),
        ("Job", "/spec/template/spec/nodeSelector/gpu", REFUSED),
        ("Job", "/spec/completions", REFUSED),
        ("Job", "/spec/parallelism", WORKS),
        ("CronJob", "/spec/jobTemplate/spec/template", WORKS),
        ("Pod", "/spec/containers/0/image", WORKS),
        ("Pod", "/spec/containers/0/command", REFUSED),
        ("JobSet", "/spec/replicatedJobs/0/replicas", REFUSED),
        ("JobSet", "/spec/ttlSecondsAfterFinished", WORKS),
        ("PyTorchJob", "/spec/pytorchReplicaSpecs/Worker/template/spec", NO_EFFECT),
        ("PyTorchJob", "/spec/pytorchReplicaSpecs/Worker/replicas", WORKS),
        ("PyTorchJob", "/spec/runPolicy/managedBy", REFUSED),
        ("RayCluster", "/spec/workerGroupSpecs/0/template/spec", NO_EFFECT),
        ("RayCluster", "/spec/workerGroupSpecs/0/replicas", WORKS),
        ("RayJob", "/spec/entrypoint", NO_EFFECT),
        ("RayService", "/spec/serveConfigV2", WORKS),
        ("LeaderWorkerSet", "/spec/leaderWorkerTemplate/subGroupPolicy", REFUSED),
        ("TaskRun", "/spec/params", REFUSED),
        ("TaskRun", "/spec/status", WORKS),
        ("Workflow", "/spec/templates", NO_EFFECT),
        ("Notebook", "/spec/template/spec", WORKS),
    ],
)
def test_what_an_update_of_a_field_comes_to(kind: str, pointer: str, outcome: InPlace) -> None:
    """Refused by the cluster, taken without effect, or done."""
    assert _judge(kind, pointer, NOTHING, NOTHING) is outcome


@pytest.mark.parametrize(
    ("kind", "pointer", "running", "wanted", "outcome"),
    [
        ("Job", "/spec/template/spec/nodeSelector/gpu", SUSPENDED, NOTHING, WORKS),
        ("Job", "/spec/template", SUSPENDED, NOTHING, REFUSED),
        ("Job", "/spec/completions", NOTHING, ELASTIC, WORKS),
        ("Pod", "/spec/tolerations/0", LESS, TOLERANT, WORKS),
        ("Pod", "/spec/tolerations/0", TOLERANT, LESS, REFUSED),
        ("RayCluster", "/spec/workerGroupSpecs/0/template/spec", NOTHING, RECREATE, WORKS),
    ],
)
def test_what_else_a_workload_says_may_decide(
    kind: str, pointer: str, running: Any, wanted: Any, outcome: InPlace
) -> None:
    """What is suspended has no pods yet; an elastic job may grow; a cluster may renew its pods."""
    assert _judge(kind, pointer, running, wanted) is outcome


def _judge(name: str, pointer: str, running: Any, wanted: Any) -> InPlace:
    [rules] = [kind.updates for (_, known), kind in KINDS.items() if known == name]
    return judge_field(rules, pointer, running, wanted).outcome


def test_every_kind_has_a_source_or_is_unproven() -> None:
    """Nobody relies on a guess: a kind whose rules come from nowhere counts as unproven."""
    unproven = [kind for kind in KINDS.values() if not kind.updates.is_proven]
    assert sorted(kind.name for kind in unproven) == [
        *("AMLJob", "DevWorkspace", "DynamoGraphDeployment", "InferenceService", "NIMCache"),
        *("NIMService", "Notebook", "SPOTRequest", "ScheduledWorkflow", "SeldonDeployment"),
        "Service",
    ]
    assert not any(kind.updates.rules or kind.updates.only is not None for kind in unproven)


def test_which_updates_run_more_pods_for_a_while() -> None:
    """New pods are made before old ones go, or a whole second set beside the first."""
    surges = {
        surge: sorted(kind.name for kind in KINDS.values() if kind.updates.surge is surge)
        for surge in (Surge.ROLLING, Surge.BOTH)
    }
    assert surges == {
        Surge.ROLLING: ["Deployment", "LeaderWorkerSet"],
        Surge.BOTH: ["InferenceService", "RayService", "Service"],
    }

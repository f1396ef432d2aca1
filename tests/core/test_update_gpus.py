"""The most GPUs that an update asks for while it lasts."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.model import (
    Desired,
)
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
)
from tests.support.updates import (
    plan_of,
    with_spec,
)


def rolled(manifest: dict[str, Any], **spec: Any) -> Desired:
    """Return a workload with more in its spec."""
    return make_desired(manifest={**manifest, "spec": {**manifest["spec"], **spec}})


def strategy(**rolling: Any) -> dict[str, Any]:
    """Return how a Deployment exchanges its pods."""
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # A quarter more, rounded up.
        ({"replicas": 4}, {"replicas": 4, "image": "b"}, 5),
        ({"replicas": 5}, {"replicas": 5, "image": "b"}, 7),
        # Another number of replicas exchanges no pods.
        ({"replicas": 4}, {"replicas": 6}, 6),
        ({"replicas": 4}, {"replicas": 2}, 4),
        # The larger of the pods may be all there.
        ({"replicas": 4, "gpus": 2}, {"replicas": 4}, 10),
    ],
)
def test_the_peak_of_a_deployment(
    before: dict[str, Any], after: dict[str, Any], expected: float
) -> None:
    """A rolling update runs maxSurge pods more than there are to be."""
    plan = plan_of(
        make_desired(manifest=make_manifest(**after)),
        make_recorded(make_desired(manifest=make_manifest(**before))),
    )
    assert plan.gpus.peak == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (strategy(maxSurge=2), 6),
        (strategy(maxSurge="50%"), 6),
        (strategy(maxSurge=0, maxUnavailable=1), 4),
        ({"type": "Recreate"}, 4),
    ],
)
def test_the_peak_of_a_deployment_with_a_strategy(how: dict[str, Any], expected: float) -> None:
    """As a number, as a percentage, or not at all."""
    before = rolled(make_manifest(replicas=4), strategy=how)
    after = rolled(make_manifest(replicas=4, image="b"), strategy=how)
    assert plan_of(after, make_recorded(before)).gpus.peak == expected


def leader_workers(image: str, **spec: Any) -> Desired:
    """Return two groups of four pods with a GPU each."""
    limits = {"limits": {"nvidia.com/gpu": 1}}
    template = {"spec": {"containers": [{"name": "main", "image": image, "resources": limits}]}}
    group = {"size": 4, "workerTemplate": template}
    return with_spec(
        "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet",
        {"replicas": 2, "leaderWorkerTemplate": group, **spec},
    )


@pytest.mark.parametrize(("surge", "expected"), [(None, 8), (1, 12), ("100%", 16)])
def test_the_peak_of_a_leader_worker_set(surge: int | str | None, expected: float) -> None:
    """It starts whole groups beside the old ones, and none unless it is told to."""
    how = {} if surge is None else {"rollingUpdateConfiguration": {"maxSurge": surge}}
    before = leader_workers("a", rolloutStrategy=how)
    after = leader_workers("b", rolloutStrategy=how)
    plan = plan_of(after, make_recorded(before))
    assert (plan.gpus.before, plan.gpus.after, plan.gpus.peak) == (8, 8, expected)


def ray_service(image: str) -> Desired:
    """Return a service with a head without GPUs and two workers with four each."""
    limits = {"limits": {"nvidia.com/gpu": 4}}
    worker = {"spec": {"containers": [{"name": "main", "image": image, "resources": limits}]}}
    head = {"spec": {"containers": [{"name": "head", "image": image}]}}
    cluster = {
        "headGroupSpec": {"template": head},
        "workerGroupSpecs": [{"groupName": "w", "replicas": 2, "template": worker}],
    }
    return with_spec("ray.io/v1/RayService", {"rayClusterConfig": cluster})


def test_the_peak_of_what_is_built_twice() -> None:
    """A second cluster is there before the first goes."""
    plan = plan_of(ray_service("b"), make_recorded(ray_service("a")))
    assert (plan.gpus.before, plan.gpus.after, plan.gpus.peak) == (8, 8, 16)
    assert plan.actions[0].gpus.to_json() == {"before": 8, "after": 8, "peak": 16}

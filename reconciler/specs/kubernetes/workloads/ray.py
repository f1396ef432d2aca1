"""Kinds of KubeRay: the groups of a cluster, and what a job may ask of it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    find_repeated,
    given,
    is_number,
    mapping,
)
from reconciler.specs.kubernetes.workloads.amounts import check_bounds, check_least

_SPEC = (INLINE, "spec")
_CLUSTERS: Mapping[str, tuple[str, ...]] = {
    "RayCluster": (),
    "RayJob": ("rayClusterSpec",),
    "RayService": ("rayClusterConfig",),
}
_AMOUNTS = ("num-cpus", "num-gpus", "memory", "resources")
_ONE_OF_BOTH = ("rayClusterSpec", "clusterSelector")


def check_cluster(body: Body) -> Problems:
    """The worker groups of a cluster have names of their own and bounds that hold."""
    steps = _CLUSTERS[body.kind]
    path, cluster = (*_SPEC, *steps), mapping(body.manifest, "spec", *steps)
    groups = list(entries(cluster.get("workerGroupSpecs"), (*path, "workerGroupSpecs")))
    named = [
        ((*group_path, "groupName"), group["groupName"])
        for group_path, group in groups
        if isinstance(group.get("groupName"), str)
    ]
    yield from find_repeated(iter(named), "the worker group")
    is_scaled = cluster.get("enableInTreeAutoscaling") is True
    for group_path, group in groups:
        # In this operator an upper bound of 0 is one.
        yield from check_bounds(group_path, group, "minReplicas", "maxReplicas")
        yield from _check_zero_bound(group_path, group)
        if is_scaled and group.get("suspend") is True:
            message = "a worker group that scales by itself cannot be suspended"
            yield Problem((*group_path, "suspend"), message)
    heads = [((*path, "headGroupSpec"), mapping(cluster, "headGroupSpec"))]
    for group_path, group in (*heads, *groups):
        yield from _check_start(group_path, group)


def _check_zero_bound(path: Path, group: Manifest) -> Problems:
    least, most = group.get("minReplicas"), group.get("maxReplicas")
    if is_number(least) and is_number(most) and least > most == 0:
        yield Problem((*path, "minReplicas"), f"'minReplicas' is {least}, and 'maxReplicas' is 0")


def _check_start(path: Path, group: Manifest) -> Problems:
    """Amounts stand in one place: as resources of the group, or among the start parameters."""
    parameters = mapping(group, "rayStartParams")
    if group.get("resources"):
        for name in given(parameters, *_AMOUNTS):
            message = f"'{name}' stands in rayStartParams and in the group's resources"
            yield Problem((*path, "rayStartParams", name), message, "remove one of both")
    if parameters.get("labels") is not None:
        message = "labels are a field of the group, not a start parameter"
        yield Problem((*path, "rayStartParams", "labels"), message, at_key=True)


def check_ray_job(body: Body) -> Problems:
    """A job brings a cluster or selects one, and can be ended as it asks."""
    spec = mapping(body.manifest, "spec")
    chosen = [field for field in _ONE_OF_BOTH if spec.get(field)]
    if not chosen:
        message = "a RayJob needs a rayClusterSpec or a clusterSelector"
        yield Problem(_SPEC, message, at_key=True)
    selects = "clusterSelector" in chosen
    ends = spec.get("shutdownAfterJobFinishes") is True
    if spec.get("suspend") is True and (selects or not ends):
        message = "a RayJob can be suspended where it ends a cluster of its own"
        hint = "remove it" if selects else "write shutdownAfterJobFinishes: true"
        yield Problem((*_SPEC, "suspend"), message, hint)
    limit = spec.get("backoffLimit")
    is_once = selects or spec.get("submissionMode") == "InteractiveMode"
    if is_once and is_number(limit) and limit > 0:
        message = "a job is tried again in a cluster of its own only, and not by hand"
        yield Problem((*_SPEC, "backoffLimit"), message, "remove it")
    ttl = spec.get("ttlSecondsAfterFinished")
    if is_number(ttl) and ttl > 0 and not ends:
        message = "'ttlSecondsAfterFinished' needs shutdownAfterJobFinishes: true"
        yield Problem((*_SPEC, "ttlSecondsAfterFinished"), message, at_key=True)
    for field, least in (
        ("activeDeadlineSeconds", 1),
        ("backoffLimit", 0),
        ("ttlSecondsAfterFinished", 0),
    ):
        yield from check_least(_SPEC, spec, field, least)
    if spec.get("submissionMode") == "SidecarMode":
        for field in given(spec, "clusterSelector", "submitterPodTemplate", "submitterConfig"):
            message = f"the submissionMode SidecarMode excludes '{field}'"
            yield Problem((*_SPEC, field), message, at_key=True)

"""Kinds of KubeRay: clusters, jobs and services made of one head and groups of workers."""

from __future__ import annotations

from reconciler.kinds.fields import LARGEST_COUNT, Template, need, read_count, read_flag, read_items
from reconciler.kinds.kind import Kind, Layout, Pods, always, walk_each
from reconciler.kinds.structures import any_of, mapping
from reconciler.kinds.updates import (
    FieldRule,
    InPlace,
    Surge,
    UpdateRules,
    is_suspended,
    kept_by_pods,
    spec_of,
)


def _cluster_pods(manifest: Template) -> Pods:
    yield from _group_pods(need(manifest, "spec"))


def _group_pods(spec: Template) -> Pods:
    if not read_flag(spec, "suspend"):
        yield from walk_each((spec,), _head_pods)
        yield from walk_each(read_items(spec, "workerGroupSpecs"), _worker_pods)


def _head_pods(spec: Template) -> Pods:
    yield 1, need(need(spec, "headGroupSpec"), "template")


def _worker_pods(group: Template) -> Pods:
    if read_flag(group, "suspend"):
        return
    # KubeRay's own defaults: no replicas unless asked for, and always within the bounds.
    least = read_count(group, "minReplicas", 0)
    most = read_count(group, "maxReplicas", LARGEST_COUNT)
    replicas = min(max(read_count(group, "replicas", 0), least), most)
    yield replicas * read_count(group, "numOfHosts", 1), need(group, "template")


def _job_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if read_flag(spec, "suspend"):
        return
    # With a selector it runs in a cluster that another object asked for.
    if spec.get("rayClusterSpec") is not None or not spec.get("clusterSelector"):
        yield from _group_pods(need(spec, "rayClusterSpec"))
    if spec.get("submitterPodTemplate") is not None:
        yield 1, need(spec, "submitterPodTemplate")


def _service_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield from _group_pods(need(spec, "rayClusterConfig"))


# KubeRay refuses what would be cut off in the names of services, and names a cluster that it makes
# for a job or a service after that, with six characters behind.
_LONGEST_CLUSTER = 53
_LONGEST_OWNER = _LONGEST_CLUSTER - 6


def _layout(
    cluster: str, *other_templates: str, longest_name: int, needs_pods: bool = True
) -> Layout:
    """Lay out a kind whose cluster stands at a path; further pod templates may stand elsewhere."""
    groups = (f"{cluster}/headGroupSpec/template", f"{cluster}/workerGroupSpecs/*/template")
    counts = ("replicas", "minReplicas", "maxReplicas", "numOfHosts")
    templates = (*groups, *other_templates)
    return Layout(
        pods=templates,
        counts=tuple(f"{cluster}/workerGroupSpecs/*/{count}" for count in counts),
        needs_pods=needs_pods,
        longest_name=longest_name,
    )


_SERVICE_TYPE = {"type": "string", "enum": ["ClusterIP", "NodePort", "LoadBalancer", ""]}
_CLUSTER = mapping({"headGroupSpec": mapping({"serviceType": _SERVICE_TYPE})})


def _recreates_pods(_: Template, wanted: Template) -> bool:
    return spec_of(wanted).get("upgradeStrategy") == {"type": "Recreate"}


_MANAGED = FieldRule(patterns=("/spec/managedBy",))
_CLUSTER_UPDATES = UpdateRules(
    source="KubeRay, validation and controller of RayCluster: pods are made anew only by "
    "upgradeStrategy Recreate",
    rules=(
        _MANAGED,
        FieldRule(patterns=("/spec/gcsFaultToleranceOptions/backend",)),
        kept_by_pods(
            "/spec/headGroupSpec/template",
            "/spec/workerGroupSpecs/*/template",
            unless=_recreates_pods,
        ),
    ),
)
_JOB_UPDATES = UpdateRules(
    source="KubeRay, controller of RayJob: cluster and submission are made once, at the start",
    rules=(
        _MANAGED,
        FieldRule(
            patterns=("/spec/rayClusterSpec", "/spec/entrypoint", "/spec/submitterPodTemplate"),
            outcome=InPlace.WITHOUT_EFFECT,
            reason="has no effect on what runs: a RayJob is submitted once",
            # While suspended it has no cluster, and makes one of what it then says.
            unless=is_suspended,
        ),
    ),
)
_SERVICE_UPDATES = UpdateRules(
    source="KubeRay, controller of RayService: another cluster is made, and then takes over",
    rules=(_MANAGED,),
    surge=Surge.BOTH,
)

KINDS = (
    # It serves until it is deleted.
    Kind(
        group="ray.io",
        name="RayCluster",
        versions=("v1",),
        first_container_counts=True,
        find_pods=_cluster_pods,
        updates=_CLUSTER_UPDATES,
        layout=_layout("spec", longest_name=_LONGEST_CLUSTER),
        structure=_CLUSTER,
    ),
    # It tears its cluster down at its end.
    Kind(
        group="ray.io",
        name="RayJob",
        versions=("v1",),
        first_container_counts=True,
        find_pods=_job_pods,
        updates=_JOB_UPDATES,
        runs_to_completion=always,
        # It may run in a cluster that it selects, and then has no pods of its own.
        layout=_layout(
            "spec/rayClusterSpec",
            "spec/submitterPodTemplate",
            longest_name=_LONGEST_OWNER,
            needs_pods=False,
        ),
        structure=mapping(
            {"rayClusterSpec": _CLUSTER, "clusterSelector": mapping()},
            anyOf=any_of("rayClusterSpec", "clusterSelector"),
        ),
        references=((("spec", "clusterSelector", "ray.io/cluster"), "RayCluster"),),
    ),
    Kind(
        group="ray.io",
        name="RayService",
        versions=("v1",),
        first_container_counts=True,
        find_pods=_service_pods,
        updates=_SERVICE_UPDATES,
        layout=_layout("spec/rayClusterConfig", longest_name=_LONGEST_OWNER),
        structure=mapping({"rayClusterConfig": _CLUSTER}),
    ),
)

"""Kinds of Kubernetes' special interest groups for batch and serving: JobSet, LeaderWorkerSet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.fields import Template, need, optional, read_count, read_flag, read_items
from reconciler.kinds.kind import (
    FINITE_POLICIES,
    STEADY_POLICIES,
    Derived,
    Kind,
    Layout,
    Pods,
    always,
    walk_each,
)
from reconciler.kinds.kubernetes import job_parallelism, last_index
from reconciler.kinds.updates import (
    FieldRule,
    InPlace,
    MaxSurge,
    Surge,
    UpdateRules,
    is_not_suspended,
)


def _job_set_pods(manifest: Template) -> Pods:
    # JobSet overwrites `suspend` of its jobs with its own, so theirs is not asked.
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield from walk_each(read_items(spec, "replicatedJobs"), _replicated_job_pods)


def _replicated_job_pods(group: Template) -> Pods:
    job = need(need(group, "template"), "spec")
    yield read_count(group, "replicas", 1) * job_parallelism(job), need(job, "template")


def _job_set_names(manifest: Template) -> Iterator[Derived]:
    groups = optional(manifest, "spec").get("replicatedJobs")
    for group in groups if isinstance(groups, list) else ():
        if not isinstance(group, Mapping):
            continue
        replicas = group.get("replicas", 1)
        job = f"-{group.get('name')}-{max(0, replicas - 1) if isinstance(replicas, int) else 0}"
        yield Derived(noun="jobs", suffix=job)
        spec = optional(optional(group, "template"), "spec")
        # JobSet's own default, and the random letters behind the name of each pod.
        if spec.get("completionMode", "Indexed") == "Indexed" and (last := last_index(spec)):
            yield Derived(noun="pods", suffix=f"{job}-{last}-abcde")


def _leader_worker_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    groups = read_count(spec, "replicas", 1)
    group = need(spec, "leaderWorkerTemplate")
    # The leader counts among the pods of a group; without a template it is a worker, too.
    worker = need(group, "workerTemplate")
    yield groups, worker if group.get("leaderTemplate") is None else need(group, "leaderTemplate")
    yield groups * max(0, read_count(group, "size", 1) - 1), worker


_LEADER = "spec/leaderWorkerTemplate/leaderTemplate"
_WORKER = "spec/leaderWorkerTemplate/workerTemplate"

_JOB_SET_PODS = "/spec/replicatedJobs/*/template/spec/template"
_JOB_SET_UPDATES = UpdateRules(
    source="JobSet, validation of updates in its webhook",
    rules=(
        FieldRule(
            patterns=tuple(
                f"{_JOB_SET_PODS}/{path}"
                for path in (
                    *("metadata/labels", "metadata/annotations", "spec/nodeSelector"),
                    *("spec/tolerations", "spec/schedulingGates"),
                )
            ),
            outcome=InPlace.WORKS,
            unless=is_not_suspended,
        ),
        FieldRule(
            patterns=tuple(
                f"/spec/{field}"
                for field in (
                    *("replicatedJobs", "network", "successPolicy", "failurePolicy"),
                    *("startupPolicy", "volumeClaimPolicies", "managedBy"),
                )
            )
        ),
    ),
)
_LEADER_WORKER_UPDATES = UpdateRules(
    source="LeaderWorkerSet, validation of updates in its webhook",
    rules=(FieldRule(patterns=("/spec/leaderWorkerTemplate/subGroupPolicy",)),),
    surge=Surge.ROLLING,
    # It counts groups of pods, and starts none beside the old ones unless it is told to.
    max_surge=MaxSurge(path=("rolloutStrategy", "rollingUpdateConfiguration", "maxSurge"), usual=0),
)

KINDS = (
    Kind(
        group="jobset.x-k8s.io",
        name="JobSet",
        versions=("v1alpha2",),
        find_pods=_job_set_pods,
        updates=_JOB_SET_UPDATES,
        runs_to_completion=always,
        layout=Layout(
            pods=("spec/replicatedJobs/*/template/spec/template",),
            counts=(
                "spec/replicatedJobs/*/replicas",
                "spec/replicatedJobs/*/template/spec/parallelism",
                "spec/replicatedJobs/*/template/spec/completions",
            ),
            restart_policies=FINITE_POLICIES,
            longest_name=63,
            derive_names=_job_set_names,
        ),
    ),
    Kind(
        group="leaderworkerset.x-k8s.io",
        name="LeaderWorkerSet",
        versions=("v1",),
        find_pods=_leader_worker_pods,
        updates=_LEADER_WORKER_UPDATES,
        layout=Layout(
            pods=(_LEADER, _WORKER),
            counts=("spec/replicas", "spec/leaderWorkerTemplate/size"),
            restart_policies=STEADY_POLICIES,
            # It is made of StatefulSets, whose names are longer than its own.
            longest_name=51,
        ),
    ),
)

"""Kinds of Kubernetes' special interest groups for batch and serving: JobSet, LeaderWorkerSet."""

from __future__ import annotations

from reconciler.kinds.fields import Template, need, read_count, read_flag, read_items
from reconciler.kinds.kind import (
    FINITE_POLICIES,
    STEADY_POLICIES,
    Kind,
    Layout,
    Pods,
    always,
    pod_templates,
)
from reconciler.kinds.kubernetes import job_parallelism
from reconciler.kinds.structures import COUNT, TEXT, list_of, mapping


def _job_set_pods(manifest: Template) -> Pods:
    # JobSet overwrites `suspend` of its jobs with its own, so theirs is not asked.
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        for group in read_items(spec, "replicatedJobs"):
            job = need(need(group, "template"), "spec")
            yield read_count(group, "replicas", 1) * job_parallelism(job), need(job, "template")


def _leader_worker_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    groups = read_count(spec, "replicas", 1)
    group = need(spec, "leaderWorkerTemplate")
    worker = need(group, "workerTemplate")
    yield groups, worker if group.get("leaderTemplate") is None else need(group, "leaderTemplate")
    yield groups * max(0, read_count(group, "size", 1) - 1), worker


_GROUP_RESTARTS = ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None", ""]
_LEADER = "spec/leaderWorkerTemplate/leaderTemplate"
_WORKER = "spec/leaderWorkerTemplate/workerTemplate"

KINDS = (
    Kind(
        group="jobset.x-k8s.io",
        name="JobSet",
        versions=("v1alpha2",),
        find_pods=_job_set_pods,
        runs_to_completion=always,
        layout=Layout(
            pods=("spec/replicatedJobs/*/template/spec/template",),
            counts=(
                "spec/replicatedJobs/*/replicas",
                "spec/replicatedJobs/*/template/spec/parallelism",
                "spec/replicatedJobs/*/template/spec/completions",
            ),
            restart_policies=FINITE_POLICIES,
            definitions=(("spec/replicatedJobs/*/template", "JobTemplateSpec"),),
        ),
        structure=mapping(
            {"replicatedJobs": list_of(mapping({"name": TEXT, "replicas": COUNT}, ("name",)))}
        ),
    ),
    Kind(
        group="leaderworkerset.x-k8s.io",
        name="LeaderWorkerSet",
        versions=("v1",),
        find_pods=_leader_worker_pods,
        layout=Layout(
            pods=(_LEADER, _WORKER),
            counts=("spec/replicas", "spec/leaderWorkerTemplate/size"),
            restart_policies=STEADY_POLICIES,
            definitions=pod_templates(_LEADER, _WORKER),
        ),
        structure=mapping(
            {
                "leaderWorkerTemplate": mapping(
                    {"restartPolicy": {"enum": _GROUP_RESTARTS}}, ("workerTemplate",)
                ),
                "startupPolicy": {"enum": ["LeaderCreated", "LeaderReady", ""]},
            },
            ("leaderWorkerTemplate",),
        ),
    ),
)

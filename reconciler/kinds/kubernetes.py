"""Kinds that Kubernetes ships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.fields import Template, need, optional, read_count, read_flag
from reconciler.kinds.kind import (
    FINITE_POLICIES,
    STEADY_POLICIES,
    Derived,
    Kind,
    Layout,
    Pods,
    always,
)
from reconciler.kinds.updates import (
    FieldRule,
    InPlace,
    MaxSurge,
    Surge,
    UpdateRules,
    is_not_suspended,
    kept_by_pods,
    spec_of,
)


def _pod(manifest: Template) -> Pods:
    yield 1, manifest


def _pod_ends(manifest: Template) -> bool:
    # A bare Pod has no controller: its own restart policy says whether it ends.
    spec = manifest.get("spec")
    return isinstance(spec, Mapping) and spec.get("restartPolicy") in FINITE_POLICIES


def _replicated_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    yield read_count(spec, "replicas", 1), need(spec, "template")


def _job_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield job_parallelism(spec), need(spec, "template")


def job_parallelism(job_spec: Template) -> int:
    """How many pods of a Job run side by side at most."""
    # The last pods of a job are no more than the completions that are left.
    parallelism = read_count(job_spec, "parallelism", 1)
    return min(parallelism, read_count(job_spec, "completions", parallelism))


def _cron_job_pods(manifest: Template) -> Pods:
    # One run: how many overlap depends on how long they take.
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield from _job_pods(need(spec, "jobTemplate"))


def last_index(job_spec: Template) -> int | None:
    """The highest index among the pods of an indexed Job, where it is known."""
    completions = job_spec.get("completions")
    if isinstance(completions, bool) or not isinstance(completions, int) or completions < 1:
        return None
    return completions - 1


def _job_names(manifest: Template) -> Iterator[Derived]:
    yield from _indexed_pods(optional(manifest, "spec"), "")


def _cron_job_names(manifest: Template) -> Iterator[Derived]:
    # A job is named after the minute that it belongs to, a number of eight digits.
    job = optional(optional(manifest, "spec"), "jobTemplate")
    yield from _indexed_pods(optional(job, "spec"), "-12345678")


def _indexed_pods(job_spec: Template, suffix: str) -> Iterator[Derived]:
    if job_spec.get("completionMode") == "Indexed" and (last := last_index(job_spec)) is not None:
        yield Derived(noun="pods", suffix=f"{suffix}-{last}")


def _keeps_tolerations(running: Template, wanted: Template) -> bool:
    """Whether a Pod loses no toleration: they can be added, and none taken away."""
    before, after = (spec_of(manifest).get("tolerations") or [] for manifest in (running, wanted))
    return all(each in after for each in before)


def _scales_indexed_job(_: Template, wanted: Template) -> bool:
    """Whether a Job is elastic: indexed, with as many completions as pods side by side."""
    spec = spec_of(wanted)
    completions = spec.get("completions")
    elastic = completions is not None and completions == spec.get("parallelism")
    return spec.get("completionMode") == "Indexed" and elastic


# What the scheduler still has to decide about, and so may change while there are no pods.
_SCHEDULING = tuple(
    f"/spec/template/{path}"
    for path in (
        *("metadata/labels", "metadata/annotations", "spec/nodeSelector", "spec/tolerations"),
        *("spec/affinity", "spec/schedulingGates"),
    )
)
_VALIDATION = "Kubernetes, validation of updates in the API server"

_POD_UPDATES = UpdateRules(
    source=f"{_VALIDATION}: ValidatePodUpdate",
    rules=(FieldRule(patterns=("/spec/tolerations",), unless=_keeps_tolerations),),
    only=(
        *("/spec/containers/*/image", "/spec/initContainers/*/image"),
        *("/spec/activeDeadlineSeconds", "/spec/tolerations", "/spec/containers/*/resources"),
    ),
)
_DEPLOYMENT_UPDATES = UpdateRules(
    source=f"{_VALIDATION}: apps/v1 Deployment, spec.selector",
    rules=(FieldRule(patterns=("/spec/selector",)),),
    surge=Surge.ROLLING,
    max_surge=MaxSurge(
        path=("strategy", "rollingUpdate", "maxSurge"), usual="25%", unless_type="Recreate"
    ),
)
_REPLICA_SET_UPDATES = UpdateRules(
    source=f"{_VALIDATION}: apps/v1 ReplicaSet, spec.selector; its controller only counts pods",
    rules=(FieldRule(patterns=("/spec/selector",)), kept_by_pods("/spec/template")),
)
_STATEFUL_SET_UPDATES = UpdateRules(
    source=f"{_VALIDATION}: ValidateStatefulSetUpdate",
    only=(
        *("/spec/replicas", "/spec/ordinals", "/spec/template", "/spec/updateStrategy"),
        *("/spec/revisionHistoryLimit", "/spec/persistentVolumeClaimRetentionPolicy"),
        "/spec/minReadySeconds",
    ),
)
_JOB_UPDATES = UpdateRules(
    source=f"{_VALIDATION}: ValidateJobSpecUpdate",
    rules=(
        FieldRule(patterns=_SCHEDULING, outcome=InPlace.WORKS, unless=is_not_suspended),
        FieldRule(patterns=("/spec/completions",), unless=_scales_indexed_job),
        FieldRule(
            patterns=(
                *("/spec/template", "/spec/selector", "/spec/completionMode"),
                *("/spec/podFailurePolicy", "/spec/backoffLimitPerIndex", "/spec/managedBy"),
                "/spec/successPolicy",
            )
        ),
    ),
)
_CRON_JOB_UPDATES = UpdateRules(
    source="Kubernetes, documentation of CronJob: a change applies to the jobs that start after it"
)


BUILT_IN: Mapping[str, frozenset[str]] = {
    "v1": frozenset(
        {
            *("Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange"),
            *("Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod"),
            *("PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "Service"),
            "ServiceAccount",
        }
    ),
    "apps/v1": frozenset(
        {"ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}
    ),
    "batch/v1": frozenset({"CronJob", "Job"}),
}
"""Every kind of the groups that Kubernetes keeps to itself, by the only version they have."""


def _controller(name: str, updates: UpdateRules, longest_name: int = 253) -> Kind:
    """A kind that keeps a number of equal pods running."""
    return Kind(
        group="apps",
        name=name,
        versions=("v1",),
        find_pods=_replicated_pods,
        updates=updates,
        layout=Layout(
            pods=("spec/template",),
            counts=("spec/replicas",),
            restart_policies=STEADY_POLICIES,
            selects=True,
            longest_name=longest_name,
        ),
    )


_JOB_COUNTS = ("parallelism", "completions", "backoffLimit")

KINDS = (
    Kind(
        group="",
        name="Pod",
        versions=("v1",),
        find_pods=_pod,
        updates=_POD_UPDATES,
        runs_to_completion=_pod_ends,
        layout=Layout(pods=("",), inherits_annotations=True),
    ),
    # Its ReplicaSets are named after it, with a dash and a hash of ten characters.
    _controller("Deployment", _DEPLOYMENT_UPDATES, longest_name=242),
    _controller("ReplicaSet", _REPLICA_SET_UPDATES),
    # Its pods have a label of its name, a dash and a hash of ten; a label's value has 63 at most.
    _controller("StatefulSet", _STATEFUL_SET_UPDATES, longest_name=52),
    Kind(
        group="batch",
        name="Job",
        versions=("v1",),
        find_pods=_job_pods,
        updates=_JOB_UPDATES,
        runs_to_completion=always,
        layout=Layout(
            pods=("spec/template",),
            counts=tuple(f"spec/{count}" for count in _JOB_COUNTS),
            restart_policies=FINITE_POLICIES,
            needs_restart_policy=True,
            # Its pods have it as a label.
            longest_name=63,
            derive_names=_job_names,
        ),
    ),
    Kind(
        group="batch",
        name="CronJob",
        versions=("v1",),
        find_pods=_cron_job_pods,
        updates=_CRON_JOB_UPDATES,
        layout=Layout(
            pods=("spec/jobTemplate/spec/template",),
            counts=tuple(f"spec/jobTemplate/spec/{count}" for count in _JOB_COUNTS),
            restart_policies=FINITE_POLICIES,
            needs_restart_policy=True,
            schedule="spec/schedule",
            # Its jobs are named after it, and what they append takes eleven characters.
            longest_name=52,
            derive_names=_cron_job_names,
        ),
    ),
)

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


def _controller(name: str, longest_name: int = 253) -> Kind:
    """A kind that keeps a number of equal pods running."""
    return Kind(
        group="apps",
        name=name,
        versions=("v1",),
        find_pods=_replicated_pods,
        layout=Layout(
            pods=("spec/template",),
            counts=("spec/replicas",),
            restart_policies=STEADY_POLICIES,
            definitions=(("", name),),
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
        runs_to_completion=_pod_ends,
        layout=Layout(pods=("",), definitions=(("", "Pod"),), inherits_annotations=True),
    ),
    # Its ReplicaSets are named after it, with a dash and a hash of ten characters.
    _controller("Deployment", longest_name=242),
    _controller("ReplicaSet"),
    # Its pods have a label of its name, a dash and a hash of ten; a label's value has 63 at most.
    _controller("StatefulSet", longest_name=52),
    Kind(
        group="batch",
        name="Job",
        versions=("v1",),
        find_pods=_job_pods,
        runs_to_completion=always,
        layout=Layout(
            pods=("spec/template",),
            counts=tuple(f"spec/{count}" for count in _JOB_COUNTS),
            restart_policies=FINITE_POLICIES,
            needs_restart_policy=True,
            definitions=(("", "Job"),),
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
        layout=Layout(
            pods=("spec/jobTemplate/spec/template",),
            counts=tuple(f"spec/jobTemplate/spec/{count}" for count in _JOB_COUNTS),
            restart_policies=FINITE_POLICIES,
            needs_restart_policy=True,
            definitions=(("", "CronJob"),),
            schedule="spec/schedule",
            # Its jobs are named after it, and what they append takes eleven characters.
            longest_name=52,
            derive_names=_cron_job_names,
        ),
    ),
)

"""Kinds of Tekton: runs of one task, whose pod can be counted, and of pipelines, whose cannot."""

from __future__ import annotations

from reconciler.kinds.fields import (
    Template,
    UnreadableError,
    need,
    optional,
    read_annotations,
    read_items,
)
from reconciler.kinds.kind import Kind, Pods, always
from reconciler.kinds.unknown import STEPS, decided_later
from reconciler.kinds.updates import UpdateRules

_SOURCE = "Tekton, validation of updates: once started, a run can only be cancelled"


def _task_run_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if spec.get("taskSpec") is None:
        raise UnreadableError("its steps are those of a Task, which is another object")
    task = need(spec, "taskSpec")
    usual = optional(task, "stepTemplate")
    overrides = {str(own.get("name")): own for own in read_items(spec, "stepSpecs")}
    containers = []
    for step in read_items(task, "steps"):
        if step.get("ref") is not None:
            yield UnreadableError("a step is that of a StepAction, which is another object")
        own = overrides.get(str(step.get("name")), {})
        chosen = next((each for each in (own, step, usual) if each.get("computeResources")), {})
        containers.append({"resources": chosen.get("computeResources")})
    # What the whole task asks for is shared out among its steps; there is a step at least.
    if spec.get("computeResources") is not None:
        containers = [{"resources": spec["computeResources"]}]
    sidecars = [
        {"resources": sidecar.get("computeResources")} for sidecar in read_items(task, "sidecars")
    ]
    # All steps are containers of one pod from its beginning, though they take turns.
    metadata = {"annotations": read_annotations(manifest)}
    yield 1, {"metadata": metadata, "spec": {"containers": [*containers, *sidecars]}}


KINDS = (
    Kind(
        group="tekton.dev",
        name="PipelineRun",
        versions=("v1",),
        find_pods=decided_later(STEPS),
        updates=UpdateRules(source=_SOURCE, only=("/spec/status",)),
        runs_to_completion=always,
    ),
    Kind(
        group="tekton.dev",
        name="TaskRun",
        versions=("v1",),
        find_pods=_task_run_pods,
        updates=UpdateRules(source=_SOURCE, only=("/spec/status", "/spec/statusMessage")),
        runs_to_completion=always,
    ),
)

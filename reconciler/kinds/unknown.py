"""Kinds whose pods are not in their manifest: steps, devfiles and services decide them later."""

from __future__ import annotations

from reconciler.kinds.fields import Template, UnreadableError
from reconciler.kinds.kind import Kind, PodFinder, Pods, always
from reconciler.kinds.updates import UNPROVEN, FieldRule, InPlace, UpdateRules

STEPS = "its pods come and go as its steps run"
_DEVFILE = "its pod is put together from a devfile and what that refers to"
_SERVICE = "what it asks for is decided by the service that owns the kind"


def decided_later(reason: str) -> PodFinder:
    """Stand for a kind whose pods its manifest does not determine."""

    def find_pods(_: Template) -> Pods:
        raise UnreadableError(reason)

    return find_pods


KINDS = (
    Kind(
        group="argoproj.io",
        name="Workflow",
        versions=("v1alpha1",),
        find_pods=decided_later(STEPS),
        updates=UpdateRules(
            source="Argo Workflows: a workflow runs the copy of its steps that its status holds",
            rules=(
                FieldRule(
                    patterns=("/spec",),
                    outcome=InPlace.WITHOUT_EFFECT,
                    reason="has no effect on what runs: the steps were copied at the start",
                ),
            ),
        ),
        runs_to_completion=always,
    ),
    Kind(
        group="workspace.devfile.io",
        name="DevWorkspace",
        versions=("v1alpha2",),
        find_pods=decided_later(_DEVFILE),
        updates=UNPROVEN,
    ),
    Kind(
        group="amlarc.azureml.com",
        name="AMLJob",
        versions=("v1alpha1",),
        find_pods=decided_later(_SERVICE),
        updates=UNPROVEN,
        runs_to_completion=always,
    ),
    Kind(
        group="egx.nvidia.io",
        name="SPOTRequest",
        versions=("v1",),
        find_pods=decided_later(_SERVICE),
        updates=UNPROVEN,
    ),
)

"""Kinds of NVIDIA's operators: NIM services and caches, Dynamo graphs."""

from __future__ import annotations

from reconciler.kinds.devices import WHOLE_GPU
from reconciler.kinds.fields import (
    Template,
    UnreadableError,
    need,
    optional,
    read_count,
    read_flag,
    read_gpus,
    read_items,
)
from reconciler.kinds.kind import Kind, Layout, Pods, walk_each
from reconciler.kinds.updates import UNPROVEN


def _nim_service_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    resources = optional(spec, "resources")
    if spec.get("draResources"):
        yield UnreadableError("draResources claims GPUs that the manifest does not count")
    elif not read_gpus({"resources": resources}):
        raise UnreadableError(f"without {WHOLE_GPU} in resources the NIM operator decides")
    # An autoscaler starts from its own lower bound, whatever the replicas say.
    replicas, scale = read_count(spec, "replicas", 1), optional(spec, "scale")
    if read_flag(scale, "enabled"):
        replicas = read_count(optional(scale, "hpa"), "minReplicas", 1)
    # Each replica has a pod on every node, and each of the pods the same resources.
    nodes = read_count(optional(optional(spec, "multiNode"), "parallelism"), "pipeline", 1)
    pod = {
        "metadata": {"annotations": optional(spec, "annotations")},
        "spec": {"containers": [{"resources": resources}]},
    }
    yield replicas * nodes, pod


def _nim_cache_pods(manifest: Template) -> Pods:
    # It downloads a model; its resources have fields for processors and memory only.
    need(manifest, "spec")
    yield from ()


def _dynamo_pods(manifest: Template) -> Pods:
    services = need(need(manifest, "spec"), "services")

    def service_pods(name: str) -> Pods:
        service = need(services, name)
        nodes = read_count(optional(service, "multinode"), "nodeCount", 1)
        extra = optional(service, "extraPodSpec")
        main = optional(extra, "mainContainer")
        # What Dynamo has names of its own for goes into the main container.
        if gpus := _dynamo_devices(optional(service, "resources")):
            main = {"resources": {"limits": gpus}}
        metadata = optional(service, "extraPodMetadata")
        annotations = {**optional(service, "annotations"), **optional(metadata, "annotations")}
        spec = {**extra, "containers": [main, *read_items(extra, "containers")]}
        pod = {"metadata": {"annotations": annotations}, "spec": spec}
        yield read_count(service, "replicas", 1) * nodes, pod

    yield from walk_each(services, service_pods)


def _dynamo_devices(resources: Template) -> Template:
    """Its `gpu` is a number of `gpuType`, NVIDIA's if that is left out; `custom` has full names."""
    amounts = {**optional(resources, "requests"), **optional(resources, "limits")}
    devices = dict(optional(amounts, "custom"))
    if amounts.get("gpu") is not None:
        devices[str(amounts.get("gpuType") or WHOLE_GPU)] = amounts["gpu"]
    return devices


KINDS = (
    Kind(
        group="apps.nvidia.com",
        name="NIMService",
        versions=("v1alpha1",),
        find_pods=_nim_service_pods,
        updates=UNPROVEN,
        layout=Layout(counts=("spec/replicas",), inherits_annotations=True, needs_pods=False),
        references=((("spec", "storage", "nimCache", "name"), "NIMCache"),),
    ),
    Kind(
        group="apps.nvidia.com",
        name="NIMCache",
        versions=("v1alpha1",),
        find_pods=_nim_cache_pods,
        updates=UNPROVEN,
        layout=Layout(inherits_annotations=True, needs_pods=False),
    ),
    Kind(
        group="nvidia.com",
        name="DynamoGraphDeployment",
        versions=("v1alpha1",),
        find_pods=_dynamo_pods,
        updates=UNPROVEN,
        layout=Layout(
            counts=("spec/services/*/replicas",), inherits_annotations=True, needs_pods=False
        ),
    ),
)

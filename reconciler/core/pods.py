"""Finds the pods that a kind's controller makes: how many, and of which shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from reconciler.core.fields import (
    LARGEST_COUNT,
    NOTHING,
    WHOLE_GPU,
    Template,
    UnreadableError,
    describe,
    need,
    optional,
    read_annotations,
    read_count,
    read_flag,
    read_gpus,
    read_items,
)

Pods: TypeAlias = Iterator[tuple[int, Template]]
"""How many pods of which shape."""
Walker: TypeAlias = Callable[[Template], Pods]


def _one_container(resources: Any, annotations: Template = NOTHING) -> Template:
    return {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"resources": resources}]},
    }


def _pod(manifest: Template) -> Pods:
    yield 1, manifest


def _replicated(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    yield read_count(spec, "replicas", 1), need(spec, "template")


def _job(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield _parallelism(spec), need(spec, "template")


def _parallelism(job_spec: Template) -> int:
    # The last pods of a job are no more than the completions that are left.
    parallelism = read_count(job_spec, "parallelism", 1)
    return min(parallelism, read_count(job_spec, "completions", parallelism))


def _cron_job(manifest: Template) -> Pods:
    # One run: how many overlap depends on how long they take.
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield from _job(need(spec, "jobTemplate"))


def _job_set(manifest: Template) -> Pods:
    # JobSet overwrites `suspend` of its jobs with its own, so theirs is not asked.
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        for group in read_items(spec, "replicatedJobs"):
            job = need(need(group, "template"), "spec")
            yield read_count(group, "replicas", 1) * _parallelism(job), need(job, "template")


def _training_job(field: str, **default_replicas: int) -> Walker:
    """Walk a Kubeflow job whose roles stand under `field`; a role has one replica unless told."""

    def walk(manifest: Template) -> Pods:
        spec = need(manifest, "spec")
        if not read_flag(optional(spec, "runPolicy"), "suspend"):
            roles = need(spec, field)
            for role in roles:
                replica = need(roles, role)
                default = default_replicas.get(str(role).casefold(), 1)
                yield read_count(replica, "replicas", default), need(replica, "template")

    return walk


def _leader_worker_set(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    groups = read_count(spec, "replicas", 1)
    group = need(spec, "leaderWorkerTemplate")
    worker = need(group, "workerTemplate")
    yield groups, worker if group.get("leaderTemplate") is None else need(group, "leaderTemplate")
    yield groups * max(0, read_count(group, "size", 1) - 1), worker


def _ray_cluster(manifest: Template) -> Pods:
    yield from _ray_groups(need(manifest, "spec"))


def _ray_groups(spec: Template) -> Pods:
    if not read_flag(spec, "suspend"):
        yield 1, need(need(spec, "headGroupSpec"), "template")
        for group in read_items(spec, "workerGroupSpecs"):
            if not read_flag(group, "suspend"):
                yield _ray_workers(group), need(group, "template")


def _ray_workers(group: Template) -> int:
    # KubeRay's own defaults: no replicas unless asked for, and always within the bounds.
    least, most = (
        read_count(group, "minReplicas", 0),
        read_count(group, "maxReplicas", LARGEST_COUNT),
    )
    replicas = min(max(read_count(group, "replicas", 0), least), most)
    return replicas * read_count(group, "numOfHosts", 1)


def _ray_job(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if read_flag(spec, "suspend"):
        return
    # With a selector it runs in a cluster that another object asked for.
    if spec.get("rayClusterSpec") is not None or not spec.get("clusterSelector"):
        yield from _ray_groups(need(spec, "rayClusterSpec"))
    if spec.get("submitterPodTemplate") is not None:
        yield 1, need(spec, "submitterPodTemplate")


def _ray_service(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    if not read_flag(spec, "suspend"):
        yield from _ray_groups(need(spec, "rayClusterConfig"))


def _notebook(manifest: Template) -> Pods:
    # Its template has no metadata: the controller copies the notebook's own annotations to the pod.
    annotations = read_annotations(manifest)
    template = need(need(manifest, "spec"), "template")
    if "kubeflow-resource-stopped" not in annotations:
        merged = {**annotations, **read_annotations(template)}
        yield 1, {"metadata": {"annotations": merged}, "spec": need(template, "spec")}


def _knative_service(manifest: Template) -> Pods:
    template = need(need(manifest, "spec"), "template")
    annotations = read_annotations(template)
    yield _at_least_started(annotations, _scale(annotations, "min", 0)), template


def _scale(annotations: Template, edge: str, default: int) -> int:
    old = read_count(annotations, f"autoscaling.knative.dev/{edge}Scale", default)
    return read_count(annotations, f"autoscaling.knative.dev/{edge}-scale", old)


def _at_least_started(annotations: Template, floor: int) -> int:
    return max(floor, _scale(annotations, "initial", 1))


KSERVE_SERVERS = (
    *("model", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface"),
    *("pmml", "lightgbm", "paddle", "art"),
)


def _inference_service(manifest: Template) -> Pods:
    annotations, spec = read_annotations(manifest), need(manifest, "spec")
    if annotations.get("serving.kserve.io/stop") == "true":
        return
    if spec.get("canary"):
        raise UnreadableError("canary shares its replicas with the predictor as it is rolled out")
    for name in ("predictor", "transformer", "explainer"):
        if name == "predictor" or spec.get(name) is not None:
            yield _kserve_component(need(spec, name), annotations)


def _kserve_component(component: Template, inherited: Template) -> tuple[int, Template]:
    annotations = {**inherited, **optional(component, "annotations")}
    servers = [need(component, name) for name in KSERVE_SERVERS if component.get(name) is not None]
    containers = [*read_items(component, "containers"), *servers]
    if component.get("workerSpec") is not None:
        containers = [_kserve_node_group(need(component, "workerSpec"))]
    pods = _at_least_started(annotations, read_count(component, "minReplicas", 1))
    spec = {**component, "containers": containers}
    return pods, {"metadata": {"annotations": annotations}, "spec": spec}


def _kserve_node_group(worker: Template) -> Template:
    """Stand for a head and its workers: KServe spreads this total over their nodes."""
    sizes = ("tensorParallelSize", "pipelineParallelSize")
    if any(worker.get(size) is None for size in sizes):
        raise UnreadableError("workerSpec leaves its parallel sizes to the serving runtime")
    tensor, pipeline = (read_count(worker, size, 1) for size in sizes)
    return {"resources": {"limits": {WHOLE_GPU: tensor * pipeline}}}


def _nim_service(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    resources = optional(spec, "resources")
    if spec.get("draResources"):
        raise UnreadableError("draResources claims GPUs that the manifest does not count")
    if not read_gpus({"resources": resources}):
        raise UnreadableError(f"without {WHOLE_GPU} in resources the NIM operator decides")
    replicas, scale = read_count(spec, "replicas", 1), optional(spec, "scale")
    if read_flag(scale, "enabled"):
        replicas = read_count(optional(scale, "hpa"), "minReplicas", 1)
    nodes = read_count(optional(optional(spec, "multiNode"), "parallelism"), "pipeline", 1)
    yield replicas * nodes, _one_container(resources, optional(spec, "annotations"))


def _nim_cache(manifest: Template) -> Pods:
    # It downloads a model; its resources have fields for processors and memory only.
    need(manifest, "spec")
    yield from ()


def _dynamo_graph(manifest: Template) -> Pods:
    services = need(need(manifest, "spec"), "services")
    for name in services:
        service = need(services, name)
        nodes = read_count(optional(service, "multinode"), "nodeCount", 1)
        yield read_count(service, "replicas", 1) * nodes, _dynamo_pod(service)


def _dynamo_pod(service: Template) -> Template:
    resources, extra = optional(service, "resources"), optional(service, "extraPodSpec")
    gpus = {**optional(resources, "requests"), **optional(resources, "limits")}.get("gpu")
    main = optional(extra, "mainContainer") if gpus is None else _limit(gpus)
    metadata = optional(service, "extraPodMetadata")
    annotations = {**optional(service, "annotations"), **optional(metadata, "annotations")}
    spec = {**extra, "containers": [main, *read_items(extra, "containers")]}
    return {"metadata": {"annotations": annotations}, "spec": spec}


def _limit(gpus: Any) -> Template:
    return {"resources": {"limits": {WHOLE_GPU: gpus}}}


def _seldon_deployment(manifest: Template) -> Pods:
    spec = need(manifest, "spec")
    for predictor in read_items(spec, "predictors"):
        replicas = read_count(predictor, "replicas", read_count(spec, "replicas", 1))
        for component in read_items(predictor, "componentSpecs"):
            yield _seldon_replicas(component, replicas), component
        explainer = optional(predictor, "explainer")
        if explainer.get("containerSpec") is not None and replicas:
            resources = need(explainer, "containerSpec").get("resources")
            yield read_count(explainer, "replicas", 1), _one_container(resources)


def _seldon_replicas(component: Template, default: int) -> int:
    if component.get("kedaSpec") is not None:
        return max(1, read_count(need(component, "kedaSpec"), "minReplicaCount", 1))
    if component.get("hpaSpec") is not None:
        return read_count(need(component, "hpaSpec"), "minReplicas", 1)
    return read_count(component, "replicas", default)


def _virtual_machine(manifest: Template) -> Pods:
    # Each entry is one device node of the host; whether it is a whole card only the host knows.
    spec = need(manifest, "spec")
    if spec.get("resourceClaims"):
        raise UnreadableError("resourceClaims may claim GPUs that the manifest does not count")
    devices = optional(need(spec, "domain"), "devices")
    hosted = (str(device.get("deviceName")) for device in read_items(devices, "hostDevices"))
    if any(name.startswith("nvidia.com/") for name in hosted):
        raise UnreadableError("hostDevices may pass GPUs through under any name")
    yield 1, {"spec": {"containers": [_limit(len(read_items(devices, "gpus")))]}}


def _decided_later(reason: str) -> Walker:
    """Stand for a kind whose pods its manifest does not determine."""

    def walk(_: Template) -> Pods:
        raise UnreadableError(reason)

    return walk


_STEPS = "its pods come and go as its steps run"
_DEVFILE = "its pod is put together from a devfile and what that refers to"
_SERVICE = "what it asks for is decided by the service that owns the kind"

KINDS: Mapping[tuple[str, str], Walker] = {
    ("", "Pod"): _pod,
    ("apps", "Deployment"): _replicated,
    ("apps", "ReplicaSet"): _replicated,
    ("apps", "StatefulSet"): _replicated,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("jobset.x-k8s.io", "JobSet"): _job_set,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): _leader_worker_set,
    ("kubeflow.org", "PyTorchJob"): _training_job("pytorchReplicaSpecs"),
    ("kubeflow.org", "TFJob"): _training_job("tfReplicaSpecs"),
    ("kubeflow.org", "XGBoostJob"): _training_job("xgbReplicaSpecs"),
    ("kubeflow.org", "JAXJob"): _training_job("jaxReplicaSpecs"),
    ("kubeflow.org", "MPIJob"): _training_job("mpiReplicaSpecs", worker=0),
    ("kubeflow.org", "Notebook"): _notebook,
    ("kubeflow.org", "ScheduledWorkflow"): _decided_later(_STEPS),
    ("ray.io", "RayCluster"): _ray_cluster,
    ("ray.io", "RayJob"): _ray_job,
    ("ray.io", "RayService"): _ray_service,
    ("serving.kserve.io", "InferenceService"): _inference_service,
    ("serving.knative.dev", "Service"): _knative_service,
    ("apps.nvidia.com", "NIMService"): _nim_service,
    ("apps.nvidia.com", "NIMCache"): _nim_cache,
    ("nvidia.com", "DynamoGraphDeployment"): _dynamo_graph,
    ("machinelearning.seldon.io", "SeldonDeployment"): _seldon_deployment,
    ("kubevirt.io", "VirtualMachineInstance"): _virtual_machine,
    ("argoproj.io", "Workflow"): _decided_later(_STEPS),
    ("tekton.dev", "PipelineRun"): _decided_later(_STEPS),
    ("tekton.dev", "TaskRun"): _decided_later(_STEPS),
    ("workspace.devfile.io", "DevWorkspace"): _decided_later(_DEVFILE),
    ("amlarc.azureml.com", "AMLJob"): _decided_later(_SERVICE),
    ("egx.nvidia.io", "SPOTRequest"): _decided_later(_SERVICE),
}


def find_pods(manifest: Any) -> Pods:
    """The pods of a manifest; raises UnreadableError, also while they are walked."""
    if not isinstance(manifest, Mapping):
        raise UnreadableError(f"the manifest is {describe(manifest)}, not a mapping")
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise UnreadableError("apiVersion or kind is missing")
    walk = KINDS.get((version.rpartition("/")[0], kind))
    if walk is None:
        raise UnreadableError(f"{version} {kind} is not a kind whose pods can be found")
    return walk(manifest)

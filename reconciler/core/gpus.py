"""What a manifest asks of the GPUs: `KINDS` finds the pods its controller makes; each is added up.

What the manifest alone does not say is reported as unknown, in words, never counted as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

Template: TypeAlias = Mapping[str, Any]
"""Anything shaped like a pod: `metadata.annotations` and `spec`."""
Pods: TypeAlias = Iterator[tuple[int, Template]]
"""How many pods of which shape."""
Walker: TypeAlias = Callable[[Template], Pods]

WHOLE_GPU = "nvidia.com/gpu"
MIG_PREFIX = "nvidia.com/mig-"
# Time-slicing renames the resource: a slot of a device that any number of pods share.
TIME_SLICE_PREFIX = "nvidia.com/gpu."

# Kubernetes keeps replica counts in an int32; what is larger is a mistake, not a request.
LARGEST_COUNT = 2**31 - 1
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRequest:
    """GPUs asked for (a fraction counts as its fraction), and beside them what has no such number.

    `memory_mib` (the gpu-memory annotation) and `mig_instances` are shares of a device whose size
    no manifest states: 1g.24gb is a seventh of one model and a quarter of another. `unknown` says
    what could not be read.
    """

    gpus: float = 0.0
    memory_mib: int = 0
    mig_instances: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether `gpus` is the whole answer; if not, it is the least that is asked for."""
        return not (self.unknown or self.memory_mib or self.mig_instances)


def count_gpus(manifest: Mapping[str, Any]) -> GpuRequest:
    """Count what a Kubernetes object asks for once its controller has made its pods; never raises.

    Suspended and scaled to nothing count as 0. What scales by itself counts at its lower bound, but
    as one replica at least where one is started before it may scale to zero: an idling model would
    look free otherwise.
    """
    gpus: int | Fraction = 0
    memory = mig = 0
    unknown: tuple[str, ...] = ()
    try:
        for pods, template in _find_pods(manifest):
            if pods:
                asked = _ask_of_pod(template)
                gpus += pods * asked.gpus
                memory += pods * asked.memory_mib
                mig += pods * asked.mig_instances
    except _UnreadableError as gap:
        unknown = (str(gap),)
    return GpuRequest(gpus=float(gpus), memory_mib=memory, mig_instances=mig, unknown=unknown)


class _UnreadableError(Exception):
    """The manifest does not say; the message ends up in `GpuRequest.unknown`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """What one pod asks for, exact: a sum of tenths must not depend on its order."""

    gpus: int | Fraction = 0
    memory_mib: int = 0
    mig_instances: int = 0


def _find_pods(manifest: Any) -> Pods:
    if not isinstance(manifest, Mapping):
        raise _UnreadableError(f"the manifest is {_describe(manifest)}, not a mapping")
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise _UnreadableError("apiVersion or kind is missing")
    walk = KINDS.get((version.rpartition("/")[0], kind))
    if walk is None:
        raise _UnreadableError(f"{version} {kind} is not a kind whose pods can be found")
    return walk(manifest)


def _ask_of_pod(template: Template) -> _Ask:
    # The scheduler takes the annotation where both stand; admission refuses such a pod anyway.
    annotations = _annotations(template)
    devices = _positive(annotations, "gpu-fraction-num-devices", 1)
    if annotations.get("gpu-fraction") is not None:
        return _Ask(gpus=devices * _fraction(annotations["gpu-fraction"]))
    if annotations.get("gpu-memory") is not None:
        return _Ask(memory_mib=devices * _positive(annotations, "gpu-memory", 0))
    return _ask_of_containers(_need(template, "spec"))


def _ask_of_containers(spec: Template) -> _Ask:
    """Take Kubernetes' effective request: the larger of what starting and what running needs."""
    if spec.get("resourceClaims"):
        raise _UnreadableError("resourceClaims may claim GPUs that the manifest does not count")
    if spec.get("containers") is None:
        raise _UnreadableError("containers is missing")
    running = [_gpu_resources(each) for each in _items(spec, "containers")]
    starting = [
        (_gpu_resources(each), each.get("restartPolicy") == "Always")
        for each in _items(spec, "initContainers")
    ]
    names = {name for asked in (*running, *(asked for asked, _ in starting)) for name in asked}
    effective = {name: _effective(name, running, starting) for name in names}
    whole = effective.pop(WHOLE_GPU, 0)
    return _Ask(gpus=whole, mig_instances=sum(effective.values()))


def _effective(
    name: str, running: list[dict[str, int]], starting: list[tuple[dict[str, int], bool]]
) -> int:
    # A restartable init container is a sidecar: it stays, so all that starts after it comes on top.
    sidecars = peak = 0
    for asked, stays in starting:
        amount = asked.get(name, 0)
        peak = max(peak, sidecars + amount)
        sidecars += amount if stays else 0
    return max(peak, sidecars + sum(asked.get(name, 0) for asked in running))


def _gpu_resources(container: Template) -> dict[str, int]:
    resources = _optional(container, "resources")
    asked = {**_optional(resources, "requests"), **_optional(resources, "limits")}
    return {name: _count(asked, name, 0) for name in asked if _is_gpu(name)}


def _is_gpu(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    if name.startswith(TIME_SLICE_PREFIX):
        raise _UnreadableError(f"{name} is a slot of a shared GPU")
    return name == WHOLE_GPU or name.startswith(MIG_PREFIX)


def _one_container(resources: Any, annotations: Template = NOTHING) -> Template:
    return {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"resources": resources}]},
    }


def _pod(manifest: Template) -> Pods:
    yield 1, manifest


def _replicated(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    yield _count(spec, "replicas", 1), _need(spec, "template")


def _job(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    if not _flag(spec, "suspend"):
        yield _parallelism(spec), _need(spec, "template")


def _parallelism(job_spec: Template) -> int:
    # The last pods of a job are no more than the completions that are left.
    parallelism = _count(job_spec, "parallelism", 1)
    return min(parallelism, _count(job_spec, "completions", parallelism))


def _cron_job(manifest: Template) -> Pods:
    # One run: how many overlap depends on how long they take.
    spec = _need(manifest, "spec")
    if not _flag(spec, "suspend"):
        yield from _job(_need(spec, "jobTemplate"))


def _job_set(manifest: Template) -> Pods:
    # JobSet overwrites `suspend` of its jobs with its own, so theirs is not asked.
    spec = _need(manifest, "spec")
    if not _flag(spec, "suspend"):
        for group in _items(spec, "replicatedJobs"):
            job = _need(_need(group, "template"), "spec")
            yield _count(group, "replicas", 1) * _parallelism(job), _need(job, "template")


def _training_job(field: str, **default_replicas: int) -> Walker:
    """Walk a Kubeflow job whose roles stand under `field`; a role has one replica unless told."""

    def walk(manifest: Template) -> Pods:
        spec = _need(manifest, "spec")
        if not _flag(_optional(spec, "runPolicy"), "suspend"):
            roles = _need(spec, field)
            for role in roles:
                replica = _need(roles, role)
                default = default_replicas.get(str(role).casefold(), 1)
                yield _count(replica, "replicas", default), _need(replica, "template")

    return walk


def _leader_worker_set(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    groups = _count(spec, "replicas", 1)
    group = _need(spec, "leaderWorkerTemplate")
    worker = _need(group, "workerTemplate")
    yield groups, worker if group.get("leaderTemplate") is None else _need(group, "leaderTemplate")
    yield groups * max(0, _count(group, "size", 1) - 1), worker


def _ray_cluster(manifest: Template) -> Pods:
    yield from _ray_groups(_need(manifest, "spec"))


def _ray_groups(spec: Template) -> Pods:
    if not _flag(spec, "suspend"):
        yield 1, _need(_need(spec, "headGroupSpec"), "template")
        for group in _items(spec, "workerGroupSpecs"):
            if not _flag(group, "suspend"):
                yield _ray_workers(group), _need(group, "template")


def _ray_workers(group: Template) -> int:
    # KubeRay's own defaults: no replicas unless asked for, and always within the bounds.
    least, most = _count(group, "minReplicas", 0), _count(group, "maxReplicas", LARGEST_COUNT)
    replicas = min(max(_count(group, "replicas", 0), least), most)
    return replicas * _count(group, "numOfHosts", 1)


def _ray_job(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    if _flag(spec, "suspend"):
        return
    # With a selector it runs in a cluster that another object asked for.
    if spec.get("rayClusterSpec") is not None or not spec.get("clusterSelector"):
        yield from _ray_groups(_need(spec, "rayClusterSpec"))
    if spec.get("submitterPodTemplate") is not None:
        yield 1, _need(spec, "submitterPodTemplate")


def _ray_service(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    if not _flag(spec, "suspend"):
        yield from _ray_groups(_need(spec, "rayClusterConfig"))


def _notebook(manifest: Template) -> Pods:
    # Its template has no metadata: the controller copies the notebook's own annotations to the pod.
    annotations = _annotations(manifest)
    template = _need(_need(manifest, "spec"), "template")
    if "kubeflow-resource-stopped" not in annotations:
        merged = {**annotations, **_annotations(template)}
        yield 1, {"metadata": {"annotations": merged}, "spec": _need(template, "spec")}


def _knative_service(manifest: Template) -> Pods:
    template = _need(_need(manifest, "spec"), "template")
    annotations = _annotations(template)
    yield _at_least_started(annotations, _scale(annotations, "min", 0)), template


def _scale(annotations: Template, edge: str, default: int) -> int:
    old = _count(annotations, f"autoscaling.knative.dev/{edge}Scale", default)
    return _count(annotations, f"autoscaling.knative.dev/{edge}-scale", old)


def _at_least_started(annotations: Template, floor: int) -> int:
    return max(floor, _scale(annotations, "initial", 1))


KSERVE_SERVERS = (
    *("model", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface"),
    *("pmml", "lightgbm", "paddle", "art"),
)


def _inference_service(manifest: Template) -> Pods:
    annotations, spec = _annotations(manifest), _need(manifest, "spec")
    if annotations.get("serving.kserve.io/stop") == "true":
        return
    if spec.get("canary"):
        raise _UnreadableError("canary shares its replicas with the predictor as it is rolled out")
    for name in ("predictor", "transformer", "explainer"):
        if name == "predictor" or spec.get(name) is not None:
            yield _kserve_component(_need(spec, name), annotations)


def _kserve_component(component: Template, inherited: Template) -> tuple[int, Template]:
    annotations = {**inherited, **_optional(component, "annotations")}
    servers = [_need(component, name) for name in KSERVE_SERVERS if component.get(name) is not None]
    containers = [*_items(component, "containers"), *servers]
    if component.get("workerSpec") is not None:
        containers = [_kserve_node_group(_need(component, "workerSpec"))]
    pods = _at_least_started(annotations, _count(component, "minReplicas", 1))
    spec = {**component, "containers": containers}
    return pods, {"metadata": {"annotations": annotations}, "spec": spec}


def _kserve_node_group(worker: Template) -> Template:
    """Stand for a head and its workers: KServe spreads this total over their nodes."""
    sizes = ("tensorParallelSize", "pipelineParallelSize")
    if any(worker.get(size) is None for size in sizes):
        raise _UnreadableError("workerSpec leaves its parallel sizes to the serving runtime")
    tensor, pipeline = (_count(worker, size, 1) for size in sizes)
    return {"resources": {"limits": {WHOLE_GPU: tensor * pipeline}}}


def _nim_service(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    resources = _optional(spec, "resources")
    if spec.get("draResources"):
        raise _UnreadableError("draResources claims GPUs that the manifest does not count")
    if not _gpu_resources({"resources": resources}):
        raise _UnreadableError(f"without {WHOLE_GPU} in resources the NIM operator decides")
    replicas, scale = _count(spec, "replicas", 1), _optional(spec, "scale")
    if _flag(scale, "enabled"):
        replicas = _count(_optional(scale, "hpa"), "minReplicas", 1)
    nodes = _count(_optional(_optional(spec, "multiNode"), "parallelism"), "pipeline", 1)
    yield replicas * nodes, _one_container(resources, _optional(spec, "annotations"))


def _nim_cache(manifest: Template) -> Pods:
    # It downloads a model; its resources have fields for processors and memory only.
    _need(manifest, "spec")
    yield from ()


def _dynamo_graph(manifest: Template) -> Pods:
    services = _need(_need(manifest, "spec"), "services")
    for name in services:
        service = _need(services, name)
        nodes = _count(_optional(service, "multinode"), "nodeCount", 1)
        yield _count(service, "replicas", 1) * nodes, _dynamo_pod(service)


def _dynamo_pod(service: Template) -> Template:
    resources, extra = _optional(service, "resources"), _optional(service, "extraPodSpec")
    gpus = {**_optional(resources, "requests"), **_optional(resources, "limits")}.get("gpu")
    main = _optional(extra, "mainContainer") if gpus is None else _limit(gpus)
    metadata = _optional(service, "extraPodMetadata")
    annotations = {**_optional(service, "annotations"), **_optional(metadata, "annotations")}
    spec = {**extra, "containers": [main, *_items(extra, "containers")]}
    return {"metadata": {"annotations": annotations}, "spec": spec}


def _limit(gpus: Any) -> Template:
    return {"resources": {"limits": {WHOLE_GPU: gpus}}}


def _seldon_deployment(manifest: Template) -> Pods:
    spec = _need(manifest, "spec")
    for predictor in _items(spec, "predictors"):
        replicas = _count(predictor, "replicas", _count(spec, "replicas", 1))
        for component in _items(predictor, "componentSpecs"):
            yield _seldon_replicas(component, replicas), component
        explainer = _optional(predictor, "explainer")
        if explainer.get("containerSpec") is not None and replicas:
            resources = _need(explainer, "containerSpec").get("resources")
            yield _count(explainer, "replicas", 1), _one_container(resources)


def _seldon_replicas(component: Template, default: int) -> int:
    if component.get("kedaSpec") is not None:
        return max(1, _count(_need(component, "kedaSpec"), "minReplicaCount", 1))
    if component.get("hpaSpec") is not None:
        return _count(_need(component, "hpaSpec"), "minReplicas", 1)
    return _count(component, "replicas", default)


def _virtual_machine(manifest: Template) -> Pods:
    # Each entry is one device node of the host; whether it is a whole card only the host knows.
    spec = _need(manifest, "spec")
    if spec.get("resourceClaims"):
        raise _UnreadableError("resourceClaims may claim GPUs that the manifest does not count")
    devices = _optional(_need(spec, "domain"), "devices")
    hosted = (str(device.get("deviceName")) for device in _items(devices, "hostDevices"))
    if any(name.startswith("nvidia.com/") for name in hosted):
        raise _UnreadableError("hostDevices may pass GPUs through under any name")
    yield 1, {"spec": {"containers": [_limit(len(_items(devices, "gpus")))]}}


def _decided_later(reason: str) -> Walker:
    """Stand for a kind whose pods its manifest does not determine."""

    def walk(_: Template) -> Pods:
        raise _UnreadableError(reason)

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


def _need(parent: Template, key: str) -> Template:
    value = parent.get(key)
    if not isinstance(value, Mapping):
        gap = "missing" if value is None else f"{_describe(value)}, not a mapping"
        raise _UnreadableError(f"{key} is {gap}")
    return value


def _optional(parent: Template, key: str) -> Template:
    return NOTHING if parent.get(key) is None else _need(parent, key)


def _annotations(parent: Template) -> Template:
    return _optional(_optional(parent, "metadata"), "annotations")


def _items(parent: Template, key: str) -> list[Template]:
    values = parent.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
        raise _UnreadableError(f"{key} is not a list of mappings")
    return values


def _flag(parent: Template, key: str) -> bool:
    value = parent.get(key)
    if value is not None and not isinstance(value, bool):
        raise _UnreadableError(f"{key} is {_describe(value)}, not true or false")
    return bool(value)


def _count(parent: Template, key: str, default: int) -> int:
    """Read a whole number that may be quoted; null is Kubernetes' way of leaving it out."""
    value = parent.get(key)
    if value is None:
        return default
    quoted = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)
    whole = isinstance(value, float) and value.is_integer()
    number = int(value) if quoted or whole else value
    if type(number) is int and 0 <= number <= LARGEST_COUNT:
        return number
    raise _UnreadableError(f"{key} is {_describe(value)}, not a count")


def _positive(parent: Template, key: str, default: int) -> int:
    count = _count(parent, key, default)
    if not count:
        raise _UnreadableError(f"{key} is 0, not a share")
    return count


def _fraction(value: Any) -> Fraction:
    """Read a share of one device; no exponent, since that could fill the memory with digits."""
    text = str(value) if isinstance(value, float) or type(value) is int else value
    if isinstance(text, str) and re.fullmatch(r"0?\.[0-9]{1,9}|1(\.0{1,9})?", text):
        share = Fraction(text)
        if share:
            return share
    raise _UnreadableError(f"gpu-fraction is {_describe(value)}, not a share of one GPU")


def _describe(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 32 else value[:32] + "…")
        case int() | float():
            # Spelling out a huge integer is refused by Python itself.
            return str(value) if -1e15 < value < 1e15 else "a number out of range"
        case _:
            return "a list" if isinstance(value, list) else "a mapping"

"""What the controllers would make of a manifest, played pod by pod: slow, and sharing nothing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from reconciler.core.gpus import GpuRequest
from tests.core.gpu_manifests import MIG
from tests.core.manifests import Json, asking


def times(pods: list[Json], count: int) -> list[Json]:
    """List pods as often as they are made."""
    made: list[Json] = []
    for _ in range(count):
        made += pods
    return made


def made_by_pod(whole: Json) -> list[Json]:
    """It is its own pod."""
    return [whole]


def made_by_replicas(whole: Json) -> list[Json]:
    """One pod after the other until there are enough."""
    spec = whole["spec"]
    return times([spec["template"]], spec.get("replicas", 1))


def made_by_job_spec(spec: Json) -> list[Json]:
    """The last pods of a job are as many as completions are left."""
    places_left = spec.get("completions", 99)
    return times([spec["template"]], spec.get("parallelism", 1))[:places_left]


def made_by_job(whole: Json) -> list[Json]:
    """Its own pods."""
    return made_by_job_spec(whole["spec"])


def made_by_cron_job(whole: Json) -> list[Json]:
    """One run at a time."""
    return made_by_job_spec(whole["spec"]["jobTemplate"]["spec"])


def made_by_job_set(whole: Json) -> list[Json]:
    """Each replica of a group is a job."""
    made = []
    for group in whole["spec"]["replicatedJobs"]:
        made += times(made_by_job_spec(group["template"]["spec"]), group.get("replicas", 1))
    return made


def made_by_leader_worker_set(whole: Json) -> list[Json]:
    """The first pod of a group leads, from its own template if it has one."""
    group = whole["spec"]["leaderWorkerTemplate"]
    made = []
    for index in range(group.get("size", 1)):
        leads = index == 0 and "leaderTemplate" in group
        made.append(group["leaderTemplate" if leads else "workerTemplate"])
    return times(made, whole["spec"].get("replicas", 1))


def made_by_roles(whole: Json) -> list[Json]:
    """A role has one replica by default; the workers of an MPI job have none."""
    spec = whole["spec"]
    if spec.get("runPolicy", {}).get("suspend"):
        return []
    [field] = [name for name in spec if name.endswith("ReplicaSpecs")]
    made = []
    for role, replica in spec[field].items():
        default = 0 if (field, role) == ("mpiReplicaSpecs", "Worker") else 1
        made += times([replica["template"]], replica.get("replicas", default))
    return made


def made_by_notebook(whole: Json) -> list[Json]:
    """One pod, with the notebook's annotations, unless it is stopped."""
    notes = whole["metadata"].get("annotations", {})
    if "kubeflow-resource-stopped" in notes:
        return []
    return [{"metadata": {"annotations": notes}, **whole["spec"]["template"]}]


def made_by_ray(spec: Json) -> list[Json]:
    """One head, and as many hosts for each replica of a worker group as it says."""
    if spec.get("suspend"):
        return []
    made = [spec["headGroupSpec"]["template"]]
    for group in spec["workerGroupSpecs"]:
        if group.get("suspend"):
            continue
        wanted = group.get("replicas", 0)
        while wanted < group.get("minReplicas", 0):
            wanted += 1
        while wanted > group.get("maxReplicas", 99):
            wanted -= 1
        made += times([group["template"]] * group.get("numOfHosts", 1), wanted)
    return made


def made_by_ray_cluster(whole: Json) -> list[Json]:
    """Its head and workers."""
    return made_by_ray(whole["spec"])


def made_by_ray_job(whole: Json) -> list[Json]:
    """A job brings its own cluster, and a pod that submits to it."""
    submitter = whole["spec"].get("submitterPodTemplate")
    return made_by_ray(whole["spec"]["rayClusterSpec"]) + ([submitter] if submitter else [])


def made_by_ray_service(whole: Json) -> list[Json]:
    """A service brings its own cluster."""
    return made_by_ray(whole["spec"]["rayClusterConfig"])


def made_by_inference_service(whole: Json) -> list[Json]:
    """Every component starts a pod, whatever it scales down to later."""
    inherited = whole["metadata"].get("annotations", {})
    if "serving.kserve.io/stop" in inherited:
        return []
    made = []
    for component in whole["spec"].values():
        notes = inherited | component.get("annotations", {})
        inside = component["containers"] if "containers" in component else [component["model"]]
        pod = {"metadata": {"annotations": notes}, "spec": {"containers": inside}}
        made += times([pod], max(1, component.get("minReplicas", 1)))
    return made


def made_by_knative_service(whole: Json) -> list[Json]:
    """What it starts with, or what it keeps if that is more."""
    pod = whole["spec"]["template"]
    notes = pod["metadata"]["annotations"]
    started = int(notes.get("autoscaling.knative.dev/initial-scale", "1"))
    kept = int(notes.get("autoscaling.knative.dev/min-scale", "0"))
    return times([pod], started if started > kept else kept)


def made_by_nim_service(whole: Json) -> list[Json]:
    """A pod on each node of each replica; with scaling on, its lower bound counts."""
    spec = whole["spec"]
    scale = spec.get("scale", {"enabled": False})
    replicas = scale["hpa"]["minReplicas"] if scale["enabled"] else spec.get("replicas", 1)
    nodes = spec.get("multiNode", {"parallelism": {"pipeline": 1}})["parallelism"]["pipeline"]
    pod = {"spec": {"containers": [{"resources": spec["resources"]}]}}
    return times(times([pod], nodes), replicas)


def made_by_nim_cache(_: Json) -> list[Json]:
    """Its download asks for no GPUs."""
    return []


def made_by_dynamo(whole: Json) -> list[Json]:
    """A pod on each node of each replica of each service."""
    made = []
    for service in whole["spec"]["services"].values():
        if "resources" in service:
            main = asking(service["resources"]["limits"]["gpu"])
        else:
            main = service["extraPodSpec"]["mainContainer"]
        nodes = service.get("multinode", {"nodeCount": 1})["nodeCount"]
        pod = {"spec": {"containers": [main]}}
        made += times(times([pod], nodes), service.get("replicas", 1))
    return made


def made_by_seldon(whole: Json) -> list[Json]:
    """Replicas are those of the component, else of its predictor, else of the deployment."""
    made = []
    for predictor in whole["spec"]["predictors"]:
        usual = predictor.get("replicas", whole["spec"].get("replicas", 1))
        for component in predictor["componentSpecs"]:
            count = component.get("replicas", usual)
            if "hpaSpec" in component:
                count = component["hpaSpec"]["minReplicas"]
            made += times([component], count)
        if "explainer" in predictor and usual:
            pod = {"spec": {"containers": [predictor["explainer"]["containerSpec"]]}}
            made += times([pod], predictor["explainer"].get("replicas", 1))
    return made


def made_by_machine(whole: Json) -> list[Json]:
    """One pod that holds every device of the machine."""
    inside = [asking(1) for _ in whole["spec"]["domain"]["devices"]["gpus"]]
    return [{"spec": {"containers": inside}}]


MADE_BY: dict[str, Callable[[Json], list[Json]]] = {
    "Pod": made_by_pod,
    "Deployment": made_by_replicas,
    "ReplicaSet": made_by_replicas,
    "StatefulSet": made_by_replicas,
    "Job": made_by_job,
    "CronJob": made_by_cron_job,
    "JobSet": made_by_job_set,
    "LeaderWorkerSet": made_by_leader_worker_set,
    "PyTorchJob": made_by_roles,
    "TFJob": made_by_roles,
    "XGBoostJob": made_by_roles,
    "JAXJob": made_by_roles,
    "MPIJob": made_by_roles,
    "Notebook": made_by_notebook,
    "RayCluster": made_by_ray_cluster,
    "RayJob": made_by_ray_job,
    "RayService": made_by_ray_service,
    "InferenceService": made_by_inference_service,
    "Service": made_by_knative_service,
    "NIMService": made_by_nim_service,
    "NIMCache": made_by_nim_cache,
    "DynamoGraphDeployment": made_by_dynamo,
    "SeldonDeployment": made_by_seldon,
    "VirtualMachineInstance": made_by_machine,
}


def held_by(pod: Json) -> tuple[Fraction, int, int]:
    """Play the pod's start: the most GPUs, MiB of GPU memory and MIG instances it ever holds."""
    notes = pod.get("metadata", {}).get("annotations", {})
    devices = int(notes.get("gpu-fraction-num-devices", "1"))
    if "gpu-fraction" in notes:
        return sum([Fraction(notes["gpu-fraction"])] * devices, start=Fraction(0)), 0, 0
    if "gpu-memory" in notes:
        return Fraction(0), sum([int(notes["gpu-memory"])] * devices), 0
    return Fraction(most_held(pod, "nvidia.com/gpu")), 0, most_held(pod, MIG)


def most_held(pod: Json, device: str) -> int:
    """Start one container after the other and note how much of one device is held each time."""
    running: list[int] = []
    moments = [0]
    for starter in pod["spec"].get("initContainers", []):
        running.append(asked(starter, device))
        moments.append(sum(running))
        if "restartPolicy" not in starter:
            running.pop()
    for container in pod["spec"]["containers"]:
        running.append(asked(container, device))
        moments.append(sum(running))
    return max(moments)


def asked(container: Json, device: str) -> int:
    """How much of a device one container wants."""
    found = 0
    for amounts in container["resources"].values():
        found = max(found, amounts.get(device, 0))
    return found


def count_by_hand(whole: Json) -> GpuRequest:
    """Add up what every single pod holds."""
    gpus, memory, mig = Fraction(0), 0, 0
    pods = [] if whole["spec"].get("suspend") else MADE_BY[whole["kind"]](whole)
    for pod in pods:
        more = held_by(pod)
        gpus, memory, mig = gpus + more[0], memory + more[1], mig + more[2]
    return GpuRequest(gpus=float(gpus), memory_mib=memory, mig_instances=mig)

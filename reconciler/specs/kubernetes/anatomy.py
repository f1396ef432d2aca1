"""Where each kind keeps its pods, and what it lets them be.

The kinds are those whose pods a manifest determines (`core/pods.py` counts them); one that is put
together later, by a workflow's steps or a service of its own, is left to its controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from reconciler.core.kinds import group_kind
from reconciler.specs.kinds import is_registered
from reconciler.specs.nodes import Step

Path: TypeAlias = tuple[Step, ...]

ANY = ("Always", "OnFailure", "Never")
FINITE = ("OnFailure", "Never")
STEADY = ("Always",)
ROLES = (*ANY, "ExitCode")


class Anatomy(NamedTuple):
    """One kind. Paths are relative to the manifest, `*` stands for every item or entry.

    `pods` lead to pod templates, `counts` to numbers of pods; `roles` to the parts of a training
    job, which have a restart policy of their own. `role_names` are those that it knows, the first
    of them needed if it `needs_first`, and `worker` what it calls the container that does the work.
    `shapes` are paths and the definitions of what stands there. `inherits` says that pods get the
    object's annotations, `needs_pods` that a manifest without any is a mistake.
    """

    pods: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ANY
    must_restart: bool = False
    roles: str = ""
    role_names: tuple[str, ...] = ()
    needs_first: bool = False
    worker: str = ""
    shapes: tuple[tuple[str, str], ...] = ()
    selects: bool = False
    schedule: str = ""
    longest_name: int = 253
    inherits: bool = False
    needs_pods: bool = True


def _controller(definition: str) -> Anatomy:
    return Anatomy(
        pods=("spec/template",),
        counts=("spec/replicas",),
        restarts=STEADY,
        shapes=(("", definition),),
        selects=True,
    )


def _roles(field: str, *names: str, needs_first: bool = False, worker: str = "") -> Anatomy:
    return Anatomy(
        pods=(f"spec/{field}/*/template",),
        counts=(f"spec/{field}/*/replicas",),
        roles=f"spec/{field}/*",
        role_names=names,
        needs_first=needs_first,
        worker=worker,
        shapes=_templates(f"spec/{field}/*/template"),
    )


def _templates(*paths: str) -> tuple[tuple[str, str], ...]:
    return tuple((path, "PodTemplateSpec") for path in paths)


def _ray(kind: str, cluster: str, *more: str) -> Anatomy:
    groups = ("headGroupSpec", "workerGroupSpecs/*")
    pods = (*(f"{cluster}/{group}/template" for group in groups), *more)
    names = ("replicas", "minReplicas", "maxReplicas", "numOfHosts")
    return Anatomy(
        pods=pods,
        counts=tuple(f"{cluster}/workerGroupSpecs/*/{name}" for name in names),
        shapes=(("spec", kind), *_templates(*pods)),
        # A RayJob may run in a cluster that it selects.
        needs_pods=not more,
    )


_LEADER, _WORKER = (f"spec/leaderWorkerTemplate/{who}Template" for who in ("leader", "worker"))


KINDS: Mapping[tuple[str, str], Anatomy] = {
    ("", "Pod"): Anatomy(pods=("",), shapes=(("", "Pod"),), inherits=True),
    ("apps", "Deployment"): _controller("Deployment"),
    ("apps", "ReplicaSet"): _controller("ReplicaSet"),
    ("apps", "StatefulSet"): _controller("StatefulSet"),
    ("batch", "Job"): Anatomy(
        pods=("spec/template",),
        counts=("spec/parallelism", "spec/completions", "spec/backoffLimit"),
        restarts=FINITE,
        must_restart=True,
        shapes=(("", "Job"),),
    ),
    ("batch", "CronJob"): Anatomy(
        pods=("spec/jobTemplate/spec/template",),
        counts=tuple(
            f"spec/jobTemplate/spec/{name}"
            for name in ("parallelism", "completions", "backoffLimit")
        ),
        restarts=FINITE,
        must_restart=True,
        shapes=(("", "CronJob"),),
        schedule="spec/schedule",
        # Its jobs are named after it, and what they append takes eleven characters.
        longest_name=52,
    ),
    ("jobset.x-k8s.io", "JobSet"): Anatomy(
        pods=("spec/replicatedJobs/*/template/spec/template",),
        counts=(
            "spec/replicatedJobs/*/replicas",
            "spec/replicatedJobs/*/template/spec/parallelism",
            "spec/replicatedJobs/*/template/spec/completions",
        ),
        restarts=FINITE,
        shapes=(("spec", "JobSet"), ("spec/replicatedJobs/*/template", "JobTemplateSpec")),
    ),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): Anatomy(
        pods=(_LEADER, _WORKER),
        counts=("spec/replicas", "spec/leaderWorkerTemplate/size"),
        restarts=STEADY,
        shapes=(("spec", "LeaderWorkerSet"), *_templates(_LEADER, _WORKER)),
    ),
    ("kubeflow.org", "PyTorchJob"): _roles(
        "pytorchReplicaSpecs", "Master", "Worker", worker="pytorch"
    ),
    ("kubeflow.org", "TFJob"): _roles(
        *("tfReplicaSpecs", "Chief", "Master", "Worker", "PS", "Evaluator"), worker="tensorflow"
    ),
    ("kubeflow.org", "XGBoostJob"): _roles(
        "xgbReplicaSpecs", "Master", "Worker", needs_first=True, worker="xgboost"
    ),
    ("kubeflow.org", "JAXJob"): _roles("jaxReplicaSpecs", "Worker", needs_first=True, worker="jax"),
    ("kubeflow.org", "MPIJob"): _roles("mpiReplicaSpecs", "Launcher", "Worker", needs_first=True),
    ("kubeflow.org", "Notebook"): Anatomy(
        pods=("spec/template",),
        restarts=STEADY,
        shapes=(("spec/template/spec", "PodSpec"),),
        inherits=True,
    ),
    ("ray.io", "RayCluster"): _ray("RayCluster", "spec"),
    ("ray.io", "RayJob"): _ray("RayJob", "spec/rayClusterSpec", "spec/submitterPodTemplate"),
    ("ray.io", "RayService"): _ray("RayService", "spec/rayClusterConfig"),
    ("serving.knative.dev", "Service"): Anatomy(
        pods=("spec/template",), shapes=(("spec", "KnativeService"),)
    ),
    ("serving.kserve.io", "InferenceService"): Anatomy(
        shapes=(("spec", "InferenceService"),), inherits=True, needs_pods=False
    ),
    ("apps.nvidia.com", "NIMService"): Anatomy(
        shapes=(("spec", "NIMService"),), counts=("spec/replicas",), inherits=True, needs_pods=False
    ),
    ("apps.nvidia.com", "NIMCache"): Anatomy(
        shapes=(("spec", "NIMCache"),), inherits=True, needs_pods=False
    ),
    ("nvidia.com", "DynamoGraphDeployment"): Anatomy(
        shapes=(("spec", "DynamoGraphDeployment"),),
        counts=("spec/services/*/replicas",),
        inherits=True,
        needs_pods=False,
    ),
    ("machinelearning.seldon.io", "SeldonDeployment"): Anatomy(
        shapes=(("spec", "SeldonDeployment"),),
        pods=("spec/predictors/*/componentSpecs/*",),
        counts=("spec/predictors/*/replicas",),
        inherits=True,
        # Its ready-made servers bring their own.
        needs_pods=False,
    ),
}


def anatomy_of(manifest: Mapping[str, Any]) -> Anatomy | None:
    """What is known of a manifest's kind, in a version that the platform registers."""
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not (isinstance(version, str) and isinstance(kind, str) and is_registered(version, kind)):
        return None
    return KINDS.get(group_kind(manifest))


def find(value: Any, pattern: str) -> Iterable[tuple[Path, Any]]:
    """Yield the paths and values that a pattern leads to; what is null or not there is none."""
    steps = _steps(pattern)
    if "*" in steps:
        return _walk(value, steps, 0, ())
    # Most lead to one place, and an iterator for it would take longer than going there.
    for step in steps:
        value = value.get(step) if type(value) is dict else None
    return () if value is None else ((steps, value),)


@cache
def _steps(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("/")) if pattern else ()


def _walk(value: Any, steps: tuple[str, ...], at: int, path: Path) -> Iterator[tuple[Path, Any]]:
    begun = at
    while value is not None and at < len(steps) and steps[at] != "*":
        value = value.get(steps[at]) if isinstance(value, dict) else None
        at += 1
    if value is None:
        return
    path += steps[begun:at]
    if at == len(steps):
        yield path, value
        return
    entries = value.items() if isinstance(value, dict) else ()
    for step, one in enumerate(value) if isinstance(value, list) else entries:
        yield from _walk(one, steps, at + 1, (*path, step))


def find_all(value: Any, patterns: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    """Yield what several patterns lead to."""
    for pattern in patterns:
        yield from find(value, pattern)

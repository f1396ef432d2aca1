"""Where each kind keeps its pods, and what it lets them be.

The kinds are those whose pods a manifest determines (`core/pods.py` counts them); one that is put
together later, by a workflow's steps or a service of its own, is left to its controller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from reconciler.core.kinds import group_kind
from reconciler.specs.kinds import is_registered
from reconciler.specs.nodes import Step

Path: TypeAlias = tuple[Step, ...]

ANY = ("Always", "OnFailure", "Never")
FINITE = ("OnFailure", "Never")
STEADY = ("Always",)
ROLES = (*ANY, "ExitCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """One kind. Paths are relative to the manifest, `*` stands for every item or entry.

    `pods` lead to pod templates, `counts` to numbers of pods; `roles` to the parts of a training
    job, which have a restart policy of their own. `shapes` are paths and the definitions of what
    stands there. `inherits` says that pods get the object's annotations, `needs_pods` that a
    manifest without any is a mistake.
    """

    pods: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ANY
    must_restart: bool = False
    roles: str = ""
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


def _roles(field: str) -> Anatomy:
    return Anatomy(
        pods=(f"spec/{field}/*/template",),
        counts=(f"spec/{field}/*/replicas",),
        roles=f"spec/{field}/*",
        shapes=_templates(f"spec/{field}/*/template"),
    )


def _templates(*paths: str) -> tuple[tuple[str, str], ...]:
    return tuple((path, "PodTemplateSpec") for path in paths)


def _ray(cluster: str, *more: str) -> Anatomy:
    groups = ("headGroupSpec", "workerGroupSpecs/*")
    pods = (*(f"{cluster}/{group}/template" for group in groups), *more)
    names = ("replicas", "minReplicas", "maxReplicas", "numOfHosts")
    return Anatomy(
        pods=pods,
        counts=tuple(f"{cluster}/workerGroupSpecs/*/{name}" for name in names),
        shapes=_templates(*pods),
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
        shapes=(("spec/replicatedJobs/*/template", "JobTemplateSpec"),),
    ),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): Anatomy(
        pods=(_LEADER, _WORKER),
        counts=("spec/replicas", "spec/leaderWorkerTemplate/size"),
        restarts=STEADY,
        shapes=_templates(_LEADER, _WORKER),
    ),
    ("kubeflow.org", "PyTorchJob"): _roles("pytorchReplicaSpecs"),
    ("kubeflow.org", "TFJob"): _roles("tfReplicaSpecs"),
    ("kubeflow.org", "XGBoostJob"): _roles("xgbReplicaSpecs"),
    ("kubeflow.org", "JAXJob"): _roles("jaxReplicaSpecs"),
    ("kubeflow.org", "MPIJob"): _roles("mpiReplicaSpecs"),
    ("kubeflow.org", "Notebook"): Anatomy(
        pods=("spec/template",),
        restarts=STEADY,
        shapes=(("spec/template/spec", "PodSpec"),),
        inherits=True,
    ),
    ("ray.io", "RayCluster"): _ray("spec"),
    ("ray.io", "RayJob"): _ray("spec/rayClusterSpec", "spec/submitterPodTemplate"),
    ("ray.io", "RayService"): _ray("spec/rayClusterConfig"),
    ("serving.knative.dev", "Service"): Anatomy(pods=("spec/template",)),
    ("serving.kserve.io", "InferenceService"): Anatomy(inherits=True, needs_pods=False),
    ("apps.nvidia.com", "NIMService"): Anatomy(
        counts=("spec/replicas",), inherits=True, needs_pods=False
    ),
    ("apps.nvidia.com", "NIMCache"): Anatomy(inherits=True, needs_pods=False),
    ("nvidia.com", "DynamoGraphDeployment"): Anatomy(
        counts=("spec/services/*/replicas",), inherits=True, needs_pods=False
    ),
    ("machinelearning.seldon.io", "SeldonDeployment"): Anatomy(
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


def find(value: Any, pattern: str) -> Iterator[tuple[Path, Any]]:
    """Yield the paths and values that a pattern leads to; what is null or not there is none."""
    return _walk(value, _steps(pattern), 0, ())


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

"""The workload types that a control plane knows out of the box, and the defaults they bring."""

from __future__ import annotations

from dataclasses import dataclass

PRIORITIES = {
    "very-low": 25,
    "low": 40,
    "medium-low": 65,
    "medium": 80,
    "medium-high": 90,
    "high": 125,
    "very-high": 150,
}

# The client keeps a table of its own: a mistake in one of them must not be agreed on by both.
_DEFAULT_PRIORITY = {"Build": "high", "Train": "low", "Deploy": "very-high"}
# As the documentation lists them; the group of `/v1 Pod` is empty, as in Kubernetes.
_REGISTERED = {
    "Build": (
        "batch/v1 Job",
        "kubeflow.org/v1beta1 Notebook",
        "tekton.dev/v1 TaskRun",
        "workspace.devfile.io/v1alpha2 DevWorkspace",
    ),
    "Train": (
        "kubeflow.org/v1 PyTorchJob",
        "kubeflow.org/v1 TFJob",
        "kubeflow.org/v1 XGBoostJob",
        "kubeflow.org/v1 JAXJob",
        "kubeflow.org/v2beta1,v1 MPIJob",
        "ray.io/v1 RayCluster",
        "ray.io/v1 RayJob",
        "jobset.x-k8s.io/v1alpha2 JobSet",
        "amlarc.azureml.com/v1alpha1 AMLJob",
        "kubevirt.io/v1 VirtualMachineInstance",
    ),
    "Deploy": (
        "apps/v1 Deployment",
        "apps/v1 StatefulSet",
        "apps/v1 ReplicaSet",
        "/v1 Pod",
        "batch/v1 CronJob",
        "ray.io/v1 RayService",
        "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
        "serving.kserve.io/v1beta1 InferenceService",
        "serving.knative.dev/v1 Service",
        "apps.nvidia.com/v1alpha1 NIMService",
        "apps.nvidia.com/v1alpha1 NIMCache",
        "nvidia.com/v1alpha1 DynamoGraphDeployment",
        "tekton.dev/v1 PipelineRun",
        "argoproj.io/v1alpha1 Workflow",
        "kubeflow.org/v1alpha1 ScheduledWorkflow",
        "machinelearning.seldon.io/v1 SeldonDeployment",
    ),
    None: ("egx.nvidia.io/v1 SPOTRequest",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A registered workload type; a type without a category has no default priority either."""

    group: str
    versions: tuple[str, ...]
    name: str
    category: str | None

    @property
    def priority(self) -> str | None:
        """The priority that a workload of this kind gets when it asks for none."""
        return None if self.category is None else _DEFAULT_PRIORITY[self.category]


def default_preemptibility(category: str | None) -> str:
    """What a category is when nothing is asked for; only training may be preempted."""
    return "preemptible" if category == "Train" else "non-preemptible"


KINDS = tuple(
    Kind(group=group, versions=tuple(versions.split(",")), name=name, category=category)
    for category, rows in _REGISTERED.items()
    for group, versions, name in (row.replace(" ", "/").split("/") for row in rows)
)
_BY_GVK = {(k.group, version, k.name): k for k in KINDS for version in k.versions}


def find_kind(group: str, version: str, name: str) -> Kind | None:
    """Find a registered type by group, version and kind."""
    return _BY_GVK.get((group, version, name))

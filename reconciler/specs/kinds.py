"""The kinds that the platform registers out of the box, by apiVersion.

The list is that of the platform's documentation of supported workload types; administrators
register more, so a kind that is missing here is worth a warning, never an error.
"""

from __future__ import annotations

REGISTERED: dict[str, frozenset[str]] = {
    "v1": frozenset({"Pod"}),
    "amlarc.azureml.com/v1alpha1": frozenset({"AMLJob"}),
    "apps.nvidia.com/v1alpha1": frozenset({"NIMCache", "NIMService"}),
    "apps/v1": frozenset({"Deployment", "ReplicaSet", "StatefulSet"}),
    "argoproj.io/v1alpha1": frozenset({"Workflow"}),
    "batch/v1": frozenset({"CronJob", "Job"}),
    "egx.nvidia.io/v1": frozenset({"SPOTRequest"}),
    "jobset.x-k8s.io/v1alpha2": frozenset({"JobSet"}),
    "kubeflow.org/v1": frozenset({"JAXJob", "MPIJob", "PyTorchJob", "TFJob", "XGBoostJob"}),
    "kubeflow.org/v1alpha1": frozenset({"ScheduledWorkflow"}),
    "kubeflow.org/v1beta1": frozenset({"Notebook"}),
    "kubeflow.org/v2beta1": frozenset({"MPIJob"}),
    "kubevirt.io/v1": frozenset({"VirtualMachineInstance"}),
    "leaderworkerset.x-k8s.io/v1": frozenset({"LeaderWorkerSet"}),
    "machinelearning.seldon.io/v1": frozenset({"SeldonDeployment"}),
    "nvidia.com/v1alpha1": frozenset({"DynamoGraphDeployment"}),
    "ray.io/v1": frozenset({"RayCluster", "RayJob", "RayService"}),
    "serving.knative.dev/v1": frozenset({"Service"}),
    "serving.kserve.io/v1beta1": frozenset({"InferenceService"}),
    "tekton.dev/v1": frozenset({"PipelineRun", "TaskRun"}),
    "workspace.devfile.io/v1alpha2": frozenset({"DevWorkspace"}),
}


def is_registered(api_version: str, kind: str) -> bool:
    """Whether a kind is registered out of the box, in that version."""
    return kind in REGISTERED.get(api_version, ())


def versions_of(kind: str) -> tuple[str, ...]:
    """Under which apiVersions a kind is registered."""
    return tuple(version for version, kinds in REGISTERED.items() if kind in kinds)


def kind_names() -> tuple[str, ...]:
    """Every registered kind, in alphabetical order."""
    return tuple(sorted({kind for kinds in REGISTERED.values() for kind in kinds}))

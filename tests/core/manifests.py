"""Kubernetes objects made in a line, of every kind that can be submitted."""

from __future__ import annotations

from typing import Any

Json = Any

API_VERSIONS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "JobSet": "jobset.x-k8s.io/v1alpha2",
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "PyTorchJob": "kubeflow.org/v1",
    "TFJob": "kubeflow.org/v1",
    "XGBoostJob": "kubeflow.org/v1",
    "JAXJob": "kubeflow.org/v1",
    "MPIJob": "kubeflow.org/v2beta1",
    "Notebook": "kubeflow.org/v1beta1",
    "RayCluster": "ray.io/v1",
    "RayJob": "ray.io/v1",
    "RayService": "ray.io/v1",
    "InferenceService": "serving.kserve.io/v1beta1",
    "NIMService": "apps.nvidia.com/v1alpha1",
    "NIMCache": "apps.nvidia.com/v1alpha1",
    "DynamoGraphDeployment": "nvidia.com/v1alpha1",
    "SeldonDeployment": "machinelearning.seldon.io/v1",
    "VirtualMachineInstance": "kubevirt.io/v1",
    "Service": "serving.knative.dev/v1",
}
# Their manifests do not say which pods there will be.
DECIDED_LATER = {
    "AMLJob": "amlarc.azureml.com/v1alpha1",
    "DevWorkspace": "workspace.devfile.io/v1alpha2",
    "PipelineRun": "tekton.dev/v1",
    "ScheduledWorkflow": "kubeflow.org/v1alpha1",
    "SPOTRequest": "egx.nvidia.io/v1",
    "TaskRun": "tekton.dev/v1",
    "Workflow": "argoproj.io/v1alpha1",
}
# Nobody has registered these.
UNREGISTERED = {
    "Milvus": "milvus.io/v1beta1",
    "SparkApplication": "sparkoperator.k8s.io/v1beta2",
    "TrainJob": "trainer.kubeflow.org/v1alpha1",
    "TrainingWorkload": "run.ai/v2alpha1",
}


def manifest(kind: str, spec: Json, *, version: str = "", **metadata: Json) -> Json:
    """Build a Kubernetes object."""
    return {
        "apiVersion": version or API_VERSIONS[kind],
        "kind": kind,
        "metadata": {"name": "a", **metadata},
        "spec": spec,
    }


def asking(gpus: Json = 1) -> Json:
    """Build a container, or whatever else has `resources`, that is limited to some GPUs."""
    return {"resources": {"limits": {"nvidia.com/gpu": gpus}}}


def template(gpus: Json = 1, **annotations: Json) -> Json:
    """Build a pod template with one container."""
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [asking(gpus)]}}


def pod(**spec: Json) -> Json:
    """Build a pod."""
    return manifest("Pod", {"containers": [], **spec})

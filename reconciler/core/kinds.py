"""What the kinds of the platform are like, as far as a decision depends on it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.model import Json

# Kinds whose pods end by themselves: running one again by surprise repeats its work.
# A RayCluster serves until it is deleted; a RayJob tears its cluster down.
_FINITE = {
    ("batch", "Job"),
    ("argoproj.io", "Workflow"),
    ("amlarc.azureml.com", "AMLJob"),
    ("jobset.x-k8s.io", "JobSet"),
    ("kubeflow.org", "JAXJob"),
    ("kubeflow.org", "MPIJob"),
    ("kubeflow.org", "PyTorchJob"),
    ("kubeflow.org", "TFJob"),
    ("kubeflow.org", "XGBoostJob"),
    ("ray.io", "RayJob"),
    ("tekton.dev", "PipelineRun"),
    ("tekton.dev", "TaskRun"),
}


def group_kind(manifest: Json) -> tuple[str, str]:
    """The API group and kind of a manifest; the core group is the empty string."""
    group, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    return (group if slash else "", str(manifest.get("kind", "")))


def runs_to_completion(manifest: Json) -> bool:
    """Whether a workload of this kind finishes by itself; a bare Pod says so itself."""
    kind = group_kind(manifest)
    if kind == ("", "Pod"):
        spec = manifest.get("spec")
        return isinstance(spec, Mapping) and spec.get("restartPolicy") in ("Never", "OnFailure")
    return kind in _FINITE

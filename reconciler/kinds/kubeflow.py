"""Kinds of Kubeflow: training jobs made of roles, notebooks, scheduled workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.fields import (
    Template,
    need,
    optional,
    read_annotations,
    read_count,
    read_flag,
)
from reconciler.kinds.kind import (
    STEADY_POLICIES,
    Derived,
    Kind,
    Layout,
    NameDeriver,
    PodFinder,
    Pods,
    always,
    walk_each,
)
from reconciler.kinds.unknown import STEPS, decided_later
from reconciler.kinds.updates import UNPROVEN, FieldRule, UpdateRules, kept_by_pods


def _role_pods(field: str, default_replicas: dict[str, int]) -> PodFinder:
    def find_pods(manifest: Template) -> Pods:
        spec = need(manifest, "spec")
        if read_flag(optional(spec, "runPolicy"), "suspend"):
            return
        roles = need(spec, field)

        def role_pods(role: str) -> Pods:
            replica = need(roles, role)
            default = default_replicas.get(str(role).casefold(), 1)
            yield read_count(replica, "replicas", default), need(replica, "template")

        yield from walk_each(roles, role_pods)

    return find_pods


def _name_deriver(field: str) -> NameDeriver:
    def derive_names(manifest: Template) -> Iterator[Derived]:
        roles = optional(optional(manifest, "spec"), field)
        for role, replica in roles.items():
            replicas = replica.get("replicas", 1) if isinstance(replica, Mapping) else 1
            last = max(0, replicas - 1) if isinstance(replicas, int) else 0
            # Its pods run without their services, but do not find each other.
            yield Derived(noun="services", suffix=f"-{str(role).lower()}-{last}", sure=False)

    return derive_names


def _training_job(
    name: str,
    field: str,
    role_names: tuple[str, ...],
    *,
    versions: tuple[str, ...] = ("v1",),
    needs_first_role: bool = False,
    worker_container: str = "",
    default_replicas: dict[str, int] | None = None,
) -> Kind:
    """A job whose roles stand under `field`; a role has one replica unless told otherwise."""
    return Kind(
        group="kubeflow.org",
        name=name,
        versions=versions,
        find_pods=_role_pods(field, default_replicas or {}),
        updates=UpdateRules(
            source="Kubeflow training operator and MPI operator: the controllers make the pods "
            "that are missing and compare none with its template (mpi-operator issue 770)",
            rules=(
                FieldRule(patterns=("/spec/runPolicy/managedBy",)),
                kept_by_pods(f"/spec/{field}/*/template"),
            ),
        ),
        runs_to_completion=always,
        layout=Layout(
            pods=(f"spec/{field}/*/template",),
            counts=(f"spec/{field}/*/replicas",),
            roles=f"spec/{field}/*",
            role_names=role_names,
            needs_first_role=needs_first_role,
            worker_container=worker_container,
            longest_name=63,
            derive_names=_name_deriver(field),
        ),
        # An operator that looks for no name takes the first.
        first_container_counts=not worker_container,
    )


def _notebook_pods(manifest: Template) -> Pods:
    # Its template has no metadata: the controller copies the notebook's own annotations to the pod.
    annotations = read_annotations(manifest)
    template = need(need(manifest, "spec"), "template")
    if "kubeflow-resource-stopped" not in annotations:
        merged = {**annotations, **read_annotations(template)}
        yield 1, {"metadata": {"annotations": merged}, "spec": need(template, "spec")}


KINDS = (
    _training_job(
        "PyTorchJob", "pytorchReplicaSpecs", ("Master", "Worker"), worker_container="pytorch"
    ),
    _training_job(
        "TFJob",
        "tfReplicaSpecs",
        ("Chief", "Master", "Worker", "PS", "Evaluator"),
        worker_container="tensorflow",
    ),
    _training_job(
        "XGBoostJob",
        "xgbReplicaSpecs",
        ("Master", "Worker"),
        needs_first_role=True,
        worker_container="xgboost",
    ),
    _training_job(
        "JAXJob", "jaxReplicaSpecs", ("Worker",), needs_first_role=True, worker_container="jax"
    ),
    _training_job(
        "MPIJob",
        "mpiReplicaSpecs",
        ("Launcher", "Worker"),
        versions=("v1", "v2beta1"),
        needs_first_role=True,
        # Without a number, the MPI operator starts no workers.
        default_replicas={"worker": 0},
    ),
    Kind(
        group="kubeflow.org",
        name="Notebook",
        versions=("v1beta1",),
        find_pods=_notebook_pods,
        updates=UNPROVEN,
        layout=Layout(
            pods=("spec/template",),
            restart_policies=STEADY_POLICIES,
            inherits_annotations=True,
        ),
        first_container_counts=True,
    ),
    Kind(
        group="kubeflow.org",
        name="ScheduledWorkflow",
        versions=("v1alpha1",),
        find_pods=decided_later(STEPS),
        updates=UNPROVEN,
    ),
)

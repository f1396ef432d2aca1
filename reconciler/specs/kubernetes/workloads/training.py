"""Training jobs of Kubeflow: their roles, and what each role may be."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import Problem, Problems, is_number, mapping
from reconciler.specs.kubernetes.workloads.amounts import check_bounds, check_least
from reconciler.specs.schema.compiled_schema import quote_value

_SPEC = (INLINE, "spec")
# The role of which there is one pod, never more and never none.
_SINGLE: Mapping[str, tuple[str, ...]] = {
    "MPIJob": ("Launcher",),
    "PyTorchJob": ("Master",),
    "TFJob": ("Chief", "Master"),
    "XGBoostJob": ("Master",),
}
_PROCESSES = re.compile(r"auto|cpu|gpu|xpu|[1-9][0-9]*")


def check_single_role(body: Body) -> Problems:
    """The role that leads a job is one pod."""
    names = {name.lower() for name in _SINGLE.get(body.kind, ())}
    leaders: list[Path] = []
    for path, role in body.find(body.layout.roles):
        if str(path[-1]).lower() not in names or not isinstance(role, dict):
            continue
        leaders.append(path)
        replicas = role.get("replicas")
        if is_number(replicas) and replicas != 1:
            message = f"a {body.kind} has one {path[-1]}, not {replicas}"
            yield Problem((*path, "replicas"), message, "write 1, or remove it")
    if len(leaders) > 1:
        message = f"a {body.kind} has a Chief or a Master, not both"
        yield Problem(leaders[1], message, at_key=True)


def check_workers(body: Body) -> Problems:
    """An MPI job that has workers has one at least; the older operator takes none as well."""
    if body.manifest.get("apiVersion") != "kubeflow.org/v2beta1":
        return
    for path, role in body.find(body.layout.roles):
        if str(path[-1]).lower() == "worker" and isinstance(role, dict):
            yield from check_least(path, role, "replicas", 1)
    slots = mapping(body.manifest, "spec")
    yield from check_least(_SPEC, slots, "slotsPerWorker", 0)


def check_run_policy(body: Body) -> Problems:
    """Limits of a run are not negative."""
    policy = mapping(body.manifest, "spec", "runPolicy")
    for field in ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
        yield from check_least((*_SPEC, "runPolicy"), policy, field, 0)


def check_elastic(body: Body) -> Problems:
    """An elastic job grows within bounds, and its processes are counted in one place."""
    spec = mapping(body.manifest, "spec")
    policy, path = mapping(spec, "elasticPolicy"), (*_SPEC, "elasticPolicy")
    yield from check_bounds(path, policy, "minReplicas", "maxReplicas")
    yield from _check_processes(spec, policy, path)


def _check_processes(spec: Manifest, policy: Manifest, path: Path) -> Problems:
    count = spec.get("nprocPerNode")
    if count is not None and policy.get("nProcPerNode") is not None:
        message = "'nProcPerNode' stands in the elasticPolicy and as nprocPerNode"
        yield Problem((*path, "nProcPerNode"), message, "remove it", at_key=True)
    if isinstance(count, str) and not _PROCESSES.fullmatch(count):
        message = f"nprocPerNode is auto, cpu, gpu or a number, not {quote_value(count)}"
        yield Problem((*_SPEC, "nprocPerNode"), message)

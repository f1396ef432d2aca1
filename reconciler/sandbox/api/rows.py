"""The rows of the v1 lists, and the fields by which each list filters and sorts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from uuid import UUID

from reconciler.sandbox.api.listing import Field
from reconciler.sandbox.http import timestamp
from reconciler.sandbox.settings import Cluster, Project
from reconciler.sandbox.world.kinds import PRIORITIES, Kind
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.running import OVER, WITH_PODS, RunPhase
from reconciler.sandbox.world.view import View
from reconciler.sandbox.world.workload import DEPARTMENT_ID, DEPARTMENT_NAME, Workload

# Projects and node pools are given at the start: that they have no history shows.
_MADE_AT = timestamp(0.0)
KIND_FIELDS: dict[str, Field[Kind]] = {"name": lambda k: k.name, "group": lambda k: k.group}
CLUSTER_FIELDS: dict[str, Field[Cluster]] = {
    "uuid": lambda c: c.id,
    "name": lambda c: c.name,
    "state": lambda _: "Connected",
}


NODE_POOL_FIELDS: dict[str, Field[tuple[Cluster, str]]] = {
    "name": lambda pool: pool[1],
    "clusterId": lambda pool: pool[0].id,
    "phase": lambda _: "Ready",
    "createdAt": lambda _: _MADE_AT,
    "updatedAt": lambda _: _MADE_AT,
    # The document names them; nothing in here has them.
    **dict.fromkeys(
        (
            "gpuNetworkAccelerationDetection",
            "gpuNetworkAccelerationDetected",
            "gpuNetworkAccelerationLabelKey",
            "networkTopologyName",
            "swapEnabled",
            "nodeLevelSchedulerEnabled",
        ),
        lambda _: None,
    ),
}
_AVERAGES = tuple(
    f"avg{what}{span}"
    for what in ("GpuAllocation", "GpuUtilization", "GpuMemoryUtilization")
    for span in ("24h", "7d", "30d")
)


def workload_fields(now: float, projects: Projects) -> dict[str, Field[Workload]]:
    """The fields of the workload list, as they are at this instant."""

    def view(workload: Workload) -> View:
        return View(workload, now)

    return {
        "name": lambda w: w.name,
        "type": lambda w: w.kind,
        "clusterId": lambda w: projects.cluster_of(w.project_id),
        "projectId": lambda w: w.project_id,
        "projectName": lambda w: w.project_name,
        "departmentId": lambda _: DEPARTMENT_ID,
        "departmentName": lambda _: DEPARTMENT_NAME,
        "category": lambda w: w.shown(now).category or "",
        "priority": lambda w: PRIORITIES.get(w.shown(now).priority or ""),
        "priorityClassName": lambda w: w.shown(now).priority or "",
        "submittedBy": lambda w: w.created_by,
        "createdAt": lambda w: timestamp(w.created_at),
        "deletedAt": lambda w: _stamp(view(w).deleted_at),
        "completedAt": lambda w: _stamp(view(w).completed_at),
        "phase": lambda w: view(w).phase,
        "phaseUpdatedAt": lambda w: timestamp(view(w).phase_since),
        "allocatedGPU": lambda w: view(w).allocated_gpus,
        "idleGpus": lambda w: float(int(view(w).idle_gpus)),
        "idleAllocatedGpus": lambda w: view(w).idle_gpus,
        "nodepool": lambda w: view(w).pool(projects) if view(w).has_pods else None,
        "totalPendingTimeSeconds": lambda w: view(w).seconds_in(RunPhase.PENDING),
        "totalRunningTimeSeconds": lambda w: view(w).seconds_in(*WITH_PODS),
        # The document names them; nothing in here has them.
        "distributedFramework": lambda _: None,
        "guaranteedRuntimeEndsAt": lambda _: None,
        "aiApplicationId": lambda _: None,
        "aiApplicationName": lambda _: None,
    }


def project_fields(
    projects: Projects, now: float, workloads: Mapping[str, Sequence[Workload]]
) -> dict[str, Field[Project]]:
    """The fields of the project list; the API filters by many, but never by id."""

    def allocated(project: Project) -> float:
        return sum(View(w, now).allocated_gpus for w in workloads.get(project.id, ()))

    return {
        "name": lambda p: p.name,
        "clusterId": lambda p: projects.cluster_of(p.id),
        "departmentId": lambda _: DEPARTMENT_ID,
        "parentId": lambda _: DEPARTMENT_ID,
        "parentName": lambda _: DEPARTMENT_NAME,
        "phase": lambda p: p.phase,
        "totalGpuQuota": lambda p: sum(quota.deserved for quota in p.quotas),
        "gpuAllocated": allocated,
        "createdAt": lambda _: _MADE_AT,
        # Nothing in here is measured over time.
        **dict.fromkeys(_AVERAGES, lambda _: None),
    }


def write_workload(
    workload: Workload, now: float, projects: Projects, tenant_id: int
) -> dict[str, Any]:
    """Build a row of `GET /api/v1/workloads`, which carries no manifest."""
    view, form = View(workload, now), workload.shown(now)
    phase_since = timestamp(view.phase_since)
    pool = view.pool(projects)
    return {
        "id": workload.id,
        "name": workload.name,
        "type": workload.kind,
        "projectId": workload.project_id,
        "projectName": workload.project_name,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT_NAME,
        "clusterId": projects.cluster_of(workload.project_id),
        "tenantId": tenant_id,
        "namespace": workload.namespace,
        "phase": view.phase,
        "phaseUpdatedAt": phase_since,
        "phaseMessage": view.message,
        "phaseReason": view.code,
        # What Kubernetes says differs from the platform's phase; here both come from one clock.
        "k8sPhase": view.phase,
        "k8sPhaseUpdatedAt": phase_since,
        # A type without a mapping of its status has none; every client must live with that.
        "conditions": [],
        "runningPods": form.pods if view.has_pods else 0,
        "requestedPods": {"number": form.pods},
        "workloadRequestedResources": {
            "gpuRequestType": "portion",
            "gpu": {"request": form.gpus, "limit": form.gpus},
        },
        "allocatedResources": {"gpu": view.allocated_gpus},
        "idleGpus": int(view.idle_gpus),
        "idleAllocatedGpus": view.idle_gpus,
        "requestedNodePools": [pool],
        "currentNodePools": [pool] if view.has_pods else [],
        "totalPendingTimeSeconds": view.seconds_in(RunPhase.PENDING),
        "totalRunningTimeSeconds": view.seconds_in(*WITH_PODS),
        "category": form.category or "",
        "priority": None if form.priority is None else PRIORITIES[form.priority],
        # The document lets the number be null and not the name.
        "priorityClassName": form.priority or "",
        # Semi-preemptible counts as yes: a part of it may be taken away.
        "preemptible": form.preemptible_as != "non-preemptible",
        "source": "CLI" if workload.native else "Control-plane",
        "sourceApi": None if workload.native else "WorkloadsV2",
        "actionsSupport": {"delete": True, "suspend": workload.native},
        "submittedBy": workload.created_by,
        "createdAt": timestamp(workload.created_at),
        "updatedAt": timestamp(form.updated_at),
        "completedAt": _stamp(view.completed_at),
        "deletedAt": _stamp(view.deleted_at),
    }


def write_details(
    workload: Workload, now: float, projects: Projects, tenant_id: int
) -> dict[str, Any]:
    """Build the answer of `GET /api/v1/workloads/{id}`: the row, and why it is pending."""
    view = View(workload, now)
    messages = []
    if view.code is not None:
        messages.append(
            {
                "nodePool": view.pool(projects),
                "phaseReason": view.code,
                "reason": view.message,
                "orgType": "PROJECT",
                "userMessage": view.message,
            }
        )
    row = write_workload(workload, now, projects, tenant_id)
    return {**row, "pendingSchedulingMessages": messages}


def write_history(workload: Workload, now: float) -> list[dict[str, Any]]:
    """Build the records of `GET /api/v1/workloads/{id}/history`, the oldest first."""
    return [
        {
            "meta": {"creationTimestamp": timestamp(moment.at), "type": "PhaseUpdate"},
            "spec": {"phaseUpdate": {"phase": moment.phase, "phaseMessage": moment.message}},
        }
        for moment in View(workload, now).moments
    ]


def write_events(workload: Workload, now: float, projects: Projects) -> list[dict[str, Any]]:
    """Build the rows of `GET /api/v1/workloads/{id}/events`, the oldest first."""
    return [
        {
            "createdAt": timestamp(moment.at),
            "id": stable_id(f"{workload.id} {number}"),
            "type": "Warning" if moment.phase in _TROUBLE else "Normal",
            "clusterId": projects.cluster_of(workload.project_id),
            "message": moment.message or f"{workload.kind} is {moment.phase}",
            "reason": moment.phase,
            "source": "runai",
            "involvedObject": {
                "uid": workload.id,
                "kind": workload.kind,
                "name": workload.name,
                "namespace": workload.namespace,
            },
        }
        for number, moment in enumerate(View(workload, now).moments)
    ]


def write_pods(
    workload: Workload, now: float, projects: Projects, tenant_id: int
) -> list[dict[str, Any]]:
    """Build the rows of `GET /api/v1/workloads/{id}/pods`: one for each pod that is there."""
    view, form = View(workload, now), workload.shown(now)
    if not view.has_pods and view.phase not in (*OVER, RunPhase.PENDING):
        return []
    since, pool = timestamp(view.phase_since), view.pool(projects)
    gpus = form.gpus / form.pods if form.pods else 0.0
    k8s_phase = {RunPhase.COMPLETED: "Succeeded", RunPhase.FAILED: "Failed"}.get(
        view.phase, "Running" if view.has_pods else "Pending"
    )
    return [
        {
            "name": f"{workload.name}-{number}",
            "priorityClassName": form.priority or "",
            "id": stable_id(f"{workload.id} pod {number}"),
            "workloadId": workload.id,
            "clusterId": projects.cluster_of(workload.project_id),
            "projectId": workload.project_id,
            "nodeName": f"node-{number}" if view.has_pods else None,
            "createdAt": since,
            "completedAt": _stamp(view.completed_at),
            "containers": [],
            "currentNodePool": pool if view.has_pods else None,
            "requestedNodePools": [pool],
            "requestedResources": {"gpu": {"request": gpus, "limit": gpus}},
            "allocatedResources": {"gpu": gpus if view.has_pods else 0.0},
            "k8sPhase": k8s_phase,
            "tenantId": tenant_id,
            "k8sPhaseUpdatedAt": since,
            "updatedAt": since,
            "deletedAt": None,
        }
        for number in range(form.pods)
    ]


def _stamp(instant: float | None) -> str | None:
    return None if instant is None else timestamp(instant)


_TROUBLE = frozenset({RunPhase.FAILED, RunPhase.DEGRADED})


def write_kind(kind: Kind, cluster_id: str) -> dict[str, Any]:
    """Build a row of `GET /api/v1/workload-types`."""
    return {
        "id": stable_id(f"{kind.group}/{kind.name}"),
        "name": kind.name,
        "group": kind.group,
        "categoryId": None if kind.category is None else stable_id(kind.category),
        "categoryName": kind.category,
        "priorityId": None if kind.priority is None else PRIORITIES[kind.priority],
        "priorityName": kind.priority,
        "resourceInterfaces": [
            {"version": version, "resourceInterface": {}} for version in kind.versions
        ],
        "clusterStatuses": [
            {"clusterId": cluster_id, "version": version, "phase": "Ready", "conditions": []}
            for version in kind.versions
        ],
    }


def write_project(
    project: Project, now: float, projects: Projects, workloads: Iterable[Workload]
) -> dict[str, Any]:
    """Build a project with all that the document requires, and what its workloads have now."""
    quotas = project.quotas
    views = [View(workload, now) for workload in workloads]
    status = {
        quota.name: _quota_status([v for v in views if v.pool(projects) == quota.name])
        for quota in quotas
    }
    return {
        "id": project.id,
        "name": project.name,
        "description": "",
        "clusterId": projects.cluster_of(project.id),
        "parentId": DEPARTMENT_ID,
        "requestedNamespace": project.namespace,
        "enforceRunaiScheduler": True,
        "defaultNodePools": [quota.name for quota in quotas],
        "createdAt": _MADE_AT,
        "updatedAt": _MADE_AT,
        "resources": [
            {
                "nodePool": {"id": stable_id(quota.name), "name": quota.name},
                "gpu": {"deserved": quota.deserved, "limit": quota.limit},
            }
            for quota in quotas
        ],
        "totalResources": {"gpuQuota": sum(quota.deserved for quota in quotas)},
        "effective": {"defaultNodePools": [quota.name for quota in quotas]},
        "status": {
            "namespace": projects.namespace_of(project.id),
            "phase": project.phase,
            "quotaStatus": _quota_status(views),
            "nodePoolQuotaStatuses": [
                {"nodePoolId": stable_id(name), "nodePoolName": name, **used}
                for name, used in status.items()
            ],
        },
    }


def _quota_status(views: list[View]) -> dict[str, Any]:
    fixed = [v for v in views if v.workload.preemptible_as == "non-preemptible"]
    return {
        "allocated": {"gpu": sum(v.allocated_gpus for v in views)},
        "allocatedNonPreemptible": {"gpu": sum(v.allocated_gpus for v in fixed)},
        "requested": {"gpu": sum(v.requested_gpus for v in views)},
    }


def write_cluster(cluster: Cluster, version: str, tenant_id: int) -> dict[str, Any]:
    """Build a row of `GET /api/v1/clusters/minimal`, the only call that tells a version."""
    return {
        "uuid": cluster.id,
        "name": cluster.name,
        "tenantId": tenant_id,
        "version": cluster.version or version,
        "domain": f"{cluster.name}.localhost",
        "platform": {"type": "vanilla"},
        "state": "Connected",
    }


def list_node_pools(projects: Projects, clusters: Sequence[Cluster]) -> list[tuple[Cluster, str]]:
    """The node pools of all clusters: the default one, and those in which projects have quotas."""
    pools = {(cluster.id, "default"): cluster for cluster in clusters}
    for project in projects.listed:
        for cluster in clusters:
            if cluster.id == projects.cluster_of(project.id):
                pools |= {(cluster.id, quota.name): cluster for quota in project.quotas}
    return [(cluster, name) for (_, name), cluster in pools.items()]


def write_node_pool(pool: tuple[Cluster, str], tenant_id: int) -> dict[str, Any]:
    """Build a row of `GET /api/v1/node-pools`."""
    cluster, name = pool
    return {
        "id": stable_id(name),
        "name": name,
        "labelKey": "node-pool",
        "labelValue": name,
        "clusterId": cluster.id,
        "clusterName": cluster.name,
        "tenantId": tenant_id,
        "isDefault": name == "default",
        "phase": "Ready",
        "createdBy": "system",
        "createdAt": _MADE_AT,
        "updatedBy": "system",
        "updatedAt": _MADE_AT,
        "deletedAt": None,
    }


def stable_id(text: str) -> str:
    """An id that is the same in every run, so that a recorded response stays comparable."""
    return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))

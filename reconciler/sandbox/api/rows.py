"""The rows of the v1 lists, and the fields by which each list filters and sorts."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any
from uuid import UUID

from reconciler.sandbox.api.listing import Field
from reconciler.sandbox.http import timestamp
from reconciler.sandbox.settings import Project
from reconciler.sandbox.world.kinds import PRIORITIES, Kind, is_preemptible
from reconciler.sandbox.world.workload import DEPARTMENT_ID, DEPARTMENT_NAME, Phase, Workload

# The v1 API has phases of its own for the life of a workload.
_V1_PHASES = {
    Phase.QUEUED: "Creating",
    Phase.APPLYING: "Initializing",
    Phase.SYNCED: "Running",
    Phase.FAILED: "Failed",
    Phase.DELETING: "Deleting",
    Phase.DELETED: "Terminating",
}

WORKLOAD_FIELDS: dict[str, Field[Workload]] = {
    "name": lambda w: w.name,
    "type": lambda w: w.kind,
    "projectId": lambda w: w.project_id,
    "projectName": lambda w: w.project_name,
    "departmentId": lambda _: DEPARTMENT_ID,
    "departmentName": lambda _: DEPARTMENT_NAME,
    "category": lambda w: w.category or "",
    "priorityClassName": lambda w: w.priority or "",
    "submittedBy": lambda w: w.created_by,
    "createdAt": lambda w: timestamp(w.created_at),
}
KIND_FIELDS: dict[str, Field[Kind]] = {"name": lambda k: k.name, "group": lambda k: k.group}


def project_fields(cluster_id: str) -> dict[str, Field[Project]]:
    """The fields of a project list; all projects are on the one cluster."""
    return {"id": lambda p: p.id, "name": lambda p: p.name, "clusterId": lambda _: cluster_id}


def write_workload(workload: Workload, now: float, cluster_id: str) -> dict[str, Any]:
    """Build a row of `GET /api/v1/workloads`, which carries no manifest."""
    phase = workload.phase(now)
    gone_at = workload.delete_settles_at if phase is Phase.DELETED else None
    return {
        "id": workload.id,
        "name": workload.name,
        "type": workload.kind,
        "projectId": workload.project_id,
        "projectName": workload.project_name,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT_NAME,
        "clusterId": cluster_id,
        "namespace": f"runai-{workload.project_name}",
        "phase": _V1_PHASES[phase],
        "category": workload.category,
        "priority": None if workload.priority is None else PRIORITIES[workload.priority],
        "priorityClassName": workload.priority,
        "preemptible": is_preemptible(workload.category),
        "source": "Control-plane",
        "sourceApi": "WorkloadsV2",
        "actionsSupport": {"delete": True, "suspend": False},
        "submittedBy": workload.created_by,
        "createdAt": timestamp(workload.created_at),
        "deletedAt": None if gone_at is None else timestamp(gone_at),
    }


def write_kind(kind: Kind, cluster_id: str) -> dict[str, Any]:
    """Build a row of `GET /api/v1/workload-types`."""
    return {
        "id": _stable_id(f"{kind.group}/{kind.name}"),
        "name": kind.name,
        "group": kind.group,
        "categoryId": None if kind.category is None else _stable_id(kind.category),
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


def write_project(project: Project, cluster_id: str) -> dict[str, Any]:
    """Build a row of `GET /api/v1/org-unit/projects`."""
    return {
        "id": project.id,
        "name": project.name,
        "clusterId": cluster_id,
        "parentId": "1",
        "requestedNamespace": None,
        "enforceRunaiScheduler": True,
        "status": {"namespace": f"runai-{project.name}", "phase": "Ready"},
    }


def _stable_id(text: str) -> str:
    # An id that is the same in every run, so that a recorded response stays comparable.
    return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))

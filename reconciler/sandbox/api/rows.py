"""The rows of the v1 lists, and the fields by which each list filters and sorts."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any
from uuid import UUID

from reconciler.sandbox.api.listing import Field
from reconciler.sandbox.http import timestamp
from reconciler.sandbox.settings import Project
from reconciler.sandbox.world.kinds import PRIORITIES, Kind
from reconciler.sandbox.world.projects import namespace_of
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

KIND_FIELDS: dict[str, Field[Kind]] = {"name": lambda k: k.name, "group": lambda k: k.group}


def workload_fields(now: float, cluster_id: str) -> dict[str, Field[Workload]]:
    """The fields of the workload list, as they are at this instant."""
    return {
        "name": lambda w: w.name,
        "type": lambda w: w.kind,
        "clusterId": lambda _: cluster_id,
        "projectId": lambda w: w.project_id,
        "projectName": lambda w: w.project_name,
        "departmentId": lambda _: DEPARTMENT_ID,
        "departmentName": lambda _: DEPARTMENT_NAME,
        "category": lambda w: w.shown(now).category or "",
        "priorityClassName": lambda w: w.shown(now).priority or "",
        "submittedBy": lambda w: w.created_by,
        "createdAt": lambda w: timestamp(w.created_at),
        "phase": lambda w: _V1_PHASES[w.phase(now)],
        "phaseUpdatedAt": lambda w: timestamp(w.phase_since(now)),
    }


def project_fields(cluster_id: str) -> dict[str, Field[Project]]:
    """The fields of the project list; the API filters by many, but never by id."""
    return {
        "name": lambda p: p.name,
        "clusterId": lambda p: p.cluster_id or cluster_id,
        "parentId": lambda _: DEPARTMENT_ID,
        "phase": lambda _: "Ready",
    }


def write_workload(
    workload: Workload, now: float, cluster_id: str, tenant_id: int
) -> dict[str, Any]:
    """Build a row of `GET /api/v1/workloads`, which carries no manifest."""
    phase, form = workload.phase(now), workload.shown(now)
    gone_at = workload.delete_settles_at if phase is Phase.DELETED else None
    phase_since = timestamp(workload.phase_since(now))
    return {
        "id": workload.id,
        "name": workload.name,
        "type": workload.kind,
        "projectId": workload.project_id,
        "projectName": workload.project_name,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT_NAME,
        "clusterId": cluster_id,
        "tenantId": tenant_id,
        "namespace": namespace_of(workload.project_name),
        "phase": _V1_PHASES[phase],
        "phaseUpdatedAt": phase_since,
        "phaseMessage": workload.failure(now) or "" if phase is Phase.FAILED else "",
        # What Kubernetes says differs from the platform's phase; here both come from one clock.
        "k8sPhase": _V1_PHASES[phase],
        "k8sPhaseUpdatedAt": phase_since,
        # A type without a mapping of its status has none; every client must live with that.
        "conditions": [],
        "runningPods": workload.pods if phase is Phase.SYNCED else 0,
        "requestedPods": {"number": form.pods},
        "category": form.category,
        "priority": None if form.priority is None else PRIORITIES[form.priority],
        # The document lets the number be null and not the name.
        "priorityClassName": form.priority or "",
        # Semi-preemptible counts as yes: a part of it may be taken away.
        "preemptible": form.preemptible_as != "non-preemptible",
        "source": "Control-plane",
        "sourceApi": "WorkloadsV2",
        "actionsSupport": {"delete": True, "suspend": False},
        "submittedBy": workload.created_by,
        "createdAt": timestamp(workload.created_at),
        "updatedAt": timestamp(form.updated_at),
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
    """Build a row of `GET /api/v1/org-unit/projects`, with all that the document requires."""
    # Projects are given at the start: that they have no history shows.
    made_at = timestamp(0.0)
    return {
        "id": project.id,
        "name": project.name,
        "description": "",
        "clusterId": project.cluster_id or cluster_id,
        "parentId": DEPARTMENT_ID,
        "requestedNamespace": None,
        "enforceRunaiScheduler": True,
        "createdAt": made_at,
        "updatedAt": made_at,
        "resources": [
            {
                "nodePool": {"id": _stable_id("default"), "name": "default"},
                "gpu": {"deserved": project.gpu_quota, "limit": None},
            }
        ],
        "totalResources": {"gpuQuota": project.gpu_quota},
        "effective": {},
        "status": {"namespace": namespace_of(project.name), "phase": "Ready"},
    }


def _stable_id(text: str) -> str:
    # An id that is the same in every run, so that a recorded response stays comparable.
    return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))

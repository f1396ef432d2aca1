"""A new workload out of an accepted submission."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox.http import encode
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.world.manifests import (
    complete_manifest,
    count_gpus,
    count_pods,
    strip_annotations,
)
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.running import plan_run
from reconciler.sandbox.world.submission import Submission
from reconciler.sandbox.world.workload import ClusterObject, Workload, WorkloadFaults


def build_workload(
    submission: Submission,
    *,
    workload_id: str,
    projects: Projects,
    caller: str,
    faults: WorkloadFaults,
    now: float,
    settings: Settings,
) -> Workload:
    """Build what a create makes; every instant of its life follows from its faults."""
    project_name = projects.name_of(submission.project_id)
    namespace = projects.namespace_of(submission.project_id)
    manifest = strip_annotations(submission.manifest, faults.stripped_annotations)
    raw = submission.raw if manifest is submission.manifest else encode(manifest)
    return Workload(
        id=workload_id,
        project_id=submission.project_id,
        project_name=project_name,
        namespace=namespace,
        name=submission.name,
        group=submission.kind.group,
        version=submission.version,
        kind=submission.kind.name,
        priority=submission.priority,
        category=submission.category,
        preemptibility=submission.preemptibility,
        mnnvl=submission.mnnvl,
        pods=count_pods(submission.manifest),
        gpus=count_gpus(submission.manifest),
        raw=raw,
        workload_manifest=complete_manifest(
            raw,
            name=submission.name,
            project_name=project_name,
            namespace=namespace,
            priority=submission.priority,
            category=submission.category,
            preemptibility=submission.preemptibility,
        ),
        created_at=now,
        created_by=caller,
        updated_at=now,
        updated_by=caller,
        visible_at=now + faults.read_lag,
        # Lists lag behind the id, never the other way round.
        listed_at=now + max(faults.read_lag, faults.list_lag),
        **sync_times(settings, faults, now),
        sync_failure=faults.sync_failure,
        cluster_after=ClusterObject(raw, raw),
        run=plan_run(submission.kind.name, faults.wait, faults.end, faults.idle),
    )


def sync_times(settings: Settings, faults: WorkloadFaults, start: float) -> dict[str, Any]:
    """When a sync that begins now is applied, and when it settles."""
    delay = settings.sync_delay if faults.sync_delay is None else faults.sync_delay
    return {
        "applying_at": start + delay / 2,
        "settled_at": None if faults.stuck else start + delay,
    }

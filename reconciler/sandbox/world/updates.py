"""What an update makes of a workload: what it shows from then on, and what the cluster does."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from reconciler.sandbox.http import encode
from reconciler.sandbox.world.kinds import find_kind
from reconciler.sandbox.world.manifests import (
    complete_manifest,
    count_gpus,
    count_pods,
    merge_manifests,
    strip_annotations,
)
from reconciler.sandbox.world.mutability import (
    UpdateEffect,
    changed_pointers,
    judge_update,
    refusal_message,
)
from reconciler.sandbox.world.running import plan_run
from reconciler.sandbox.world.submission import UpdateRequest
from reconciler.sandbox.world.workload import ClusterObject, Workload, WorkloadFaults


class UpdatedContent(NamedTuple):
    """What a workload declares after an update, and what the cluster makes of it.

    `changed` are JSON pointers at which the documents differ, in metadata and manifest.
    """

    priority: str | None
    category: str | None
    manifest: dict[str, Any]
    changed: tuple[str, ...]
    effect: UpdateEffect
    cluster: ClusterObject | None
    refusal: str | None


def read_content(
    workload: Workload, request: UpdateRequest, faults: WorkloadFaults
) -> UpdatedContent:
    """Work out what a workload declares after an update.

    A part that the request leaves out stays as it was. The others replace what was submitted, or
    are merged with it, by rule. Raises RecursionError for absurd depths.
    """
    # A replaced submission without a priority gets the default of its kind, as a create does.
    kind = find_kind(*workload.gvk)
    priority, category = workload.priority, workload.category
    if request.metadata is not None:
        # To a server in Go, null and absent are the same: a merge keeps what was there.
        if not faults.merges and kind is not None:
            priority, category = kind.priority, kind.category
        priority = request.metadata.get("priority") or priority
        category = request.metadata.get("category") or category
    before: dict[str, Any] = json.loads(workload.raw)
    manifest = before
    if request.manifest is not None:
        merged = merge_manifests(before, request.manifest) if faults.merges else request.manifest
        manifest = strip_annotations(merged, faults.stripped_annotations)
    effect, cluster = apply_to_cluster(workload, manifest)
    refusal = None
    if effect.refused:
        refusal = refusal_message(workload.group, workload.kind, workload.name, effect.refused)
    old_names = {"priority": workload.priority, "category": workload.category}
    new_names = {"priority": priority, "category": category}
    changed = (
        *changed_pointers(before, manifest, "/manifest"),
        *changed_pointers(old_names, new_names, "/metadata"),
    )
    return UpdatedContent(priority, category, manifest, changed, effect, cluster, refusal)


def apply_to_cluster(
    workload: Workload, manifest: dict[str, Any]
) -> tuple[UpdateEffect, ClusterObject | None]:
    """What the cluster makes of a new manifest, and what it holds once it has taken it."""
    raw = encode(manifest)
    # An earlier update that is still under way is applied first, unless the cluster refuses it.
    failed = workload.sync_failure is not None or workload.settled_at is None
    held = workload.cluster_before if failed else workload.cluster_after
    # Nothing is immutable of what the cluster never had: the first sync failed, or is to come.
    if held is None:
        return UpdateEffect((), (), manifest), ClusterObject(raw, raw)
    effect = judge_update(
        workload.kind, json.loads(held.manifest), manifest, json.loads(held.running)
    )
    if effect.refused:
        return effect, held
    # Mostly the same bytes, so they are shared: fifty thousand workloads stay in memory.
    running = raw if effect.running is manifest else encode(effect.running)
    return effect, ClusterObject(raw, running)


def declared_fields(
    old: Workload, manifest: dict[str, Any], priority: str | None, category: str | None
) -> dict[str, Any]:
    """The fields of a workload that follow from what it declares now."""
    raw = encode(manifest)
    completed = complete_manifest(
        raw,
        name=old.name,
        project_name=old.project_name,
        namespace=old.namespace,
        priority=priority,
        category=category,
        preemptibility=old.preemptibility,
    )
    return {
        "priority": priority,
        "category": category,
        "raw": raw,
        "workload_manifest": completed,
        "pods": count_pods(manifest),
        "gpus": count_gpus(manifest),
    }


def run_fields(
    old: Workload,
    content: UpdatedContent,
    faults: WorkloadFaults,
    settled_at: float | None,
    now: float,
) -> dict[str, Any]:
    """What runs after an update: new pods begin a run of their own, others leave the run."""
    before = old.in_cluster(now)
    same_pods = (
        before is not None
        and content.cluster is not None
        and before.running == content.cluster.running
    )
    has_rules = faults.wait is not None or faults.end is not None or faults.idle > 0
    if faults.sync_failure is not None or (same_pods and not has_rules):
        return {"run_from": old.settled_at if old.run_from is None else old.run_from}
    run = plan_run(old.kind, faults.wait, faults.end, faults.idle)
    return {"run": run, "run_from": settled_at}

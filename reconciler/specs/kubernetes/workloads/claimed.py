"""Volumes that a kind gives to its pods beside those that their templates name."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.registry import group_kind
from reconciler.specs.kubernetes.bodies import Body

# Templates of claims: a volume of their name is in each pod.
_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "StatefulSet"): ("spec/volumeClaimTemplates/*/metadata/name",),
    ("jobset.x-k8s.io", "JobSet"): ("spec/volumeClaimPolicies/*/templates/*/metadata/name",),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): (
        "spec/leaderWorkerTemplate/volumeClaimTemplates/*/metadata/name",
    ),
}
# KubeRay adds these, some only for a setting: token, certificates, logs, storage.
_ADDED: Mapping[str, frozenset[str]] = {
    "ray.io": frozenset({"ray-token", "ray-tls", "ray-logs", "shared-mem", "gcs-storage"}),
}


def claimed_volumes(body: Body) -> set[str]:
    """The names of volumes that are there without standing in a pod template."""
    kind = group_kind(body.manifest)
    claimed = {name for _, name in body.find(*_TEMPLATES.get(kind, ())) if isinstance(name, str)}
    return claimed | _ADDED.get(kind[0], frozenset())

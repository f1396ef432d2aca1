"""The page of the rules that Kubernetes and the operators have, from the tables of the tests."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.kubernetes_rules import Rule, kind_rules, pod_rules
from tools.markdown import span, table

# What the API server refuses as well, and is not told: the rule, and why.
LEFT_OUT = (
    (
        (
            "Sources of volumes that are no longer served: iSCSI, FC, RBD, CephFS, GlusterFS, "
            "Flocker, Quobyte, Portworx, ScaleIO, StorageOS, flexVolume, gitRepo, and the disks "
            "of Azure, Google and AWS"
        ),
        "only the shape of their fields is checked: new workloads do not use them",
    ),
    (
        "Profiles of seccomp and AppArmor in annotations, and that they agree with the fields",
        "replaced by fields, and ignored by newer servers",
    ),
    (
        "Names of trust bundles and signers in projected volumes",
        "alpha in most clusters; their grammar may still change",
    ),
    (
        "Options of Windows host processes, beyond which fields belong to which system",
        "no GPU workload of the platform runs there",
    ),
    (
        "That a container of a running pod is privileged at all, and what a namespace allows",
        "flags and policies of a cluster decide it: `validate --server` asks",
    ),
    (
        "restartPolicy and restartPolicyRules of single containers",
        "newer servers take what older ones refuse",
    ),
    (
        "What an update may change",
        "a plan decides that, by the [rules of each kind](../lifecycle.md#onchange)",
    ),
    ("Limits of a namespace, quotas, and objects that must exist", "only the cluster knows them"),
)


def rules_page() -> Iterator[str]:
    """Yield the lines of the page."""
    pods, kinds = list(pod_rules()), list(kind_rules())
    yield "# Rules of Kubernetes"
    yield ""
    yield (
        "What the API server and the operators refuse beyond the shape of fields, and `validate` "
        "tells before anything is sent. Each row is tested with a manifest that passes and one "
        "that fails; the sources are the validation of Kubernetes and the webhooks and "
        "controllers of the operators."
    )
    yield ""
    yield f"## Pods ({len(pods)} rules)"
    yield ""
    yield "They hold for the pods of every kind that has them."
    yield ""
    yield from table(("Rule", "Told at", "As"), (_row(rule) for rule in pods))
    yield ""
    yield f"## Kinds ({len(kinds)} rules)"
    yield ""
    yield from table(
        ("Kind", "Rule", "Told at", "As"), ((rule.kind, *_row(rule)) for rule in kinds)
    )
    yield ""
    yield "## Left out"
    yield ""
    yield from table(("What the server refuses as well", "Why it is not told"), LEFT_OUT)


def _row(rule: Rule) -> tuple[str, str, str]:
    place = rule.pointer.removeprefix("/manifest/").replace("~1", "/")
    return rule.rule, span(place), f"[`{rule.code}`](../diagnostics.md#{rule.code})"

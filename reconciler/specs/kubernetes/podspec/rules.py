"""The rules of a pod, by the field that each is about: only what is written is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.kinds.registry import group_kind
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Pod
from reconciler.specs.kubernetes.podspec.affinity import (
    check_affinity,
    check_spread,
    check_tolerations,
)
from reconciler.specs.kubernetes.podspec.amounts import (
    check_container_names,
    check_huge_pages,
    check_pod_resources,
    check_resize,
)
from reconciler.specs.kubernetes.podspec.claims import check_resource_claims, check_used_claims
from reconciler.specs.kubernetes.podspec.env import check_env, check_env_from
from reconciler.specs.kubernetes.podspec.mounts import check_devices, check_mounts
from reconciler.specs.kubernetes.podspec.names import (
    NAMES,
    check_dns_config,
    check_dns_policy,
    check_ephemeral,
    check_host_aliases,
    check_name_field,
    check_readiness_gates,
    check_scheduling_gates,
)
from reconciler.specs.kubernetes.podspec.ports import check_host_ports, check_ports
from reconciler.specs.kubernetes.podspec.probes import PROBES, check_lifecycle, check_probe
from reconciler.specs.kubernetes.podspec.security import (
    check_container_security,
    check_host_users,
    check_os,
    check_pod_security,
    check_shared_processes,
)
from reconciler.specs.kubernetes.podspec.view import (
    ContainerRule,
    ContainerView,
    PodRule,
    PodView,
)
from reconciler.specs.kubernetes.podspec.volumes import check_volumes
from reconciler.specs.kubernetes.problems import Problems
from reconciler.specs.kubernetes.workloads.claimed import claimed_volumes
from reconciler.specs.rules.check_context import CheckContext


class _Rule(NamedTuple):
    code: str
    check: PodRule


class _ContainerRule(NamedTuple):
    code: str
    check: ContainerRule


POD_RULES: Mapping[str, tuple[_Rule, ...]] = {
    "affinity": (_Rule("bad-placement", check_affinity),),
    "containers": (_Rule("bad-port", check_host_ports),),
    "dnsConfig": (_Rule("bad-dns", check_dns_config),),
    "dnsPolicy": (_Rule("bad-dns", check_dns_policy),),
    "ephemeralContainers": (_Rule("bad-lifecycle", check_ephemeral),),
    "hostAliases": (_Rule("bad-dns", check_host_aliases),),
    "hostUsers": (_Rule("bad-security", check_host_users),),
    "initContainers": (_Rule("bad-port", check_host_ports),),
    "os": (_Rule("bad-security", check_os),),
    "readinessGates": (_Rule("bad-lifecycle", check_readiness_gates),),
    "resourceClaims": (_Rule("bad-claim", check_resource_claims),),
    "resources": (_Rule("bad-quantity", check_pod_resources),),
    "schedulingGates": (_Rule("bad-placement", check_scheduling_gates),),
    "securityContext": (_Rule("bad-security", check_pod_security),),
    "shareProcessNamespace": (_Rule("bad-security", check_shared_processes),),
    "tolerations": (_Rule("bad-placement", check_tolerations),),
    "topologySpreadConstraints": (_Rule("bad-placement", check_spread),),
    "volumes": (_Rule("bad-volume", check_volumes),),
    **dict.fromkeys(NAMES, (_Rule("bad-name", check_name_field),)),
}

CONTAINER_RULES: Mapping[str, tuple[_ContainerRule, ...]] = {
    "env": (_ContainerRule("bad-env", check_env),),
    "envFrom": (_ContainerRule("bad-env", check_env_from),),
    "lifecycle": (_ContainerRule("bad-lifecycle", check_lifecycle),),
    "ports": (_ContainerRule("bad-port", check_ports),),
    "resizePolicy": (_ContainerRule("bad-quantity", check_resize),),
    "resources": (
        _ContainerRule("bad-claim", check_used_claims),
        _ContainerRule("unknown-resource", check_container_names),
        _ContainerRule("bad-quantity", check_huge_pages),
    ),
    "securityContext": (_ContainerRule("bad-security", check_container_security),),
    **dict.fromkeys(PROBES, (_ContainerRule("bad-probe", check_probe),)),
}
# These two also have to know what the kind adds to the pod.
_MOUNTING = {"volumeDevices": check_devices, "volumeMounts": check_mounts}


def check_pods(context: CheckContext, body: Body) -> None:
    """Every pod and container satisfies the rules of what is written in it."""
    group = group_kind(body.manifest)[0]
    for pod in (*body.pods, *body.completed):
        view = PodView(pod, group, is_bare=len(pod.path) == len((INLINE, "spec")))
        for field, value in pod.spec.items():
            for rule in POD_RULES.get(field, ()) if value is not None else ():
                report(context, rule.code, rule.check(view, (*pod.path, field), value))
        claimed = claimed_volumes(body) if _mounts(pod) else set()
        # An operator that completes a pod may add any volume to it.
        known = None if pod in body.completed else claimed
        for path, container in pod.containers:
            _check_container(context, ContainerView(view, path, container), known)


def _mounts(pod: Pod) -> bool:
    return any(not _MOUNTING.keys().isdisjoint(container) for _, container in pod.containers)


def _check_container(context: CheckContext, view: ContainerView, claimed: set[str] | None) -> None:
    for field, value in view.container.items():
        if value is None:
            continue
        path = (*view.path, field)
        for rule in CONTAINER_RULES.get(field, ()):
            report(context, rule.code, rule.check(view, path, value))
        if (check := _MOUNTING.get(field)) is not None:
            report(context, "bad-volume", check(view, path, value, claimed))


def report(context: CheckContext, code: str, problems: Problems) -> None:
    """Add the diagnostics of a rule."""
    for problem in problems:
        context.report(
            code,
            problem.message,
            problem.path,
            hint=problem.hint,
            at_key=problem.at_key,
            severity=problem.severity,
        )

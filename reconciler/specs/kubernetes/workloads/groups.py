"""Kinds that make groups of pods: JobSet and LeaderWorkerSet."""

from __future__ import annotations

import re
from typing import Any

from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    find_repeated,
    is_number,
    mapping,
    texts,
)
from reconciler.specs.kubernetes.workloads.amounts import (
    check_least,
    check_most_share,
    check_share,
    is_zero,
)
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

_SPEC = (INLINE, "spec")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_MOST_PODS, _MOST_GROUPS = 2**31 - 1, 1_000_000
_EXCLUSIVE = "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology"


def is_service_name(text: str) -> bool:
    """Whether a text can name a service (RFC 1035): it begins with a letter."""
    return _DNS_1035.fullmatch(text) is not None


def check_job_set(body: Body) -> Problems:
    """The groups of a JobSet have names of their own, and what refers to one finds it."""
    spec = mapping(body.manifest, "spec")
    jobs = list(entries(spec.get("replicatedJobs"), (*_SPEC, "replicatedJobs")))
    named = [
        ((*path, "name"), job["name"]) for path, job in jobs if isinstance(job.get("name"), str)
    ]
    names = [name for _, name in named]
    yield from find_repeated(iter(named), "the group")
    for path, name in named:
        if name and not name[0].isalpha():
            yield Problem(path, f"the group {quote_value(name)} must begin with a letter")
    for index, (path, job) in enumerate(jobs):
        yield from _check_dependencies(path, job, names[:index], is_first=not index)
        replicas, parallelism = job.get("replicas"), mapping(job, "template", "spec")
        side_by_side = parallelism.get("parallelism", 1)
        are_numbers = is_number(replicas) and is_number(side_by_side)
        if are_numbers and replicas * side_by_side > _MOST_PODS:
            yield Problem((*path, "replicas"), "these are more pods than there can be")
    success = mapping(spec, "successPolicy")
    success_path = (*_SPEC, "successPolicy", "targetReplicatedJobs")
    yield from _check_targets(success_path, success.get("targetReplicatedJobs"), names)
    yield from _check_failure(mapping(spec, "failurePolicy"), names)
    yield from _check_coordinator(mapping(spec, "coordinator"), jobs, names)
    subdomain = mapping(spec, "network").get("subdomain")
    if isinstance(subdomain, str) and subdomain and not is_service_name(subdomain):
        message = f"the subdomain {quote_value(subdomain)} is no name of a service"
        yield Problem((*_SPEC, "network", "subdomain"), message)


def _check_dependencies(
    path: Path, job: Manifest, before: list[str], *, is_first: bool
) -> Problems:
    dependencies = list(entries(job.get("dependsOn"), (*path, "dependsOn")))
    if dependencies and is_first:
        message = "the first group depends on no other"
        yield Problem((*path, "dependsOn"), message, at_key=True)
        return
    for dependency_path, dependency in dependencies:
        name = dependency.get("name")
        if isinstance(name, str) and name not in before:
            message = f"no group before this one is called '{name}'"
            hint = did_you_mean(name, before)
            yield Problem((*dependency_path, "name"), message, hint)


def _check_targets(path: Path, targets: Any, names: list[str]) -> Problems:
    for target_path, target in texts(targets, path):
        if target not in names:
            hint = did_you_mean(target, names) or f"its groups: {', '.join(names)}"
            yield Problem(target_path, f"the JobSet has no group '{target}'", hint)


def _check_failure(policy: Manifest, names: list[str]) -> Problems:
    path = (*_SPEC, "failurePolicy")
    yield from check_least(path, policy, "maxRestarts", 0)
    rules = list(entries(policy.get("rules"), (*path, "rules")))
    named = [
        ((*rule_path, "name"), rule["name"])
        for rule_path, rule in rules
        if isinstance(rule.get("name"), str)
    ]
    yield from find_repeated(iter(named), "the rule")
    for rule_path, rule in rules:
        targets_path = (*rule_path, "targetReplicatedJobs")
        yield from _check_targets(targets_path, rule.get("targetReplicatedJobs"), names)


def _check_coordinator(
    coordinator: Manifest, jobs: list[tuple[Path, Manifest]], names: list[str]
) -> Problems:
    path, name = (*_SPEC, "coordinator"), coordinator.get("replicatedJob")
    if not isinstance(name, str):
        return
    job = next((job for _, job in jobs if job.get("name") == name), None)
    if job is None:
        hint = did_you_mean(name, names) or f"its groups: {', '.join(names)}"
        message = f"the JobSet has no group '{name}'"
        yield Problem((*path, "replicatedJob"), message, hint)
        return
    spec = mapping(job, "template", "spec")
    sizes = (
        ("jobIndex", job.get("replicas", 1)),
        ("podIndex", spec.get("completions", spec.get("parallelism", 1))),
    )
    for field, size in sizes:
        index = coordinator.get(field)
        if is_number(index) and is_number(size) and not 0 <= index < size:
            message = f"'{field}' is {index}, and '{name}' has {size} of them"
            yield Problem((*path, field), message, "the first is 0")


def check_leader_worker_set(body: Body) -> Problems:
    """Groups have a size, can be divided as asked, and can be replaced."""
    spec = mapping(body.manifest, "spec")
    group, group_path = mapping(spec, "leaderWorkerTemplate"), (*_SPEC, "leaderWorkerTemplate")
    yield from check_least(group_path, group, "size", 1)
    replicas, size = spec.get("replicas", 1), group.get("size", 1)
    if is_number(replicas) and replicas > _MOST_GROUPS:
        yield Problem((*_SPEC, "replicas"), f"there are {_MOST_GROUPS:,} groups at most")
    elif is_number(replicas) and is_number(size) and replicas * size > _MOST_PODS:
        yield Problem((*_SPEC, "replicas"), "these are more pods than there can be")
    policy = group.get("subGroupPolicy")
    if isinstance(policy, dict):
        yield from _check_sub_groups((*group_path, "subGroupPolicy"), policy, size)
    elif _EXCLUSIVE in mapping(body.manifest, "metadata", "annotations"):
        message = "the annotation is about parts of a group, and needs a subGroupPolicy"
        yield Problem((INLINE, "metadata", "annotations", _EXCLUSIVE), message, at_key=True)
    yield from _check_replacement(mapping(spec, "rolloutStrategy"))


def _check_sub_groups(path: Path, policy: Manifest, size: Any) -> Problems:
    part = policy.get("subGroupSize")
    if not (is_number(part) and is_number(size)) or size < 1:
        return
    without_leader = policy.get("subGroupPolicyType") == "LeaderExcluded"
    part_path = (*path, "subGroupSize")
    if part < 1:
        yield Problem(part_path, f"'subGroupSize' must be 1 or more, not {part}")
    elif part > size:
        yield Problem(part_path, f"a part of {part} pods is larger than its group of {size}")
    elif (size - 1) % part and (without_leader or size % part):
        whole = f"{size - 1}" if without_leader else f"{size} or {size - 1}"
        yield Problem(part_path, f"{whole} pods cannot be divided into parts of {part}")


def _check_replacement(strategy: Manifest) -> Problems:
    path = (*_SPEC, "rolloutStrategy", "rollingUpdateConfiguration")
    details = strategy.get("rollingUpdateConfiguration")
    if not isinstance(details, dict):
        return
    for field in ("maxSurge", "maxUnavailable"):
        yield from check_share((*path, field), details.get(field))
        yield from check_most_share((*path, field), details.get(field))
    if is_zero(details.get("maxUnavailable")) and is_zero(details.get("maxSurge", 0)):
        message = "maxSurge and maxUnavailable are both 0, so no group can be replaced"
        yield Problem((*path, "maxUnavailable"), message)
    yield from check_least(path, details, "partition", 0)


def check_service_name(body: Body) -> Problems:
    """The object's name is that of a service as well, and so begins with a letter."""
    name = mapping(body.manifest, "metadata").get("name")
    if isinstance(name, str) and name and name[0].isdecimal():
        message = f"the name {quote_value(name)} of a {body.kind} must begin with a letter"
        yield Problem((INLINE, "metadata", "name"), message)

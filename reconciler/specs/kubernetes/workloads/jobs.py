"""Jobs, and the jobs that others make: what their modes and policies need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    given,
    is_number,
    mapping,
)
from reconciler.specs.kubernetes.syntax import problem_of_key
from reconciler.specs.kubernetes.workloads.amounts import check_least
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

_SPECS = {
    "Job": "spec",
    "CronJob": "spec/jobTemplate/spec",
    "JobSet": "spec/replicatedJobs/*/template/spec",
}
_MOST_RULES, _MOST_PODS, _MANY = 20, 100_000, 10_000
_INDEXES = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")
_STATUSES = ("True", "False", "Unknown")
# Fields that are about single indexes, and so need a job that has them.
_INDEXED_ONLY = ("backoffLimitPerIndex", "successPolicy")


def check_jobs(body: Body) -> Problems:
    """Every job satisfies the rules of its mode and its policies."""
    for path, spec in _job_specs(body):
        yield from _check_mode(body, path, spec)
        yield from _check_failure_policy(path, spec)
        yield from _check_success_policy(path, spec)
        yield from _check_manager(path, spec)
        if body.kind != "JobSet":
            yield from _check_selector(body, path, spec)


def _job_specs(body: Body) -> Iterator[tuple[Path, Manifest]]:
    for path, spec in body.find(_SPECS[body.kind]):
        if isinstance(spec, dict):
            yield path, spec


def _is_indexed(body: Body, spec: Manifest) -> bool:
    # A JobSet makes indexed jobs unless it is told otherwise.
    usual = "Indexed" if body.kind == "JobSet" else "NonIndexed"
    return (spec.get("completionMode") or usual) == "Indexed"


def _check_mode(body: Body, path: Path, spec: Manifest) -> Problems:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    is_indexed = _is_indexed(body, spec)
    if is_indexed and completions is None and body.kind != "JobSet":
        message = "the completionMode Indexed needs a number of completions"
        yield Problem((*path, "completionMode"), message)
    for field in given(spec, *_INDEXED_ONLY) if not is_indexed else ():
        message = f"'{field}' needs the completionMode Indexed"
        yield Problem((*path, field), message, at_key=True)
    if is_indexed and is_number(parallelism) and parallelism > _MOST_PODS:
        message = f"an indexed job runs {_MOST_PODS:,} pods at once at most"
        yield Problem((*path, "parallelism"), message)
    is_large = is_indexed and is_number(completions) and completions > _MOST_PODS
    if is_large and is_number(parallelism) and _MANY < parallelism <= _MOST_PODS:
        message = f"of more than {_MOST_PODS:,} completions {_MANY:,} run at once at most"
        yield Problem((*path, "parallelism"), message)
    failed = spec.get("maxFailedIndexes")
    if failed is not None and spec.get("backoffLimitPerIndex") is None:
        message = "'maxFailedIndexes' needs a backoffLimitPerIndex"
        yield Problem((*path, "maxFailedIndexes"), message, at_key=True)
    elif is_number(failed) and is_number(completions) and failed > completions:
        message = f"'maxFailedIndexes' is {failed}, and there are {completions} completions"
        yield Problem((*path, "maxFailedIndexes"), message)


def _check_failure_policy(path: Path, spec: Manifest) -> Problems:
    policy = spec.get("podFailurePolicy")
    if not isinstance(policy, dict):
        return
    policy_path = (*path, "podFailurePolicy")
    pod = mapping(spec, "template", "spec")
    if pod.get("restartPolicy") not in (None, "Never"):
        message = "'podFailurePolicy' needs pods with the restartPolicy Never"
        yield Problem(policy_path, message, at_key=True)
    if spec.get("podReplacementPolicy") not in (None, "Failed"):
        message = "with a podFailurePolicy, podReplacementPolicy is Failed"
        yield Problem((*path, "podReplacementPolicy"), message)
    rules = policy.get("rules")
    if isinstance(rules, list) and len(rules) > _MOST_RULES:
        yield Problem((*policy_path, "rules"), f"a policy has {_MOST_RULES} rules at most")
    names = {
        container.get("name")
        for field in ("containers", "initContainers")
        for _, container in entries(pod.get(field), ())
    }
    for rule_path, rule in entries(rules, (*policy_path, "rules")):
        # An empty list of conditions is none.
        conditions = [each for each in ("onExitCodes", "onPodConditions") if rule.get(each)]
        if len(conditions) != 1:
            message = "a rule is about onExitCodes or onPodConditions"
            yield Problem(rule_path, message, "write one of both")
        if rule.get("action") == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            yield Problem((*rule_path, "action"), "FailIndex needs a backoffLimitPerIndex")
        yield from _check_codes(rule_path, mapping(rule, "onExitCodes"), names)
        pattern_path = (*rule_path, "onPodConditions")
        for condition_path, condition in entries(rule.get("onPodConditions"), pattern_path):
            yield from _check_condition(condition_path, condition)


def _check_codes(path: Path, codes: Manifest, names: set[Any]) -> Problems:
    codes_path = (*path, "onExitCodes")
    name, values = codes.get("containerName"), codes.get("values")
    if isinstance(name, str) and name not in names:
        hint = did_you_mean(name, [each for each in names if isinstance(each, str)])
        message = f"the pod has no container '{name}'"
        yield Problem((*codes_path, "containerName"), message, hint)
    if not isinstance(values, list):
        return
    values_path = (*codes_path, "values")
    numbers = [value for value in values if is_number(value)]
    if not values:
        yield Problem(values_path, "a rule about exit codes needs some")
    elif len(values) > 255:
        yield Problem(values_path, "a rule has 255 exit codes at most")
    elif len(set(numbers)) < len(numbers):
        yield Problem(values_path, "an exit code is given twice")
    elif codes.get("operator") == "In" and 0 in numbers:
        yield Problem((*values_path, values.index(0)), "0 is the exit code of a success")


def _check_condition(path: Path, condition: Manifest) -> Problems:
    kind, status = condition.get("type"), condition.get("status")
    if isinstance(kind, str) and (problem := problem_of_key(kind)):
        yield Problem((*path, "type"), f"the condition {quote_value(kind)} {problem}")
    if isinstance(status, str) and status not in (*_STATUSES, ""):
        message = f"the status of a condition is one of {', '.join(_STATUSES)}"
        yield Problem((*path, "status"), message)


def _check_success_policy(path: Path, spec: Manifest) -> Problems:
    policy = spec.get("successPolicy")
    if not isinstance(policy, dict):
        return
    rules_path, rules = (*path, "successPolicy", "rules"), policy.get("rules")
    if rules == []:
        yield Problem(rules_path, "a successPolicy needs a rule")
    elif isinstance(rules, list) and len(rules) > _MOST_RULES:
        yield Problem(rules_path, f"a policy has {_MOST_RULES} rules at most")
    completions = spec.get("completions")
    for rule_path, rule in entries(rules, rules_path):
        count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and indexes is None:
            yield Problem(rule_path, "a rule needs succeededIndexes or a succeededCount")
        yield from check_least(rule_path, rule, "succeededCount", 1)
        if is_number(count) and is_number(completions) and count > completions:
            message = f"it waits for {count} of {completions} completions"
            yield Problem((*rule_path, "succeededCount"), message)
        if isinstance(indexes, str) and not _INDEXES.fullmatch(indexes):
            message = f"{quote_value(indexes)} is no list of indexes"
            yield Problem((*rule_path, "succeededIndexes"), message, "such as 0,2-4")


def _check_manager(path: Path, spec: Manifest) -> Problems:
    name = spec.get("managedBy")
    if not isinstance(name, str):
        return
    domain, slash, rest = name.partition("/")
    if not (domain and slash and rest) or len(name) > 63:
        message = f"{quote_value(name)} is no name of a controller"
        yield Problem((*path, "managedBy"), message, "such as example.com/controller")


def _check_selector(body: Body, path: Path, spec: Manifest) -> Problems:
    """A job finds its pods by labels that the server makes up."""
    selector, manual = spec.get("selector"), spec.get("manualSelector")
    if manual is True and body.kind == "CronJob":
        message = "the jobs of a CronJob find their pods by themselves"
        yield Problem((*path, "manualSelector"), message, "remove it", at_key=True)
    elif isinstance(selector, dict) and selector and manual is not True:
        message = "a job finds its pods by itself, and this selector contradicts its own"
        yield Problem((*path, "selector"), message, "remove it", at_key=True)


def check_time_zone(body: Body) -> Problems:
    """The time zone of a schedule is one of the database that Kubernetes carries."""
    for path, zone in body.find("spec/timeZone"):
        if not isinstance(zone, str):
            continue
        if zone.strip() != zone or not zone or zone.casefold() == "local":
            yield Problem(path, f"{quote_value(zone)} is no name of a time zone")
        elif (names := _time_zones()) and zone not in names:
            hint = did_you_mean(zone, names) or "such as Europe/Berlin or Etc/UTC"
            yield Problem(path, f"there is no time zone {quote_value(zone)}", hint)


def _time_zones() -> frozenset[str]:
    # Few repositories have a CronJob with one, and the database is many files.
    from zoneinfo import available_timezones

    # Empty where the system has no database: then nothing is told.
    return frozenset(available_timezones())

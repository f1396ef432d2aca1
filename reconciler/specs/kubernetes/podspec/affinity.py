"""Where pods may run: tolerations, affinities, and how they are spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import PodView
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    is_number,
    mapping,
    texts,
)
from reconciler.specs.kubernetes.syntax import (
    problem_of_key,
    problem_of_label,
    problem_of_label_value,
)
from reconciler.specs.schema.compiled_schema import quote_value

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_tolerations(_: PodView, path: Path, tolerations: Any) -> Problems:
    """A toleration has what its operator and its effect need."""
    for toleration_path, toleration in entries(tolerations, path):
        yield from _check_toleration(toleration_path, toleration)


def _check_toleration(path: Path, toleration: Manifest) -> Problems:
    operator, key = toleration.get("operator") or "Equal", toleration.get("key")
    value = toleration.get("value")
    if operator == "Exists" and value:
        message = "'Exists' takes no value"
        yield Problem((*path, "value"), message, "remove it, or write Equal")
    elif operator != "Exists" and not key:
        message = "a toleration without a key is for every taint, and needs the operator Exists"
        yield Problem(path, message, "write operator: Exists, or a key")
    if isinstance(key, str) and key and (problem := problem_of_key(key)):
        yield Problem((*path, "key"), f"the key {quote_value(key)} {problem}")
    if (
        operator == "Equal"
        and isinstance(value, str)
        and (problem := problem_of_label_value(value))
    ):
        yield Problem((*path, "value"), f"the value {quote_value(value)} {problem}")
    # Only NoExecute evicts a pod that runs, so only there is something to wait for.
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        message = "'tolerationSeconds' is about the effect NoExecute only"
        yield Problem((*path, "tolerationSeconds"), message, at_key=True)


def check_affinity(_: PodView, path: Path, affinity: Any) -> Problems:
    """What a pod asks of nodes and of other pods can be asked."""
    nodes, nodes_path = mapping(affinity, "nodeAffinity"), (*path, "nodeAffinity")
    required = nodes.get(_REQUIRED)
    if isinstance(required, dict):
        terms_path = (*nodes_path, _REQUIRED, "nodeSelectorTerms")
        if required.get("nodeSelectorTerms") == []:
            yield Problem(terms_path, "'nodeSelectorTerms' needs a term at least")
        for term_path, term in entries(required.get("nodeSelectorTerms"), terms_path):
            yield from _check_node_term(term_path, term, are_values_checked=True)
    for term_path, term in entries(nodes.get(_PREFERRED), (*nodes_path, _PREFERRED)):
        yield from _check_weight(term_path, term)
        yield from _check_node_term(
            (*term_path, "preference"), mapping(term, "preference"), are_values_checked=False
        )
    for side in ("podAffinity", "podAntiAffinity"):
        pods, pods_path = mapping(affinity, side), (*path, side)
        for term_path, term in entries(pods.get(_REQUIRED), (*pods_path, _REQUIRED)):
            yield from _check_pod_term(term_path, term)
        for term_path, term in entries(pods.get(_PREFERRED), (*pods_path, _PREFERRED)):
            yield from _check_weight(term_path, term)
            inner = term.get("podAffinityTerm")
            if isinstance(inner, dict):
                yield from _check_pod_term((*term_path, "podAffinityTerm"), inner)


def _check_weight(path: Path, term: Manifest) -> Problems:
    weight = term.get("weight")
    if is_number(weight) and not 1 <= weight <= 100:
        yield Problem((*path, "weight"), f"a weight is from 1 to 100, not {weight}")


def _check_node_term(path: Path, term: Manifest, *, are_values_checked: bool) -> Problems:
    expressions = (*path, "matchExpressions")
    for expression_path, expression in entries(term.get("matchExpressions"), expressions):
        yield from check_expression(
            expression_path, expression, are_values_checked=are_values_checked
        )
    for field_path, field in entries(term.get("matchFields"), (*path, "matchFields")):
        operator, values = field.get("operator"), field.get("values")
        if field.get("key") != "metadata.name":
            message = "of a node's fields only metadata.name can be asked for"
            yield Problem((*field_path, "key"), message)
        if operator not in ("In", "NotIn", None):
            message = "a field is asked for with In or NotIn"
            yield Problem((*field_path, "operator"), message)
        elif isinstance(values, list) and len(values) != 1:
            yield Problem((*field_path, "values"), "a field is compared with one value")


def _check_pod_term(path: Path, term: Manifest) -> Problems:
    yield from _check_topology_key(path, term)
    yield from check_selector(path, "labelSelector", term.get("labelSelector"))
    yield from check_selector(path, "namespaceSelector", term.get("namespaceSelector"))
    for name_path, name in texts(term.get("namespaces"), (*path, "namespaces")):
        if problem := problem_of_label(name):
            yield Problem(name_path, f"the namespace {quote_value(name)} {problem}")
    yield from _check_label_keys(path, term)


def _check_topology_key(path: Path, term: Manifest) -> Problems:
    key = term.get("topologyKey")
    if key == "":
        hint = "such as kubernetes.io/hostname"
        yield Problem((*path, "topologyKey"), "'topologyKey' is empty", hint)
    elif isinstance(key, str) and (problem := problem_of_key(key)):
        yield Problem((*path, "topologyKey"), f"the label {quote_value(key)} {problem}")


def _check_label_keys(path: Path, term: Manifest) -> Problems:
    """Keys of labels whose values are taken from the pod itself."""
    selected = set(mapping(term, "labelSelector", "matchLabels"))
    matched = {key for _, key in texts(term.get("matchLabelKeys"), ())}
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = list(texts(term.get(field), (*path, field)))
        if keys and term.get("labelSelector") is None:
            yield Problem((*path, field), f"'{field}' needs a labelSelector", at_key=True)
        for key_path, key in keys:
            if problem := problem_of_key(key):
                yield Problem(key_path, f"the label {quote_value(key)} {problem}")
            elif field == "mismatchLabelKeys" and key in matched:
                yield Problem(key_path, f"the label '{key}' is in matchLabelKeys as well")
            elif key in selected and "whenUnsatisfiable" in term:
                yield Problem(key_path, f"the label '{key}' is in the labelSelector as well")


def check_spread(_: PodView, path: Path, constraints: Any) -> Problems:
    """Pods are spread over each topology once, by labels that can be compared."""
    seen: set[tuple[Any, Any]] = set()
    for constraint_path, constraint in entries(constraints, path):
        yield from _check_topology_key(constraint_path, constraint)
        pair = (constraint.get("topologyKey"), constraint.get("whenUnsatisfiable"))
        if None not in pair and pair in seen:
            message = f"two constraints are about '{pair[0]}' and {pair[1]}"
            yield Problem((*constraint_path, "topologyKey"), message)
        seen.add(pair)
        if constraint.get("minDomains") is not None and pair[1] != "DoNotSchedule":
            message = "'minDomains' needs whenUnsatisfiable: DoNotSchedule"
            yield Problem((*constraint_path, "minDomains"), message, at_key=True)
        yield from check_selector(constraint_path, "labelSelector", constraint.get("labelSelector"))
        yield from _check_label_keys(constraint_path, constraint)


def check_selector(path: Path, field: str, selector: Any) -> Problems:
    """A selector of labels asks for labels that there can be."""
    for key, value in mapping(selector, "matchLabels").items():
        label_path = (*path, field, "matchLabels", key)
        if problem := problem_of_key(key):
            yield Problem(label_path, f"the label {quote_value(key)} {problem}", at_key=True)
        elif isinstance(value, str) and (problem := problem_of_label_value(value)):
            yield Problem(label_path, f"the value {quote_value(value)} {problem}")
    expressions = mapping(selector).get("matchExpressions")
    for expression_path, expression in entries(expressions, (*path, field, "matchExpressions")):
        yield from check_expression(expression_path, expression)


def check_expression(
    path: Path, expression: Manifest, *, are_values_checked: bool = True
) -> Problems:
    """An expression about a label has the values that its operator needs."""
    operator, values, key = (expression.get(name) for name in ("operator", "values", "key"))
    listed = values or []
    if not isinstance(listed, list):
        # Its type is the schema's to report.
        return
    if operator in ("In", "NotIn") and not listed:
        yield Problem(path, f"'{operator}' needs values", "write them as a list")
    elif operator in ("Exists", "DoesNotExist") and listed:
        message = f"'{operator}' takes no values"
        yield Problem((*path, "values"), message, "remove them, or write In")
    elif operator in ("Gt", "Lt") and len(listed) != 1:
        yield Problem(path, f"'{operator}' needs one value, a whole number")
    if isinstance(key, str) and (problem := problem_of_key(key)):
        yield Problem((*path, "key"), f"the label {quote_value(key)} {problem}")
    for value_path, value in _values(listed, path) if are_values_checked else ():
        if problem := problem_of_label_value(value):
            yield Problem(value_path, f"the value {quote_value(value)} {problem}")


def _values(values: list[Any], path: Path) -> Iterator[tuple[Path, str]]:
    return texts(values, (*path, "values"))

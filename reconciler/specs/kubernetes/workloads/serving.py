"""Kinds that serve: bounds of their scale, shares of traffic, and who answers."""

from __future__ import annotations

import re
from typing import Any

from reconciler.kinds.serving import KSERVE_SERVERS
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import (
    Problem,
    Problems,
    entries,
    find_repeated,
    given,
    is_number,
    mapping,
)
from reconciler.specs.kubernetes.workloads.amounts import check_bounds, check_least
from reconciler.specs.schema.compiled_schema import quote_value

_SPEC = (INLINE, "spec")
_SCALES = "autoscaling.knative.dev/"
_BOUNDS = (("min-scale", "minScale"), ("max-scale", "maxScale"))
_COUNT = re.compile(r"\+?[0-9]{1,10}")
_ISVC_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_ALL = 100


def check_knative(body: Body) -> Problems:
    """A revision scales between bounds, one of its containers answers, and traffic adds up."""
    template_path = (*_SPEC, "template")
    template = mapping(body.manifest, "spec", "template")
    annotations = mapping(template, "metadata", "annotations")
    notes_path = (*template_path, "metadata", "annotations")
    counts: list[tuple[str, int]] = []
    for spellings in _BOUNDS:
        note = next((_SCALES + each for each in spellings if _SCALES + each in annotations), "")
        value = annotations.get(note)
        if not isinstance(value, str):
            continue
        if _COUNT.fullmatch(value):
            counts.append((note, int(value)))
        else:
            yield Problem((*notes_path, note), f"{quote_value(value)} is no number of pods")
    if len(counts) == len(_BOUNDS) and counts[0][1] > counts[1][1] > 0:
        message = f"the lower bound of {counts[0][1]} pods is above the upper one, {counts[1][1]}"
        yield Problem((*notes_path, counts[0][0]), message)
    yield from _check_answering((*template_path, "spec"), mapping(template, "spec"))
    traffic = list(entries(mapping(body.manifest, "spec").get("traffic"), ()))
    shares = [share.get("percent") or 0 for _, share in traffic]
    if traffic and all(map(is_number, shares)):
        total = sum(filter(is_number, shares))
        if total != _ALL:
            yield Problem((*_SPEC, "traffic"), f"traffic adds up to {total}%, not {_ALL}%")


def _check_answering(path: Path, pod: Manifest) -> Problems:
    containers = list(entries(pod.get("containers"), (*path, "containers")))
    answering = [each for each, container in containers if container.get("ports")]
    if len(containers) > 1 and not answering:
        message = "of several containers one has to have the port that answers"
        yield Problem((*path, "containers"), message, at_key=True)
    elif len(answering) > 1:
        message = "one container answers, and two have ports"
        yield Problem((*answering[1], "ports"), message, at_key=True)


def check_kserve(body: Body) -> Problems:
    """Each component scales between bounds, and one server runs in each."""
    spec = mapping(body.manifest, "spec")
    for name in given(spec, "predictor", "transformer", "explainer"):
        component, path = mapping(spec, name), (*_SPEC, name)
        yield from check_bounds(path, component, "minReplicas", "maxReplicas")
        share = component.get("canaryTrafficPercent")
        if is_number(share) and not 0 <= share <= _ALL:
            message = f"a share of the traffic is from 0 to {_ALL}, not {share}"
            yield Problem((*path, "canaryTrafficPercent"), message)
        servers = given(component, *KSERVE_SERVERS)
        if len(servers) > 1:
            message = f"a {name} runs one server, not {' and '.join(servers)}"
            yield Problem((*path, servers[1]), message, at_key=True)
    own = mapping(body.manifest, "metadata").get("name")
    if isinstance(own, str) and not _ISVC_NAME.fullmatch(own):
        message = f"the name {quote_value(own)} has to begin with a letter, and has no '.'"
        yield Problem((INLINE, "metadata", "name"), message)


def check_nim(body: Body) -> Problems:
    """A service scales between bounds, and its model comes from one place."""
    spec = mapping(body.manifest, "spec")
    scale, path = mapping(spec, "scale", "hpa"), (*_SPEC, "scale", "hpa")
    yield from check_bounds(path, scale, "minReplicas", "maxReplicas")
    if mapping(spec, "scale").get("enabled") is True and not scale:
        message = "a scale that is enabled needs 'hpa' with its bounds"
        yield Problem((*_SPEC, "scale"), message, at_key=True)


def check_seldon(body: Body) -> Problems:
    """Predictors have names of their own, scale between bounds, and share the traffic."""
    predictors = list(
        entries(mapping(body.manifest, "spec").get("predictors"), (*_SPEC, "predictors"))
    )
    named = [
        ((*path, "name"), predictor["name"])
        for path, predictor in predictors
        if isinstance(predictor.get("name"), str)
    ]
    yield from find_repeated(iter(named), "the predictor")
    shares = [predictor.get("traffic") for _, predictor in predictors if not _shadows(predictor)]
    total = sum(filter(is_number, shares))
    if len(shares) > 1 and all(map(is_number, shares)) and total not in (0, _ALL):
        message = f"traffic adds up to {total}%, not {_ALL}%"
        yield Problem((*_SPEC, "predictors"), message, at_key=True)
    for path, predictor in predictors:
        parts = entries(predictor.get("componentSpecs"), (*path, "componentSpecs"))
        for part_path, part in parts:
            hpa = mapping(part, "hpaSpec")
            yield from check_bounds((*part_path, "hpaSpec"), hpa, "minReplicas", "maxReplicas")


def _shadows(predictor: Manifest) -> bool:
    return predictor.get("shadow") is True


def check_dynamo(body: Body) -> Problems:
    """Each service scales between bounds, and runs on a node at least."""
    for path, service in body.find("spec/services/*"):
        scale = mapping(service, "autoscaling")
        yield from check_bounds((*path, "autoscaling"), scale, "minReplicas", "maxReplicas")
        nodes = mapping(service, "multinode")
        yield from check_least((*path, "multinode"), nodes, "nodeCount", 2)


def implemented_nodes(manifest: Any) -> set[str]:
    """The names of Seldon's graph nodes that a server of its own implements, image included."""
    nodes: list[Any] = [
        predictor.get("graph")
        for _, predictor in entries(mapping(manifest, "spec").get("predictors"), ())
    ]
    names: set[str] = set()
    for node in nodes:
        if not isinstance(node, dict):
            continue
        if node.get("implementation") not in (None, "", "UNKNOWN_IMPLEMENTATION"):
            names.add(str(node.get("name")))
        children = node.get("children")
        nodes += children if isinstance(children, list) else []
    return names

"""The checks of a manifest as a Kubernetes object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reconciler.kinds.registry import intended_kind
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest, open_body
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas
from reconciler.specs.kubernetes.objects import (
    check_derived_names,
    check_kind_syntax,
    check_labels,
    check_name,
    check_server_fields,
    check_size,
)
from reconciler.specs.kubernetes.pods import (
    check_containers,
    check_counts,
    check_restarts,
    check_schedule,
    check_selector,
)
from reconciler.specs.kubernetes.podspec.rules import check_pods, report
from reconciler.specs.kubernetes.resources import check_resources, check_shares
from reconciler.specs.kubernetes.roles import check_roles
from reconciler.specs.kubernetes.structure import check_structure, kind_schema
from reconciler.specs.kubernetes.workloads.rules import rules_of
from reconciler.specs.rules.check_context import CheckContext, FoundError, TrialContext

LONGEST_NAME = 253


def check_manifest(context: CheckContext, schemas: ObjectSchemas) -> None:
    """Report what Kubernetes would refuse or misread."""
    manifest = context.get(INLINE)
    if not isinstance(manifest, dict):
        return
    name, outlines = context.get("metadata", "name"), schemas.outlines
    check = partial(_finds_nothing, context, schemas)
    if outlines is not None and outlines.is_sound(name, manifest, check):
        # The one rule that an outline says nothing about.
        check_size(context, manifest)
    else:
        _check_whole(context, manifest, schemas)


def _finds_nothing(
    context: CheckContext, schemas: ObjectSchemas, name: Any, manifest: Manifest
) -> bool:
    value = {"metadata": {"name": name}, INLINE: manifest}
    trial = TrialContext(context.composed._replace(value=value), None)
    try:
        _check_whole(trial, manifest, schemas)
    except FoundError:
        return False
    return True


def _check_whole(context: CheckContext, manifest: Manifest, schemas: ObjectSchemas) -> None:
    # In a version that is not registered, the same fields may mean something else.
    kind = intended_kind(manifest)
    body = open_body(manifest, kind, kind.layout) if kind and kind.layout else None
    check_kind_syntax(context, manifest)
    check_name(context, manifest, body.layout.longest_name if body else LONGEST_NAME)
    check_server_fields(context, manifest)
    check_size(context, manifest)
    check_labels(context, manifest, body)
    if body is not None:
        for rule in _RULES:
            rule(context, body)
    # Last, since it is silent where a rule has reported the same more clearly.
    schemas.check(context, manifest, kind)


def check_kind(context: CheckContext, body: Body) -> None:
    """The kind's own fields fit together."""
    for rule in rules_of(body):
        report(context, rule.code, rule.check(body))


def check_operator(context: CheckContext, body: Body) -> None:
    """The operator of the kind takes its `spec`, as far as that is written down by hand."""
    group_kind = (body.definition.group, body.definition.name)
    for path, value in body.find("spec") if body.definition.structure else ():
        check_structure(context, value, path, kind_schema(group_kind))


_RULES: tuple[Callable[[CheckContext, Body], None], ...] = (
    check_derived_names,
    check_containers,
    check_restarts,
    check_selector,
    check_counts,
    check_schedule,
    check_resources,
    check_shares,
    check_pods,
    check_kind,
    check_roles,
    check_operator,
)

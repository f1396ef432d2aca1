"""The checks of one effective spec by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.json_pointer import split_pointer
from reconciler.core.model import Address
from reconciler.core.protocol.marker import PREFIX
from reconciler.kinds.registry import api_versions_of, is_registered, kind_names
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.config import Config
from reconciler.specs.kubernetes.rules import check_manifest
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.rules.templating import check_templates
from reconciler.specs.schema.compiled_schema import (
    did_you_mean,
    find_violations,
    shipped_schema,
    type_name,
)
from reconciler.specs.source.nodes import follow, walk

# What is missing where defaults could not be read is most likely in them.
_EXPLAINED_BY_BROKEN_DEFAULTS = frozenset({"missing-field", "project-choice", "manifest-choice"})


def identify(value: Any, config: Config) -> Address | None:
    """Return the address of an effective spec, aliases resolved, as far as it is known."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return None
    name, project = metadata.get("name"), metadata.get("projectId")
    if project is None and isinstance(alias := metadata.get("project"), str):
        project = config.projects.get(alias)
    if not (isinstance(name, str) and isinstance(project, str) and name and project):
        return None
    return Address(project=project, name=name)


def check(
    composed: ComposedSpec, config: Config, suppressions: Suppressions | None = None
) -> list[Diagnostic]:
    """Everything that is wrong with one spec by itself, policies aside."""
    address = identify(composed.value, config)
    context = CheckContext(composed, address, suppressions, config.rules)
    # First: a template that is not rendered explains whatever else is wrong with its text.
    check_templates(context)
    for violation in find_violations(shipped_schema("spec"), composed.value):
        if not (composed.chain.broken and violation.code in _EXPLAINED_BY_BROKEN_DEFAULTS):
            context.report_violation(violation)
    _check_alias(context, config)
    _check_metadata(context)
    _check_kind(context)
    _check_ignored(context)
    if not composed.chain.broken:
        check_manifest(context)
    _check_ambiguity(context)
    return context.diagnostics


def effective(value: Mapping[str, Any], address: Address) -> dict[str, Any]:
    """Return a checked spec with its project's alias resolved."""
    # In the order of the spec: the key of the project is replaced where it stands.
    metadata = {
        "projectId" if key == "project" else key: address.project if key == "project" else field
        for key, field in value["metadata"].items()
    }
    return {**value, "metadata": metadata}


def _check_alias(context: CheckContext, config: Config) -> None:
    alias = context.get("metadata", "project")
    if not isinstance(alias, str) or alias in config.projects:
        return
    aliases = ", ".join(sorted(config.projects))
    if config.projects:
        hint = did_you_mean(alias, config.projects) or f"known projects: {aliases}"
    else:
        hint = f"add it under 'projects' in reconciler.yaml: {{{alias}: \"<projectId>\"}}"
    listed = f"; the known projects are {aliases}" if config.projects else ""
    message = f"no project is called '{alias}'{listed}"
    context.report("unknown-project", message, ["metadata", "project"], hint=hint)


def _check_metadata(context: CheckContext) -> None:
    """The name and the annotations of the manifest do not contradict the spec around it."""
    name, object_name = context.get("metadata", "name"), context.get(INLINE, "metadata", "name")
    if isinstance(name, str) and isinstance(object_name, str) and name != object_name:
        message = f"the manifest is named '{object_name}', the workload '{name}'"
        path = [INLINE, "metadata", "name"]
        context.report("name-mismatch", message, path, hint="give both the same name")
    annotations = context.get(INLINE, "metadata", "annotations")
    path = [INLINE, "metadata", "annotations"]
    if annotations is not None and not isinstance(annotations, dict):
        message = f"'annotations' must be a mapping, not {type_name(annotations)}"
        context.report("wrong-type", message, path)
        return
    for key in annotations or ():
        # A spec that writes our marker would pass for a workload that we have created.
        if key.startswith(PREFIX):
            message = f"the annotation '{key}' is written by the reconciler itself"
            hint = "remove it; a workload that exists already is taken over with `state adopt`"
            context.report("reserved-annotation", message, [*path, key], hint=hint, at_key=True)


def _check_kind(context: CheckContext) -> None:
    version, kind = context.get(INLINE, "apiVersion"), context.get(INLINE, "kind")
    if not (isinstance(version, str) and isinstance(kind, str) and version and kind):
        return
    if is_registered(version, kind):
        return
    versions = api_versions_of(kind)
    if versions:
        hint = f"the platform registers {' and '.join(f'{version} {kind}' for version in versions)}"
    else:
        hint = did_you_mean(kind, kind_names()) or "the platform's administrator can register it"
    message = f"{version} {kind} is not among the kinds that the platform registers out of the box"
    path = [INLINE, "apiVersion" if versions else "kind"]
    context.report("unknown-kind", message, path, hint=hint)


def _check_ignored(context: CheckContext) -> None:
    path = ["lifecycle", "ignoreChanges"]
    patterns = context.get(*path)
    if not isinstance(patterns, list) or not patterns:
        return
    if follow(context.tree, path)[1].source is not context.composed.document.source:
        # Rules in defaults are for many specs, and need not be of use to each of them.
        return
    for index, pattern in enumerate(patterns):
        if isinstance(pattern, str) and not _reaches(
            context.composed.value, split_pointer(pattern)
        ):
            context.report(
                "unused-ignore",
                f"the spec declares nothing at '{pattern}'",
                [*path, index],
                hint="check the pointer; what is not declared is not compared, and needs no rule",
            )


def _reaches(value: Any, steps: Sequence[str]) -> bool:
    """Whether a pointer leads to a part of a document; `*` stands for any one step."""
    if not steps:
        return True
    first, *others = steps
    if isinstance(value, dict):
        below = value.values() if first == "*" else [value[first]] if first in value else []
    elif isinstance(value, list):
        below = [item for index, item in enumerate(value) if first in ("*", str(index))]
    else:
        return False
    return any(_reaches(part, others) for part in below)


def _check_ambiguity(context: CheckContext) -> None:
    composed = context.composed
    documents = [*composed.chain.layers, composed.document, composed.manifest]
    if composed.encoded:
        documents = [composed.manifest]
    if not any(document is not None and document.ambiguous for document in documents):
        return
    _, manifest = follow(context.tree, [INLINE])
    for steps, node in walk(manifest) if INLINE in composed.value else ():
        # Inline a date is no risk: it is sent as the text that stands there.
        if not node.yaml11 or (node.yaml11 == "a date" and not composed.encoded):
            continue
        path = (INLINE, *steps)
        if isinstance(node.value, str):
            value = f"the text '{node.written}'"
            hint = "quote it, or write it in a form that both versions read alike"
        else:
            value = f"the number {node.value}"
            hint = "write the number in decimal digits, or quote it if it is meant as text"
        message = f"{node.written} is {value} in YAML 1.2, but {node.yaml11} in YAML 1.1"
        # The server reads a base64 manifest again, by rules of its own; inline it gets our reading.
        severity = Severity.ERROR if composed.encoded else Severity.WARNING
        is_key = follow(context.tree, path)[1] is not node
        context.report("ambiguous-yaml", message, path, hint=hint, at_key=is_key, severity=severity)

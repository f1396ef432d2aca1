"""The checks of one effective spec by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.core.json_pointer import split_pointer
from reconciler.core.model import Address
from reconciler.core.projects.names import ProjectName, is_placeholder, may_be_on_server
from reconciler.core.protocol.body import create_body
from reconciler.core.protocol.marker import COMMIT, PREFIX, REV, Marker, mark, with_annotations
from reconciler.kinds.registry import (
    api_versions_of,
    is_registered,
    is_wrong_core_kind,
    kind_names,
)
from reconciler.specs.compose.composed_spec import ENCODED, INLINE
from reconciler.specs.config import Config
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas
from reconciler.specs.kubernetes.rules import check_manifest
from reconciler.specs.kubernetes.syntax import problem_of_api_version, problem_of_kind
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.rules.lifecycle import check_lifecycle
from reconciler.specs.rules.templating import check_templates
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value, type_name
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.nodes import follow, walk

# What is missing where defaults could not be read is most likely in them.
_EXPLAINED_BY_BROKEN_DEFAULTS = frozenset({"missing-field", "project-choice", "manifest-choice"})


def identify(value: Any, config: Config) -> Address | None:
    """Return the address of an effective spec, names resolved, as far as it is known."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return None
    name, project = metadata.get("name"), metadata.get("projectId")
    if project is None and (named := named_project(value)) is not None:
        project = config.find_project(named)
    if not (isinstance(name, str) and isinstance(project, str) and name and project):
        return None
    return Address(project=project, name=name)


def named_project(value: Mapping[str, Any]) -> ProjectName | None:
    """The project of an effective spec, where it is given by its name."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("projectId") is not None:
        return None
    name, cluster = metadata.get("project"), metadata.get("cluster", "")
    if not (isinstance(name, str) and isinstance(cluster, str) and name):
        return None
    return ProjectName(name=name, cluster=cluster)


def check(
    context: CheckContext, config: Config, schemas: SpecSchemas, objects: ObjectSchemas
) -> None:
    """Report everything that is wrong with one spec by itself, policies aside."""
    composed = context.composed
    # First: a template that is not rendered explains whatever else is wrong with its text.
    check_templates(context)
    for violation in schemas.find_violations("spec", composed.value):
        if not (composed.chain.broken and violation.code in _EXPLAINED_BY_BROKEN_DEFAULTS):
            context.report_violation(violation)
    _check_project(context, config)
    _check_server_fields(context)
    _check_encoded_length(context, config, schemas)
    _check_metadata(context)
    _check_kind(context, objects)
    _check_ignored(context)
    check_lifecycle(context)
    if not composed.chain.broken:
        check_manifest(context, objects)
    _check_ambiguity(context)


def effective(value: Mapping[str, Any], address: Address) -> dict[str, Any]:
    """Return a checked spec with its project's name resolved, if it is."""
    if is_placeholder(address.project):
        return dict(value)
    # In the order of the spec: the key of the project is replaced where it stands.
    metadata = {
        "projectId" if key == "project" else key: address.project if key == "project" else field
        for key, field in value["metadata"].items()
        if key != "cluster"
    }
    return {**value, "metadata": metadata}


def _check_project(context: CheckContext, config: Config) -> None:
    """A name that no server can have is wrong already; of others the server knows, if anybody."""
    cluster = ["metadata", "cluster"]
    if context.get(*cluster) is not None and context.get("metadata", "projectId") is not None:
        message = "the id of a project already says on which cluster it is"
        hint = "remove it; it is for a project that is given by its name"
        context.report("unusable-field", message, cluster, hint=hint, at_key=True)
    project = named_project(context.composed.value)
    if project is None or project.name in config.projects:
        return
    path = ["metadata", "project"]
    if problem := config.resolution.problems.get(str(project)):
        context.report(problem.code, problem.message, path, hint=problem.hint)
    elif current := config.resolution.renamed.get(str(project)):
        message = f"the project '{project.name}' is called '{current}' now"
        context.report("renamed-project", message, path, hint=f"write project: {current}")
    elif not may_be_on_server(project.name):
        aliases = ", ".join(sorted(config.projects)) or "none"
        message = f"no project is called {quote_value(project.name)}; the aliases are {aliases}"
        hint = did_you_mean(project.name, config.projects) or (
            "write an alias of reconciler.yaml, or a name of the server: lower case letters, "
            "digits and '-'"
        )
        context.report("unknown-project", message, path, hint=hint)


def _check_server_fields(context: CheckContext) -> None:
    """What the server would take, and what only some servers would."""
    metadata = context.get("metadata")
    if not isinstance(metadata, dict):
        return
    if metadata.get("useGivenNameAsPrefix") is True:
        path = ["metadata", "useGivenNameAsPrefix"]
        # The address is what plans, records and look-ups go by, before there is any answer.
        message = "the server would choose the name, so the workload could not be found by its own"
        hint = "remove it, or write false; names are unique in their project"
        context.report("unusable-field", message, path, hint=hint)
    if metadata.get("clusterId") is not None:
        path = ["metadata", "clusterId"]
        message = "a workload on a cluster without a project has no address, <projectId>/<name>"
        hint = "remove it: the project decides about the cluster, and the server takes one of both"
        context.report("unusable-field", message, path, hint=hint, at_key=True)
    for field, known in (("priority", _PRIORITIES), ("category", _CATEGORIES)):
        value = metadata.get(field)
        if isinstance(value, str) and value not in known:
            message = f"not every server has the {field} {quote_value(value)}"
            hint = did_you_mean(value, known) or f"those that it has: {', '.join(known)}"
            context.report(f"unknown-{field}", message, ["metadata", field], hint=hint)


# What administrators have not defined is refused by the server, which alone knows what they have.
_PRIORITIES = ("very-low", "low", "medium-low", "medium", "medium-high", "high", "very-high")
_CATEGORIES = ("Build", "Train", "Deploy")


def _check_encoded_length(context: CheckContext, config: Config, schemas: SpecSchemas) -> None:
    """A manifest in base64 as it will be sent: written anew, with our annotations."""
    if not context.composed.encoded:
        return
    longest, manifest = schemas.longest_encoded, context.get(INLINE)
    if not (longest and isinstance(manifest, dict)):
        return
    stack = config.stack or _LONG_NAME
    marked = mark(manifest, Marker(lineage=_LONG_NAME, op=_LONG_NAME, stack=stack))
    annotated = with_annotations(marked, {REV: _LONG_NAME, COMMIT: _LONG_NAME})
    body = create_body({}, annotated, encoded=True)
    length = len(body[ENCODED])
    if length > longest:
        message = f"in base64 the manifest has {length:,} characters, the server takes {longest:,}"
        hint = "write it as `manifest` or `manifestFile`, or move data out of it"
        context.report("encoded-too-long", message, [INLINE], hint=hint, at_key=True)


# As long as any name that the annotations will hold.
_LONG_NAME = "x" * 65


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


def _check_kind(context: CheckContext, objects: ObjectSchemas) -> None:
    version, kind = context.get(INLINE, "apiVersion"), context.get(INLINE, "kind")
    if not (isinstance(version, str) and isinstance(kind, str) and version and kind):
        return
    # A kind whose definition was imported is one that an administrator has registered.
    if is_registered(version, kind) or (version, kind) in objects.imported:
        return
    versions = api_versions_of(kind)
    if is_wrong_core_kind(context.get(INLINE)) and not (
        kind.endswith("List") or problem_of_api_version(version) or problem_of_kind(kind)
    ):
        message = f"Kubernetes has no {kind} in {version}"
        hint = f"write {' or '.join(versions)}" if versions else did_you_mean(kind, kind_names())
        path = [INLINE, "apiVersion" if versions else "kind"]
        context.report("bad-kind", message, path, hint=hint)
        return
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
    patches = [patch.document for patch in composed.patches]
    documents = [*composed.chain.layers, composed.document, composed.manifest, *patches]
    if composed.encoded:
        documents = [composed.manifest, *patches]
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

"""The head of an object: its version and kind, its name, its labels and annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.kinds.fields import UnreadableError
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.bodies import Body, Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.syntax import (
    problem_of_api_version,
    problem_of_key,
    problem_of_kind,
    problem_of_label_value,
    problem_of_name,
)
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import quote_value, type_name

MOST_ANNOTATIONS = 256 * 1024
# The default limit of etcd for one request.
MOST_BYTES = 3 * 512 * 1024
LONGEST_LABEL = 63
_UTF_8 = ("utf-8", "surrogatepass")

# Written by the API server; a manifest that was read from a cluster still has them.
_SERVER_FIELDS = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"),
    *("managedFields", "selfLink", "ownerReferences"),
)


def check_kind_syntax(context: CheckContext, manifest: Manifest) -> None:
    """The version and kind are written as Kubernetes writes them, and mean one object."""
    checks: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("apiVersion", problem_of_api_version),
        ("kind", problem_of_kind),
    )
    for field, problem_of in checks:
        value = manifest.get(field)
        if isinstance(value, str) and value and (problem := problem_of(value)):
            context.report("bad-kind", f"{field} {quote_value(value)} {problem}", [INLINE, field])
    kind = manifest.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and "items" in manifest:
        message = f"a manifest is one object, and a {kind} is several"
        context.report(
            "bad-kind", message, [INLINE, "kind"], hint="write a spec for each of its items"
        )


def check_name(context: CheckContext, manifest: Manifest, longest: int) -> None:
    """The object's name is one that Kubernetes takes, and that its controller can work with."""
    name, path = _name_and_path(context, manifest)
    # The API's own schema checks the name of a workload, but not for the kind's shorter limit.
    is_own = path[0] == INLINE
    if (
        isinstance(name, str)
        and (is_own or len(name) > longest)
        and (problem := problem_of_name(name, longest))
    ):
        context.report("bad-name", f"the name {quote_value(name)} {problem}", path)


def check_derived_names(context: CheckContext, body: Body) -> None:
    """What a controller makes of the name is not longer than a part of a domain's name."""
    name, path = _name_and_path(context, body.manifest)
    layout = body.layout
    # A name that is too long itself has been reported.
    if layout.derive_names is None or not isinstance(name, str) or len(name) > layout.longest_name:
        return
    try:
        derived = list(layout.derive_names(body.manifest))
    except UnreadableError:
        # A part has another type than the schema asks for, which is reported there.
        return
    longest = max(derived, key=lambda candidate: len(candidate.suffix), default=None)
    length = len(name) + len(longest.suffix) if longest else 0
    if longest and length > LONGEST_LABEL:
        message = (
            f"the {longest.noun} of this {body.kind} would be named "
            f"{quote_value(name + longest.suffix)}, "
            f"which has {length} characters, and not {LONGEST_LABEL} at most"
        )
        hint = f"shorten the name by {length - LONGEST_LABEL}"
        severity = None if longest.sure else Severity.WARNING
        context.report("bad-name", message, path, hint=hint, severity=severity)


def _name_and_path(context: CheckContext, manifest: Manifest) -> tuple[Any, Path]:
    """The object's name with its path in the spec: without one it gets the workload's."""
    if (name := _metadata(manifest).get("name")) is not None:
        return name, (INLINE, "metadata", "name")
    return context.get("metadata", "name"), ("metadata", "name")


def check_size(context: CheckContext, manifest: Manifest) -> None:
    """The object is not larger than what Kubernetes stores."""
    documents = context.composed.documents
    # To write a large object as JSON takes long, so its texts are measured first. A character is
    # six in JSON at most (\u0000), and only an alias (*) means a part more than once.
    length = sum(document.end - document.start for document in documents)
    if 6 * length <= MOST_BYTES and not any(document.holds("*") for document in documents):
        return
    size = len(json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode(*_UTF_8))
    if size > MOST_BYTES:
        message = f"the object has {size:,} bytes, and Kubernetes stores {MOST_BYTES:,} at most"
        hint = "put what is large into a volume, an image or a ConfigMap of its own"
        context.report("object-too-large", message, [INLINE], hint=hint, at_key=True)


def check_server_fields(context: CheckContext, manifest: Manifest) -> None:
    """Nothing is sent that only the cluster writes."""
    metadata = _metadata(manifest)
    paths: list[Path] = [("metadata", name) for name in _SERVER_FIELDS if metadata.get(name)]
    if manifest.get("status"):
        paths.append(("status",))
    for path in paths:
        message = f"'{path[-1]}' is written by the cluster, and ignored or refused when sent"
        hint = "remove it: it came along when the object was read from a cluster"
        context.report("server-field", message, [INLINE, *path], hint=hint, at_key=True)


def check_labels(context: CheckContext, manifest: Manifest, body: Body | None) -> None:
    """Labels and annotations are what Kubernetes takes for them, on the object and its pods."""
    for path, noun, entries in _label_maps(manifest, body):
        code = f"bad-{noun}"
        if not isinstance(entries, dict):
            if not context.has_reported(path):
                message = f"'{path[-1]}' must be a mapping, not {type_name(entries)}"
                context.report(code, message, path)
            continue
        for key, value in entries.items():
            key_path = (*path, key)
            if problem := problem_of_key(key):
                message = f"the {noun} {quote_value(key)} {problem}"
                context.report(code, message, key_path, at_key=True)
            if value is not None and not isinstance(value, str):
                message = f"the {noun} '{key}' must be a string, not {type_name(value)}"
                context.report(code, message, key_path, hint=context.quoting_hint(key_path))
            elif noun == "label" and value and (problem := problem_of_label_value(value)):
                message = f"the value {quote_value(value)} of the label '{key}' {problem}"
                context.report(code, message, key_path)
        if noun == "label":
            continue
        size = sum(len(key.encode()) + len(str(value).encode()) for key, value in entries.items())
        if size > MOST_ANNOTATIONS:
            limit = f"{MOST_ANNOTATIONS:,}"
            message = f"annotations hold {size:,} bytes, and Kubernetes takes at most {limit}"
            context.report(code, message, path, at_key=True)


def _label_maps(manifest: Manifest, body: Body | None) -> Iterator[tuple[Path, str, Any]]:
    """Every map of labels or annotations: its path in the spec, the noun for an entry, itself."""
    holders: list[tuple[Path, Manifest]] = [((INLINE,), manifest)]
    # A pod is its own template.
    holders += [
        (path, template)
        for path, template in (body.templates if body else ())
        if len(path) > 1 and isinstance(template, dict)
    ]
    for path, holder in holders:
        metadata = _metadata(holder)
        for field, noun in (("labels", "label"), ("annotations", "annotation")):
            if (entries := metadata.get(field)) is not None:
                yield (*path, "metadata", field), noun, entries
    for pod in body.pods if body else ():
        if (selector := pod.spec.get("nodeSelector")) is not None:
            yield (*pod.path, "nodeSelector"), "label", selector
    if body and body.layout.selects:
        for path, labels in body.find("spec/selector/matchLabels"):
            yield path, "label", labels


def _metadata(manifest: Manifest) -> Manifest:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}

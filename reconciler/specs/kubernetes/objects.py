"""What an object says of itself: its version and kind, its name, its labels and annotations."""

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
# What etcd takes in one request, as it comes.
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
    name, path = _named(context, manifest)
    is_own = path[0] == INLINE
    if (
        isinstance(name, str)
        and (is_own or len(name) > longest)
        and (problem := problem_of_name(name, longest))
    ):
        context.report("bad-name", f"the name {quote_value(name)} {problem}", path)


def check_derived_names(context: CheckContext, body: Body) -> None:
    """What a controller makes of the name is not longer than a part of a domain's name."""
    name, path = _named(context, body.manifest)
    layout = body.layout
    if layout.derive_names is None or not isinstance(name, str) or len(name) > layout.longest_name:
        return
    try:
        longest = max(
            layout.derive_names(body.manifest), key=lambda one: len(one.suffix), default=None
        )
    except UnreadableError:
        # Its shape is wrong, which others say.
        return
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


def check_size(context: CheckContext, manifest: Manifest) -> None:
    """The object is not larger than what Kubernetes stores."""
    documents = context.composed.documents
    # A character is six in JSON at most, where nothing is written once and meant again.
    if 6 * sum(one.end - one.start for one in documents) <= MOST_BYTES and not any(
        one.holds("*") for one in documents
    ):
        return
    size = len(json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode(*_UTF_8))
    if size > MOST_BYTES:
        message = f"the object has {size:,} bytes, and Kubernetes stores {MOST_BYTES:,} at most"
        hint = "put what is large into a volume, an image or a ConfigMap of its own"
        context.report("object-too-large", message, [INLINE], hint=hint, at_key=True)


def _named(context: CheckContext, manifest: Manifest) -> tuple[Any, Path]:
    """The object's name with its path in the spec: without one it gets the workload's."""
    if (name := _metadata(manifest).get("name")) is not None:
        return name, (INLINE, "metadata", "name")
    return context.get("metadata", "name"), ("metadata", "name")


def check_server_fields(context: CheckContext, manifest: Manifest) -> None:
    """Nothing is sent that only the cluster writes."""
    metadata = _metadata(manifest)
    given: list[Path] = [("metadata", name) for name in _SERVER_FIELDS if metadata.get(name)]
    if manifest.get("status"):
        given.append(("status",))
    for path in given:
        message = f"'{path[-1]}' is written by the cluster, and ignored or refused when sent"
        hint = "remove it: it came along when the object was read from a cluster"
        context.report("server-field", message, [INLINE, *path], hint=hint, at_key=True)


def check_labels(context: CheckContext, manifest: Manifest, body: Body | None) -> None:
    """Labels and annotations are what Kubernetes takes for them, on the object and its pods."""
    for path, noun, entries in _tags(manifest, body):
        if isinstance(entries, dict):
            for key, value in entries.items():
                _check_entry(context, noun, (*path, key), key, value)
            if noun == "annotation":
                _check_size(context, path, entries)
        elif not context.has_reported(path):
            message = f"'{path[-1]}' must be a mapping, not {type_name(entries)}"
            context.report(f"bad-{noun}", message, path)


def _check_entry(context: CheckContext, noun: str, path: Path, key: str, value: Any) -> None:
    code = f"bad-{noun}"
    if problem := problem_of_key(key):
        context.report(code, f"the {noun} {quote_value(key)} {problem}", path, at_key=True)
    if value is not None and not isinstance(value, str):
        message = f"the {noun} '{key}' must be a string, not {type_name(value)}"
        context.report(code, message, path, hint=context.quoting_hint(path))
    elif noun == "label" and value and (problem := problem_of_label_value(value)):
        context.report(code, f"the value {quote_value(value)} of the label '{key}' {problem}", path)


def _check_size(context: CheckContext, path: Path, entries: Manifest) -> None:
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in entries.items())
    if size > MOST_ANNOTATIONS:
        message = f"annotations hold {size:,} bytes, and Kubernetes takes {MOST_ANNOTATIONS:,}"
        context.report("bad-annotation", message, path, at_key=True)


def _tags(manifest: Manifest, body: Body | None) -> Iterator[tuple[Path, str, Any]]:
    """Every map of labels or annotations with its path in the spec and what it holds."""
    yield from _tags_of((INLINE,), manifest)
    for path, template in body.templates if body else ():
        # A pod is its own template.
        if len(path) > 1 and isinstance(template, dict):
            yield from _tags_of(path, template)
    for pod in body.pods if body else ():
        if (wanted := pod.spec.get("nodeSelector")) is not None:
            yield (*pod.path, "nodeSelector"), "label", wanted
    if body and body.layout.selects:
        for path, wanted in body.find("spec/selector/matchLabels"):
            yield path, "label", wanted


def _tags_of(path: Path, holder: Manifest) -> Iterator[tuple[Path, str, Any]]:
    metadata = _metadata(holder)
    for field, noun in (("labels", "label"), ("annotations", "annotation")):
        if (entries := metadata.get(field)) is not None:
            yield (*path, "metadata", field), noun, entries


def _metadata(manifest: Manifest) -> Manifest:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}

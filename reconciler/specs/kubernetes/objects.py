"""What an object says of itself: its version and kind, its name, its labels and annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.specs.drafts import INLINE
from reconciler.specs.kubernetes.anatomy import Anatomy, Path, find
from reconciler.specs.kubernetes.syntax import (
    problem_of_api_version,
    problem_of_key,
    problem_of_kind,
    problem_of_label_value,
    problem_of_name,
)
from reconciler.specs.shapes import show, type_name
from reconciler.specs.sheet import Sheet

Manifest = Mapping[str, Any]

MOST_ANNOTATIONS = 256 * 1024

# Written by the API server; a manifest that was read from a cluster still has them.
_SERVER_FIELDS = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"),
    *("managedFields", "selfLink", "ownerReferences"),
)


def check_kind_syntax(sheet: Sheet, manifest: Manifest) -> None:
    """The version and kind are written as Kubernetes writes them, and mean one object."""
    checks: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("apiVersion", problem_of_api_version),
        ("kind", problem_of_kind),
    )
    for field, problem_of in checks:
        value = manifest.get(field)
        if isinstance(value, str) and value and (problem := problem_of(value)):
            sheet.say("bad-kind", f"{field} {show(value)} {problem}", [INLINE, field])
    kind = manifest.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and "items" in manifest:
        message = f"a manifest is one object, and a {kind} is several"
        sheet.say("bad-kind", message, [INLINE, "kind"], hint="write a spec for each of its items")


def check_name(sheet: Sheet, manifest: Manifest, anatomy: Anatomy | None) -> None:
    """The object's name is one that Kubernetes takes."""
    name = _metadata(manifest).get("name")
    if isinstance(name, str):
        problem = problem_of_name(name, anatomy.longest_name if anatomy else 253)
        if problem:
            message = f"the name {show(name)} {problem}"
            sheet.say("bad-name", message, [INLINE, "metadata", "name"])


def check_server_fields(sheet: Sheet, manifest: Manifest) -> None:
    """Nothing is sent that only the cluster writes."""
    metadata = _metadata(manifest)
    given: list[Path] = [("metadata", name) for name in _SERVER_FIELDS if metadata.get(name)]
    if manifest.get("status"):
        given.append(("status",))
    for path in given:
        message = f"'{path[-1]}' is written by the cluster, and ignored or refused when sent"
        hint = "remove it: it came along when the object was read from a cluster"
        sheet.say("server-field", message, [INLINE, *path], hint=hint, at_key=True)


def check_labels(sheet: Sheet, manifest: Manifest, anatomy: Anatomy | None) -> None:
    """Labels and annotations are what Kubernetes takes for them, on the object and its pods."""
    for path, noun, entries in _tags(manifest, anatomy):
        if isinstance(entries, dict):
            for key, value in entries.items():
                _check_entry(sheet, noun, (*path, key), key, value)
            if noun == "annotation":
                _check_size(sheet, path, entries)
        elif not sheet.has_said(path):
            message = f"'{path[-1]}' must be a mapping, not {type_name(entries)}"
            sheet.say(f"bad-{noun}", message, path)


def _check_entry(sheet: Sheet, noun: str, path: Path, key: str, value: Any) -> None:
    code = f"bad-{noun}"
    if problem := problem_of_key(key):
        sheet.say(code, f"the {noun} {show(key)} {problem}", path, at_key=True)
    if value is not None and not isinstance(value, str):
        message = f"the {noun} '{key}' must be a string, not {type_name(value)}"
        sheet.say(code, message, path, hint=sheet.quoted(path))
    elif noun == "label" and value and (problem := problem_of_label_value(value)):
        sheet.say(code, f"the value {show(value)} of the label '{key}' {problem}", path)


def _check_size(sheet: Sheet, path: Path, entries: Mapping[str, Any]) -> None:
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in entries.items())
    if size > MOST_ANNOTATIONS:
        message = f"annotations hold {size:,} bytes, and Kubernetes takes {MOST_ANNOTATIONS:,}"
        sheet.say("bad-annotation", message, path, at_key=True)


def _tags(manifest: Manifest, anatomy: Anatomy | None) -> Iterator[tuple[Path, str, Any]]:
    """Every map of labels or annotations with its path in the spec and what it holds."""
    patterns = [("metadata/labels", "label"), ("metadata/annotations", "annotation")]
    if anatomy is not None:
        for pod in filter(None, anatomy.pods):
            patterns += [(f"{pod}/{pattern}", noun) for pattern, noun in patterns[:2]]
        patterns += [(f"{pod}/spec/nodeSelector".lstrip("/"), "label") for pod in anatomy.pods]
        if anatomy.selects:
            patterns.append(("spec/selector/matchLabels", "label"))
    for pattern, noun in patterns:
        for path, entries in find(manifest, pattern):
            yield (INLINE, *path), noun, entries


def _metadata(manifest: Manifest) -> Mapping[str, Any]:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}

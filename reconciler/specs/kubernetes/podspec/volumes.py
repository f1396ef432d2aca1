"""The volumes of a pod: their names, and what each kind of source needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.claims import check_claim_template
from reconciler.specs.kubernetes.podspec.env import check_field_reference, check_resource_reference
from reconciler.specs.kubernetes.podspec.view import PodView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries, given, is_number
from reconciler.specs.kubernetes.syntax import problem_of_label, problem_of_name, read_quantity
from reconciler.specs.schema.compiled_schema import quote_value

_FIELDS = ("metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations")
VOLUME_FIELDS = (*_FIELDS, "metadata.uid")
_SHORTEST_TOKEN = 600
_PROJECTIONS = (
    *("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"),
    "podCertificate",
)
_SourceRule: TypeAlias = Callable[[Path, Manifest], Problems]

# What a source cannot do without, though its schema lets it. An empty text is as good as none.
_NEEDED: Mapping[str, str] = {
    "configMap": "name",
    "ephemeral": "volumeClaimTemplate",
    "secret": "secretName",
}
# What its schema asks for, and lets be empty.
_NOT_EMPTY: Mapping[str, tuple[str, ...]] = {
    "csi": ("driver",),
    "hostPath": ("path",),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
}


def check_volumes(_: PodView, path: Path, volumes: Any) -> Problems:
    """Volumes have names of their own, one source each, and that has what it needs."""
    names: set[str] = set()
    for volume_path, volume in entries(volumes, path):
        name = volume.get("name")
        if isinstance(name, str):
            if problem := problem_of_label(name):
                message = f"the volume's name {quote_value(name)} {problem}"
                yield Problem((*volume_path, "name"), message)
            elif name in names:
                yield Problem((*volume_path, "name"), f"two volumes are named '{name}'")
            names.add(name)
        # Each field beside the name is one kind of source.
        sources = [key for key, source in volume.items() if key != "name" and source is not None]
        if len(sources) > 1:
            message = f"a volume has one source, not {' and '.join(sources)}"
            yield Problem((*volume_path, sources[1]), message, at_key=True)
        for kind in sources:
            if isinstance(source := volume[kind], dict):
                yield from _check_source((*volume_path, kind), kind, source)


def _check_source(path: Path, kind: str, source: Manifest) -> Problems:
    needed = _NEEDED.get(kind)
    if needed is not None and source.get(needed) in (None, ""):
        yield Problem(path, f"'{kind}' needs '{needed}'", at_key=True)
    elif needed and isinstance(name := source[needed], str) and name[:1] == "$":
        # The API server takes any name, and nothing can be called like this.
        message = f"the name {quote_value(name)} holds a variable that is not filled in"
        yield Problem((*path, needed), message, severity=Severity.WARNING)
    for field in _NOT_EMPTY.get(kind, ()):
        if source.get(field) == "":
            yield Problem((*path, field), f"'{field}' is empty")
    if (rule := _SOURCES.get(kind)) is not None:
        yield from rule(path, source)


def _check_empty_dir(path: Path, source: Manifest) -> Problems:
    limit = source.get("sizeLimit")
    amount = read_quantity(limit)
    if limit is not None and not isinstance(limit, dict | list) and (amount is None or amount < 0):
        yield Problem((*path, "sizeLimit"), f"{quote_value(limit)} is no amount of storage")


def _check_host_path(path: Path, source: Manifest) -> Problems:
    yield from check_no_step_back((*path, "path"), source.get("path"))


def _check_nfs(path: Path, source: Manifest) -> Problems:
    text = source.get("path")
    if isinstance(text, str) and text and not text.startswith("/"):
        yield Problem((*path, "path"), f"the path {quote_value(text)} must begin with '/'")


def _check_claim(path: Path, source: Manifest) -> Problems:
    name = source.get("claimName")
    if isinstance(name, str) and name and (problem := problem_of_name(name)):
        yield Problem((*path, "claimName"), f"the claim's name {quote_value(name)} {problem}")


def _check_csi(path: Path, source: Manifest) -> Problems:
    driver = source.get("driver")
    if isinstance(driver, str) and driver and (problem := problem_of_name(driver.lower(), 63)):
        yield Problem((*path, "driver"), f"the driver's name {quote_value(driver)} {problem}")


def _check_items(path: Path, source: Manifest) -> Problems:
    for item_path, item in entries(source.get("items"), (*path, "items")):
        for field in ("key", "path"):
            if item.get(field) == "":
                yield Problem((*item_path, field), f"'{field}' is empty")
        yield from check_inner_path((*item_path, "path"), item.get("path"))


def _check_downward(path: Path, source: Manifest) -> Problems:
    for item_path, item in entries(source.get("items"), (*path, "items")):
        kinds = given(item, "fieldRef", "resourceFieldRef")
        if len(kinds) != 1:
            yield Problem(item_path, "a file holds a fieldRef or a resourceFieldRef")
        if item.get("path") == "":
            yield Problem((*item_path, "path"), "'path' is empty")
        yield from check_inner_path((*item_path, "path"), item.get("path"))
        field_path, resource_path = (*item_path, "fieldRef"), (*item_path, "resourceFieldRef")
        yield from check_field_reference(field_path, item.get("fieldRef"), VOLUME_FIELDS)
        yield from check_resource_reference(
            resource_path, item.get("resourceFieldRef"), needs_name=True
        )


def _check_projected(path: Path, source: Manifest) -> Problems:
    files: set[str] = set()
    for part_path, part in entries(source.get("sources"), (*path, "sources")):
        kinds = given(part, *_PROJECTIONS)
        if len(kinds) > 1:
            message = f"a part of a projected volume is one of {' and '.join(kinds)}"
            yield Problem(part_path, message, "write a part for each")
        for kind in kinds:
            if not isinstance(content := part[kind], dict):
                continue
            content_path = (*part_path, kind)
            if kind in ("secret", "configMap"):
                if not content.get("name"):
                    yield Problem(content_path, f"'{kind}' needs 'name'", at_key=True)
                yield from _check_items(content_path, content)
            elif kind == "downwardAPI":
                yield from _check_downward(content_path, content)
            elif kind == "serviceAccountToken":
                yield from _check_token(content_path, content)
            for file_path, file in _files(content_path, content):
                if file in files:
                    message = f"two parts of the volume are written to {quote_value(file)}"
                    yield Problem(file_path, message)
                files.add(file)


def _files(path: Path, content: Manifest) -> list[tuple[Path, str]]:
    """The paths that a part of a projected volume is written to, as far as it says."""
    holders = [(path, content), *entries(content.get("items"), (*path, "items"))]
    return [
        ((*holder_path, "path"), holder["path"])
        for holder_path, holder in holders
        if isinstance(holder.get("path"), str)
    ]


def _check_token(path: Path, token: Manifest) -> Problems:
    seconds = token.get("expirationSeconds")
    if is_number(seconds) and not _SHORTEST_TOKEN <= seconds <= 2**32:
        message = f"a token lives {_SHORTEST_TOKEN} seconds at least, and 2^32 at most"
        yield Problem((*path, "expirationSeconds"), message)
    if token.get("path") == "":
        yield Problem((*path, "path"), "'path' is empty")
    yield from check_inner_path((*path, "path"), token.get("path"))


_SOURCES: Mapping[str, _SourceRule] = {
    "configMap": _check_items,
    "csi": _check_csi,
    "downwardAPI": _check_downward,
    "emptyDir": _check_empty_dir,
    "ephemeral": check_claim_template,
    "hostPath": _check_host_path,
    "nfs": _check_nfs,
    "persistentVolumeClaim": _check_claim,
    "projected": _check_projected,
    "secret": _check_items,
}


def check_inner_path(path: Path, text: Any) -> Problems:
    """The path of a file that a volume holds: relative, and not named like those of kubelet."""
    if isinstance(text, str) and text.startswith("..") and not text.startswith("../"):
        yield Problem(path, f"the path {quote_value(text)} must not begin with '..'")
    else:
        yield from check_relative_path(path, text)


def check_relative_path(path: Path, text: Any) -> Problems:
    """A path that stays below what it is relative to."""
    if isinstance(text, str) and text.startswith("/"):
        yield Problem(path, f"the path {quote_value(text)} must be relative")
    else:
        yield from check_no_step_back(path, text)


def check_no_step_back(path: Path, text: Any) -> Problems:
    """A path never leads to the folder above."""
    if isinstance(text, str) and ".." in text.split("/"):
        yield Problem(path, f"the path {quote_value(text)} must not contain '..'")

"""Tables of what Kubernetes and operators refuse: a manifest that passes, and one that fails."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TABLES = Path(__file__).parent.parent / "specs" / "rules"
_POD: dict[str, Any] = {"containers": [{"name": "main", "image": "serve:1"}]}
_INIT: dict[str, Any] = {**_POD, "initContainers": [{"name": "first", "image": "serve:1"}]}
_BASES: dict[str, tuple[dict[str, Any], str]] = {
    "c": (_POD, "containers/0"),
    "i": (_INIT, "initContainers/0"),
    "p": (_POD, ""),
}


class Rule(NamedTuple):
    """One row: which manifests pass and fail, and where and by which code the failure is told."""

    kind: str
    rule: str
    code: str
    pointer: str
    passes: dict[str, Any]
    fails: dict[str, Any]


def pod_rules() -> Iterator[Rule]:
    """The rows about pods; their manifests are Pods."""
    for base, rule, code, at, passes, fails in _rows("pods.txt"):
        pod, holder = _BASES[base]
        pointer = "/".join(part for part in ("/manifest/spec", holder, at) if part)
        yield Rule(
            "Pod", rule, code, pointer, *(_pod(pod, holder, text) for text in (passes, fails))
        )


def kind_rules() -> Iterator[Rule]:
    """The rows about kinds; what a row gives is laid over a manifest of the kind that passes."""
    bases = yaml.safe_load((TABLES / "kinds.yaml").read_text(encoding="utf-8"))
    for kind, rule, code, at, passes, fails in _rows("kinds.txt"):
        pointer = f"/manifest/{at}" if at.startswith("metadata") else f"/manifest/spec/{at}"
        manifests = (_lay(bases[kind], _read(text)) for text in (passes, fails))
        yield Rule(kind, rule, code, pointer.rstrip("/"), *manifests)


def _rows(name: str) -> Iterator[list[str]]:
    for line in (TABLES / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield ["" if cell == "-" else cell for cell in line.split(" | ")]


def _read(text: str) -> dict[str, Any]:
    # A field alone, or several in braces: as the value of a key either is YAML on one line.
    fields: dict[str, Any] = yaml.safe_load(text if text.startswith("{") else f"{{{text}}}")
    return fields


def _pod(pod: dict[str, Any], holder: str, text: str) -> dict[str, Any]:
    spec = copy.deepcopy(pod)
    target = spec[holder.split("/", maxsplit=1)[0]][0] if holder else spec
    target.update(_read(text))
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


def _lay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay fields of `spec`, or of `metadata`, over a manifest; null takes a field away."""
    whole = copy.deepcopy(base)
    metadata = over.pop("metadata", None)
    _merge(whole.setdefault("spec", {}), over)
    if metadata is not None:
        _merge(whole.setdefault("metadata", {}), metadata)
    return whole


def _merge(under: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        elif value is None:
            under.pop(key, None)
        else:
            under[key] = value


def spec_text(name: str, manifest: dict[str, Any]) -> str:
    """A spec with a manifest, as JSON: that is YAML as well."""
    return json.dumps({"metadata": {"name": name, "projectId": "1"}, "manifest": manifest})

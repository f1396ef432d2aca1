"""Writes `schemas/kubernetes/`: what Kubernetes itself says about the shape of its core kinds.

The input is a file of all definitions of one Kubernetes release as JSON Schemas, such as the
package kubernetes-validate ships (`kubernetes-json-schema/v*-local/_definitions.json`). Kept are
the definitions that the kinds below need, without prose; see
docs/decisions/0002-kubernetes-schemas.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.specs.kubernetes.structure import SCHEMA_FILE

TARGET = Path(__file__).resolve().parent.parent / "schemas" / "kubernetes" / SCHEMA_FILE
ROOTS = (
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.batch.v1.CronJob",
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.batch.v1.JobTemplateSpec",
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.PodTemplateSpec",
)
# Written by the cluster: a rule of its own says what is wrong with sending them.
_SERVER_SIDE = frozenset({"status", "managedFields"})
_KEPT = ("type", "items", "additionalProperties", "required", "enum")


@click.command()
@click.argument("definitions", type=click.Path(path_type=Path, exists=True))
@click.option("--release", required=True, metavar="VERSION", help="Their release, such as 1.37.0.")
@click.option("--source", required=True, metavar="WORDS", help="Where the file comes from.")
@click.option("--out", type=click.Path(path_type=Path), default=TARGET, help="File to write.")
def main(definitions: Path, release: str, source: str, out: Path) -> None:
    """Derive the shipped schemas from the DEFINITIONS of a Kubernetes release."""
    read = json.loads(definitions.read_text(encoding="utf-8"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(to_text(derive(read.get("$defs") or read["definitions"]), release, source))
    click.echo(f"wrote {out}")


def derive(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the definitions that the roots need, under the last part of their names."""
    names = sorted(_reachable(definitions))
    made = {_short(name): _simplify(definitions[name], definitions) for name in names}
    if len(made) != len(names):
        raise click.ClickException("two definitions have the same last name")
    return {name: schema for name, schema in sorted(made.items()) if not _is_leaf(schema)}


def to_text(made: Mapping[str, Any], release: str, source: str) -> str:
    """Write a line for each definition, so that the next release is a readable change."""
    comment = (
        f"Kubernetes {release} (Apache-2.0), from {source}, without descriptions and status. "
        "Written by tools/derive_kubernetes.py."
    )
    lines = [f"  {json.dumps(name)}: {json.dumps(schema)}" for name, schema in made.items()]
    head = f'{{\n "$comment": {json.dumps(comment)},\n "release": {json.dumps(release)},\n'
    return head + ' "$defs": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _reachable(definitions: Mapping[str, Any]) -> set[str]:
    seen: set[str] = set()
    pending = list(ROOTS)
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(_references(definitions[name]))
    return seen


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield _target(schema)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from _references([v for k, v in properties.items() if k not in _SERVER_SIDE])
        yield from _references([schema.get("items"), schema.get("additionalProperties")])


def _simplify(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        name = _target(schema)
        leaf = _simplify(definitions[name], definitions)
        return leaf if _is_leaf(leaf) else {"$ref": f"#/$defs/{_short(name)}"}
    if "oneOf" in schema:
        # A quantity, or a number or a percentage: either type, whatever it says.
        return {"type": sorted({kind for one in schema["oneOf"] for kind in _types(one)})}
    made: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if kinds := _types(schema):
        made["type"] = kinds[0] if len(kinds) == 1 else kinds
    if schema.get("format") == "int32":
        made |= {"minimum": -(2**31), "maximum": 2**31 - 1}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _simplify(made[key], definitions)
    if "properties" in schema:
        made["properties"] = {
            name: {} if name in _SERVER_SIDE else _simplify(one, definitions)
            for name, one in schema["properties"].items()
        }
        made.setdefault("additionalProperties", False)
    return made


def _types(schema: Mapping[str, Any]) -> list[str]:
    # Null means that a field is left out, wherever it stands; values are checked without.
    given = schema.get("type", [])
    return [one for one in ([given] if isinstance(given, str) else given) if one != "null"]


def _is_leaf(schema: Mapping[str, Any]) -> bool:
    return "properties" not in schema


def _target(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _short(name: str) -> str:
    return name.rpartition(".")[2]


if __name__ == "__main__":
    main()

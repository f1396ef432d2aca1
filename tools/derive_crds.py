"""Writes `schemas/kubernetes/crds/`: what operators say about the shape of their own kinds.

The input are the CustomResourceDefinitions of one release of an operator. Kept is what the API
server checks, without prose, for the kinds that the platform registers; what is a copy of
Kubernetes' own definitions becomes a reference to them. docs/development/schemas.md says where the
definitions are and how to take over another release.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.kinds.registry import is_registered
from reconciler.openapi.crdfiles import read_crd_file, schema_files
from reconciler.openapi.crds import CustomKind
from reconciler.openapi.files import write_files
from reconciler.openapi.sharing import CoreDefinitions
from reconciler.specs.kubernetes.structure import definitions

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "schemas" / "kubernetes" / "crds"
# The definitions themselves, without prose: tests hold the schemas equal to them.
KEPT = ROOT / "tests" / "openapi" / "crds.json.xz"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--source", required=True, help="Who publishes them, such as kubeflow/trainer.")
@click.option("--release", required=True, help="Their release, such as v1.9.0.")
@click.option("--license", "terms", default="Apache-2.0", help="Its terms, as SPDX names them.")
@click.option("--out", type=click.Path(path_type=Path), default=TARGET, help="Folder to write to.")
def main(files: tuple[Path, ...], source: str, release: str, terms: str, out: Path) -> None:
    """Derive the shipped schemas of the kinds that FILES define, and keep these for the tests."""
    kinds = [
        kind
        for file in files
        for kind in read_crd_file(file)
        if is_registered(kind.api_version, kind.name)
    ]
    contents = derive(kinds, f"{source} {release}", terms)
    write_files(contents, out)
    keep(kinds, KEPT)
    for name in contents:
        click.echo(f"wrote {out / name}")


def derive(kinds: Iterable[CustomKind], origin: str, terms: str) -> dict[str, bytes]:
    """The files of kinds that one release of an operator defines."""
    comment = (
        f"From the CustomResourceDefinition of {origin} ({terms}), without descriptions and status."
        " Written by tools/derive_crds.py."
    )
    core = CoreDefinitions(definitions())
    return schema_files(kinds, core, origin=origin, comment=comment)


def keep(kinds: Iterable[CustomKind], file: Path) -> None:
    """Keep what the schemas are derived from, in place of what was kept of these kinds."""
    known = read_kept(file) if file.exists() else {}
    known |= {f"{kind.api_version}/{kind.name}": _plain(kind.structural) for kind in kinds}
    text = json.dumps(known, sort_keys=True, separators=(",", ":"))
    file.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def read_kept(file: Path = KEPT) -> dict[str, Any]:
    """The kept schemas by apiVersion and kind."""
    loaded: dict[str, Any] = json.loads(lzma.decompress(file.read_bytes()))
    return loaded


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A structural schema without its prose, and without what the cluster writes."""
    whole: dict[str, Any] = _without_prose(schema)
    if "status" in whole["properties"]:
        whole["properties"]["status"] = {"type": "object"}
    return whole


def _without_prose(value: Any, *, is_map: bool = False) -> Any:
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_prose(part, is_map=not is_map and key == "properties")
        for key, part in value.items()
        # A field may have the name of a keyword.
        if is_map or key not in ("description", "x-kubernetes-validations")
    }


if __name__ == "__main__":
    main()

"""Writes `schemas/kubernetes/crds/`: what operators say about the shape of their own kinds.

The input are the CustomResourceDefinitions of one release of an operator. Kept is what the API
server checks, without prose, for the kinds that the platform registers; what is a copy of
Kubernetes' own definitions becomes a reference to them. docs/development/schemas.md says where the
definitions are and how to take over another release.
"""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.kinds.registry import is_registered
from reconciler.openapi.crdfiles import read_crd_file, schema_files
from reconciler.openapi.files import write_files
from reconciler.openapi.sharing import CoreDefinitions
from reconciler.specs.kubernetes.limits import LIMITS
from reconciler.specs.kubernetes.structure import definitions

TARGET = Path(__file__).resolve().parent.parent / "schemas" / "kubernetes" / "crds"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--source", required=True, help="Who publishes them, such as kubeflow/trainer.")
@click.option("--release", required=True, help="Their release, such as v1.9.0.")
@click.option("--license", "terms", default="Apache-2.0", help="Its terms, as SPDX names them.")
@click.option("--out", type=click.Path(path_type=Path), default=TARGET, help="Folder to write to.")
def main(files: tuple[Path, ...], source: str, release: str, terms: str, out: Path) -> None:
    """Derive the shipped schemas of the kinds that FILES define."""
    kinds = [
        kind
        for file in files
        for kind in read_crd_file(file)
        if is_registered(kind.api_version, kind.name)
    ]
    origin = f"{source} {release}"
    comment = (
        f"From the CustomResourceDefinition of {origin} ({terms}), without descriptions and status."
        " Written by tools/derive_crds.py."
    )
    core = CoreDefinitions(definitions(), LIMITS)
    contents = schema_files(kinds, core, origin=origin, comment=comment)
    write_files(contents, out)
    for name in contents:
        click.echo(f"wrote {out / name}")


if __name__ == "__main__":
    main()

"""`reconciler schema`: look at the JSON Schemas, derive them again, check that they are current."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpGroup
from reconciler.errors import InvalidInputError, UsageError

if TYPE_CHECKING:
    from reconciler.specs.kubernetes.kind_documents import KindDocument

_Command = Callable[..., None]


@click.group("schema", cls=HelpGroup)
def schema() -> None:
    """Show, derive and check the JSON Schemas of specs, requests, answers and reports."""


@schema.command("show")
@click.argument("kind", required=False)
@click.option(
    "--api-version",
    metavar="VERSION",
    help="Only those that follow from this version of the API, as it has them.",
)
def show(kind: str | None, api_version: str | None) -> None:
    """Print the JSON Schema KIND; without KIND, list what there is.

    KIND is one of this program's documents, such as spec, or a kind of workload, such as
    PyTorchJob or kubeflow.org/v1/PyTorchJob. Those that follow from the API are the newest, unless
    a version is given.
    """
    from reconciler.core.protocol.capabilities import LATEST, capabilities_of
    from reconciler.resources import load_schema, schema_names, schema_text

    try:
        folder = capabilities_of(api_version or LATEST).schema_folder
    except ValueError as error:
        raise UsageError(str(error)) from None
    names = schema_names(folder)
    if kind in names:
        # The text ends with a line break of its own.
        click.echo(schema_text(kind, folder), nl=False)
        return
    documents = _kinds_here()
    if kind is None:
        lines = {name: str(load_schema(name, folder)["description"]) for name in names}
        lines |= {name: f"kind of workload, from {one.origin}" for name, one in documents.items()}
        width = max(map(len, lines), default=0)
        for name, line in lines.items():
            click.echo(f"{name:<{width}}  {line}")
        return
    meant = [name for name in documents if kind in (name, name.rpartition("/")[2])]
    if len(meant) > 1:
        raise UsageError(f"{kind} has several versions", hint=f"there are: {', '.join(meant)}")
    if not meant:
        raise UsageError(
            f"no JSON Schema is called '{kind}'",
            hint=f"there are: {', '.join(names)}, and those of kinds: reconciler schema show",
        )
    click.echo(documents[meant[0]].text())


def _kinds_here() -> dict[str, KindDocument]:
    """The kinds whose schema is known in the repository of the working directory, by name."""
    from reconciler.app.repositories import InvalidSpecsError
    from reconciler.core.diagnostics import has_errors
    from reconciler.specs.config import config_file, find_root, load_config
    from reconciler.specs.kubernetes.kind_documents import kind_documents

    root = find_root(Path())
    config = load_config(config_file(root), root=root)
    diagnostics = list(config.diagnostics)
    documents = kind_documents(config, root, diagnostics)
    if has_errors(diagnostics):
        raise InvalidSpecsError(tuple(diagnostics), "")
    return {f"{one.api_version}/{one.kind}": one for one in documents}


_PATH = click.Path(path_type=Path)
_OUT = click.option("--out", type=_PATH, metavar="DIR", help="Folder of the derived files.")
_OVERLAY = click.option(
    "--overlay", type=_PATH, metavar="FILE", help="Rules added to the document."
)


def _inputs(command: _Command) -> _Command:
    source = click.option(
        "--from",
        "source",
        type=_PATH,
        metavar="OPENAPI",
        help="OpenAPI document: JSON, YAML, or the publisher's Markdown page.",
    )
    return source(_OVERLAY(_OUT(command)))


@schema.command("derive")
@_inputs
def derive(source: Path | None, overlay: Path | None, out: Path | None) -> None:
    """Write the JSON Schemas that follow from the OpenAPI document and the overlay.

    Without options, those of this checkout, for each version of the API of which it has a document.
    """
    folder = out or _checkout()
    _write(_contents(source, overlay), folder)


@schema.command("import")
@click.argument("source", type=_PATH, metavar="FILE")
@_OVERLAY
@_OUT
def import_(source: Path, overlay: Path | None, out: Path | None) -> None:
    """Take over the publisher's FILE: its Markdown page, or an OpenAPI document in JSON or YAML.

    Writes the document as one in JSON, and the JSON Schemas that follow from it: with --out into
    DIR, which `schemas` in reconciler.yaml can then name, otherwise into this checkout. Where the
    shipped document has a description of the same thing, that stays, so that only what has changed
    in substance is written.
    """
    from reconciler.openapi.files import derive_all, import_document, import_files
    from reconciler.resources import OVERLAY, schemas_folder

    shipped = schemas_folder()
    rules = overlay or shipped.joinpath(OVERLAY)
    if out is not None:
        _write(import_files(source, rules, shipped), out)
        todo = f"name {out} as 'schemas' in reconciler.yaml"
        click.echo(f"Next: {todo}; until then its files count as specs.", err=True)
        return
    folder = _checkout()
    document = dict([import_document(source, shipped)])
    _write(document | derive_all(shipped, rules, document), folder)


@schema.command("import-crd")
@click.argument("source", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
@click.option(
    "--out",
    type=_PATH,
    default=Path("crds"),
    show_default=True,
    metavar="DIR",
    help="Folder to write to.",
)
def import_crd(source: Path, out: Path) -> None:
    """Take over the kinds that a CustomResourceDefinition in FILE defines; - is standard input.

    FILE is what `kubectl get crd NAME -o yaml` prints, or a list of such. Writes a JSON Schema for
    each version into DIR, which `crds` in reconciler.yaml can then name.
    """
    from reconciler.openapi.crdfiles import read_crds, schema_files
    from reconciler.openapi.sharing import CoreDefinitions
    from reconciler.openapi.sources import read_text
    from reconciler.specs.kubernetes.structure import definitions

    if str(source) == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
        kinds = read_crds(text, "standard input")
    else:
        kinds = read_crds(read_text(source), str(source))
    contents = schema_files(
        kinds,
        CoreDefinitions(definitions()),
        origin="the imported definition",
        comment="From a CustomResourceDefinition. Written by: reconciler schema import-crd",
    )
    _write(contents, out)
    click.echo(
        f"Next: name {out} as 'crds' in reconciler.yaml; until then its files count as specs.",
        err=True,
    )


def _write(contents: Mapping[str, bytes], folder: Path) -> None:
    from reconciler.openapi.files import find_stale, write_files

    changed = find_stale(contents, folder)
    write_files({name: contents[name] for name in changed}, folder)
    for name in contents:
        click.echo(f"{'wrote' if name in changed else 'unchanged'} {folder / name}")


@schema.command("check")
@_inputs
def check(source: Path | None, overlay: Path | None, out: Path | None) -> None:
    """Fail if a derived JSON Schema is not what `schema derive` would write."""
    from reconciler.openapi.files import find_stale
    from reconciler.resources import REINSTALL, is_checkout, schemas_folder

    folder = out or schemas_folder()
    contents = _contents(source, overlay)
    stale = find_stale(contents, folder)
    if not stale:
        click.echo(f"all derived schemas are current ({len(contents)})")
        return
    lines = [f"  {verdict}: {folder.joinpath(name)}" for name, verdict in stale.items()]
    options = {"--from": source, "--overlay": overlay, "--out": out}
    words = [word for flag, path in options.items() if path for word in (flag, str(path))]
    command = shlex.join(["reconciler", "schema", "derive", *words])
    # An installed program has schemas that nobody can derive again, only install again.
    is_ours = out or is_checkout(folder)
    raise InvalidInputError(
        "\n".join(["derived schemas are out of date", *lines]),
        hint=f"refresh them with: {command}" if is_ours else REINSTALL,
    )


def _contents(source: Path | None, overlay: Path | None) -> dict[str, bytes]:
    from reconciler.openapi.files import derive_all, derive_files
    from reconciler.resources import OVERLAY, schemas_folder

    shipped = schemas_folder()
    rules = overlay or shipped.joinpath(OVERLAY)
    return derive_files(source, rules) if source else derive_all(shipped, rules)


def _checkout() -> Path:
    from reconciler.resources import is_checkout, schemas_folder

    folder = schemas_folder()
    if is_checkout(folder):
        return folder
    raise UsageError(
        "an installed program does not rewrite its own schemas",
        hint="name another folder with --out DIR",
    )

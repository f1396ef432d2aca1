"""The derived schemas as files: what they must contain, which are out of date, writing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

from reconciler.errors import InvalidInputError, ReconcilerError
from reconciler.openapi.derive import derive, document_version, write_schema
from reconciler.openapi.sources import keep_descriptions, load_json, read_document, read_text
from reconciler.openapi.translate import as_object
from reconciler.resources import OVERLAY, REINSTALL, SUFFIX

DOCUMENTS = "openapi"
_DOCUMENT = "workloads-v2-{}.json"
_VERSION = re.compile(r"\d[\w.+-]{0,30}", re.ASCII)


def derive_files(document: Traversable, overlay: Traversable) -> dict[str, bytes]:
    """Return the content of every derived file by its name.

    Raises InvalidInputError for inputs that cannot be read or followed.
    """
    try:
        return _schemas(read_document(document), overlay)
    except RecursionError as error:
        raise _too_deep() from error


def import_files(
    document: Traversable, overlay: Traversable, shipped: Traversable
) -> dict[str, bytes]:
    """Return the content of a publisher's document and of all that is derived from it, by name.

    The document becomes one in JSON, named after its version, with the shipped descriptions.
    Raises InvalidInputError for inputs that cannot be read or followed.
    """
    try:
        whole = keep_descriptions(read_document(document), read_document(shipped))
        version = document_version(whole)
        # It becomes part of a file's name.
        if not _VERSION.fullmatch(version):
            raise InvalidInputError(f"#/info/version: {version!r} is not a version such as 2.23")
        return {
            f"{DOCUMENTS}/{_DOCUMENT.format(version)}": write_schema(
                dict(as_object(whole, "#"))
            ).encode(),
            **_schemas(whole, overlay),
        }
    except RecursionError as error:
        raise _too_deep() from error


def find_stale(expected: Mapping[str, bytes], folder: Traversable) -> dict[str, str]:
    """Return the files that are not byte for byte as expected: by name, `stale` or `missing`."""
    stale: dict[str, str] = {}
    for name, content in expected.items():
        file = folder.joinpath(name)
        try:
            if not file.is_file():
                stale[name] = "missing"
            elif file.read_bytes() != content:
                stale[name] = "stale"
        except OSError as error:
            raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error
    return stale


def write_files(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write the files, making the folder where it is missing; raises ReconcilerError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ReconcilerError(f"cannot write to {folder}: {error.strerror}") from error


def shipped_inputs(folder: Traversable) -> tuple[Traversable, Traversable]:
    """Return the newest OpenAPI document and the overlay that lie in a schemas folder.

    Raises ReconcilerError where there is no document: the installation is broken.
    """
    entries = folder.joinpath(DOCUMENTS)
    try:
        documents = [entry for entry in entries.iterdir() if entry.name.endswith(".json")]
    except OSError:
        documents = []
    if not documents:
        raise ReconcilerError(f"there is no OpenAPI document in {entries}", hint=REINSTALL)
    # By number: as text, 2.9 would come after 2.23.
    newest = max(documents, key=lambda entry: [*map(int, re.findall(r"\d+", entry.name))])
    return newest, folder.joinpath(OVERLAY)


def _schemas(document: object, overlay: Traversable) -> dict[str, bytes]:
    schemas = derive(document, load_json(read_text(overlay), str(overlay)))
    return {f"{name}{SUFFIX}": write_schema(schema).encode() for name, schema in schemas.items()}


def _too_deep() -> InvalidInputError:
    return InvalidInputError("the OpenAPI document or the overlay nests too deeply")

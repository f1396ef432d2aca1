"""The derived schemas as files: what they must contain, which are out of date, writing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.protocol.capabilities import LATEST, parse_version
from reconciler.errors import InvalidInputError, ReconcilerError
from reconciler.openapi.derive import derive, document_version, write_schema
from reconciler.openapi.sources import keep_descriptions, load_json, read_document, read_text
from reconciler.openapi.translate import as_object
from reconciler.resources import REINSTALL, SUFFIX

DOCUMENTS = "openapi"
_DOCUMENT = "workloads-v2-{}.json"
_PREFIX, _ENDING = _DOCUMENT.split("{}")
# It becomes part of a file's name.
_VERSION = re.compile(rf"\d[\w.+-]{{0,30}}|{LATEST}", re.ASCII)


def derive_files(document: Path, overlay: Path) -> dict[str, bytes]:
    """Return the content of every file that is derived from one document, by its name.

    Raises InvalidInputError for inputs that cannot be read or followed.
    """
    try:
        return _schemas(read_document(document), overlay)
    except RecursionError as error:
        raise _too_deep() from error


def derive_all(
    folder: Path, overlay: Path, imported: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Return the content of every file that is derived from the documents in a schemas folder.

    What follows from the newest document lies in the folder itself, the others in one below it
    that has the name of their version. `imported` are documents by name that come to those.
    Raises InvalidInputError for inputs that cannot be read or followed, ReconcilerError where
    there is no document.
    """
    texts = {name: read_text(file) for name, file in sorted(shipped_documents(folder).items())}
    for name, content in (imported or {}).items():
        texts[name.removeprefix(f"{DOCUMENTS}/")] = content.decode()
    try:
        documents = {_version_of(name): load_json(text, name) for name, text in texts.items()}
        newest = max(documents, key=_order)
        return {
            name if version == newest else f"{version}/{name}": content
            for version, document in sorted(documents.items(), key=lambda item: _order(item[0]))
            for name, content in _schemas(document, overlay).items()
        }
    except RecursionError as error:
        raise _too_deep() from error


def import_document(document: Path, shipped: Path) -> tuple[str, bytes]:
    """Return the name and the content of a publisher's document, as it is kept.

    It becomes one in JSON, named after its version, with the descriptions of the one in the
    `shipped` schemas folder that is of the same version or else the newest. Raises
    InvalidInputError for a document that cannot be read or that does not say its version.
    """
    try:
        read = read_document(document)
        version = document_version(read)
        if not _VERSION.fullmatch(version):
            raise InvalidInputError(
                f"#/info/version: {version!r} is not a version such as 2.23, nor {LATEST}"
            )
        known = shipped_documents(shipped)
        name = _DOCUMENT.format(version)
        same = known.get(name) or known[max(known, key=lambda name: _order(_version_of(name)))]
        whole = keep_descriptions(read, read_document(same))
        return f"{DOCUMENTS}/{name}", write_schema(dict(as_object(whole, "#"))).encode()
    except RecursionError as error:
        raise _too_deep() from error


def import_files(document: Path, overlay: Path, shipped: Path) -> dict[str, bytes]:
    """Return a publisher's document, and all that is derived from it alone, by name.

    Raises InvalidInputError for inputs that cannot be read or followed.
    """
    name, content = import_document(document, shipped)
    try:
        return {name: content, **_schemas(load_json(content.decode(), name), overlay)}
    except RecursionError as error:
        raise _too_deep() from error


def find_stale(expected: Mapping[str, bytes], folder: Path) -> dict[str, str]:
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
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ReconcilerError(f"cannot write to {folder}: {error.strerror}") from error


def shipped_documents(folder: Path) -> dict[str, Path]:
    """Return the OpenAPI documents that lie in a schemas folder, by name.

    Raises ReconcilerError where there is none: the installation is broken.
    """
    entries = folder.joinpath(DOCUMENTS)
    try:
        documents = {
            entry.name: entry
            for entry in entries.iterdir()
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_ENDING)
        }
    except OSError:
        documents = {}
    if not documents:
        raise ReconcilerError(f"there is no OpenAPI document in {entries}", hint=REINSTALL)
    return documents


def _version_of(name: str) -> str:
    """The version that a document's file is named after."""
    return name.removeprefix(_PREFIX).removesuffix(_ENDING)


def _order(version: str) -> tuple[bool, tuple[int, int], str]:
    # By number: as text, 2.9 would come after 2.23. `latest` comes after whatever has a number.
    return version == LATEST, parse_version(version) or (0, 0), version


def _schemas(document: object, overlay: Path) -> dict[str, bytes]:
    schemas = derive(document, load_json(read_text(overlay), str(overlay)))
    return {f"{name}{SUFFIX}": write_schema(schema).encode() for name, schema in schemas.items()}


def _too_deep() -> InvalidInputError:
    return InvalidInputError("the OpenAPI document or the overlay nests too deeply")

"""The derived schemas as files: what they must contain, which are out of date, writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

from reconciler.errors import InvalidInputError, ReconcilerError, Where
from reconciler.openapi.derive import derive, write_schema
from reconciler.resources import OVERLAY, SUFFIX

DOCUMENT = "openapi/workloads-v2-2.23.json"


def derive_files(document: Traversable, overlay: Traversable) -> dict[str, bytes]:
    """Return the content of every derived file by its name.

    Raises InvalidInputError for inputs that cannot be read or followed.
    """
    try:
        schemas = derive(_read(document), _read(overlay))
    except RecursionError as error:
        raise InvalidInputError("the OpenAPI document or the overlay nests too deeply") from error
    return {f"{name}{SUFFIX}": write_schema(schema).encode() for name, schema in schemas.items()}


def find_stale(expected: Mapping[str, bytes], folder: Traversable) -> dict[str, str]:
    """Return the files that are not byte for byte as expected: by name, `stale` or `missing`."""
    verdicts = {name: _verdict(folder.joinpath(name), wanted) for name, wanted in expected.items()}
    return {name: verdict for name, verdict in verdicts.items() if verdict}


def write_files(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write the files, making the folder where it is missing; raises ReconcilerError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ReconcilerError(f"cannot write to {folder}: {error.strerror}") from error


def shipped_inputs(folder: Traversable) -> tuple[Traversable, Traversable]:
    """Return the OpenAPI document and the overlay that lie in a schemas folder."""
    return folder.joinpath(*DOCUMENT.split("/")), folder.joinpath(OVERLAY)


def _verdict(file: Traversable, wanted: bytes) -> str:
    if not file.is_file():
        return "missing"
    return "" if _bytes(file) == wanted else "stale"


def _read(file: Traversable) -> object:
    try:
        return json.loads(_bytes(file).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        where = Where(file=str(file), line=error.lineno, column=error.colno)
        raise InvalidInputError(f"not JSON: {error.msg}", where=where) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file}: not UTF-8 text") from error


def _bytes(file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error

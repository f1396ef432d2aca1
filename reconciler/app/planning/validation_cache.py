"""Where `validate` keeps its verdicts on files: one file for each root, for its owner alone."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import reconciler
from reconciler import __version__
from reconciler.app.wholefiles import write_whole
from reconciler.regularfiles import read_regular
from reconciler.resources import schemas_folder
from reconciler.specs.config import Config
from reconciler.specs.memory import Entry
from reconciler.specs.schema.imported_schemas import imported_files
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes

# What reads and judges beside our own code.
_LIBRARIES = ("yaml", "jsonschema")
_KEYS = {"environment", "files"}
# Some 200,000 files without findings.
_MAX_BYTES = 128 * 1024 * 1024


class ValidationCache:
    """The verdicts on the files of one root."""

    def __init__(self, folder: Path, root: Path, config: Config) -> None:
        self._file = _cache_file(folder, root)
        self._config = config
        self.environment = self._digest()

    def recall(self) -> dict[str, Entry]:
        """The entries that are kept, if all that judges is as it was then."""
        content = None
        # Whatever lies there: without it, all is read again.
        with contextlib.suppress(OSError, ValueError, RecursionError):
            if _is_private(self._file):
                content = json.loads(read_regular(self._file, max_bytes=_MAX_BYTES))
        if not isinstance(content, dict) or content.keys() != _KEYS:
            return {}
        if content["environment"] != self.environment.hex() or not isinstance(
            content["files"], dict
        ):
            return {}
        entries: dict[str, Entry] = content["files"]
        return entries

    def keep(self, entries: dict[str, Entry]) -> None:
        """Keep these in their place, unless what judges has changed since the run began."""
        # A policy that changed while the specs were judged may have judged some of them only.
        if self.environment != self._digest():
            return
        # Who cannot write there does without.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps({"environment": self.environment.hex(), "files": entries})
            write_whole(self._file, text, mode=0o600, durable=False)

    def _digest(self) -> bytes:
        # The configuration as it was read: its file may have changed since.
        names = sorted(field.name for field in fields(self._config) if field.name != "where")
        parts: list[object] = [(name, getattr(self._config, name)) for name in names]
        parts += [*self._read_policies(), *sorted(program_files())]
        return sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()

    def _read_policies(self) -> list[tuple[str, bytes | ReadFailure]]:
        files = [file for policy in policy_files(self._config) for file in policy.files]
        files += [(Path(real), real) for real in imported_files(self._config)]
        return [
            (str(path), real if isinstance(real, ReadFailure) else read_bytes(real))
            for path, real in files
        ]


def cache_folder(environ: Mapping[str, str], root: Path) -> Path | None:
    """Where this program keeps what it can do without (XDG Base Directory Specification).

    None where that would be among the specs of the root, and where nobody says where it is.
    """
    # A relative path is invalid there, and to be ignored.
    folder, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME", "")
    if not folder.startswith("/"):
        if not home.startswith("/"):
            return None
        folder = f"{home}/.cache"
    cache = Path(folder) / "workload-reconciler" / "valid"
    return None if cache.resolve().is_relative_to(root.resolve()) else cache


def _cache_file(folder: Path, root: Path) -> Path:
    # Two roots of one name only take the place of each other.
    return folder / f"{zlib.crc32(os.fsencode(root.resolve())):08x}.json"


def _is_private(file: Path) -> bool:
    """Whether nobody but this user can have written a file."""
    status = file.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def program_files() -> Iterator[tuple[str, int, int]]:
    """Every file that judges, as far as it takes to notice that it is another one."""
    yield (f"{__version__} {sys.version}", 0, 0)
    for library in filter(None, map(find_spec, _LIBRARIES)):
        if library.origin:
            yield _signature(library.origin)
    for top in (Path(reconciler.__file__).parent, str(schemas_folder())):
        for folder, _, names in os.walk(top):
            for name in names:
                if name.endswith((".py", ".json")):
                    yield _signature(f"{folder}/{name}")


def _signature(path: str) -> tuple[str, int, int]:
    status = os.stat(path)  # noqa: PTH116 - Path.stat is slower, for hundreds in every run
    return path, status.st_mtime_ns, status.st_size

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
from hashlib import blake2b, sha256
from importlib.util import find_spec
from pathlib import Path
from time import time_ns

import reconciler
from reconciler import __version__
from reconciler.app.wholefiles import write_whole
from reconciler.regularfiles import read_regular
from reconciler.resources import schemas_folder
from reconciler.specs.config import Config
from reconciler.specs.memory import Entry, read_entries, write_entries
from reconciler.specs.schema.imported_schemas import imported_files
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.signatures import Signatures, dependable_devices, read_boot
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes

# What reads and judges beside our own code.
_LIBRARIES = ("yaml", "jsonschema")
# Some 200,000 files without findings.
_MAX_BYTES = 128 * 1024 * 1024
# A run that has learnt of fewer files than one in so many writes these beside all the others.
_FEW = 20


class ValidationCache:
    """The verdicts on the files of one root: those of most files, and those of few written since.

    An entry is true by itself, in whichever of the two it lies: runs at one time lose no more than
    what one of them has learnt.
    """

    def __init__(self, folder: Path, root: Path, config: Config) -> None:
        self._file = _cache_file(folder, root)
        self._recent_file = self._file.with_suffix(".recent.jsonl")
        self._config = config
        self._boot = read_boot()
        self.environment = self._digest()
        devices = dependable_devices() if self._boot else ()
        self.signatures = Signatures(devices, time_ns())
        self._recent: dict[str, Entry] = {}
        self._known: dict[str, Entry] = {}

    def recall(self) -> dict[str, Entry]:
        """The entries that are kept, if all that judges is as it was then."""
        self._recent = self._read(self._recent_file)
        self._known = self._read(self._file) | self._recent
        return self._known

    def keep(self, entries: dict[str, Entry]) -> None:
        """Keep these in their place, unless what judges has changed since the run began."""
        known = self._known
        changed = {name: entry for name, entry in entries.items() if known.get(name) is not entry}
        few = len(entries) // _FEW
        is_shrunk = len(known.keys() - entries.keys()) > few
        # A policy that changed while the specs were judged may have judged some of them only.
        if not (changed or is_shrunk) or self.environment != self._digest():
            return
        recent = self._recent | changed
        # Who cannot write there does without.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(recent) <= few and not is_shrunk:
                self._write(self._recent_file, recent)
            else:
                self._write(self._file, entries)
                self._recent_file.unlink(missing_ok=True)

    def _read(self, file: Path) -> dict[str, Entry]:
        """The entries in a file; without signatures where these prove nothing here and now."""
        # Whatever lies there: without it, all is read again.
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            if _is_private(file):
                first, _, text = read_regular(file, max_bytes=_MAX_BYTES).partition(b"\n")
                environment, written, code = json.loads(first)
                if environment == self.environment.hex():
                    # Where the clock was put back, a change may have the time of an earlier one.
                    is_past = isinstance(written, int) and written <= time_ns()
                    is_own = is_past and code == self._authentication_code(written, text)
                    return read_entries(text, signed=bool(self._boot) and is_own)
        return {}

    def _write(self, file: Path, entries: Mapping[str, Entry]) -> None:
        text, written = write_entries(entries), time_ns()
        first = [self.environment.hex(), written, self._authentication_code(written, text.encode())]
        write_whole(file, f"{json.dumps(first)}\n{text}", mode=0o600, durable=False)

    def _authentication_code(self, written: int, text: bytes) -> str:
        """What a file has to say: another on each start of a machine, and for each content."""
        code = blake2b(key=self._boot, digest_size=32, person=b"memory")
        code.update(b"%b %d\n" % (self.environment, written))
        code.update(text)
        return code.hexdigest()

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
    try:
        is_among_specs = cache.resolve().is_relative_to(root.resolve())
    except RuntimeError:
        # A link that leads to itself; later versions of Python say nothing of it.
        return None
    return None if is_among_specs else cache


def _cache_file(folder: Path, root: Path) -> Path:
    # Two roots of one name only take the place of each other.
    return folder / f"{zlib.crc32(os.fsencode(root.resolve())):08x}.jsonl"


def _is_private(file: Path) -> bool:
    """Whether nobody but this user can have written a file."""
    status = file.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def program_files() -> Iterator[tuple[str, int, int]]:
    """Every file that judges, as far as it takes to notice that it is another one."""
    yield (f"{__version__} {sys.version}", 0, 0)
    for library in filter(None, map(find_spec, _LIBRARIES)):
        if library.origin:
            yield _stamp(library.origin, Path(library.origin).stat())
    folders = [str(Path(reconciler.__file__).parent), str(schemas_folder())]
    while folders:
        # Not by `Path.walk`: hundreds of files are looked at in every run.
        with os.scandir(folders.pop()) as listing:
            for entry in listing:
                if entry.name.endswith((".py", ".json")):
                    yield _stamp(entry.path, entry.stat())
                elif entry.name != "__pycache__" and entry.is_dir():
                    folders.append(entry.path)


def _stamp(path: str, status: os.stat_result) -> tuple[str, int, int]:
    return path, status.st_mtime_ns, status.st_size

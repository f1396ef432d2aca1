"""Files that many specs ask for, read once as long as these come close to each other."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import (
    OUTSIDE,
    ReadBoundary,
    ReadFailure,
    near_miss,
    posix_name,
    read_bytes,
)
from reconciler.specs.source.readers import read_source
from reconciler.specs.source.source_text import decode

# Enough for manifests that many specs share, and for thousands of others not too much.
_MOST_READINGS = 256


class FileReference(NamedTuple):
    """A path that a file in a folder names, and the file that it leads to by name and real path."""

    folder: str
    path: str
    file: SourceFile


class SourceCache:
    """Reads files below a root, and remembers the last readings and a digest of every file."""

    def __init__(self, root: Path) -> None:
        self.references: list[FileReference] = []
        """The paths that were resolved; whoever asks for them removes them."""
        self._root = os.path.realpath(root)
        self._boundary = ReadBoundary.around(root)
        self._digests: dict[str, bytes] = {}
        self._readings: dict[str, Reading] = {}

    def read(self, file: SourceFile) -> Reading:
        """Read the documents of a file; why it cannot be read is a diagnostic of the reading."""
        reading = self._readings.get(file.name)
        if reading is None:
            data = read_bytes(file.real)
            reading = self._readings[file.name] = read_data(data, file.name)
            self._digests[file.name] = digest_of(data)
            if len(self._readings) > _MOST_READINGS:
                del self._readings[next(iter(self._readings))]
        return reading

    def digest(self, name: str) -> bytes:
        """The digest of a file that was read, as it was then."""
        return self._digests[name]

    def diagnostics(self) -> Iterator[Diagnostic]:
        """The diagnostics about the texts of all files read so far."""
        for reading in self._readings.values():
            yield from reading.diagnostics

    def locate(self, folder: str, path: str) -> SourceFile | ReadFailure:
        """Resolve a path that a file in a folder names; both are relative to the root."""
        real: str | ReadFailure = OUTSIDE
        # An absolute path would work on one machine only, also where it leads inside.
        if not path.startswith("/"):
            real = self._boundary.resolve(f"{self._root}/{folder}/{path}")
        if real == OUTSIDE:
            hint = "give a path relative to this file that stays inside the repository"
            return OUTSIDE._replace(hint=hint)
        if isinstance(real, ReadFailure):
            hint = real.hint or near_miss(Path(self._root, folder), path, self._boundary)
            return real._replace(hint=hint)
        name = posixpath.normpath(f"{folder}/{path}" if folder else path)
        file = SourceFile(name=posix_name(name), real=real)
        self.references.append(FileReference(folder, path, file))
        return file


def digest_of(data: bytes | ReadFailure) -> bytes:
    """The SHA-256 of a file's bytes; no file has the one of a failure."""
    return b"" if isinstance(data, ReadFailure) else sha256(data).digest()


def read_data(data: bytes | ReadFailure, name: str) -> Reading:
    """Read the documents of a file's bytes, or pass on why there are none."""
    if isinstance(data, ReadFailure):
        return Reading(documents=(), diagnostics=(data.at(Where(file=name)),))
    source = decode(data, name)
    if isinstance(source, Diagnostic):
        return Reading(documents=(), diagnostics=(source,))
    return read_source(source)

"""Every file of a run, read once, however many specs ask for it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, MutableMapping
from pathlib import Path

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


class SourceCache:
    """Reads files below a root and remembers what it read, its digests if they are wanted."""

    def __init__(self, root: Path, digests: MutableMapping[str, bytes] | None = None) -> None:
        self._root = os.path.realpath(root)
        self._boundary = ReadBoundary.around(root)
        self._digests = digests
        self._readings: dict[str, Reading] = {}

    def read(self, file: SourceFile) -> Reading:
        """Read the documents of a file; why it cannot be read is a diagnostic of the reading."""
        reading = self._readings.get(file.name)
        if reading is None:
            data = read_bytes(file.real)
            reading = self._readings[file.name] = read_data(data, file.name)
            if self._digests is not None and not isinstance(data, ReadFailure):
                from hashlib import sha256

                # Of the bytes that were read: the file may be another one by the next line.
                self._digests[file.name] = sha256(data).digest()
        return reading

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
        return SourceFile(name=posix_name(name), real=real)


def read_data(data: bytes | ReadFailure, name: str) -> Reading:
    """Read the documents of a file's bytes, or pass on why there are none."""
    if isinstance(data, ReadFailure):
        return Reading(documents=(), diagnostics=(data.at(Where(file=name)),))
    source = decode(data, name)
    if isinstance(source, Diagnostic):
        return Reading(documents=(), diagnostics=(source,))
    return read_source(source)

"""Every file of a run, read once and by its real path, however many specs ask for it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.source.documents import Reading, read_source
from reconciler.specs.source.fileaccess import (
    OUTSIDE,
    ReadBoundary,
    ReadFailure,
    near_miss,
    posix_name,
    read_bytes,
)
from reconciler.specs.source.source_text import decode


class SourceCache:
    """Reads files below a root and remembers what it read, its digests if they are wanted."""

    def __init__(self, root: Path, digests: MutableMapping[str, bytes] | None = None) -> None:
        self.root = os.path.realpath(root)
        self._border = ReadBoundary.around(root)
        self._digests = digests
        self._readings: dict[str, Reading] = {}

    def read(self, found: SourceFile) -> Reading:
        """Read the documents of a file; trouble becomes a finding of the reading."""
        known = self._readings.get(found.name)
        if known is None:
            data = read_bytes(found.real)
            known = self._readings[found.name] = read_data(data, found.name)
            if self._digests is not None and not isinstance(data, ReadFailure):
                from hashlib import sha256

                self._digests[found.name] = sha256(data).digest()
        return known

    def diagnostics(self) -> Iterator[Diagnostic]:
        """What is wrong with the files read so far, as texts."""
        for reading in self._readings.values():
            yield from reading.diagnostics

    def locate(self, folder: str, path: str) -> SourceFile | ReadFailure:
        """Resolve a path that a file in a folder names; both are relative to the root."""
        real: str | ReadFailure = OUTSIDE
        if not path.startswith("/"):
            real = self._border.resolve(f"{self.root}/{folder}/{path}")
        if real == OUTSIDE:
            return OUTSIDE._replace(hint=_STAY)
        if isinstance(real, ReadFailure):
            return real._replace(
                hint=real.hint or near_miss(Path(self.root, folder), path, self._border)
            )
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


_STAY = "give a path relative to this file that stays inside the repository"

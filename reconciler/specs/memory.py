"""What is remembered of files that were checked: verdicts, each with what it depends on.

Who does not have the very files learns addresses and kinds from it, and none of their values.
"""

from __future__ import annotations

import json
from base64 import b85decode, b85encode
from collections.abc import Sequence
from hashlib import blake2b, sha512, shake_256
from hmac import compare_digest
from typing import Any, NamedTuple, Protocol

from reconciler.specs.source.fileaccess import ReadFailure, read_bytes
from reconciler.specs.source.source_cache import FileReference, SourceCache, digest_of
from reconciler.specs.verdicts import FileVerdict, read_verdict, write_verdict

# As JSON: a digest of the file and of what reaches it, the text of its facts, of what was found and
# of its references, and a code of that text which only who has the file can make.
Entry = Sequence[Any]
_ENTRY_LENGTH = 3


class VerdictMemory(Protocol):
    """Where verdicts are kept between runs."""

    @property
    def environment(self) -> bytes:
        """A digest of all that judges, apart from the repository's own defaults and patches."""
        ...

    def recall(self) -> dict[str, Entry]:
        """The entries of the last run in the same environment, by the names of files."""
        ...

    def keep(self, entries: dict[str, Entry]) -> None:
        """Keep these in their place."""
        ...


class FileIdentity(NamedTuple):
    """Two halves of one digest: the key that a file is known by, and what opens its findings.

    The second is written nowhere.
    """

    key: str
    seal: bytes


class FileIdentities:
    """Tells files apart by their names, their bytes, and what every file of their folder gets."""

    def __init__(self, environment: bytes, layers: Sequence[tuple[str, bytes]]) -> None:
        self._start = sha512(repr((environment, layers)).encode("utf-8", "surrogatepass"))

    def of(self, name: str, data: bytes) -> FileIdentity:
        """The identity of a file."""
        digest = self._start.copy()
        digest.update(b"%b\0%b" % (name.encode("utf-8", "surrogatepass"), data))
        halves = digest.digest()
        return FileIdentity(halves[:32].hex(), halves[32:])


def write_references(references: Sequence[FileReference], sources: SourceCache) -> list[Any]:
    """The files that one refers to, as they were read just now."""
    return [
        [
            reference.folder,
            reference.path,
            *reference.file,
            sources.digest(reference.file.name).hex(),
        ]
        for reference in references
    ]


def write_entry(verdict: FileVerdict, identity: FileIdentity, references: Sequence[Any]) -> Entry:
    """What to remember of a file."""
    plain, quoting = write_verdict(verdict)
    sealed = _sealed(json.dumps(quoting).encode(), identity.seal, references) if quoting else b""
    text = json.dumps([plain, b85encode(sealed).decode(), references])
    return [identity.key, text, _authentication_code(text, identity.seal)]


def read_entry(
    name: str, entry: Entry | None, identity: FileIdentity, sources: SourceCache
) -> FileVerdict | None:
    """The verdict on a file; None where that, or one that it refers to, is another by now."""
    # Others may have written there, or the disk may have lost a part.
    if not isinstance(entry, list) or len(entry) != _ENTRY_LENGTH or entry[0] != identity.key:
        return None
    _, text, code = entry
    if not (isinstance(text, str) and isinstance(code, str)):
        return None
    if not compare_digest(_as_bytes(code), _as_bytes(_authentication_code(text, identity.seal))):
        return None
    plain, sealed, references = json.loads(text)
    for folder, path, *file, digest in references:
        located = sources.locate(folder, path)
        if isinstance(located, ReadFailure) or list(located) != file:
            return None
        if digest_of(read_bytes(located.real)).hex() != digest:
            return None
    quoting = json.loads(_sealed(b85decode(sealed), identity.seal, references)) if sealed else []
    return read_verdict(name, plain, quoting)


def _authentication_code(text: str, seal: bytes) -> str:
    return blake2b(_as_bytes(text), key=seal, person=b"entry").hexdigest()


def _as_bytes(text: str) -> bytes:
    # Whoever wrote there may have written half a surrogate pair.
    return text.encode("utf-8", "surrogatepass")


def _sealed(data: bytes, seal: bytes, references: Sequence[Any]) -> bytes:
    """Seal what was found in a file, or open it again.

    The message of a finding may quote a value that no rule takes for a secret. With this, only who
    has the file can read it: all that decides about the text goes into its key stream, so that no
    two texts ever share one.
    """
    stream = shake_256(seal + repr(references).encode()).digest(len(data))
    mixed = int.from_bytes(data) ^ int.from_bytes(stream)
    return mixed.to_bytes(len(data))

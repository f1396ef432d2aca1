"""What is remembered of files that were checked: verdicts, each with what it depends on.

Who does not have the very files learns addresses and kinds from it, and none of their values.
"""

from __future__ import annotations

import json
from base64 import b85decode, b85encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha512, shake_256
from hmac import compare_digest
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from reconciler.specs.signatures import NO_SIGNATURE, Signature, Signatures
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes
from reconciler.specs.source.source_cache import FileReference, SourceCache, digest_of
from reconciler.specs.verdicts import FileVerdict, read_verdict, write_verdict


class Entry(NamedTuple):
    """What is remembered of a file: its facts, what was found in it, and its references, as JSON.

    Only who has the file can make the `code` of these three. The digest of its `layers` and its
    `signature` are there where both suffice to know that nothing has changed.
    """

    code: str
    facts: Sequence[Any]
    sealed: str
    references: Sequence[Any]
    layers: str = ""
    signature: Signature = NO_SIGNATURE


class VerdictMemory(Protocol):
    """Where verdicts are kept between runs."""

    @property
    def environment(self) -> bytes:
        """A digest of all that judges, apart from the repository's own defaults and patches."""
        ...

    @property
    def signatures(self) -> Signatures:
        """What signs files in this run."""
        ...

    def recall(self) -> dict[str, Entry]:
        """The entries of earlier runs in the same environment, by the names of files.

        One has a signature only where this user wrote it, and since this machine has been started.
        """
        ...

    def keep(self, entries: dict[str, Entry]) -> None:
        """Keep these in their place."""
        ...


class FileIdentities:
    """Tells files apart by their names, their bytes, and what every file of their folder gets.

    `layers` stands for the last of these alone.
    """

    def __init__(self, environment: bytes, layers: Sequence[tuple[str, bytes]]) -> None:
        self._start = sha512(repr((environment, layers)).encode("utf-8", "surrogatepass"))
        self.layers = self._start.hexdigest()[:32]

    def of(self, name: str, data: bytes) -> bytes:
        """The digest of a file; it opens what was found there, and is written nowhere."""
        digest = self._start.copy()
        digest.update(b"%b\0%b" % (name.encode("utf-8", "surrogatepass"), data))
        return digest.digest()


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


def write_entries(entries: Mapping[str, Entry]) -> str:
    """Entries by the names of files, as JSON: one list for each part, which is read fastest."""
    rows = [(name, *entry[:-1], *entry.signature) for name, entry in entries.items()]
    return json.dumps([*zip(*rows, strict=True)], separators=(",", ":"))


def read_entries(text: bytes, *, signed: bool) -> dict[str, Entry]:
    """The entries, without signatures unless these are to be believed.

    Raises ValueError, TypeError or RecursionError for anything else.
    """
    names, codes, facts, sealed, references, layers, *signatures = json.loads(text)
    if not signed:
        layers, signatures = repeat(""), [repeat(value) for value in NO_SIGNATURE]
    entries = map(Entry, codes, facts, sealed, references, layers, zip(*signatures, strict=False))
    return dict(zip(names, entries, strict=False))


def write_entry(verdict: FileVerdict, seal: bytes, references: Sequence[Any]) -> Entry:
    """What to remember of a file."""
    facts, quoting = write_verdict(verdict)
    sealed = _sealed(json.dumps(quoting).encode(), seal, references) if quoting else b""
    content = facts, b85encode(sealed).decode(), references
    return Entry(_authentication_code(*content, seal=seal), *content)


def sign_entry(entry: Entry, layers: str, signature: Signature | None) -> Entry:
    """The same with the present signature of the file, where that proves something.

    Nothing but its bytes opens what was found in a file, and others than itself decide about one
    that refers to them: both are read in each run.
    """
    if signature in (None, entry.signature) or entry.sealed or entry.references:
        return entry
    return entry._replace(layers=layers, signature=signature)


def read_entry(name: str, entry: Entry, seal: bytes, sources: SourceCache) -> FileVerdict | None:
    """The verdict on a file; None where that, or one that it refers to, is another by now."""
    code, facts, sealed, references, *_ = entry
    # Others may have written there, or the disk may have lost a part.
    try:
        expected = _authentication_code(facts, sealed, references, seal=seal)
    except RecursionError:
        return None
    if not compare_digest(_as_bytes(str(code)), expected.encode()):
        return None
    for folder, path, *file, digest in references:
        located = sources.locate(folder, path)
        if isinstance(located, ReadFailure) or list(located) != file:
            return None
        if digest_of(read_bytes(located.real)).hex() != digest:
            return None
    quoting = json.loads(_sealed(b85decode(sealed), seal, references)) if sealed else ()
    return read_verdict(name, facts, quoting)


def _authentication_code(*content: Any, seal: bytes) -> str:
    text = json.dumps(content)
    return blake2b(text.encode(), key=seal, digest_size=32, person=b"entry").hexdigest()


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

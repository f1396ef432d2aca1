"""Whether a repository has been found valid just as it is: a digest of all that was read for it.

Nothing else of it is kept, since specs hold secrets: one small file for each root, for its owner
alone. Only "valid, without any finding" is remembered, and only `validate` asks for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.resources import schemas_folder
from reconciler.specs.config import Config
from reconciler.specs.discovery.spec_files import DiscoveredFiles, discover_files
from reconciler.specs.loaded import Loaded
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes

# What reads and judges beside our own code.
_LIBRARIES = ("yaml", "jsonschema")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedVerdict:
    """What was valid."""

    workloads: int
    files: int


class ValidationCache:
    """What is remembered of one root, asked for with some paths and a configuration."""

    def __init__(self, folder: Path, paths: Sequence[Path], root: Path, config: Config) -> None:
        # Two roots of one name only take the place of each other.
        self._file = folder / f"{zlib.crc32(os.fsencode(root.resolve())):08x}.json"
        self._paths, self._root, self._config = paths, root, config
        self._policies = self._read_policies()

    def recall(self) -> CachedVerdict | None:
        """The last verdict, if all that it was about is as it was then."""
        known = _read(self._file)
        if known is None:
            return None
        from hashlib import sha256

        discovered = discover_files(self._paths, self._root, self._config)
        read = {file.name: read_bytes(file.real) for file in discovered.files}
        digests = {
            name: sha256(data).digest()
            for name, data in read.items()
            if not isinstance(data, ReadFailure)
        }
        if known["digest"] != self._digest(discovered, digests):
            return None
        return CachedVerdict(workloads=known["workloads"], files=known["files"])

    def remember(self, whole: Loaded, asked: Loaded, digests: Mapping[str, bytes]) -> None:
        """Keep that nothing was found in all that was read; `digests` are of those very bytes."""
        if whole.diagnostics or not digests or self._policies != self._read_policies():
            return
        digest = self._digest(discover_files(self._paths, self._root, self._config), digests)
        if digest is not None:
            verdict = CachedVerdict(workloads=len(asked.desired), files=asked.files)
            _write(self._file, {"digest": digest, **asdict(verdict)})

    def _digest(self, discovered: DiscoveredFiles, digests: Mapping[str, bytes]) -> str | None:
        """Everything that decides as one digest; None if some of it would not be seen to change."""
        from hashlib import sha256

        is_all = digests.keys() == {file.name for file in discovered.files}
        if discovered.reads_stdin or discovered.tree.diagnostics or not is_all:
            return None

        # The configuration as it was read: its file may have changed since.
        names = sorted(one.name for one in fields(self._config) if one.name != "where")
        parts: list[object] = [(name, getattr(self._config, name)) for name in names]
        parts += [*self._policies, *sorted(_program()), discovered.targets]
        parts += [(file.name, file.real, digests[file.name]) for file in discovered.files]
        return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _read_policies(self) -> list[tuple[str, bytes | ReadFailure]]:
        files = [file for policy in policy_files(self._config) for file in policy.files]
        return [
            (str(path), real if isinstance(real, ReadFailure) else read_bytes(real))
            for path, real in files
        ]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where this program keeps what it can do without (XDG Base Directory Specification)."""
    given = environ.get("XDG_CACHE_HOME", "")
    # A relative path is invalid there, and to be ignored.
    base = Path(given) if given.startswith("/") else Path(environ.get("HOME", "/")) / ".cache"
    return base / "workload-reconciler" / "valid"


def _program() -> Iterator[tuple[str, int, int]]:
    """Every file that judges, as far as it takes to notice that it is another one."""
    specs = filter(None, map(find_spec, _LIBRARIES))
    paths = [Path(spec.origin) for spec in specs if spec.origin]
    for top in (Path(__file__).parent.parent, Path(str(schemas_folder()))):
        paths += [path for path in top.rglob("*") if path.suffix in (".py", ".json")]
    yield (f"{__version__} {sys.version}", 0, 0)
    for path in paths:
        status = path.stat()
        yield (str(path), status.st_mtime_ns, status.st_size)


def _read(file: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(known, dict) and known.keys() == {"digest", "workloads", "files"}:
            return known
    return None


def _write(file: Path, content: Mapping[str, Any]) -> None:
    # Who cannot write there does without.
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
        draft.replace(file)

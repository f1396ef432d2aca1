"""Whether a repository has been found valid just as it is: a digest of all that was read for it.

Nothing else of it is kept, since specs hold secrets: one small file for each root, for its owner
alone. Only "valid, without any diagnostic" is remembered, and only `validate` asks for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import reconciler
from reconciler import __version__
from reconciler.app.wholefiles import write_whole
from reconciler.resources import schemas_folder
from reconciler.specs.config import Config
from reconciler.specs.discovery.spec_files import DiscoveredFiles, discover_files
from reconciler.specs.loaded import Loaded
from reconciler.specs.schema.imported_schemas import imported_files
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes

# What reads and judges beside our own code.
_LIBRARIES = ("yaml", "jsonschema")
_KEYS = {"digest", "workloads", "files", "unresolved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedVerdict:
    """What was valid; `unresolved` counts the projects by name that only a server knows."""

    workloads: int
    files: int
    unresolved: int = 0


class ValidationCache:
    """What is remembered of one root, asked for with some paths and a configuration."""

    def __init__(self, folder: Path, paths: Sequence[Path], root: Path, config: Config) -> None:
        # Two roots of one name only take the place of each other.
        self._file = folder / f"{zlib.crc32(os.fsencode(root.resolve())):08x}.json"
        self._paths, self._root, self._config = paths, root, config
        self._policies = self._read_policies()

    def recall(self) -> CachedVerdict | None:
        """The last verdict, if all that it was about is as it was then."""
        entry = None
        with contextlib.suppress(OSError, ValueError):
            entry = json.loads(self._file.read_text(encoding="utf-8"))
        if not isinstance(entry, dict) or entry.keys() != _KEYS:
            return None
        discovered = discover_files(self._paths, self._root, self._config)
        contents = {file.name: read_bytes(file.real) for file in discovered.files}
        digests = {
            name: sha256(data).digest()
            for name, data in contents.items()
            if not isinstance(data, ReadFailure)
        }
        if entry["digest"] != self._digest(discovered, digests):
            return None
        return CachedVerdict(
            workloads=entry["workloads"],
            files=entry["files"],
            unresolved=entry["unresolved"],
        )

    def remember(self, whole: Loaded, loaded: Loaded, digests: Mapping[str, bytes]) -> None:
        """Keep that nothing is wrong with all that was read; `digests` are of those very bytes.

        `loaded` is the part of the `whole` that was asked for.
        """
        # A policy that changed while the specs were judged may have judged some of them only.
        if whole.diagnostics or not digests or self._policies != self._read_policies():
            return
        digest = self._digest(discover_files(self._paths, self._root, self._config), digests)
        if digest is None:
            return
        verdict = CachedVerdict(
            workloads=len(loaded.desired),
            files=loaded.files,
            unresolved=len(loaded.unresolved),
        )
        # Who cannot write there does without.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps({"digest": digest, **asdict(verdict)})
            write_whole(self._file, text, mode=0o600, durable=False)

    def _digest(self, discovered: DiscoveredFiles, digests: Mapping[str, bytes]) -> str | None:
        """Everything that decides as one digest; None if some of it would not be seen to change."""
        is_all = digests.keys() == {file.name for file in discovered.files}
        if discovered.reads_stdin or discovered.tree.diagnostics or not is_all:
            return None
        # The configuration as it was read: its file may have changed since.
        names = sorted(field.name for field in fields(self._config) if field.name != "where")
        parts: list[object] = [(name, getattr(self._config, name)) for name in names]
        parts += [*self._policies, *sorted(program_files()), discovered.targets]
        parts += [(file.name, file.real, digests[file.name]) for file in discovered.files]
        return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _read_policies(self) -> list[tuple[str, bytes | ReadFailure]]:
        files = [file for policy in policy_files(self._config) for file in policy.files]
        files += [(Path(real), real) for real in imported_files(self._config)]
        return [
            (str(path), real if isinstance(real, ReadFailure) else read_bytes(real))
            for path, real in files
        ]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where this program keeps what it can do without (XDG Base Directory Specification)."""
    folder = environ.get("XDG_CACHE_HOME", "")
    # A relative path is invalid there, and to be ignored.
    base = Path(folder) if folder.startswith("/") else Path(environ.get("HOME", "/")) / ".cache"
    return base / "workload-reconciler" / "valid"


def program_files() -> Iterator[tuple[str, int, int]]:
    """Every file that judges, as far as it takes to notice that it is another one."""
    specs = filter(None, map(find_spec, _LIBRARIES))
    paths = [Path(spec.origin) for spec in specs if spec.origin]
    for top in (Path(reconciler.__file__).parent, Path(str(schemas_folder()))):
        paths += [path for path in top.rglob("*") if path.suffix in (".py", ".json")]
    yield (f"{__version__} {sys.version}", 0, 0)
    for path in paths:
        status = path.stat()
        yield (str(path), status.st_mtime_ns, status.st_size)

"""The data file: every change of a workload as one JSON line, so a restart loses nothing."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from reconciler.sandbox.settings import SandboxError
from reconciler.sandbox.world.workload import Workload, from_record, to_record

_Generations = dict[tuple[str, str], int]


class Journal:
    """Remembers nothing: the store of a sandbox that starts empty and leaves nothing behind."""

    def load(self) -> Iterator[Workload]:
        """The last form of every workload, in order of creation."""
        return iter(())

    def generations(self) -> _Generations:
        """How many workloads each (project, name) has had, so that no id comes twice."""
        return {}

    def append(self, workload: Workload, generations: int) -> None:
        """Make the new form of a workload survive the process."""

    def close(self) -> None:
        """Close the file."""


class FileJournal(Journal):
    """A journal in one file, locked while open; raises SandboxError when it cannot be used.

    A line is handed to the kernel before the client hears of it. That survives a killed process;
    a rehearsal server does not pay for surviving a power cut.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._workloads: dict[str, Workload] = {}
        self._generations: _Generations = {}
        try:
            self._file = path.open("a", encoding="ascii")
        except OSError as exc:
            raise SandboxError(f"cannot write the data file {path}: {exc.strerror}") from None
        try:
            # Two sandboxes that append to one file would give out the same ids.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._replay()
        except OSError:
            self._file.close()
            raise SandboxError(f"another sandbox is using the data file {path}") from None
        except SandboxError:
            self._file.close()
            raise

    def load(self) -> Iterator[Workload]:
        """Hand over the replayed workloads."""
        loaded, self._workloads = self._workloads, {}
        return iter(loaded.values())

    def generations(self) -> _Generations:
        """Hand over the replayed counters."""
        return dict(self._generations)

    def append(self, workload: Workload, generations: int) -> None:
        """Write one line and flush it."""
        record = {"generations": generations, **to_record(workload)}
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file, which releases its lock."""
        self._file.close()

    def _replay(self) -> None:
        """Read whole lines; a torn last one was never answered, so it is cut off."""
        end = 0
        data = self._path.read_bytes()
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
                generations = record.pop("generations")
                workload = from_record(record)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise SandboxError(
                    f"{self._path}:{number}: not a line of a sandbox data file; "
                    "name another file with --data, or move this one away"
                ) from None
            self._workloads[workload.id] = workload
            before = self._generations.get(workload.address, 0)
            self._generations[workload.address] = max(generations, before)
            end += len(line)
        self._file.truncate(end)

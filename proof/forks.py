"""The command line in forks of this process, which has imported everything that an apply needs.

A start of the real program takes half a second, nearly all of it imports. A fork runs the same
`main()` with the same streams, folder and environment, and is there at once: hundreds of kills
fit into minutes, and eight rivals really start at the same moment.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from proof.commands import Ended, environment
from proof.sandboxes import Sandbox
from tests.support.workloads import spec, write_specs

# A hang is a finding too; no run of a few workloads takes this long.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Stop:
    """A thread of a fork that waits at its gate: before `main()`, or before its own first step."""

    thread: str
    tid: int


class _Gate:
    """Where the threads of a fork announce themselves and wait, one at a time."""

    def __init__(self, announce: int, released: int) -> None:
        self._announce = announce
        self._released = released
        self._turn = threading.Lock()

    def wait(self, name: str) -> None:
        with self._turn:
            os.write(self._announce, f"{name} {threading.get_native_id()}\n".encode())
            os.read(self._released, 1)


class Fork:
    """One command line that runs in a fork; its output goes to files beside its folder."""

    def __init__(self, pid: int, output: Path, announced: int, release: int) -> None:
        self.pid = pid
        self._output = output
        self._announced = announced
        self._release = release
        self._began = time.monotonic()

    def stops(self) -> Iterator[Stop]:
        """Every thread that stops at its gate, until the process ends; each must be released."""
        end = os.pidfd_open(self.pid)
        try:
            while True:
                ready, _, _ = select.select([self._announced, end], [], [], PATIENCE)
                if self._announced in ready and (line := os.read(self._announced, 200)):
                    name, tid = line.decode().rsplit(maxsplit=1)
                    yield Stop(name, int(tid))
                    continue
                if not ready:
                    os.kill(self.pid, signal.SIGKILL)
                return
        finally:
            os.close(end)

    def stand_ready(self) -> None:
        """Return when it waits at its first gate."""
        next(iter(self.stops()))

    def release(self) -> None:
        """Let the thread that waits go on."""
        os.write(self._release, b".")

    def wait(self) -> Ended:
        """Release every thread, wait for the end and tell it; a run that hangs is killed."""
        for _ in self.stops():
            self.release()
        _, status = os.waitpid(self.pid, 0)
        os.close(self._announced)
        os.close(self._release)
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            out=self._output.with_suffix(".out").read_text(errors="replace"),
            err=self._output.with_suffix(".err").read_text(errors="replace"),
            took=time.monotonic() - self._began,
        )


def fork(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    *,
    name: str = "run",
    hold_threads: bool = True,
) -> Fork:
    """Start the command line in a fork that waits at its gate, its modules already there.

    With `hold_threads` every thread that it starts waits there as well.
    """
    announced, announce = os.pipe()
    released, release = os.pipe()
    output = folder.parent / f"{folder.name}-{name}"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(announce)
        os.close(released)
        return Fork(pid, output, announced, release)
    os.close(announced)
    os.close(release)
    gate = _Gate(announce, released)
    _live(arguments, variables, folder, output, gate, hold_threads=hold_threads)
    raise AssertionError("a fork never returns")


def run_fork(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path, *, name: str = "run"
) -> Ended:
    """Run the command line in a fork, undisturbed."""
    return fork(arguments, variables, folder, name=name, hold_threads=False).wait()


def _live(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    output: Path,
    gate: _Gate,
    *,
    hold_threads: bool,
) -> None:
    """The life of a fork, which ends in here whatever happens."""
    code = 70
    try:
        _settle_in(arguments, variables, folder, output)
        if hold_threads:
            mock.patch.object(threading.Thread, "run", _held_back(gate)).start()
        gate.wait("main")
        code = _run_main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _settle_in(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path, output: Path
) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment(variables))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for fd, path, how in (
        (0, os.devnull, os.O_RDONLY),
        (1, f"{output}.out", flags),
        (2, f"{output}.err", flags),
    ):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    sys.argv = ["reconciler", *arguments]


def _held_back(gate: _Gate) -> Callable[[threading.Thread], None]:
    run = threading.Thread.run

    def wait_and_run(thread: threading.Thread) -> None:
        gate.wait(thread.name)
        run(thread)

    return wait_and_run


def _run_main() -> int:
    from reconciler.cli.main import main  # noqa: PLC0415 - `preload` has imported it

    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def preload(sandbox: Sandbox) -> None:
    """Import whatever an apply and a plan import, as they have shown in runs of their own."""
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as name:
        folder = Path(name) / "w"
        write_specs(folder, [spec("preload", "preload")])
        for arguments in (["apply", ".", "--yes", "--init"], ["plan", "."]):
            for module in _modules_of(arguments, sandbox.variables, folder):
                importlib.import_module(module)


def _modules_of(
    arguments: Sequence[str], variables: Mapping[str, str], folder: Path
) -> Sequence[str]:
    listing = folder.parent / "modules"
    pid = os.fork()
    if pid == 0:
        try:
            _settle_in(arguments, variables, folder, folder.parent / "preload")
            # It would end this process, which is still to tell what it has imported.
            with mock.patch.object(os, "_exit", sys.exit):
                _run_main()
            names = [name for name in sys.modules if not name.startswith(("proof", "__"))]
            listing.write_text("\n".join(names))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return listing.read_text().splitlines()

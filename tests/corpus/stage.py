"""A stage on which command lines run in this process and print the same to the byte every time.

Time passes on a timeline, ids are counted, the sandbox answers without a socket, and what is
written behind the loop is written at once. Nothing else of the product is replaced.
"""

from __future__ import annotations

import asyncio
import copy
import getpass
import importlib
import itertools
import os
import pkgutil
import shlex
import socket
import textwrap
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple

import pytest

import reconciler
from reconciler import __version__
from reconciler.app.session import Connector
from reconciler.cli.main import run
from reconciler.sandbox import DEMO, Sandbox, Settings
from tests.support.printed_commands import PrintedCommands, copied_folder
from tests.support.timing import Timeline, VirtualClock, VirtualLoop
from tests.support.transports import SandboxTransport

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

URL = "https://control-plane.example"
_PATH_LENGTH = 160
VARIABLES = {
    "RUNAI_BASE_URL": URL,
    "RUNAI_CLIENT_ID": DEMO.client_id,
    "RUNAI_CLIENT_SECRET": DEMO.client_secret,
    "COLUMNS": "100",
}


class _AnyDatetime(type):
    """For `isinstance` the class with another present is `datetime` itself."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class _SteadyLoop(VirtualLoop):
    """A virtual loop that does the work of threads in its own turn: one order of events."""

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - asyncio passes it; no thread runs
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Do it now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Stage:
    """One story: a folder, a server, a timeline, and the transcript of the commands."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        # Tables are as wide as the paths in them.
        self.folder = folder / "s".ljust(_PATH_LENGTH - len(str(folder)) - 1, "-")
        self.folder.mkdir()
        self.timeline = Timeline()
        self.transcript: list[str] = []
        self.sandbox = self._new_sandbox()
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._connections = 0
        self._ids = itertools.count(1)
        self._printed = PrintedCommands(monkeypatch, capsys, self._rehearse, set())
        monkeypatch.chdir(self.folder)
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        self._hold_still()

    def serve(self, *faults: str, **settings: Any) -> None:
        """Put another sandbox in the place of the present one, with nothing in it."""
        self.sandbox.close()
        self.sandbox = self._new_sandbox(faults=faults, **settings)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files below the folder; texts are dedented."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file, which has to hold what is changed."""
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), "utf-8")

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.folder / name).unlink()

    def tell(self, heading: str) -> None:
        """Say in the transcript what happens beside the commands."""
        self.transcript.append(f"# {heading}\n")

    def run(self, line: str, **variables: str) -> None:
        """Run one command line, and record what it printed and its exit code.

        What it printed for its reader to type is tried in a copy of this world.
        """
        self._capsys.readouterr()
        self._printed.begin()
        with self._monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run(shlex.split(line))
            printed = self._capsys.readouterr()
            connections = self._connections
            self._printed.check(printed.err + printed.out)
            # A command that is only looked up may have made one.
            self._connections = connections
        shown = "".join(f"{name}={value} " for name, value in variables.items())
        self._record(f"$ {shown}reconciler {line}", printed.out)
        if printed.err:
            self._record("-- standard error", printed.err)
        if code:
            self.transcript.append(f"-- exit code {code}\n")

    def show_file(self, name: str) -> None:
        """Record what a command has written to a file."""
        self._record(f"-- {name}", (self.folder / name).read_text("utf-8"))

    def skip(self, seconds: float) -> None:
        """Let time pass between two commands."""
        self.tell(f"{seconds:g} seconds pass")
        self.timeline.skip(seconds)

    def id_of(self, name: str, project: str = "4501") -> str:
        """The id under which a workload lives on the server."""
        workload = self.sandbox.store.find(project, name)
        assert workload is not None, f"{name} does not live"
        return workload.id

    def close(self) -> None:
        """End the server."""
        self.sandbox.close()

    def _record(self, heading: str, text: str) -> None:
        text = text.replace(str(self.folder), "/stage").replace(__version__, "VERSION")
        if text and not text.endswith("\n"):
            text += "\n-- no end of line\n"
        self.transcript.append(f"{heading}\n{text}")

    def _new_sandbox(self, **settings: Any) -> Sandbox:
        return Sandbox(Settings(**settings), clock=self.timeline.epoch_seconds)

    def _connect(self, environ: Mapping[str, str], confirm: Any = None) -> Connector:
        self._connections += 1
        return Connector(
            environ=environ,
            clock=VirtualClock(self.timeline),
            confirm=confirm,
            transport=lambda: SandboxTransport(self.sandbox),
            seed=self._connections,
        )

    def _run_loop(self, main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=lambda: _SteadyLoop(self.timeline)) as runner:
            return runner.run(main)

    def _rehearse(self, words: Sequence[str]) -> tuple[int, str]:
        """Carry out a command in a copy of the folder, the server and the time."""
        kept = self.sandbox, self.timeline, self._ids, self._connections
        self.sandbox, self.timeline, self._ids, self._connections = copy.deepcopy(kept)
        try:
            with copied_folder(
                self.folder, self.folder.with_name("copy"), self._monkeypatch
            ) as there:
                code = run([there(word) for word in words])
        finally:
            self.sandbox, self.timeline, self._ids, self._connections = kept
        said = self._capsys.readouterr()
        return code, said.err + said.out

    def _epoch_seconds(self) -> float:
        return self.timeline.epoch_seconds()

    def _hold_still(self) -> None:
        """Replace what differs between two runs or two machines."""
        # A rehearsal has a timeline of its own, so each of these asks for the present one.
        patch = self._monkeypatch.setattr
        patch(Connector, "system", self._connect)
        patch(asyncio, "run", self._run_loop)
        patch(time, "time", self._epoch_seconds)
        patch(time, "monotonic", lambda: self.timeline.now)
        patch(uuid, "uuid4", lambda: uuid.UUID(int=next(self._ids) << 96, version=4))
        patch(os, "getpid", lambda: 4711)
        patch(socket, "gethostname", lambda: "runner-1")
        patch(getpass, "getuser", lambda: "ci")

        stage = self

        class Clock(datetime, metaclass=_AnyDatetime):
            """`datetime`, whose present is that of the timeline."""

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return cls.fromtimestamp(stage._epoch_seconds(), tz or UTC)

        for module in _modules():
            if getattr(module, "datetime", None) is datetime:
                patch(module, "datetime", Clock)
        # Functions that import it when they are called.
        patch("datetime.datetime", Clock)


def _modules() -> list[Any]:
    """Every module of the product; those that commands import late as well."""
    names = [
        name
        for _, name, _ in pkgutil.walk_packages(reconciler.__path__, "reconciler.")
        if name != "reconciler.__main__"
    ]
    return [importlib.import_module(name) for name in names]

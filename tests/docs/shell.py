"""Runs the commands of a page: the product in this process, everything else in a shell."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from tests.docs.sessions import words_of
from tests.support.in_process import run_here
from tests.support.sandboxes import start, stop

ROOT = Path(__file__).resolve().parent.parent.parent
_BIN = Path(sys.executable).parent
# A page that waits for the cluster would take its time in every run of the tests. A cluster that
# is not seen at work says nothing of an update, which then waits until no older word can be meant.
_SOON = ("--sync-delay", "0.3s")


class Shell:
    """One reader: a folder, an environment, and the sandboxes that were started.

    A sandbox listens on a free port; the reader sees the port that the page asks for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._variables = {
            "PATH": f"{_BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "REPOSITORY": str(ROOT),
        }
        self._urls: dict[str, str] = {}
        self._sandboxes: list[subprocess.Popen[str]] = []

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator[Shell]:
        """A shell whose sandboxes end with the block."""
        shell = cls(folder)
        try:
            yield shell
        finally:
            shell.close()

    def close(self) -> None:
        """End every sandbox."""
        for process in self._sandboxes:
            stop(process)

    def stand_in(self, shown: str, real: str, programs: Path) -> None:
        """Let a name in the page mean something real, and find the programs that it needs."""
        self._urls[shown] = real
        self._variables["PATH"] += f":{programs}"

    def export(self, variables: Mapping[str, str]) -> None:
        """Set variables, as whoever looks after the reader's machine has done."""
        self._variables |= variables

    def write(self, name: str, content: str) -> None:
        """Write a file, as the reader's editor would."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def run(self, command: str, *, hidden: bool = False) -> tuple[int, str]:
        """Run one command; returns its exit code and all that it printed.

        A `hidden` sandbox is known to the session; of any other the page says how to reach it.
        """
        for shown, real in self._urls.items():
            command = command.replace(shown, real)
        code, said = self._run(command, hidden=hidden)
        for shown, real in self._urls.items():
            said = said.replace(real, shown)
        return code, said

    def _run(self, command: str, *, hidden: bool) -> tuple[int, str]:
        words = words_of(command)
        match words:
            case ["cd", folder]:
                self._folder = (self._folder / folder).resolve(strict=True)
                return 0, ""
            case ["export", *settings]:
                self._variables |= dict(setting.split("=", 1) for setting in settings)
                return 0, ""
            case ["unset", *names]:
                for name in names:
                    self._variables.pop(name, None)
                return 0, ""
            case ["reconciler", "sandbox", *options] if "--list-scenarios" not in options:
                return 0, self._start(options, hidden=hidden)
            case ["stop", "sandbox"] if hidden:
                return stop(self._sandboxes.pop()), ""
            case ["reconciler", *arguments]:
                return run_here(arguments, folder=self._folder, variables=self._variables)
            case _ if command.startswith("curl "):
                line = Template(command.replace("\\\n", " ")).substitute(self._variables)
                return _curl(shlex.split(line)[1:])
            case _ if assigned := re.match(r"([A-Z_]+)=\$\(", command):
                return self._assign(assigned[1], command)
            case _:
                return self._spawn(command)

    def _start(self, options: list[str], *, hidden: bool) -> str:
        port = "8080"
        if "--port" in options:
            at = options.index("--port")
            port, options = options[at + 1], options[:at] + options[at + 2 :]
        lines: list[str] = []
        environ = os.environ | {"HOME": self._variables["HOME"]}
        with contextlib.chdir(self._folder):
            process, found = start(*_SOON, *options, environ=environ, show=lines.append)
        self._sandboxes.append(process)
        self._urls[f"http://127.0.0.1:{port}"] = found["RUNAI_BASE_URL"]
        if hidden:
            self._variables |= found
        return "".join(lines)

    def _assign(self, name: str, command: str) -> tuple[int, str]:
        code, said = self._spawn(f'{command}\nprintf %s "${name}"')
        self._variables[name] = said
        return code, ""

    def _spawn(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=self._variables,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout


def _curl(arguments: list[str]) -> tuple[int, str]:
    """What pages ask of curl; not every machine that runs the tests has one."""
    options = dict(zip(arguments[:-1:2], arguments[1:-1:2], strict=True))
    name, _, value = options.pop("-H", "Accept: */*").partition(": ")
    data = options.pop("-d", None)
    method = options.pop("-X", "GET" if data is None else "POST")
    if options or not re.match(r"http://127\.0\.0\.1:\d+/", arguments[-1]):
        raise ValueError(f"curl {arguments} is more than pages may use")
    request = urllib.request.Request(  # noqa: S310 - a sandbox on loopback
        arguments[-1],
        data=None if data is None else data.encode(),
        headers={name: value},
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return 0, answer.read().decode()

"""The quick start as a program: the real command line against a sandbox on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).parent / "reconciler"
BOLD, DIM, RED, GREEN, PLAIN = (
    ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)


class DemoError(Exception):
    """A step did not do what it says."""


class Demo:
    """A shell that shows what it runs and insists on the outcome."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def say(self, text: str) -> None:
        """Introduce the next step."""
        print(f"\n{BOLD}# {text}{PLAIN}", flush=True)

    def run(self, command: str, *, code: int = 0, expect: str = "", absent: str = "") -> str:
        """Run a command as its user would; its exit code and output must be as expected."""
        got, plain = self.attempt(command)
        if got != code:
            raise DemoError(f"{command!r} ended with {got}, not with {code}")
        if expect and expect not in plain:
            raise DemoError(f"{command!r} did not say {expect!r}")
        if absent and absent in plain:
            raise DemoError(f"{command!r} said {absent!r}")
        if code:
            print(f"{DIM}(exit code {code}, as it should be){PLAIN}", flush=True)
        return plain

    def attempt(self, command: str) -> tuple[int, str]:
        """Run a command and show it; returns its exit code and what it said, without colours."""
        print(f"{GREEN}$ {command}{PLAIN}", flush=True)
        done = self._execute(command)
        print(done.stdout, end="", flush=True)
        return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def ask(self, command: str) -> str:
        """Run a command that is no part of the story, and return what it said."""
        done = self._execute(command)
        if done.returncode:
            raise DemoError(f"{command!r} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def _execute(self, command: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command)
        if words[0] == "reconciler":
            words[0] = str(PROGRAM)
        return subprocess.run(
            words,
            cwd=self._folder,
            env=self._environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )


@contextmanager
def sandbox(environ: dict[str, str], *options: str) -> Iterator[dict[str, str]]:
    """A sandbox on a free port, and the variables that point the command line at it."""
    print(
        f"{GREEN}$ reconciler {shlex.join(['sandbox', '--port', '0', *options])} &{PLAIN}",
        flush=True,
    )
    process = subprocess.Popen(
        [str(PROGRAM), "sandbox", "--port", "0", "--quiet", *options],
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
    )
    try:
        yield _read_exports(process)
    finally:
        process.terminate()
        code = process.wait(timeout=30)
    if code:
        raise DemoError(f"the sandbox ended with {code}")


def _read_exports(process: subprocess.Popen[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in process.stdout or ():
        print(line, end="", flush=True)
        match = re.fullmatch(r"export (\w+)=(\S+)\s*", line)
        if match:
            found[match[1]] = match[2]
        if {"RUNAI_BASE_URL", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET"} <= found.keys():
            return found
    raise DemoError("the sandbox did not start")


def count_on_server(exports: dict[str, str]) -> int:
    """Ask the server itself, past our own client and state, how many workloads live."""
    base = exports["RUNAI_BASE_URL"]
    credentials = {
        "grantType": "client_credentials",
        "clientID": exports["RUNAI_CLIENT_ID"],
        "clientSecret": exports["RUNAI_CLIENT_SECRET"],
    }
    login = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
        f"{base}/api/v1/token",
        data=json.dumps(credentials).encode(),
        headers={"Content-Type": "application/json"},
    )
    token = _fetch(login)["accessToken"]
    listing = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
        f"{base}/api/v1/workloads?limit=500", headers={"Authorization": f"Bearer {token}"}
    )
    return len(_fetch(listing)["workloads"])


def _fetch(request: urllib.request.Request) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def tell(demo: Demo, exports: dict[str, str]) -> None:
    """The story: from nothing to a fleet, through a change and a removal, back to nothing."""
    demo.say("Check the specs; this needs no server")
    demo.run("reconciler validate workloads", expect="21 workloads in 18 files: valid")

    demo.say("See what an apply would do")
    demo.run("reconciler plan workloads", expect="Plan: 21 to create, 0 to replace, 0 to delete")

    demo.say("Do it; --init makes the state, --yes answers the question")
    demo.run("reconciler apply workloads --yes --init", expect="Applied: 21 created")
    _insist_on(21, exports)

    demo.say("Plan again: nothing is left to do")
    quiet = "Plan: 0 to create, 0 to replace, 0 to delete; 21 unchanged"
    demo.run("reconciler plan workloads --detailed-exitcode", expect=quiet)

    demo.say("Ask for a third copy of the chat model; the API can only replace")
    demo.run("sed -i.bak 's/replicas: 2/replicas: 3/' workloads/serving/chat.yaml")
    demo.run("rm workloads/serving/chat.yaml.bak")
    change = "~ /manifest/spec/replicas: 2 → 3"
    demo.run("reconciler plan workloads --detailed-exitcode", code=2, expect=change)
    demo.run("reconciler apply workloads --yes", expect="1 replaced")

    demo.say("Take one workload out of the specs")
    demo.run("rm workloads/research/reward-model.yaml")
    demo.run("reconciler apply workloads --yes", expect="1 deleted")
    _insist_on(20, exports)

    demo.say("Take everything away: the guards want to be told so, in numbers")
    demo.run("reconciler destroy workloads --yes", code=5, expect="vector-store")
    demo.run("reconciler state unprotect 4503/vector-store --state workloads/.reconciler/state.db")
    demo.run("reconciler destroy workloads --yes", code=5, expect="--allow-deletes 20")
    demo.run("reconciler destroy workloads --yes --allow-deletes 20", expect="20 deleted")
    _insist_on(0, exports)


def _insist_on(count: int, exports: dict[str, str]) -> None:
    there = count_on_server(exports)
    if there != count:
        raise DemoError(f"the server has {there} workloads, not {count}")
    print(f"{DIM}(the server's own list has {there} workloads){PLAIN}", flush=True)


def play(story: Callable[[Demo, dict[str, str]], None], *options: str) -> int:
    """Tell a story in a folder of its own, which is gone afterwards, to a sandbox of its own."""
    # Nothing of the caller's may reach the demo: it must never meet a real control plane.
    environ = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("RUNAI_", "RECONCILER_"))
    }
    if sys.stdout.isatty():
        environ["FORCE_COLOR"] = "1"
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as name:
        folder = Path(name)
        print(f"{GREEN}$ cp -r examples/workloads workloads{PLAIN}")
        shutil.copytree(REPOSITORY / "examples" / "workloads", folder / "workloads")
        try:
            with sandbox(environ, *options) as exports:
                story(Demo(folder, environ | exports), exports)
        except (DemoError, OSError, subprocess.TimeoutExpired) as error:
            print(f"\n{RED}It failed: {error}{PLAIN}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(f"\n{BOLD}Every step did what it says.{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(play(tell))

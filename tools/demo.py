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
from collections.abc import Callable
from pathlib import Path

from tests.support.sandboxes import Sandbox, SandboxError

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).parent / "reconciler"
STATE = "--state workloads/.reconciler/state.db"
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


def tell(demo: Demo, server: Sandbox) -> None:
    """The story: from nothing to a fleet, through a change and a removal, back to nothing."""
    demo.say("Check the specs; this needs no server")
    demo.run("reconciler validate workloads", expect="21 workloads in 18 files: valid")

    demo.say("See what an apply would do")
    demo.run(
        "reconciler plan workloads",
        expect="Plan: 21 to create, 0 to update, 0 to replace, 0 to delete",
    )

    demo.say("Do it; --init makes the state, --yes answers the question")
    demo.run("reconciler apply workloads --yes --init", expect="Applied: 21 created")
    _insist_on(21, server)

    demo.say("Plan again: nothing is left to do")
    quiet = "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 21 unchanged"
    demo.run("reconciler plan workloads --detailed-exitcode", expect=quiet)

    demo.say("Ask for a third copy of the chat model: it changes in place, and no GPU is given up")
    before = _find_id(demo, "4502/chat")
    _ask_for_a_third_copy(demo)
    change = "~ update   4502/chat  LeaderWorkerSet  32 → 48 GPUs"
    demo.run("reconciler plan workloads --detailed-exitcode", code=2, expect=change)
    demo.run("reconciler apply workloads --yes", expect="1 updated")
    if (after := _find_id(demo, "4502/chat")) != before:
        raise DemoError(f"the update made another workload: {before} became {after}")
    print(f"{DIM}(the same workload: {after}){PLAIN}", flush=True)

    demo.say("Take one workload out of the specs")
    demo.run("rm workloads/research/reward-model.yaml")
    demo.run("reconciler apply workloads --yes", expect="1 deleted")
    _insist_on(20, server)

    demo.say("Take everything away: the guards want to be told so, in numbers")
    demo.run("reconciler destroy workloads --yes", code=5, expect="vector-store")
    demo.run(f"reconciler state unprotect 4503/vector-store {STATE}")
    demo.run("reconciler destroy workloads --yes", code=5, expect="--allow-deletes 20")
    demo.run("reconciler destroy workloads --yes --allow-deletes 20", expect="20 deleted")
    _insist_on(0, server)


def tell_of_an_older_server(demo: Demo, server: Sandbox) -> None:
    """The same change where the API has no update: it ends what runs, and the plan says why."""
    demo.ask("reconciler apply workloads --yes --init")
    demo.say("The same change on a server of version 2.23, which cannot update")
    before = _find_id(demo, "4502/chat")
    _ask_for_a_third_copy(demo)
    reason = "spec-changed: /manifest/spec/replicas changed; this server can only delete and create"
    demo.run("reconciler plan workloads --detailed-exitcode", code=2, expect=reason)
    demo.run("reconciler apply workloads --yes", expect="1 replaced")
    if _find_id(demo, "4502/chat") == before:
        raise DemoError("a replace kept the workload that it should have deleted")
    _insist_on(21, server)


def _ask_for_a_third_copy(demo: Demo) -> None:
    demo.run("sed -i.bak 's/replicas: 2/replicas: 3/' workloads/serving/chat.yaml")
    demo.run("rm workloads/serving/chat.yaml.bak")


def _find_id(demo: Demo, address: str) -> str:
    """Look up the id under which the state knows a workload."""
    listed = json.loads(demo.ask(f"reconciler state show {address} {STATE} -o json"))
    return str(listed["id"])


def _insist_on(count: int, server: Sandbox) -> None:
    """Ask the server itself, past our own client and state, how many workloads live."""
    there = len(server.live_ids())
    if there != count:
        raise DemoError(f"the server has {there} workloads, not {count}")
    print(f"{DIM}(the server's own list has {there} workloads){PLAIN}", flush=True)


def play(story: Callable[[Demo, Sandbox], None], *options: str) -> int:
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
        print(f"{GREEN}$ reconciler {shlex.join(['sandbox', '--port', '0', *options])} &{PLAIN}")
        try:
            with Sandbox.running(*options, environ=environ, show=_show) as server:
                story(Demo(folder, {**environ, **server.variables}), server)
        except (DemoError, SandboxError, OSError, subprocess.TimeoutExpired) as error:
            print(f"\n{RED}It failed: {error}{PLAIN}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(f"\n{BOLD}Every step did what it says.{PLAIN}")
    return 0


def _show(line: str) -> None:
    print(line, end="", flush=True)


if __name__ == "__main__":
    sys.exit(play(tell) or play(tell_of_an_older_server, "--api-version", "2.23"))

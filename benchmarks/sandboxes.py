"""A sandbox as a process of its own, and whole processes measured against it."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support import sandboxes

PROGRAM = Path(sys.executable).parent / "reconciler"
PACKAGE = Path(__file__).parent.parent / "reconciler"


def manifest(name: str, replicas: int = 2) -> dict[str, Any]:
    """A Deployment of about a kilobyte, as people write them."""
    labels = {"app": name, "team": "benchmark"}
    container = {
        "name": "main",
        "image": "registry.example.com/team/server:1.4.2",
        "args": ["--port", "8080", "--workers", "4", "--model", "/models/base"],
        "env": [{"name": f"SETTING_{i}", "value": f"value {i}"} for i in range(8)],
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def body(index: int, replicas: int = 2) -> dict[str, Any]:
    """One create request."""
    name = f"bench-{index:05d}"
    return {"metadata": {"name": name, "projectId": "1"}, "manifest": manifest(name, replicas)}


def write_specs(folder: Path, count: int, replicas: int = 2, *, as_json: bool = False) -> None:
    """So many workloads, a file each, in YAML as people write them."""
    text = json.dumps(body(0, replicas))
    if not as_json:
        # Read back first: labels that stand in two places would become an alias.
        text = yaml.safe_dump(json.loads(text), sort_keys=False)
    for index in range(count):
        name = f"bench-{index:05d}"
        path = folder / f"{name}.{'json' if as_json else 'yaml'}"
        path.write_text(text.replace("bench-00000", name))


class Sandbox(sandboxes.Sandbox):
    """A sandbox whose processor time counts as well."""

    def cpu_seconds(self) -> float:
        """The processor time that the server has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def login() -> dict[str, str]:
    """What a bare loop logs in with, from the environment that `measure` gives it."""
    return {
        "grantType": "client_credentials",
        "clientID": os.environ["RUNAI_CLIENT_ID"],
        "clientSecret": os.environ["RUNAI_CLIENT_SECRET"],
    }


def sandbox(*options: str) -> AbstractContextManager[Sandbox]:
    """A sandbox for as long as the block lasts."""
    return Sandbox.running(*options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One whole process: seconds on the clock, on the processor, peak megabytes, and its output."""

    seconds: float
    cpu: float
    peak: float
    server_cpu: float
    output: str

    def __str__(self) -> str:
        return (
            f"{self.seconds:6.2f} s  {self.cpu:6.2f} s CPU (server {self.server_cpu:.2f})  "
            f"{self.peak:4.0f} MB peak"
        )


@cache
def as_installed() -> dict[str, str]:
    """The environment of a program that pip has installed: it is compiled, and buffers its output.

    Whatever the present environment says of writing bytecode; nobody should mistake the compiler
    for the program.
    """
    compileall.compile_dir(PACKAGE, quiet=1)
    ours = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    return {name: value for name, value in os.environ.items() if name not in ours}


def measure(command: Sequence[str], server: Sandbox, cwd: Path) -> Measured:
    """Run one process against a server; a failure ends the benchmark with what it said."""
    environ = {**as_installed(), **server.variables}
    server_before, began = server.cpu_seconds(), time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{output[-2000:]}")
    return Measured(
        seconds=seconds,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss / 1024,
        server_cpu=server.cpu_seconds() - server_before,
        output=output,
    )

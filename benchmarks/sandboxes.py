"""A sandbox as a process of its own, and whole processes measured against it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).parent / "reconciler"
EXPORTS = ("RUNAI_BASE_URL", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET")


def manifest(name: str) -> dict[str, Any]:
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
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def body(index: int) -> dict[str, Any]:
    """One create request."""
    name = f"bench-{index:05d}"
    return {"metadata": {"name": name, "projectId": "1"}, "manifest": manifest(name)}


def write_specs(folder: Path, count: int) -> None:
    """So many workloads, a file each."""
    for index in range(count):
        (folder / f"bench-{index:05d}.json").write_text(json.dumps(body(index)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that listens; `exports` are the variables that point a client at it."""

    pid: int
    exports: Mapping[str, str]

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.exports["RUNAI_BASE_URL"]

    def ask(self, path: str, token: str = "", value: Any = None) -> Any:
        """One request past the product: a GET, or a POST of a value; returns the answer."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
            self.url + path, data=content, headers=headers
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as answer:
            return json.load(answer)

    def log_in(self) -> str:
        """A token of the demo client."""
        login = {
            "grantType": "client_credentials",
            "clientID": self.exports["RUNAI_CLIENT_ID"],
            "clientSecret": self.exports["RUNAI_CLIENT_SECRET"],
        }
        token: str = self.ask("/api/v1/token", value=login)["accessToken"]
        return token

    def live_ids(self) -> list[str]:
        """The ids of the workloads that the server itself lists."""
        token, offset, found = self.log_in(), 0, list[str]()
        while True:
            page = self.ask(f"/api/v1/workloads?limit=500&offset={offset}", token)
            found += (item["id"] for item in page["workloads"])
            if not page.get("next"):
                return found
            offset = page["next"]

    def cpu_seconds(self) -> float:
        """The processor time that the server has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sandbox(*options: str) -> Iterator[Sandbox]:
    """Start a sandbox on a free port, and stop it in the end."""
    process = subprocess.Popen(
        [str(PROGRAM), "sandbox", "--port", "0", "--quiet", *options],
        text=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, str] = {}
    try:
        for line in process.stdout or ():
            if match := re.fullmatch(r"export (\w+)=(\S+)\s*", line):
                found[match[1]] = match[2]
            if found.keys() >= set(EXPORTS):
                break
        else:
            raise SystemExit("the sandbox did not start")
        yield Sandbox(pid=process.pid, exports=found)
    finally:
        process.terminate()
        process.wait()


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


def measure(command: Sequence[str], server: Sandbox, cwd: Path) -> Measured:
    """Run one process against a server; a failure ends the benchmark with what it said."""
    server_before, began = server.cpu_seconds(), time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | server.exports,
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

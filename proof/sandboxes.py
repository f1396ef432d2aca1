"""A sandbox process of one's own, and its book: the referee of every harness."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from proof.commands import environment

_NEEDED = {"RUNAI_BASE_URL", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request in the sandbox's ledger; `arrived` and `decided` are epoch seconds.

    `effect` is `created`, `deleted` or None; `status` is None where no answer was heard.
    """

    seq: int
    arrived: float
    decided: float
    method: str
    path: str
    caller: str | None
    project: str | None
    name: str | None
    id: str | None
    marker: str | None
    status: int | None
    effect: str | None

    @property
    def is_write(self) -> bool:
        """Whether it asks for a change of the world (a login does not)."""
        return self.method in ("POST", "DELETE") and self.path.startswith("/api/v2/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A workload that lives in the sandbox, by project, name and id."""

    project: str
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that is listening; `variables` lead a client to it."""

    variables: Mapping[str, str]

    def entries(self, since: int = 0) -> list[Entry]:
        """The ledger's entries numbered above `since`."""
        found = self._ask(f"ledger?since={max(since, 0)}")["entries"]
        return [_read_entry(record) for record in found]

    def residents(self, project: str | None = None) -> list[Resident]:
        """Everything that lives and is not being deleted, in one project or in all."""
        return [
            Resident(project=one["projectId"], name=one["name"], id=one["id"])
            for one in self._ask("workloads")["workloads"]
            if one["phase"] not in ("Deleting", "Deleted")
            and (project is None or one["projectId"] == project)
        ]

    def order(self, *faults: str) -> None:
        """Put these rules in force instead of the present ones."""
        self._ask("faults", {"faults": faults}, method="PUT")

    def plant(self, request: Mapping[str, Any]) -> str:
        """Let somebody else create a workload; returns its id."""
        planted: str = self._ask("workloads", {"do": "plant", "request": request})["id"]
        return planted

    def edit(self, workload_id: str, manifest: Mapping[str, Any]) -> None:
        """Let somebody change a workload's manifest behind our back."""
        self._ask("workloads", {"do": "edit", "id": workload_id, "manifest": manifest})

    def _ask(self, path: str, body: Mapping[str, Any] | None = None, method: str = "") -> Any:
        request = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
            f"{self.variables['RUNAI_BASE_URL']}/sandbox/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            return json.load(response)


def _read_entry(record: Mapping[str, Any]) -> Entry:
    return Entry(
        seq=record["seq"],
        arrived=record["arrived"],
        decided=record["decided"],
        method=record["method"],
        path=record["path"],
        caller=record["caller"],
        project=record["project_id"],
        name=record["name"],
        id=record["id"],
        marker=record["marker"],
        status=record["status"],
        effect=record["effect"],
    )


@contextmanager
def sandbox(*options: str) -> Iterator[Sandbox]:
    """A sandbox process on a free port, with its control API; it ends with the block."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "reconciler",
            "sandbox",
            "--port",
            "0",
            "--quiet",
            "--control",
            *options,
        ],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
    )
    try:
        yield Sandbox(_read_exports(process))
    finally:
        process.terminate()
        if process.stdout is not None:
            process.stdout.close()
        process.wait(timeout=30)


def _read_exports(process: subprocess.Popen[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in process.stdout or ():
        if match := re.fullmatch(r"export (\w+)=(.+)\n", line):
            found[match[1]] = match[2]
        if found.keys() >= _NEEDED:
            return found
    raise RuntimeError("the sandbox did not start")

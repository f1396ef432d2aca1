"""A sandbox process of one's own, and its book: the referee of every harness."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from proof.commands import environment
from tests.support import sandboxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request in the sandbox's ledger; `arrived` and `decided` are epoch seconds.

    `effect` is `created`, `updated`, `deleted` or None; `status` is None where no answer was heard.
    An update that was accepted has its `rev`, and the digest of its `body`.
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
    rev: str | None = None
    body: str | None = None

    @property
    def is_write(self) -> bool:
        """Whether it asks for a change of the world (a login does not)."""
        return self.method in ("POST", "PUT", "DELETE") and self.path.startswith("/api/v2/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A workload that lives in the sandbox, by project, name and id."""

    project: str
    name: str
    id: str


class Sandbox(sandboxes.Sandbox):
    """A sandbox that can be asked what happened, and told what to do."""

    def entries(self, since: int = 0) -> list[Entry]:
        """The ledger's entries numbered above `since`."""
        found = self.ask(f"/sandbox/ledger?since={max(since, 0)}")["entries"]
        return [_read_entry(record) for record in found]

    def residents(self, project: str | None = None) -> list[Resident]:
        """Everything that lives and is not being deleted, in one project or in all."""
        return [
            Resident(project=one["projectId"], name=one["name"], id=one["id"])
            for one in self.ask("/sandbox/workloads")["workloads"]
            if one["phase"] not in ("Deleting", "Deleted")
            and (project is None or one["projectId"] == project)
        ]

    def order(self, *faults: str) -> None:
        """Put these rules in force instead of the present ones."""
        self.ask("/sandbox/faults", {"faults": faults}, method="PUT")

    def plant(self, request: Mapping[str, Any]) -> str:
        """Let somebody else create a workload; returns its id."""
        planted: str = self.ask("/sandbox/workloads", {"do": "plant", "request": request})["id"]
        return planted

    def manifest(self, workload_id: str) -> dict[str, Any]:
        """What a workload has been given last."""
        (one,) = self.ask(f"/sandbox/workloads?id={workload_id}")["workloads"]
        manifest: dict[str, Any] = one["rawManifest"]
        return manifest

    def edit(self, workload_id: str, manifest: Mapping[str, Any]) -> None:
        """Let somebody change a workload's manifest behind our back."""
        self.ask("/sandbox/workloads", {"do": "edit", "id": workload_id, "manifest": manifest})


def _read_entry(record: Mapping[str, Any]) -> Entry:
    update = record.get("update") or {}
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
        rev=update.get("rev"),
        body=update.get("body"),
    )


def sandbox(*options: str) -> AbstractContextManager[Sandbox]:
    """A sandbox process with its control API, out of reach of our settings, for a block."""
    return Sandbox.running("--control", *options, environ=environment())

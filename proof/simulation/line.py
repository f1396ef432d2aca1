"""The wire between one process and the opponent, as `ports.WorkloadApi` wants it."""

from __future__ import annotations

from typing import Any, Protocol

from proof.simulation.disk import Disk
from proof.simulation.hidden import HiddenLive
from proof.simulation.loop import Loop
from proof.simulation.server import Entry, Server
from reconciler.core.diff.update import find_marks
from reconciler.core.digest import canonical
from reconciler.core.model import Address, Json
from reconciler.core.protocol.api_results import Accepted, ApiResult, Refused
from reconciler.core.protocol.marker import Marker, read_marker
from reconciler.ports import BeforeSend, LiveApi


class Sender(Protocol):
    """What the wire needs of the process at its end.

    `verified` are the ids that it has read, with the mark that it saw last, and `read` with what
    else it saw.
    """

    number: int
    requests: int
    loop: Loop
    server: Server
    disk: Disk
    verified: dict[str, Marker | None]
    read: dict[str, Json]

    def step(self) -> None:
        """An instant at which the process may stand still or die."""
        ...

    def note(self, entry: Entry) -> None:
        """A request has reached the server."""
        ...


class Line:
    """The wire of one process, as `ports.WorkloadApi` wants it."""

    def __init__(self, process: Sender) -> None:
        self._process = process
        self._server = process.server
        self._loop = process.loop

    async def create(
        self, body: Json, before_send: BeforeSend | None = None, *, dry_run: bool = False
    ) -> ApiResult:
        """POST; no apply asks for a dry run."""
        if dry_run:
            raise AssertionError("an apply has asked for a dry run")
        marker = body["manifest"]["metadata"]["annotations"]["workload-reconciler/op"]
        metadata = body["metadata"]
        target = f"{metadata['projectId']}/{metadata['name']}"
        op = marker.partition("/")[2]
        return await self._send("POST", target, before_send=before_send, op=op, body=body)

    @property
    def live(self) -> LiveApi:
        """What runs is not shown: no promise depends on it."""
        return HiddenLive()

    async def read(self, workload_id: str) -> ApiResult:
        """GET."""
        answer = await self._send("GET", workload_id)
        if isinstance(answer, Accepted):
            self._process.verified[workload_id] = read_marker(answer.remote.raw_manifest)
            self._process.read[workload_id] = answer.remote.raw_manifest
        return answer

    async def update(
        self,
        workload_id: str,
        body: Json,
        before_send: BeforeSend | None = None,
        *,
        declared: Json | None = None,
    ) -> ApiResult:
        """PUT; the client's own look at what is in it comes first."""
        if find_marks(canonical(body), declared or {}):
            return Refused(status=422, message="it has stand-ins of secrets, and was not sent")
        return await self._send("PUT", workload_id, before_send=before_send, body=body)

    async def delete(self, workload_id: str) -> ApiResult:
        """DELETE."""
        return await self._send("DELETE", workload_id)

    async def find(self, address: Address) -> ApiResult:
        """GET the list."""
        return await self._send("LIST", str(address), address=address)

    async def find_all(self, project: str) -> ApiResult:
        """GET the whole list of a project."""
        self._process.step()
        return self._server.list_project(project)

    async def find_cluster_versions(self) -> ApiResult:
        """No apply asks for them."""
        raise AssertionError("an apply has asked for the versions of the clusters")

    async def _send(
        self,
        method: str,
        target: str,
        *,
        address: Address | None = None,
        before_send: BeforeSend | None = None,
        **more: Any,
    ) -> ApiResult:
        process = self._process
        process.step()
        if before_send is not None:
            await before_send()
        process.requests += 1
        entry, fate = self._server.receive(process.number, method, target, address=address, **more)
        process.note(entry)
        await self._loop.travel(fate.heard)
        process.step()
        return self._server.hear(entry)

"""A sandbox on a clock that only a test moves, and a client that speaks plain HTTP to it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx

from reconciler.sandbox import DEMO, Credential, Sandbox, Settings
from tests.support.transports import SandboxTransport

WORKLOADS = "/api/v2/workloads"
START = 1_800_000_000.0
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "a", "annotations": {"workload-reconciler/op": "lineage/op-1"}},
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}},
}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}


def request(name: str = "a", project: str = "4501", **metadata: Any) -> dict[str, Any]:
    """A create request for a job."""
    return {"metadata": {"name": name, "projectId": project, **metadata}, "manifest": JOB}


def in_base64(manifest: str) -> str:
    """A manifest as `manifestBase64Encoded` carries it."""
    return base64.b64encode(manifest.encode()).decode()


class Rig:
    """One sandbox and one client; sleeping moves the clock and takes no time."""

    def __init__(self, *faults: str, start: float = START, **settings: Any) -> None:
        self.now = start
        # Set to an event, sleep tells by it that it has begun, and never ends.
        self.endless: asyncio.Event | None = None
        self.sandbox = Sandbox(
            Settings(faults=faults, **settings), clock=lambda: self.now, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        if self.endless is not None:
            self.endless.set()
            await asyncio.Future()
        # Whoever else can go on does so first, as in time that really passes.
        for _ in range(10):
            await asyncio.sleep(0)
        self.now += seconds

    def token(self, credential: Credential = DEMO) -> str:
        """Log in by the front door."""
        answer = self.ask("POST", "/api/v1/token", json=login(credential), token=None)
        token: str = answer.json()["accessToken"]
        return token

    def ask(
        self, method: str, path: str, *, token: str | None = "", **options: Any
    ) -> httpx.Response:
        """Send one request; logs in first unless a token, or None for no token, is given."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("authorization", f"Bearer {token or self.sandbox_token()}")
        return asyncio.run(self.send(method, path, headers=headers, **options))

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request as it is."""
        transport = SandboxTransport(self.sandbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.request(method, path, **options)

    def sandbox_token(self) -> str:
        """A token that leaves no trace in the ledger."""
        body = json.dumps(login(DEMO)).encode()
        token: str = self.sandbox.tokens.grant(body)["accessToken"]
        return token

    def create(self, name: str = "a", **metadata: Any) -> str:
        """Create a job and return its id."""
        answer = self.ask("POST", WORKLOADS, json=request(name, **metadata))
        assert answer.status_code == 202, answer.text
        workload_id: str = answer.json()["metadata"]["id"]
        return workload_id

    def get(self, workload_id: str) -> httpx.Response:
        """Read a workload by id."""
        return self.ask("GET", f"{WORKLOADS}/{workload_id}")

    def put(
        self, workload_id: str, manifest: dict[str, Any] | None = None, **metadata: Any
    ) -> httpx.Response:
        """Update a workload by id: its manifest, its metadata, or both."""
        body: dict[str, Any] = {} if manifest is None else {"manifest": manifest}
        if metadata:
            body["metadata"] = metadata
        return self.ask("PUT", f"{WORKLOADS}/{workload_id}", json=body)

    def delete(self, workload_id: str) -> httpx.Response:
        """Delete a workload by id."""
        return self.ask("DELETE", f"{WORKLOADS}/{workload_id}")

    def raw(self, workload_id: str) -> dict[str, Any]:
        """The rawManifest that a GET shows."""
        manifest: dict[str, Any] = self.get(workload_id).json()["workload"]["rawManifest"]
        return manifest

    def status(self, workload_id: str) -> str:
        """The syncInfo status of a workload, or the HTTP status where there is none."""
        answer = self.get(workload_id)
        if answer.status_code != 200:
            return str(answer.status_code)
        status: str = answer.json()["syncInfo"]["status"]
        return status


def login(credential: Credential) -> dict[str, str]:
    """The body of a login."""
    return {
        "grantType": "client_credentials",
        "clientID": credential.client_id,
        "clientSecret": credential.client_secret,
    }

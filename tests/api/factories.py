"""Wire bodies, replies and clients for the tests of `reconciler.api`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.login.credentials import Credentials, FixedToken
from reconciler.api.secret import Secret
from reconciler.core.model import Address, LastSeen, Remote
from reconciler.core.protocol.api_results import ApiResult, Method
from reconciler.ports import WorkloadApi

URL = "https://cp.example"
ID = "0b8f1c7e-5f0a-4b1e-9d3c-2a1f6f0f7a11"
DATE = "Tue, 03 Mar 2026 10:00:00 GMT"
AT = "2026-03-03T10:00:00Z"
TOKEN = "s3cr3t-token"
ADDRESS = Address(project="4501", name="finetune")
MANIFEST = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {}}}
METADATA = {"name": "finetune", "projectId": "4501"}
BODY = {"metadata": METADATA, "manifest": MANIFEST}

Handler = Callable[[httpx.Request], httpx.Response]
SlowHandler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def workload(**metadata: Any) -> dict[str, Any]:
    """A WorkloadV2 as the server writes it, with other metadata where a test wants it."""
    return {
        "metadata": {**METADATA, "id": ID, "tenantId": 7, "projectName": "team-a", **metadata},
        "desiredPhase": "Running",
        "workloadManifest": {},
        "rawManifest": MANIFEST,
    }


def remote(seen: LastSeen = LastSeen.UNKNOWN, message: str = "") -> Remote:
    """What `workload()` reads as."""
    return Remote(
        id=ID,
        address=ADDRESS,
        metadata=workload()["metadata"],
        raw_manifest=MANIFEST,
        desired_phase="Running",
        seen=seen,
        message=message,
        tenant_id=7,
    )


def error(code: int, message: str = "no") -> dict[str, Any]:
    """The API's error envelope."""
    return {"code": code, "message": message}


def reply(status: int, content: Any, *, media: str = "application/json", **headers: str) -> Handler:
    """A server that answers every request alike; `content` is JSON unless it is bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {"content-type": media, "date": DATE, "x-request-id": "r-1"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: httpx.Response(status, headers=fields, content=body)


def client(
    handler: Handler | SlowHandler,
    *,
    credentials: Credentials | None = None,
    monotonic: Callable[[], float] = lambda: 0.0,
    request_timeout: float = 5.0,
) -> HttpWorkloadApi:
    """A client whose server is a function."""
    settings = ApiSettings(
        url=URL,
        credentials=credentials or FixedToken(token=Secret(value=TOKEN)),
        request_timeout=request_timeout,
    )
    return HttpWorkloadApi(settings, transport=httpx.MockTransport(handler), monotonic=monotonic)


def jwt(**claims: Any) -> str:
    """A token with these claims and a signature that nobody checks."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2ln"


def stamped(answer: ApiResult) -> ApiResult:
    """The answer with what the test server's headers say."""
    return replace(answer, request_id="r-1", date=AT)


async def _call(api: WorkloadApi, method: Method) -> ApiResult:
    match method:
        case Method.POST:
            return await api.create(BODY)
        case Method.GET:
            return await api.read(ID)
        case Method.PUT:
            return await api.update(ID, BODY)
        case Method.DELETE:
            return await api.delete(ID)


def ask(
    handler: Handler, call: Callable[[HttpWorkloadApi], Awaitable[ApiResult]], **options: Any
) -> ApiResult:
    """One call of a client against a server that is a function."""

    async def run() -> ApiResult:
        async with client(handler, **options) as api:
            return await call(api)

    return asyncio.run(run())


def ask_by(handler: Handler, method: Method, **options: Any) -> ApiResult:
    """The call that a method stands for."""
    return ask(handler, lambda api: _call(api, method), **options)

"""A control plane with a login, as a function, and a clock that a test moves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.login.credentials import ClientCredentials
from reconciler.api.secret import Secret
from tests.api.factories import (
    Handler,
    client,
    error,
    reply,
    workload,
)

SECRET = "hunter2-hunter2"
PAIR = ClientCredentials(client_id="robot", client_secret=Secret(value=SECRET))
FOUND = reply(200, {"workload": workload()})


REFUSED = "the client credentials are not accepted: "


class Server:
    """A control plane that hands out tokens t1, t2, … and takes those in `good` (None: all)."""

    def __init__(self, *, lives: int | None = None, good: set[str] | None = None) -> None:
        self.lives = lives
        self.good = good
        self.login: Handler | None = None
        self.old_login: Handler = reply(404, error(404))
        self.issued = 0
        self.used: list[str] = []
        self.asked: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.url.path == "/api/v1/token":
            self.asked.append(json.loads(request.content))
            return self.old_login(request)
        if request.url.path != "/api/v2/token":
            return self._workload(request)
        self.asked.append(dict(parse_qsl(request.content.decode())))
        if self.login is not None:
            return self.login(request)
        self.issued += 1
        data: dict[str, Any] = {"access_token": f"t{self.issued}", "token_type": "Bearer"}
        return reply(200, data | ({"expires_in": self.lives} if self.lives else {}))(request)

    def _workload(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.used.append(token)
        if self.good is None or token in self.good:
            return FOUND(request)
        return reply(401, error(401, f"token {token} is not accepted"))(request)


class Hands:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """What the clock shows."""
        return self.now


def story(server: Handler, tell: Callable[[HttpWorkloadApi], Any], **options: Any) -> Any:
    """Run several calls of one client."""

    async def run() -> Any:
        async with client(server, **options) as api:
            return await tell(api)

    return asyncio.run(run())

"""A stand-in for the pull requests of GitHub, as far as the action talks to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

TOKEN = "job-token"
# Whom the token of a job comments as.
ACCOUNT = "github-actions[bot]"


@dataclass(slots=True)
class Forge:
    """A pull request with comments, as GitHub serves it."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def say(self, body: str | None, *, by: str | None = ACCOUNT) -> None:
        """Somebody comments; None is an account that was deleted since."""
        kind = "Bot" if by and by.endswith("[bot]") else "User"
        user = {"login": by, "type": kind} if by else None
        self.comments.append({"id": len(self.comments) + 1, "body": body, "user": user})

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What GitHub would answer."""
        path, body = request.url.path, request.content
        if path == "/graphql":
            return httpx.Response(200, json={"data": {"viewer": {"login": ACCOUNT}}})
        if request.method != "GET":
            self.sent.append(f"{request.method} {path}")
        if path.endswith("/pulls"):
            return httpx.Response(200, json=self.pulls)
        if request.method == "GET":
            page, size = (int(request.url.params[name]) for name in ("page", "per_page"))
            return httpx.Response(200, json=self.comments[(page - 1) * size : page * size])
        text = json.loads(body)["body"]
        if request.method == "POST":
            self.say(text)
        else:
            self.comments[int(path.rpartition("/")[2]) - 1]["body"] = text
        return httpx.Response(200, json={})

    def client(self) -> httpx.Client:
        """A client that this forge answers."""
        base = "https://api.invalid/repos/org/specs/"
        return httpx.Client(base_url=base, transport=httpx.MockTransport(self.answer))


@contextmanager
def serve(forge: Forge) -> Iterator[str]:
    """The forge behind a socket; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = httpx.Request(self.command, f"http://x{self.path}", content=body)
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            found = forge.answer(request) if known else httpx.Response(401)
            self.send_response(found.status_code)
            self.send_header("Content-Length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()

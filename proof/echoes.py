"""A rude server: it lets everybody in, and every error of it repeats what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reconciler.core.protocol.api_results import NOBODY


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server words a refusal: with which status, as JSON or as a page.

    `bars` refuses the login as well.
    """

    status: int
    page: bool = False
    bars: bool = False

    def __str__(self) -> str:
        door = "login and all: " if self.bars else ""
        return f"{door}{self.status} as {'a page' if self.page else 'JSON'}"


@contextmanager
def rude_server(manners: Manners, token: str) -> Iterator[str]:
    """Serve on a free port of the loopback interface; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if self.path == "/api/v2/token" and not manners.bars:
                self._send(200, "application/json", json.dumps({"access_token": token}))
            else:
                self._refuse(body)

        def do_GET(self) -> None:
            if self.path.endswith(NOBODY) and not manners.bars:
                # Nobody posts anything to a server that does not answer the first read.
                absent = json.dumps({"code": 404, "message": "no such workload"})
                self._send(404, "application/json", absent)
            else:
                self._refuse("")

        def do_DELETE(self) -> None:
            self._refuse("")

        def log_message(self, *_: object) -> None:
            pass

        def _refuse(self, body: str) -> None:
            told = f"cannot take {body} from {dict(self.headers)}"
            if manners.page:
                page = f"<html><head><title>{told}</title></head><body>{told}</body></html>"
                self._send(manners.status, "text/html", page)
            else:
                answer = {"code": manners.status, "message": told, "details": told}
                self._send(manners.status, "application/json", json.dumps(answer))

        def _send(self, status: int, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

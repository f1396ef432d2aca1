"""The head of a request as bytes; what could end a line in it is never sent."""

from __future__ import annotations

import re

from reconciler.api.secret import Secret
from reconciler.api.wire.direct import Headers, Outgoing
from reconciler.api.wire.transport_errors import ImpassableError

_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_VALUE = re.compile(r"[!-~]+( [!-~]+)*")
# Without a length, the server could not know that no body comes (RFC 9110 8.6). For a DELETE it
# could, but gateways exist that refuse one without (411).
_WITH_A_LENGTH = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Clients send few combinations of headers: with and without a body, before and after a new token.
_MAX_KEPT = 16


class HeadWriter:
    """Writes heads of requests to one server; `prefix` goes before each path."""

    def __init__(self, *, host: str, prefix: str = "") -> None:
        self._host = host
        self._prefix = prefix
        self._kept: dict[Headers, bytes] = {}

    def write(self, request: Outgoing) -> bytes:
        """A whole request; raises ImpassableError for one that cannot be written as HTTP."""
        path = self._prefix + request.path
        if not (_METHOD.fullmatch(request.method) and _PATH.fullmatch(path)):
            raise ImpassableError("the address of the request has characters that cannot be sent")
        headers = self._kept.get(request.headers)
        if headers is None:
            headers = self._write_headers(request.headers)
        line = f"{request.method} {path} HTTP/1.1\r\n".encode("ascii")
        content = request.content
        if content is not None:
            return b"%bContent-Length: %d\r\n%b%b" % (line, len(content), headers, content)
        if request.method in _WITH_A_LENGTH:
            return b"%bContent-Length: 0\r\n%b" % (line, headers)
        return line + headers

    def _write_headers(self, headers: Headers) -> bytes:
        for name, value in headers:
            # Without the value, which may be a token.
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                raise ImpassableError("a header of the request has characters that cannot be sent")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        written = f"Host: {self._host}\r\n{lines}\r\n".encode("ascii")
        if len(self._kept) == _MAX_KEPT:
            self._kept.clear()
        self._kept[headers] = written
        return written


def write_connect(authority: str, login: Secret | None) -> bytes:
    """A request to a proxy for a tunnel to `host:port`."""
    line = f"Proxy-Authorization: {login.reveal()}\r\n" if login else ""
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{line}\r\n".encode("ascii")

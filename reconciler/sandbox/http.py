"""Answers as values, and the refusal that becomes an `Error` body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

Header = tuple[bytes, bytes]
JSON_TYPE: Header = (b"content-type", b"application/json")
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
HTML_TYPE: Header = (b"content-type", b"text/html; charset=utf-8")


class SandboxResponse(NamedTuple):
    """One HTTP response before it is put on the wire."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (JSON_TYPE,)


class Refusal(Exception):  # noqa: N818 - it is an answer of the server, not an error of the program
    """The request is not carried out; carries the status and text of the `Error` body."""

    def __init__(self, status: int, message: str, *, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def answer(self, details: str | None = None) -> SandboxResponse:
        """Word the refusal as the API's `Error` schema does."""
        return error(self.status, self.message, details=details, headers=self.headers)


def encode(value: Any) -> bytes:
    """Write JSON that any parser reads: ASCII only, no NaN, no spaces.

    Raises ValueError or TypeError for what JSON cannot say, RecursionError for absurd depths.
    """
    return _ENCODER.encode(value).encode()


def reply(status: int, value: Any) -> SandboxResponse:
    """Answer with a JSON document."""
    return SandboxResponse(status=status, body=encode(value))


def error(
    status: int, message: str, *, details: str | None = None, headers: tuple[Header, ...] = ()
) -> SandboxResponse:
    """Answer with the API's `Error` body, whose code repeats the status."""
    body: dict[str, Any] = {"code": status, "message": message}
    if details is not None:
        body["details"] = details
    return SandboxResponse(status=status, body=encode(body), headers=(JSON_TYPE, *headers))


@lru_cache(maxsize=16_384)
def timestamp(seconds: float) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

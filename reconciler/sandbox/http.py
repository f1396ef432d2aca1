"""HTTP requests and responses as values, and the refusal that becomes an `Error` body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

Header = tuple[bytes, bytes]
JSON_TYPE: Header = (b"content-type", b"application/json")
HTML_TYPE: Header = (b"content-type", b"text/html; charset=utf-8")
# Made once: json.dumps with arguments of its own builds an encoder for every call.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


# Tuples, not frozen dataclasses: those take twice as long to make, and every request makes some.
class Request(NamedTuple):
    """One request, its body read."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes = b""

    @property
    def media_type(self) -> bytes:
        """The content type without its parameters, in lower case."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class SandboxResponse(NamedTuple):
    """One HTTP response before it is put on the wire."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (JSON_TYPE,)


class Refusal(Exception):  # noqa: N818 - it is a response of the server, not a program error
    """The request is not carried out; carries the status and text of the `Error` body."""

    def __init__(self, status: int, message: str, *, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def to_response(self) -> SandboxResponse:
        """Build the response in the form of the API's `Error` schema."""
        return error_response(self.status, self.message, headers=self.headers)


class OAuthRefusal(Refusal):
    """A refusal in the form that RFC 6749 gives it, which `POST /api/v2/token` speaks."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code

    def to_response(self) -> SandboxResponse:
        """Build the response in the form of the API's `OAuth2Error` schema."""
        body = {"error": self.code, "error_description": self.message}
        # RFC 6749, 5.1: nothing between here and the client may keep it.
        return json_response(self.status, body, headers=((b"cache-control", b"no-store"),))


def encode(value: Any) -> bytes:
    """Write JSON that any parser reads: ASCII only, no NaN, no spaces.

    Raises ValueError or TypeError for what JSON cannot say, RecursionError for absurd depths.
    """
    return _ENCODER.encode(value).encode()


def json_response(status: int, value: Any, *, headers: tuple[Header, ...] = ()) -> SandboxResponse:
    """Build a response that carries a JSON document."""
    return SandboxResponse(status=status, body=encode(value), headers=(JSON_TYPE, *headers))


def error_response(
    status: int, message: str, *, details: str | None = None, headers: tuple[Header, ...] = ()
) -> SandboxResponse:
    """Build a response with the API's `Error` body, whose code repeats the status."""
    body: dict[str, Any] = {"code": status, "message": message}
    if details is not None:
        body["details"] = details
    return json_response(status, body, headers=headers)


def read_json(body: bytes) -> Any:
    """Parse a request body strictly; raises Refusal (400), also for NaN and absurd nesting."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "Failed to read request body") from None


def read_json_object(body: bytes) -> dict[str, Any]:
    """Parse a request body that must be a JSON object; raises Refusal (400)."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise Refusal(400, "request body must be a JSON object")
    return value


# Lists write the same instants over and over: every workload has three of them.
@lru_cache(maxsize=16_384)
def timestamp(seconds: float) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which are no JSON."""
    raise ValueError(name)

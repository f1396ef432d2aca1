"""Why a request got no response, by what that proves about the request."""

from __future__ import annotations

from collections.abc import Iterator


class TransportError(Exception):
    """There is no response; unless a subclass says otherwise, the server may have the request."""


class BrokenConnectionError(TransportError):
    """The connection broke once it was used: the request may have arrived."""


class UnsentError(TransportError):
    """Not a byte of the request has left."""


class ConnectError(UnsentError):
    """There is no connection to the server."""


class ConnectTimeoutError(UnsentError):
    """There was no connection to the server in time, or no free one."""


class ImpassableError(UnsentError):
    """No request can reach the server with these settings."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised from or because of."""
    # Each library wraps the error of the one below, often in one without a message.
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_message(error: BaseException) -> str:
    """The first message among an error and its causes; else the name of its class."""
    return next(filter(None, map(str, causes(error))), type(error).__name__)

"""Exceptions of aiohttp as exceptions of httpx, by what they prove about the request."""

from __future__ import annotations

import os
import ssl

import aiohttp
import httpx

from reconciler.api.connection.client_certificate import (
    ClientCertificate,
    rejection_message,
    tls_alert,
)
from reconciler.api.connection.proxies import Proxy
from reconciler.api.wire.exchange import causes

# Of a proxy that is busy (RFC 9110 15.5.9, 15.5.20, RFC 6585 4), as any 5xx is: it may open a
# tunnel in a moment. Every other status is its decision.
_TEMPORARY = (408, 421, 425, 429)


class ImpassableError(httpx.UnsupportedProtocol):
    """No request can reach the server with these settings; nothing was sent."""


class UnconnectedError(aiohttp.ClientError):
    """No connection was made; `status` is the proxy's response, None where it sent none."""

    # In place of aiohttp's own exception, whose repr has the credentials for the proxy in it.

    def __init__(self, status: int | None = None) -> None:
        super().__init__("no connection" if status is None else f"no connection: HTTP {status}")
        self.status = status


def to_httpx_error(
    error: aiohttp.ClientError,
    *,
    proxy: Proxy | None = None,
    identity: ClientCertificate | None = None,
) -> httpx.TransportError:
    """The exception to raise in its place.

    ConnectError, ConnectTimeout and ImpassableError prove that nothing was sent; after any other
    the server may have the request.
    """
    # Without a cause in most cases: aiohttp's exceptions hold the request, and so its token.
    messages = (rejection_message(cause, identity) for cause in causes(error))
    if message := next(filter(None, messages), ""):
        return ImpassableError(message)
    if proxy is not None and (failure := _proxy_failure(error, proxy)) is not None:
        return failure
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(str(error))
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            failure = httpx.ConnectError(str(cause))
            failure.__cause__ = cause
            return failure
        case aiohttp.ClientConnectorError(os_error=cause):
            failure = httpx.ConnectError(_connect_reason(cause))
            failure.__cause__ = cause
            return failure
        case UnconnectedError():
            return httpx.ConnectError(str(error))
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol(str(error))
        case _:
            return broken_connection_error(error)


def broken_connection_error(error: aiohttp.ClientError) -> httpx.TransportError:
    """The exception for a connection that broke once it was used: the request may have arrived."""
    match error:
        case aiohttp.ServerDisconnectedError():
            message = "the server hung up without an answer"
        case aiohttp.ClientPayloadError():
            message = "the answer ended too early"
        case aiohttp.ClientResponseError():
            # The parser's first line is the reason, the others quote what it could not read.
            reason, *_ = error.message.splitlines() or [""]
            message = f"not an HTTP answer: {reason.rstrip(':')}"
        case _:
            return httpx.ReadError(str(error) or type(error).__name__)
    return httpx.RemoteProtocolError(message)


def _proxy_failure(error: aiohttp.ClientError, proxy: Proxy) -> httpx.TransportError | None:
    name = f"the proxy {proxy.address}"
    match error:
        case UnconnectedError(status=407):
            if proxy.login is None:
                reason, verb = "asks for credentials", "write them into"
            else:
                reason, verb = "does not accept the credentials it is given", "correct them in"
            message = (
                f"{name} {reason} (HTTP 407); {verb} {proxy.variable}, "
                "as USER:PASSWORD@ before its name"
            )
            return ImpassableError(message)
        case UnconnectedError(status=None):
            message = f"{name} hung up before it had opened a tunnel"
        case UnconnectedError(status=status):
            message = f"{name} opens no tunnel (HTTP {status})"
            if status is not None and status < 500 and status not in _TEMPORARY:
                message += "; ask its administrators, or except the server with NO_PROXY"
                return ImpassableError(message)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError():
            message = f"{name}: {_connect_reason(error.os_error)}"
        case aiohttp.ConnectionTimeoutError():
            message = f"no connection through {name} in time"
        case _:
            return None
    return httpx.ConnectError(message)


def _connect_reason(error: OSError) -> str:
    # The system's text: aiohttp's own repeats the address, which our message already has.
    alert = tls_alert(error)
    if alert == "HANDSHAKE_FAILURE":
        return (
            "the server broke off the TLS handshake; "
            "it may want a client certificate (--client-cert)"
        )
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "the server hung up during the handshake"

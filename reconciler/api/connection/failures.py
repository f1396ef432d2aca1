"""What an exception of aiohttp proves about a request, said with an exception of httpx."""

from __future__ import annotations

import os
import ssl
from typing import TypeVar

import aiohttp
import httpx

from reconciler.api.connection.client_certificate import ClientCertificate, alert_of, rejection
from reconciler.api.connection.proxies import Proxy
from reconciler.api.wire.exchange import causes

T = TypeVar("T", bound=Exception)

# A proxy that is busy or cannot get through (RFC 9110 15.5.9, 15.5.20, RFC 6585 4, 15.6) may do
# better in a moment; anything else it has decided.
_PASSING = (408, 421, 425, 429)


class ImpassableError(httpx.UnsupportedProtocol):
    """There is no way to the server with these settings: nothing was sent, now or later."""


class UnconnectedError(aiohttp.ClientError):
    """There was no connection to send on; `status` is what a proxy answered, if it did.

    Raised in place of aiohttp's own, whose repr holds the credentials that were sent.
    """

    def __init__(self, status: int | None = None) -> None:
        super().__init__("no connection" if status is None else f"no connection: HTTP {status}")
        self.status = status


def failure_of(
    error: aiohttp.ClientError,
    request: httpx.Request,
    *,
    proxy: Proxy | None = None,
    identity: ClientCertificate | None = None,
) -> httpx.TransportError:
    """The exception to raise in its place, which keeps no cause that repeats what was sent.

    ConnectError, ConnectTimeout and ImpassableError prove that nothing was sent; the others leave
    it open.
    """
    if words := next((words for one in causes(error) if (words := rejection(one, identity))), ""):
        return ImpassableError(words, request=request)
    if proxy is not None and (failure := _proxy_failure(error, request, proxy)) is not None:
        return failure
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(str(error), request=request)
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            return _caused(httpx.ConnectError(str(cause), request=request), cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            return _caused(httpx.ConnectError(_why_unconnected(cause), request=request), cause)
        case UnconnectedError():
            return httpx.ConnectError(str(error), request=request)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol(str(error), request=request)
        case _:
            return break_of(error, request)


def break_of(error: aiohttp.ClientError, request: httpx.Request) -> httpx.TransportError:
    """The exception for a connection that broke once it was used: the request may have arrived."""
    match error:
        case aiohttp.ServerDisconnectedError():
            words = "the server hung up without an answer"
        case aiohttp.ClientPayloadError():
            words = "the answer ended too early"
        case aiohttp.ClientResponseError():
            words = f"not an HTTP answer: {(error.message.splitlines() or [''])[0].rstrip(':')}"
        case _:
            return httpx.ReadError(str(error) or type(error).__name__, request=request)
    return httpx.RemoteProtocolError(words, request=request)


def _proxy_failure(
    error: aiohttp.ClientError, request: httpx.Request, proxy: Proxy
) -> httpx.TransportError | None:
    name = f"the proxy {proxy.address}"
    match error:
        case UnconnectedError(status=407):
            return ImpassableError(_credentials_wanted(proxy), request=request)
        case UnconnectedError(status=None):
            words = f"{name} hung up before it had opened a tunnel"
        case UnconnectedError(status=status):
            words = f"{name} opens no tunnel (HTTP {status})"
            if status is not None and status < 500 and status not in _PASSING:
                words += "; ask its administrators, or except the server with NO_PROXY"
                return ImpassableError(words, request=request)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientConnectorDNSError():
            words = f"{name}: {_why_unconnected(error.os_error)}"
        case aiohttp.ConnectionTimeoutError():
            words = f"no connection through {name} in time"
        case _:
            return None
    return httpx.ConnectError(words, request=request)


def _credentials_wanted(proxy: Proxy) -> str:
    if proxy.login is None:
        problem, verb = "asks for credentials", "write them into"
    else:
        problem, verb = "does not accept the credentials it is given", "correct them in"
    return (
        f"the proxy {proxy.address} {problem} (HTTP 407); {verb} {proxy.variable}, "
        "as USER:PASSWORD@ before its name"
    )


def _why_unconnected(error: OSError) -> str:
    """The system's words for it; aiohttp's own repeat the address, which our message has."""
    alert = alert_of(error)
    if alert == "HANDSHAKE_FAILURE":
        return (
            "the server broke off the TLS handshake; "
            "it may want a client certificate (--client-cert)"
        )
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "the server hung up during the handshake"


def _caused(failure: T, cause: BaseException) -> T:
    failure.__cause__ = cause
    return failure

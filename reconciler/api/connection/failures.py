"""What is said of a connection that could not be made."""

from __future__ import annotations

import os
import ssl

from reconciler.api.connection.client_certificate import (
    ClientCertificate,
    rejection_message,
    tls_alert,
)
from reconciler.api.connection.proxies import Proxy
from reconciler.api.wire.transport_errors import ConnectError, ImpassableError, UnsentError

# Of a proxy that is busy (RFC 9110 15.5.9, 15.5.20, RFC 6585 4), as any 5xx is: it may open a
# tunnel in a moment. Every other status is its decision.
_TEMPORARY = (408, 421, 425, 429)


def to_connect_error(error: OSError, identity: ClientCertificate | None) -> UnsentError:
    """The exception for a failure below HTTP."""
    if message := rejection_message(error, identity):
        return ImpassableError(message)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectError(str(error))
    return ConnectError(_connect_reason(error))


def proxy_unreachable_error(error: OSError, proxy: Proxy) -> UnsentError:
    """The exception for a proxy that there is no connection to."""
    return ConnectError(f"the proxy {proxy.address}: {_connect_reason(error)}")


def proxy_status_error(status: int | None, proxy: Proxy) -> UnsentError:
    """The exception for a proxy that opens no tunnel; None for one that gave no response."""
    name = f"the proxy {proxy.address}"
    if status is None:
        return ConnectError(f"{name} hung up before it had opened a tunnel")
    if status == 407:
        if proxy.login is None:
            reason, verb = "asks for credentials", "write them into"
        else:
            reason, verb = "does not accept the credentials it is given", "correct them in"
        return ImpassableError(
            f"{name} {reason} (HTTP 407); {verb} {proxy.variable}, "
            "as USER:PASSWORD@ before its name"
        )
    message = f"{name} opens no tunnel (HTTP {status})"
    if status < 500 and status not in _TEMPORARY:
        return ImpassableError(
            f"{message}; ask its administrators, or except the server with NO_PROXY"
        )
    return ConnectError(message)


def _connect_reason(error: OSError) -> str:
    # The system's text: the exception's own repeats the address, which our message already has.
    alert = tls_alert(error)
    if alert == "HANDSHAKE_FAILURE":
        return (
            "the server broke off the TLS handshake; "
            "it may want a client certificate (--client-cert)"
        )
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "the server hung up during the handshake"

"""The transport of the client: the one function to change for another HTTP engine."""

from __future__ import annotations

import ssl
from pathlib import Path

from reconciler.api.connection.client_certificate import ClientCertificate, load_certificate
from reconciler.api.connection.opening import ConnectionOpener
from reconciler.api.connection.pool import PooledTransport
from reconciler.api.connection.proxies import Proxy
from reconciler.api.wire.direct import DirectTransport
from reconciler.errors import InvalidInputError

# Common servers hang up on a connection that is idle for five seconds. A POST that meets the
# hang-up has an unknown outcome, so we hang up first.
_KEEP_ALIVE_SECONDS = 4.0


def make_transport(
    url: str,
    *,
    concurrency: int,
    ca_file: Path | None = None,
    identity: ClientCertificate | None = None,
    proxy: Proxy | None = None,
) -> DirectTransport:
    """Make the transport for a normalised base URL, with at most `concurrency` connections.

    It trusts the system's authorities and those in `ca_file`. No HTTP/2, no retries, and a proxy
    only where one is given. Raises InvalidInputError for a certificate or key that cannot be used.
    """
    context = _tls_context(url, ca_file)
    if identity is not None:
        load_certificate(context, identity)
    opener = ConnectionOpener(url, context, proxy=proxy, identity=identity)
    return PooledTransport(url, opener, limit=concurrency, keep_alive=_KEEP_ALIVE_SECONDS)


def _tls_context(url: str, ca_file: Path | None) -> ssl.SSLContext:
    # Not create_default_context: it writes the session keys to the file in SSLKEYLOGFILE, and new
    # versions of Python make it stricter with private authorities.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if url.startswith("https:"):
        context.load_default_certs()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        # An SSLError is an OSError as well; its reason names a function of OpenSSL.
        is_tls = isinstance(error, ssl.SSLError)
        reason = "it has no certificate in PEM form" if is_tls else error.strerror or str(error)
        raise InvalidInputError(
            f"cannot use the CA file {ca_file}: {reason}",
            hint="--ca-file takes one or more certificates, each between BEGIN and END CERTIFICATE",
        ) from None
    return context

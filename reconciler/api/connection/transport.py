"""How bytes travel: the one function to change for another HTTP engine underneath.

httpx is kept as the interface (requests, responses, `MockTransport`, `ASGITransport`), but its own
pool looks at every connection for every request. `python -m benchmarks.sockets bare` compares the
ways.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import httpx

from reconciler.api.connection.aiohttp_transport import AiohttpTransport
from reconciler.api.connection.client_certificate import ClientCertificate, show_certificate
from reconciler.api.connection.proxies import Proxy
from reconciler.errors import InvalidInputError

# Below the five seconds after which common servers hang up on an idle connection: a POST that
# meets the hang-up has an unknown outcome.
_KEEP_ALIVE_SECONDS = 4.0


def make_transport(
    url: str,
    *,
    concurrency: int,
    ca_file: Path | None = None,
    identity: ClientCertificate | None = None,
    proxy: Proxy | None = None,
) -> httpx.AsyncBaseTransport:
    """Make the transport for a normalised base URL, with at most `concurrency` connections.

    Trust is the system's plus `ca_file`. No HTTP/2, no retries, and a proxy only where one is
    given. Raises InvalidInputError for a certificate or key that cannot be used, UnreachableError
    for a client certificate that is out of date.
    """
    _quiet_libraries()
    context = _tls_context(url, ca_file)
    if identity is not None:
        show_certificate(context, identity)
    return AiohttpTransport(
        context=context,
        limit=concurrency,
        keep_alive=_KEEP_ALIVE_SECONDS,
        proxy=proxy,
        identity=identity,
    )


def _tls_context(url: str, ca_file: Path | None) -> ssl.SSLContext:
    # Not create_default_context: it writes session keys where the environment tells it to, and
    # is stricter with private authorities from one Python version to the next.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if url.startswith("https:"):
        context.load_default_certs()
    if ca_file is not None:
        _trust(context, ca_file)
    return context


def _trust(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, ssl.SSLError):
            reason = "it holds no certificate in PEM form"
        raise InvalidInputError(
            f"cannot use the CA file {ca_file}: {reason}",
            hint="--ca-file takes one or more certificates, each between BEGIN and END CERTIFICATE",
        ) from None


def _quiet_libraries() -> None:
    # Their debug lines describe every request; ours are the ones a reader of the log wants.
    for name in ("aiohttp", "httpx"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)

"""The proxy that the environment names for a server, and the servers that need none."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from reconciler.api.secret import Secret
from reconciler.api.urls import is_host, is_loopback
from reconciler.errors import InvalidInputError
from reconciler.values import dataclass

_DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that opens tunnels (CONNECT), found in `variable`.

    `address` holds no credentials and may be shown; `login` is the value of Proxy-Authorization.
    """

    address: str
    variable: str
    login: Secret | None = None


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Choose the proxy for a normalised base URL; None for a direct connection.

    HTTPS_PROXY goes before ALL_PROXY, and the lower-case name before the upper-case one; NO_PROXY
    lists exceptions. Plain http and this machine itself are never proxied. Raises
    InvalidInputError for an address that cannot be used.
    """
    server = urlsplit(url)
    host = server.hostname or ""
    if server.scheme != "https" or is_loopback(host):
        return None
    # Not urllib's reading of NO_PROXY: that knows no networks, and most lists have some.
    exceptions = _read(environ, "NO_PROXY")[1].lower().replace(",", " ").split()
    if any(_names(entry, host, str(server.port or 443)) for entry in exceptions):
        return None
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        variable, text = _read(environ, name)
        if text:
            return _parse(variable, text)
    return None


def _read(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    # An empty variable counts as unset, as CI systems leave them.
    lower, upper = environ.get(name.lower(), "").strip(), environ.get(name, "").strip()
    return (name.lower(), lower) if lower else (name, upper)


def _names(entry: str, host: str, port: str) -> bool:
    """Whether an entry of NO_PROXY means a host: `*`, a network, a domain, or one with a port."""
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, colon, digits = entry.rpartition(":")
        if colon and digits.isdigit():
            # Before one port there is no other.
            return digits == port and _names(name, host, "")
        domain = entry.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _parse(variable: str, text: str) -> Proxy:
    if not (text.isascii() and text.isprintable()) or " " in text or "\\" in text:
        raise _unusable(variable, "it has invalid characters")
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        # The port is parsed only when it is asked for.
        port = parts.port or _DEFAULT_PORT
    except ValueError:
        raise _unusable(variable, "it is not a valid address") from None
    if parts.scheme != "http":
        raise _unusable(variable, f"{parts.scheme}:// proxies are not supported")
    name = parts.hostname or ""
    if not is_host(name) or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _unusable(variable, "it is not the address of a proxy")
    host = f"[{name}]" if ":" in name else name
    login = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = Secret(value="Basic " + base64.b64encode(pair.encode()).decode())
    return Proxy(address=f"http://{host}:{port}", variable=variable, login=login)


def _unusable(variable: str, reason: str) -> InvalidInputError:
    # The message never repeats the address, which may hold a password.
    return InvalidInputError(
        f"the proxy in {variable} cannot be used: {reason}",
        hint="it looks like http://user:password@proxy.example:3128; "
        "without --use-env-proxy the variable is not read",
    )

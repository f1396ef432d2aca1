"""The proxy that the environment names for a server, and the servers that need none."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.api.secret import Secret
from reconciler.api.urls import is_loopback
from reconciler.errors import InvalidInputError

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
    """Choose the proxy for a normalised base URL; None where the way is a direct one.

    HTTPS_PROXY goes before ALL_PROXY, and the lower-case name before the upper-case one; NO_PROXY
    lists exceptions. Plain http and this machine itself are never proxied. Raises
    InvalidInputError for an address that cannot be used, without repeating it: it may hold a
    password.
    """
    server = urlsplit(url)
    host = server.hostname or ""
    if server.scheme != "https" or is_loopback(host):
        return None
    if _is_exempt(host, server.port or 443, _read(environ, "NO_PROXY")[1]):
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


def _is_exempt(host: str, port: int, exceptions: str) -> bool:
    """Whether NO_PROXY names a host.

    Not the standard library's reading: that one knows no networks, which most lists hold.
    """
    return any(_names(entry, host, port) for entry in exceptions.lower().replace(",", " ").split())


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, colon, wanted = entry.rpartition(":")
        if colon and wanted.isdigit():
            return int(wanted) == port and _names(name, host, port)
        domain = entry.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _parse(variable: str, text: str) -> Proxy:
    parts = _split(variable, text)
    if parts.scheme != "http":
        raise _unusable(variable, f"proxies of the kind {parts.scheme}:// are not spoken to")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _unusable(variable, "it is not the address of a proxy")
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Proxy(
        address=f"http://{shown}:{parts.port or _DEFAULT_PORT}",
        variable=variable,
        login=_login(parts),
    )


def _split(variable: str, text: str) -> SplitResult:
    if not (text.isascii() and text.isprintable()) or " " in text or "\\" in text:
        raise _unusable(variable, "it holds characters that an address cannot have")
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        _ = parts.port
    except ValueError:
        raise _unusable(variable, "it cannot be read as an address") from None
    return parts


def _login(parts: SplitResult) -> Secret | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Secret(value="Basic " + base64.b64encode(pair.encode()).decode())


def _unusable(variable: str, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"the proxy in {variable} cannot be used: {problem}",
        hint="it looks like http://user:password@proxy.example:3128; "
        "without --use-env-proxy the variable is not read",
    )

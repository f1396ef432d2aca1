"""The address of a control plane, and the paths below it."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import InvalidInputError

LOGIN_PATH = "/api/v2/token"
# Deprecated since 2.25, and the only one that 2.23 has.
OLD_LOGIN_PATH = "/api/v1/token"
WORKLOADS_PATH = "/api/v2/workloads"
LIST_PATH = "/api/v1/workloads"
COUNT_PATH = "/api/v1/workloads/count"

_HINT = "give the address of the control plane, such as https://app.run.ai"
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def normalise_url(text: str) -> str:
    """Bring a base URL into the one form that is sent, compared and pinned.

    Lower-case host, no default port, no slash at the end; a path prefix is kept. Raises
    InvalidInputError for anything that is not a plain https URL (http only to loopback). The
    messages never repeat the text, which may hold a password.
    """
    parts = _split(text.strip())
    _refuse_extras(parts)
    host, port = _host(parts), _port(parts)
    if parts.scheme == "http" and not is_loopback(host):
        raise _invalid(
            f"the server URL uses plain http to {host}: tokens would travel unencrypted",
            "use https; plain http is accepted for 127.0.0.0/8, ::1 and localhost only",
        )
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise _invalid("the path of the server URL holds characters that a prefix cannot have")
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}{path}"


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address in ip_network("127.0.0.0/8") or address == ip_address("::1")


def is_workload_id(text: str) -> bool:
    """Whether a text can stand in a path as an id: `..` or a slash would name something else."""
    return _ID.fullmatch(text) is not None


def workload_path(workload_id: str) -> str:
    """The path of one workload; the id must satisfy `is_workload_id`."""
    return f"{WORKLOADS_PATH}/{workload_id}"


def strip_url(text: str) -> str:
    """A URL fit for a message: without user, query and fragment, where secrets travel."""
    try:
        parts = urlsplit(text)
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an unreadable address"
    return parts._replace(netloc=netloc, query="", fragment="").geturl()


def _split(text: str) -> SplitResult:
    if not text:
        raise _invalid("the server URL is empty")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise _invalid("the server URL holds characters that a URL cannot have")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _invalid("the server URL cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS or "://" not in text:
        raise _invalid("the server URL does not begin with https://")
    return parts


def _refuse_extras(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise _invalid(
            "the server URL holds a user name or password",
            "credentials come from --token-file, RUNAI_TOKEN, or RUNAI_CLIENT_ID and "
            "RUNAI_CLIENT_SECRET",
        )
    if parts.query or parts.fragment:
        raise _invalid("the server URL holds a query or a fragment")


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise _invalid("the server URL names no host")
    if not _HOST.fullmatch(host):
        raise _invalid("the host of the server URL cannot be read")
    return host


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _invalid("the port of the server URL is not a number from 1 to 65535")
    return port


def _invalid(message: str, hint: str = _HINT) -> InvalidInputError:
    return InvalidInputError(message, hint=hint)

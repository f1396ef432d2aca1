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
CLUSTERS_PATH = "/api/v1/clusters/minimal"
PROJECTS_PATH = "/api/v1/org-unit/projects"
TYPES_PATH = "/api/v1/workload-types"
DEFAULT_PORTS = {"https": 443, "http": 80}

_HINT = "give the address of the control plane, such as https://app.run.ai"
# Names in DNS have labels of at most 63 characters (RFC 1035 2.3.4).
_HOST = re.compile(
    r"(?=[a-z0-9])([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}(?<=[a-z0-9])|[0-9a-f:.]*:[0-9a-f:.]*"
)
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def normalise_url(text: str) -> str:
    """Bring a base URL into the one form that is sent, compared and pinned.

    Lower-case host, no default port, no slash at the end; a path prefix is kept. Raises
    InvalidInputError for anything that is not a plain https URL (http only to loopback).
    """
    # No message repeats the text, which may hold a password.
    parts = _split(text.strip())
    if "@" in parts.netloc:
        raise _invalid(
            "the server URL has a user name or password in it",
            "credentials come from --token-file, RUNAI_TOKEN, or RUNAI_CLIENT_ID and "
            "RUNAI_CLIENT_SECRET",
        )
    if parts.query or parts.fragment:
        raise _invalid("the server URL has a query or a fragment")
    host = parts.hostname or ""
    if not host:
        raise _invalid("the server URL has no host")
    if not is_host(host):
        raise _invalid("the host of the server URL is not a valid name or address")
    if parts.scheme == "http" and not is_loopback(host):
        raise _invalid(
            f"the server URL uses plain http to {host}: tokens would travel unencrypted",
            "use https; plain http is accepted for 127.0.0.0/8, ::1 and localhost only",
        )
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise _invalid("the path of the server URL has invalid characters")
    bracketed = f"[{host}]" if ":" in host else host
    is_default = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    suffix = "" if is_default else f":{parts.port}"
    return f"{parts.scheme}://{bracketed}{suffix}{path}"


def is_host(text: str) -> bool:
    """Whether a text in lower case can be a host: no other reaches a resolver without an error."""
    return _HOST.fullmatch(text) is not None


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
    """Whether a text can be an id in a path."""
    # The server chooses ids: `..` or a slash in one would lead to another call.
    return _ID.fullmatch(text) is not None


def workload_path(workload_id: str) -> str:
    """The path of one workload; the id must satisfy `is_workload_id`."""
    return f"{WORKLOADS_PATH}/{workload_id}"


def strip_url(text: str) -> str:
    """A URL for a message: without user, query and fragment, which may hold secrets."""
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
        raise _invalid("the server URL has invalid characters")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _invalid("the server URL is not a valid URL") from None
    if parts.scheme not in DEFAULT_PORTS or "://" not in text:
        raise _invalid("the server URL does not begin with https://")
    try:
        # `urlsplit` parses the port only when it is asked for.
        is_valid = parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise _invalid("the port of the server URL is not a number from 1 to 65535")
    return parts


def _invalid(message: str, hint: str = _HINT) -> InvalidInputError:
    return InvalidInputError(message, hint=hint)

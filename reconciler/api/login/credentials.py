"""Where a token comes from: a file, a variable, or an id and its secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reconciler.api.secret import Secret
from reconciler.errors import UnreachableError
from reconciler.values import dataclass

_HINT = (
    "give --token-file FILE, or set RUNAI_TOKEN, "
    "or set both RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET"
)
# RFC 6750 2.1. Anything else would make the HTTP library refuse the header and quote it.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFile:
    """A file that holds a bearer token and is rotated by someone else."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedToken:
    """A bearer token that nothing renews."""

    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """A service account or an access key, exchanged for short-lived tokens."""

    client_id: str
    client_secret: Secret


Credentials = TokenFile | FixedToken | ClientCredentials


def credentials_from(environ: Mapping[str, str], token_file: Path | None = None) -> Credentials:
    """Choose the credentials: the token file, RUNAI_TOKEN, then the client's id and secret.

    Raises UnreachableError where there are none, or only half of a pair.
    """
    # An empty variable counts as unset: CI systems leave such for a secret that is not defined.
    if token_file is not None:
        return TokenFile(path=token_file)
    if token := environ.get("RUNAI_TOKEN", "").strip():
        if not is_bearer(token):
            raise UnreachableError(
                "RUNAI_TOKEN has characters that are invalid in a bearer token",
                hint="set it to the token alone, without quotes and without 'Bearer'",
            )
        return FixedToken(token=Secret(value=token))
    client_id = environ.get("RUNAI_CLIENT_ID", "").strip()
    client_secret = environ.get("RUNAI_CLIENT_SECRET", "").strip()
    if client_id and client_secret:
        return ClientCredentials(client_id=client_id, client_secret=Secret(value=client_secret))
    message = "no credentials for the control plane"
    if client_id:
        message = "RUNAI_CLIENT_ID is set, but RUNAI_CLIENT_SECRET is not"
    elif client_secret:
        message = "RUNAI_CLIENT_SECRET is set, but RUNAI_CLIENT_ID is not"
    raise UnreachableError(message, hint=_HINT)


def is_bearer(text: str) -> bool:
    """Whether a text can be a bearer token at all (RFC 6750)."""
    return _BEARER.fullmatch(text) is not None

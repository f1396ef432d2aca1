"""What object storage refuses: what may be tried again, and the sentence for the rest."""

from __future__ import annotations

import re

from obstore.exceptions import (
    GenericError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from reconciler.core.states.places import ObjectPlace
from reconciler.errors import ReconcilerError, StateError, UnreachableError

_STATUS = re.compile(r"status code: (\d{3}[^:<]*)")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
# Of an address only what is before its query: that may hold a signature.
_QUERY = re.compile(r"\?[^\s\"')]+")
# Why no request could be sent stands in the debug output alone.
_CAUSE = re.compile(r'InvalidCertificate\(\s*(\w+)|(?:message|error): "([^"]{1,100})"')
# The login itself is wrong or too old, which whoever may write has no part in.
_LOGIN = frozenset(
    {
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        *("AuthenticationFailed", "RequestTimeTooSkewed", "Unauthenticated"),
    }
)

_LOGIN_HINTS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ROLE_ARN and "
    "AWS_WEB_IDENTITY_TOKEN_FILE, and AWS_REGION",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_OAUTH_ACCESS_TOKEN to a token of now",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_CLIENT_ID, AZURE_TENANT_ID and "
    "AZURE_FEDERATED_TOKEN_FILE",
}


def may_be_repeated(error: Exception) -> bool:
    """Whether the same request may succeed a little later: no answer, a busy server."""
    if not isinstance(error, GenericError):
        return isinstance(error, TimeoutError)
    status = _STATUS.search(str(error))
    return status is None or status[1].startswith(("408", "429", "5"))


def to_error(place: ObjectPlace, error: Exception) -> ReconcilerError:
    """The error for a request that had no success."""
    reason = reason_of(error)
    code = _CODE.search(str(error))
    if isinstance(error, UnauthenticatedError) or (code and code[1] in _LOGIN):
        return UnreachableError(
            f"the storage of the state {place.title} does not accept the login: {reason}",
            hint=_LOGIN_HINTS[place.scheme],
        )
    if isinstance(error, PermissionDeniedError):
        return StateError(
            f"this account may not use the state {place.title} ({reason})",
            hint="let it read, write, list and delete objects below this folder; whoever only "
            "plans needs to read and to list",
        )
    if isinstance(error, (NotFoundError, FileNotFoundError)):
        return StateError(
            f"there is no bucket {place.bucket} ({reason})",
            hint="check the address; a bucket is made by whoever owns it, never by this program",
        )
    if "InvalidCertificate" in str(error):
        return UnreachableError(
            f"the storage of the state {place.title} cannot be reached: {reason}",
            hint="give the authority that signed its certificate with SSL_CERT_FILE",
        )
    if may_be_repeated(error):
        return UnreachableError(
            f"the storage of the state {place.title} cannot be reached: {reason}",
            hint=f"check the address and the network, and {_LOGIN_HINTS[place.scheme]}",
        )
    return StateError(
        f"the state {place.title} cannot be used: {reason}",
        hint="nothing was changed; ask the operator of the storage",
    )


def reason_of(error: Exception) -> str:
    """Why a request failed, in few words and without what may be a secret."""
    text = str(error).partition("\n\n")[0]
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None:
        return " ".join((status[1].strip(), *((code[1],) if code else ())))
    line = text.partition("\n")[0].rpartition(" - ")[2]
    said = _QUERY.sub("", line).strip().rstrip(".:") or type(error).__name__
    cause = _CAUSE.search(str(error))
    return f"{said} ({cause[1] or cause[2]})" if cause else said

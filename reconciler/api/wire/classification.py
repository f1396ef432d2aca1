"""What a reply proves: the table from status and kind of body to an answer."""

from __future__ import annotations

from typing import TypedDict

from reconciler.api.wire.exchange import Reply
from reconciler.api.wire.headers import request_id, retry_after, server_date
from reconciler.api.wire.payloads import WireError, read_error
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    Conflict,
    NotFound,
    Refused,
    TooManyRequests,
    Unauthorised,
    Unavailable,
)


class Said(TypedDict):
    """What every answer repeats of the reply it stands for."""

    message: str
    request_id: str
    date: str | None


def said(reply: Reply) -> Said:
    """The fields that all answers share."""
    return Said(
        message=reply.message,
        request_id=request_id(reply.headers),
        date=server_date(reply.headers),
    )


def classify_response(reply: Reply) -> ApiResult | None:
    """Sort a reply; None is a 2xx in JSON, whose content is still to be read.

    502, 503 and 504 say that the API is away, whoever says it and in whatever form. Else what is
    not JSON comes from something between us and the API, which proves nothing about the workload.
    Three exceptions: a redirect was certainly not the API acting; a 401 page is a gate that checks
    credentials before it lets a request through (a 403 page is not: filters also send it in place
    of an answer that has already been given); and a 429 page asks for patience, although it may
    have taken the place of an answer too.
    """
    if reply.data is not None and 200 <= reply.status < 300:
        return None
    words = said(reply)
    match reply.status:
        case status if 300 <= status < 400:
            return Refused(status=status, **words)
        case 401:
            return Unauthorised(**words)
        case 404:
            return NotFound(trusted=_is_own_error(reply), **words)
        case 502 | 503 | 504:
            return Unavailable(retry_after=_delay(reply), **words)
        case 429 if reply.data is None:
            return Unavailable(retry_after=_delay(reply), **words)
        case status if reply.data is None:
            return Ambiguous(status=status, **words)
        case 409:
            return Conflict(**words)
        case 429:
            return TooManyRequests(retry_after=_delay(reply), **words)
        case 501 if _is_own_error(reply):
            # Not a failure on the way: the server knows that it does not have this call.
            return Refused(status=501, own=True, **words)
        case status if status != 408 and 400 <= status < 500:
            return Refused(status=status, own=_is_own_error(reply), **words)
        case status:
            return Ambiguous(status=status, **words)


def unreadable(reply: Reply, problem: str) -> Ambiguous:
    """The answer for a 2xx whose content cannot be what it should be."""
    words = said(reply)
    words["message"] = f"HTTP {reply.status} with an unusable body: {problem}"
    return Ambiguous(status=reply.status, **words)


def _is_own_error(reply: Reply) -> bool:
    # Gateways answer unknown routes in JSON too; only the API's envelope repeats the status.
    try:
        return read_error(reply.data).code == reply.status
    except WireError:
        return False


def _delay(reply: Reply) -> float | None:
    return retry_after(reply.headers.get("retry-after"), reply.headers.get("date"))

"""What a response proves: the table from status and kind of body to a result."""

from __future__ import annotations

from typing import TypedDict

from reconciler.api.wire.exchange import RawResponse
from reconciler.api.wire.headers import request_id, retry_after, server_date
from reconciler.api.wire.payloads import WireError, read_error_code
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


class ResultFields(TypedDict):
    """The fields of a response that every result has."""

    message: str
    request_id: str
    date: str | None


def result_fields(response: RawResponse) -> ResultFields:
    """Message, request id and date of a response, for any result."""
    return ResultFields(
        message=response.message,
        request_id=request_id(response.headers),
        date=server_date(response.headers),
    )


def success_fields(response: RawResponse) -> ResultFields:
    """The fields of a result that says that all is well, which needs no message."""
    headers = response.headers
    return ResultFields(message="", request_id=request_id(headers), date=server_date(headers))


def classify_response(response: RawResponse) -> ApiResult | None:
    """Classify a response; None is a 2xx in JSON, whose content is still to be read."""
    # What is not JSON comes from something between us and the API, and proves nothing about the
    # workload: Ambiguous. Redirects, 401, 5xx of gateways and 429 are the exceptions below.
    if response.data is not None and 200 <= response.status < 300:
        return None
    fields = result_fields(response)
    match response.status:
        case status if 300 <= status < 400:
            # Whatever redirects us, it was not the API carrying out a request.
            return Refused(status=status, **fields)
        case 401:
            # Also as a page: a gate checks credentials before it lets a request through. A 403
            # page is no such proof: filters send it in place of a response of the API as well.
            return Unauthorised(**fields)
        case 404:
            return NotFound(trusted=_is_own_error(response), **fields)
        case 502 | 503 | 504:
            return Unavailable(retry_after=_delay(response), **fields)
        case 429 if response.data is None:
            # A page asks for patience too, but may stand in place of a response of the API.
            return Unavailable(retry_after=_delay(response), **fields)
        case status if response.data is None:
            return Ambiguous(status=status, **fields)
        case 409:
            return Conflict(**fields)
        case 429:
            return TooManyRequests(retry_after=_delay(response), **fields)
        case 501 if _is_own_error(response):
            # Not a failure on the way: the server says that it does not have this call.
            return Refused(status=501, own=True, **fields)
        # A 408 may come after the request was carried out, like a timeout of ours.
        case status if status != 408 and 400 <= status < 500:
            return Refused(status=status, own=_is_own_error(response), **fields)
        case status:
            return Ambiguous(status=status, **fields)


def unreadable_response(response: RawResponse, reason: str) -> Ambiguous:
    """The result for a 2xx whose content is not what the API promises."""
    fields = result_fields(response)
    fields["message"] = f"HTTP {response.status} with an unusable body: {reason}"
    return Ambiguous(status=response.status, **fields)


def _is_own_error(response: RawResponse) -> bool:
    # Gateways answer unknown routes in JSON too; only the API's envelope repeats the status.
    try:
        return read_error_code(response.data) == response.status
    except WireError:
        return False


def _delay(response: RawResponse) -> float | None:
    return retry_after(response.headers.get("retry-after"), response.headers.get("date"))

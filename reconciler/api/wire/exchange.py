"""One request and its response: bounded in time and size, failures by what they prove."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from reconciler import __version__
from reconciler.api.secret import Secret
from reconciler.api.urls import strip_url
from reconciler.api.wire.body import BodyError, parse_object
from reconciler.api.wire.direct import DirectTransport, Headers, Incoming, Outgoing
from reconciler.api.wire.transport_errors import (
    ConnectError,
    ConnectTimeoutError,
    ImpassableError,
    TransportError,
    causes,
    first_message,
)
from reconciler.core.protocol.api_results import Ambiguous, NotSent
from reconciler.core.redact import blank
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.ports import BeforeSend
from reconciler.values import dataclass

if TYPE_CHECKING:
    import httpx

MAX_MESSAGE = 2_000
MAX_TITLE = 80
USER_AGENT = f"workload-reconciler/{__version__}"

_MESSAGE_KEYS = ("message", "error_description", "detail", "title", "error")
_CONNECT_SHARE = 0.25
_HEADERS: Headers = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip"),
    ("User-Agent", USER_AGENT),
)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

OnRequest = Callable[[str, int | None], None]
"""Gets the method and the status of a response, None where no response came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request before it has a token; `content` is of the type `content_type`.

    `before_send` is awaited right before its bytes leave. `hide` blanks the secrets of this request
    in messages of the server; without it, everything that looks like a secret is blanked.
    """

    method: str
    path: str
    content: bytes | None = None
    content_type: str = JSON
    params: Mapping[str, str] | None = None
    before_send: BeforeSend | None = None
    hide: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """A complete response; `data` is None unless the body is a JSON object and says so.

    `is_empty` separates an empty body from one that cannot be read; `rows` is a body that is a
    list; `is_page` says that it is of another content type. The names of `headers` are in lower
    case. `message` is the server's own, or else ours about its body; bounded, without secrets.
    """

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, Any] | None
    message: str
    is_empty: bool = False
    rows: Sequence[Any] | None = None
    is_page: bool = False


class Exchange:
    """Sends calls to one base URL over one transport, and tells `on_request` of each."""

    def __init__(
        self,
        url: str,
        transport: DirectTransport | httpx.AsyncBaseTransport,
        *,
        request_timeout: float,
        rules: RedactionRules = BUILT_IN,
        on_request: OnRequest | None = None,
    ) -> None:
        self._url = url
        self._on_request = on_request
        self._transport = _direct(transport, url)
        self._request_timeout = request_timeout
        self._rules = rules
        # To wait for a connection and to make one get a share each, so that they time out before
        # the whole call does: then it is certain that nothing was sent.
        self._patience = request_timeout * _CONNECT_SHARE

    def deadline(self) -> float:
        """When a call that begins now times out, on the event loop's clock."""
        return asyncio.get_running_loop().time() + self._request_timeout

    async def send(
        self,
        call: Call,
        *,
        deadline: float,
        bearer: Secret | None = None,
    ) -> RawResponse | NotSent | Ambiguous:
        """Send once; no message repeats the bearer or a secret of the call."""

        def hide(text: str) -> str:
            text = bearer.hide_in(text) if bearer else text
            return call.hide(text) if call.hide else blank(text, rules=self._rules)

        headers = _HEADERS
        if call.content is not None:
            headers += (("Content-Type", call.content_type),)
        if bearer is not None:
            headers += (("Authorization", f"Bearer {bearer.reveal()}"),)
        request = Outgoing(
            method=call.method,
            # Paths need no quoting: they are ours, and ids are checked.
            path=f"{call.path}?{urlencode(call.params)}" if call.params else call.path,
            headers=headers,
            content=call.content,
            patience=self._patience,
            # The transport awaits it once more, since a connection that has to be made first takes
            # its time. Transports of tests do not know it.
            before_send=call.before_send,
        )
        try:
            async with asyncio.timeout_at(deadline):
                if call.before_send is not None:
                    await call.before_send()
                return await self._receive(request, hide)
        except (TransportError, OSError) as error:
            return self._failure(error, hide)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _receive(self, request: Outgoing, hide: Callable[[str], str]) -> RawResponse:
        try:
            response = await self._transport.send(request)
        finally:
            # A cancelled request counts as one without a response.
            if self._on_request is not None:
                self._on_request(request.method, request.status)
        headers = response.headers
        data: Mapping[str, Any] | None = None
        fault: BodyError | None = None
        try:
            data = parse_object(response.body.finish(), headers.get("content-type", ""))
        except BodyError as error:
            fault = error
        message = _server_message(response, data or {})
        if message:
            message = hide(message)
        elif fault is not None:
            message = hide(f"HTTP {response.status}: {_describe_fault(fault, hide)}")
        else:
            # Nobody else's words are in it, so there is nothing to hide: most responses end here.
            message = f"HTTP {response.status}: no message"
        return RawResponse(
            status=response.status,
            headers=headers,
            data=data,
            message=message[:MAX_MESSAGE],
            is_empty=fault is not None and fault.is_empty,
            rows=fault.rows if fault is not None else None,
            is_page=fault is not None and fault.is_page,
        )

    def _failure(self, error: Exception, hide: Callable[[str], str]) -> NotSent | Ambiguous:
        message = hide(first_message(error))[:MAX_MESSAGE]
        unverified = [one for one in causes(error) if isinstance(one, ssl.SSLCertVerificationError)]
        match error:
            case ConnectError() if unverified:
                return NotSent(
                    message="the server's certificate cannot be verified: "
                    f"{unverified[0].verify_message}; if a private authority signed it, name its "
                    "certificate with --ca-file",
                    permanent=True,
                )
            case ConnectTimeoutError():
                return NotSent(message=f"no connection to {self._url} in time")
            case ConnectError():
                return NotSent(message=f"cannot connect to {self._url}: {message}")
            case ImpassableError():
                return NotSent(message=message, permanent=True)
            case TimeoutError():
                return Ambiguous(message=f"no complete answer within {self._request_timeout:g} s")
            case _:
                # Not known to have happened before the request left, so it may have arrived.
                return Ambiguous(message=f"the connection broke: {message}")


def _direct(transport: DirectTransport | httpx.AsyncBaseTransport, url: str) -> DirectTransport:
    if isinstance(transport, DirectTransport):
        return transport
    # Whoever hands in a transport of httpx has loaded it; nobody else pays for that.
    from reconciler.api.wire.httpx_adapter import HttpxTransport

    return HttpxTransport(transport, url)


def _server_message(response: Incoming, data: Mapping[str, Any]) -> str:
    if 300 <= response.status < 400:
        target = strip_url(response.headers.get("location", "")) or "nowhere"
        return (
            f"HTTP {response.status} redirects to {target}; "
            "redirects are not followed, check the server URL"
        )
    # The API's own envelope has message and details; identity providers and gateways have others.
    texts = [data[key] for key in _MESSAGE_KEYS if isinstance(data.get(key), str)]
    details = data.get("details")
    if texts and isinstance(details, str) and details:
        return f"{texts[0]}: {details}"
    return next(filter(None, texts), "")


def _describe_fault(fault: BodyError, hide: Callable[[str], str]) -> str:
    """What is wrong with a body; an HTML page is named by its title."""
    # Cut only after it was redacted: half of a secret would not be recognised.
    title = hide(fault.title)
    if len(title) > MAX_TITLE:
        title = f"{title[:MAX_TITLE]}…"
    return f'an HTML page titled "{title}" instead of JSON' if title else str(fault)

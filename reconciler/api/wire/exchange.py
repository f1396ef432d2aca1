"""One request and its reply: bounded in time and size, failures sorted by what they prove."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from reconciler import __version__
from reconciler.api.secret import Secret
from reconciler.api.urls import strip_url
from reconciler.api.wire.body import BodyError, parse_object, read_body
from reconciler.core.protocol.api_results import Ambiguous, NotSent
from reconciler.core.redact import blank
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.ports import BeforeSend

MAX_MESSAGE = 2_000
MAX_TITLE = 80
USER_AGENT = f"workload-reconciler/{__version__}"

_MESSAGE_KEYS = ("message", "error_description", "detail", "title", "error")
_CONNECT_SHARE = 0.25
_HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"User-Agent", USER_AGENT.encode()),
)
_JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request before it has a token; `content` is of the type `content_type`.

    `before_send` is awaited when the next thing to happen is that its bytes leave. `hide` takes out
    of the server's words what they may not repeat of it, and without one what looks like a secret.
    """

    method: str
    path: str
    content: bytes | None = None
    content_type: str = _JSON
    params: Mapping[str, str] | None = None
    before_send: BeforeSend | None = None
    hide: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer; `data` is None unless the body is a JSON object and says so.

    `is_empty` tells no body at all from one that cannot be read.
    The names of `headers` are in lower case. `message` is the server's own words where it had any,
    bounded, without secrets.
    """

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, Any] | None
    message: str
    is_empty: bool = False


class Exchange:
    """Sends calls to one base URL over one transport."""

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        request_timeout: float,
        rules: RedactionRules = BUILT_IN,
    ) -> None:
        self._url = url
        self._transport = transport
        self._request_timeout = request_timeout
        self._rules = rules
        # Waiting for a connection, making one and the TLS handshake get a share each, so that
        # they give up before the whole call does: then nothing was sent, for certain.
        share = request_timeout * _CONNECT_SHARE
        self._phases = {"connect": share, "pool": share, "read": None, "write": None}

    def deadline(self) -> float:
        """The moment, on the event loop's clock, by which a call that begins now must be over."""
        return asyncio.get_running_loop().time() + self._request_timeout

    async def send(
        self,
        call: Call,
        *,
        deadline: float,
        bearer: Secret | None = None,
    ) -> Reply | NotSent | Ambiguous:
        """Send once; no message repeats the bearer or a secret of the call."""

        def hide(words: str) -> str:
            words = bearer.hide_in(words) if bearer else words
            return call.hide(words) if call.hide else blank(words, rules=self._rules)

        try:
            async with asyncio.timeout_at(deadline):
                if call.before_send is not None:
                    await call.before_send()
                return await self._exchange(self._request(call, bearer), hide)
        except (httpx.HTTPError, OSError) as error:
            return self._failure(error, hide)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    def _request(self, call: Call, bearer: Secret | None) -> httpx.Request:
        headers = [*_HEADERS]
        if call.content is not None:
            headers.append((b"Content-Type", call.content_type.encode("ascii")))
        if bearer is not None:
            headers.append((b"Authorization", f"Bearer {bearer.reveal()}".encode("ascii")))
        return httpx.Request(
            call.method,
            _parse_url(self._url + call.path),
            params=call.params,
            headers=headers,
            content=call.content,
            # A connection that has to be made first takes its time: the transport asks again.
            extensions={"timeout": self._phases, "before_send": call.before_send},
        )

    async def _exchange(self, request: httpx.Request, hide: Callable[[str], str]) -> Reply:
        response = await self._transport.handle_async_request(request)
        # Looking into httpx's own headers costs a search for every name.
        headers = dict(response.headers.items())
        read = await _read(response, headers)
        data = None if isinstance(read, BodyError) else read
        words = _words(response, data)
        if not words:
            words = f"HTTP {response.status_code}: {_fault(read, hide)}"
        return Reply(
            status=response.status_code,
            headers=headers,
            data=data,
            message=hide(words)[:MAX_MESSAGE],
            is_empty=isinstance(read, BodyError) and read.is_empty,
        )

    def _failure(self, error: Exception, hide: Callable[[str], str]) -> NotSent | Ambiguous:
        words = hide(_first_words(error))[:MAX_MESSAGE]
        match error:
            case httpx.ConnectError() if certificate := _certificate_problem(error):
                return NotSent(message=certificate, permanent=True)
            case httpx.ConnectTimeout():
                return NotSent(message=f"no connection to {self._url} in time")
            case httpx.PoolTimeout():
                return NotSent(message="no free connection in time")
            case httpx.ConnectError():
                return NotSent(message=f"cannot connect to {self._url}: {words}")
            case httpx.UnsupportedProtocol():
                return NotSent(message=words, permanent=True)
            case TimeoutError() | httpx.TimeoutException():
                return Ambiguous(message=f"no complete answer within {self._request_timeout:g} s")
            case _:
                return Ambiguous(message=f"the connection broke: {words}")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised from or because of."""
    # Each library on the way up wraps the error of the one below, often in a wordless one.
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# Every create has the same, and whoever waits for a workload asks for it again and again.
_parse_url = lru_cache(maxsize=1024)(httpx.URL)


async def _read(
    response: httpx.Response, headers: Mapping[str, str]
) -> Mapping[str, Any] | BodyError:
    # The raw stream, not httpx's decoded one: the bound must hold while decoding.
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport answered with a synchronous stream")
    try:
        body = await read_body(stream, headers.get("content-encoding", ""))
        return parse_object(body, headers.get("content-type", ""))
    except BodyError as error:
        return error
    finally:
        await stream.aclose()


def _fault(read: Mapping[str, Any] | BodyError, hide: Callable[[str], str]) -> str:
    """What is wrong with a body that has no words for us; a page is named by its title."""
    if not isinstance(read, BodyError):
        return "no message"
    # Cut only after it was redacted: half of a secret would not be recognised.
    title = hide(read.title)
    if len(title) > MAX_TITLE:
        title = f"{title[:MAX_TITLE]}…"
    return f'an HTML page titled "{title}" instead of JSON' if title else str(read)


def _words(response: httpx.Response, data: Mapping[str, Any] | None) -> str:
    if response.is_redirect:
        target = strip_url(response.headers.get("location", "")) or "nowhere"
        return (
            f"HTTP {response.status_code} redirects to {target}; "
            "redirects are not followed, check the server URL"
        )
    texts = [data[key] for key in _MESSAGE_KEYS if isinstance(data.get(key), str)] if data else []
    details = data.get("details") if data else None
    if texts and isinstance(details, str) and details:
        return f"{texts[0]}: {details}"
    return next((text for text in texts if text), "")


def _certificate_problem(error: Exception) -> str:
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the server's certificate cannot be verified: {cause.verify_message}; "
                "if a private authority signed it, name its certificate with --ca-file"
            )
    return ""


def _first_words(error: Exception) -> str:
    return next((words for cause in causes(error) if (words := str(cause))), type(error).__name__)

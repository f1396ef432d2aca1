"""One HTTP/1.1 connection: a request out, its response in, one after the other."""

from __future__ import annotations

import asyncio
import select
from asyncio.trsock import TransportSocket
from typing import cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpResponseParser,
)

from reconciler.api.wire.body import BodyReader
from reconciler.api.wire.direct import Incoming, Outgoing
from reconciler.api.wire.transport_errors import BrokenConnectionError, TransportError

# Of a head, and of what a body has between two of its pieces: sizes of chunks and their extensions,
# trailers. Also the most that is parsed at once.
MAX_HEAD = 64 * 1024
# Without any of these, a body ends with its connection (RFC 9112 6.3).
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class _OddResponseError(HttpParserError):
    """What llhttp lets through and we do not."""


class _StopParsingError(Exception):
    """Nothing that follows is of interest."""


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time; once it is not `is_idle` after a response, it is of no more use.

    `lost_by` is the error that ended it, and `answered` says that a byte of a response has come.
    `idle_since` is for the pool, and `transport` may be replaced by TLS on top of it.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.answered = False
        self.idle_since = 0.0
        self.lost_by: Exception | None = None
        self._is_open = False
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[Incoming] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and has no request under way."""
        # The transport knows an error one turn of the loop before we are told.
        return self._is_open and self._waiter is None and not self.transport.is_closing()

    @property
    def can_send(self) -> bool:
        """Whether it is idle, and nothing has come on it that the loop has still to read."""
        # That is a hang-up, which would leave the request in doubt, or bytes that nobody asked for,
        # which would be taken for its response. Before the first response TLS may have its say.
        if not self.answered:
            return self.is_idle
        return self.is_idle and not _is_readable(self.transport.get_extra_info("socket"))

    def send(self, request: Outgoing, content: bytes) -> asyncio.Future[Incoming]:
        """Send the bytes of a request; the future raises BrokenConnectionError."""
        self._request = request
        self._body: BodyReader | None = None
        self._headers: dict[str, str] = {}
        self._unread = 0
        self._is_complete = False
        self._may_stay = False
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        self.transport.write(content)
        return waiter

    def abort(self) -> None:
        """Close it at once, whatever is under way on it."""
        # Not `close`: over TLS that would wait for the other side to say goodbye.
        self._is_open = False
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, as the protocol of asyncio has it."""
        self.transport = cast("asyncio.Transport", transport)
        self._is_open = True

    def data_received(self, data: bytes) -> None:
        """Parse what has come; hands over a whole response in the same turn of the loop."""
        if self._waiter is None:
            # Nobody asked for it: it would be taken for the response to the next request.
            self.abort()
            return
        self.answered = True
        try:
            for begin in range(0, len(data), MAX_HEAD):
                piece = data[begin : begin + MAX_HEAD]
                self._unread += len(piece)
                self._parser.feed_data(piece)
                if self._unread > MAX_HEAD and not self._is_complete:
                    part = "head" if self._body is None else "chunk"
                    raise _OddResponseError(f"a {part} of more than {MAX_HEAD // 1024} KiB")
        except (HttpParserError, HttpParserUpgrade) as error:
            # Behind the end of a response this proves nothing about it, but ends the connection.
            self._may_stay = False
            if not self._is_complete:
                self._fail(BrokenConnectionError(f"not an HTTP answer: {_reason(error)}"))
                return
        if self._is_complete:
            self._deliver()

    def eof_received(self) -> None:
        """Nothing more will come; the transport closes itself after this."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, as the protocol of asyncio has it."""
        self.lost_by = exc
        self._end(exc)

    # What the parser calls. An exception stops it, and comes out of `feed_data` as its own.

    def on_message_begin(self) -> None:
        """Refuse a second response behind the first."""
        if self._is_complete:
            raise _StopParsingError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; of one name, the values in one list (RFC 9110 5.3)."""
        if self._body is not None:
            # A trailer, which may not say anything that matters (RFC 9110 6.5.1).
            return
        key, text = name.decode("latin-1").lower(), _decode(value)
        headers = self._headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """Begin with the body; an interim response has none, and is forgotten."""
        status = self._parser.get_status_code()
        if status < 200:
            # 101 would answer a wish for another protocol, which no request of ours has.
            if status < 100 or status == 101:
                raise _OddResponseError(f"status {status}")
            self._headers = {}
            return
        self._unread = 0
        self._request.status = status
        self._body = BodyReader(self._headers.get("content-encoding", ""))
        # The parser does not know the request. After this one no body comes, whatever is said of
        # its length (RFC 9110 9.3.6): what follows all the same ends the connection.
        if self._request.method == "CONNECT":
            self._is_complete = True
            self._may_stay = status < 300

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self._unread = 0
        if self._body is None:
            raise _OddResponseError("an interim response with a body")
        if self._is_complete or not self._body.feed(chunk):
            self._is_complete = True
            raise _StopParsingError

    def on_message_complete(self) -> None:
        """Note the end of a response, unless more than an interim one is awaited."""
        if self._body is not None and not self._is_complete:
            self._is_complete = True
            self._may_stay = self._parser.should_keep_alive()

    def _deliver(self) -> None:
        waiter, self._waiter = self._waiter, None
        # A response before the end of its request is one, but its server may not read the rest.
        if not self._may_stay or self.transport.get_write_buffer_size():
            self.abort()
        if waiter is not None and not waiter.done() and self._body is not None:
            waiter.set_result(
                Incoming(status=self._request.status or 0, headers=self._headers, body=self._body)
            )

    def _end(self, error: Exception | None) -> None:
        self._is_open = False
        if self._waiter is None:
            return
        if self._body is not None:
            if error is None and self._headers.keys().isdisjoint(_FRAMING):
                self._deliver()
            else:
                self._fail(BrokenConnectionError("the answer ended too early"))
        elif error is None:
            self._fail(BrokenConnectionError("the server hung up without an answer"))
        else:
            self._fail(BrokenConnectionError(str(error) or type(error).__name__))

    def _fail(self, failure: TransportError) -> None:
        self.abort()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure)


def _is_readable(sock: TransportSocket | None) -> bool:
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _decode(value: bytes) -> str:
    value = value.rstrip(b" \t")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _reason(error: Exception) -> str:
    # The parser wraps what its callbacks raise.
    cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
    reason = str(cause or error) or type(error).__name__
    # Its own text goes on with two other protocols.
    return "Bad status line" if reason.startswith("Expected HTTP/") else reason

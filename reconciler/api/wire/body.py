"""The body of a response: decoded within a bound, then a JSON object or an error."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

MAX_BODY = 8 * 1024 * 1024

_TITLE = re.compile(rb"<title[^>]*>(.{1,2000}?)</title>", re.IGNORECASE | re.DOTALL)
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_SUFFIXED_JSON = re.compile(r"application/[a-z0-9.-]+\+json")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class BodyError(Exception):
    """A body that proves nothing: too large, badly encoded, or not a JSON object.

    `title` is that of an HTML page, as it was sent; `is_empty` says that there was no body at all,
    `is_page` that it does not claim to be JSON.
    `rows` is a list that stands where an object is expected, which one old call answers with.
    """

    def __init__(
        self,
        message: str,
        *,
        title: str = "",
        is_empty: bool = False,
        is_page: bool = False,
        rows: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.rows = rows
        self.is_page = is_page
        self.title = title
        self.is_empty = is_empty


class BodyReader:
    """Collects a body of at most 8 MiB decoded, piece by piece as it comes.

    It never holds more than that, however well a body compresses.
    """

    __slots__ = ("_body", "_fault", "_has_begun", "_stream")

    def __init__(self, coding: str) -> None:
        self._body: bytes | bytearray = b""
        self._fault = ""
        self._has_begun = False
        self._stream: zlib._Decompress | None = None
        if coding:
            self._begin_decoding(coding.strip().lower())

    def feed(self, chunk: bytes) -> bool:
        """Take a piece; False once nothing that follows would make a difference."""
        if self._fault:
            return False
        # What was decoded does not tell: the head of a compressed body becomes nothing.
        self._has_begun = self._has_begun or bool(chunk)
        if self._stream is not None:
            chunk = self._decode(self._stream, chunk)
        # Most bodies come in one piece, which need not be copied.
        if not self._body:
            self._body = chunk
        elif isinstance(self._body, bytearray):
            self._body += chunk
        else:
            self._body = bytearray(self._body + chunk)
        if len(self._body) > MAX_BODY:
            self._fault = f"a body of more than {MAX_BODY // 1024 // 1024} MiB"
        return not self._fault

    def finish(self) -> bytes:
        """The whole body; raises BodyError for one that is too large or badly encoded."""
        if self._stream is not None and self._has_begun and not self._stream.eof:
            self._fault = self._fault or "a compressed body that ends too early"
        if self._fault:
            raise BodyError(self._fault)
        return bytes(self._body)

    def _begin_decoding(self, coding: str) -> None:
        if coding in ("gzip", "x-gzip"):
            # Not httpx's decoder: that one expands a whole chunk, a thousand-fold at worst.
            self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        elif coding not in ("", "identity"):
            self._fault = f"a body coded as {coding}, which was not asked for"

    def _decode(self, stream: zlib._Decompress, chunk: bytes) -> bytes:
        if stream.eof:
            # It would keep what lies behind the end, without a bound.
            return b""
        try:
            return stream.decompress(chunk, MAX_BODY + 1 - len(self._body))
        except zlib.error:
            self._fault = "a body whose compression is damaged"
            return b""


def parse_object(body: bytes, content_type: str) -> Mapping[str, Any]:
    """Parse a JSON object; raises BodyError for another content or another content type."""
    if not body:
        raise BodyError("an empty body", is_empty=True)
    media = content_type.partition(";")[0].strip().lower()
    if media != "application/json" and not _SUFFIXED_JSON.fullmatch(media):
        label = "an HTML page" if media in _HTML else media or "a body without a content type"
        raise BodyError(f"{label} instead of JSON", title=_page_title(body), is_page=True)
    try:
        # As `json.loads` does for bytes, which has no decoder of ours.
        data = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError):
        raise BodyError("JSON that cannot be read") from None
    # Tested on the bytes, since few bodies have such an escape, and most have none at all.
    if b"\\u" in body and _SURROGATE_ESCAPE.search(body):
        # JSON can spell half of a character; UTF-8, and so the state, cannot hold it.
        encoded = json.dumps(data, ensure_ascii=False).encode("utf-16", "surrogatepass")
        data = json.loads(encoded.decode("utf-16", "replace"))
    if not isinstance(data, dict):
        rows = data if isinstance(data, list) else None
        raise BodyError("JSON that is not an object", rows=rows)
    return data


def _page_title(body: bytes) -> str:
    title = _TITLE.search(body[:16_384])
    if title is None:
        return ""
    # Where all is well nobody answers with a page, and nobody waits for the list of all entities.
    from html import unescape

    # Entities before spaces: some of them are spaces.
    return " ".join(unescape(title[1].decode(errors="replace")).split())


def _refuse_constant(name: str) -> float:
    # Python reads NaN and Infinity, which are no JSON: neither can be written down as JSON again.
    raise ValueError(f"{name} is not JSON")


def _parse_finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number that is too large")
    return number


# Made once: `json.loads` would make one for every body.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_finite)

"""The bytes of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.connection.request_head import HeadWriter
from reconciler.api.wire.direct import Outgoing
from reconciler.api.wire.transport_errors import ImpassableError

WRITER = HeadWriter(host="cp.example:8443", prefix="/cp")
TEXTS = st.text(st.characters(codec="latin-1"), max_size=8)


def request(**fields: Any) -> Outgoing:
    """A request with these differences."""
    return replace(Outgoing(method="GET", path="/a"), **fields)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, b"GET /cp/a HTTP/1.1\r\nHost: cp.example:8443\r\n\r\n"),
        (
            {"method": "POST", "content": b"{}", "headers": (("A", "b c"), ("D", "e"))},
            (
                b"POST /cp/a HTTP/1.1\r\nContent-Length: 2\r\nHost: cp.example:8443\r\n"
                b"A: b c\r\nD: e\r\n\r\n{}"
            ),
        ),
        (
            {"method": "PUT"},
            b"PUT /cp/a HTTP/1.1\r\nContent-Length: 0\r\nHost: cp.example:8443\r\n\r\n",
        ),
        (
            {"method": "DELETE"},
            b"DELETE /cp/a HTTP/1.1\r\nContent-Length: 0\r\nHost: cp.example:8443\r\n\r\n",
        ),
    ],
)
def test_a_request_is_written_as_it_is(fields: dict[str, object], written: bytes) -> None:
    """Twice alike, for the headers are kept."""
    assert WRITER.write(request(**fields)) == written
    assert WRITER.write(request(**fields)) == written


@pytest.mark.parametrize("mark", ["\r", "\n", "\0", "\r\n", "\x7f", "ä"])
@pytest.mark.parametrize("place", ["method", "path", "name", "value"])
def test_what_could_end_a_line_is_never_sent(place: str, mark: str) -> None:
    """Whoever brings it in would write a request of their own; the message does not repeat it."""
    text = f"s3cret{mark}X: y"
    fields: dict[str, dict[str, object]] = {
        "method": {"method": f"GET{mark}"},
        "path": {"path": f"/{text}"},
        "name": {"headers": ((text, "y"),)},
        "value": {"headers": (("X", text),)},
    }
    with pytest.raises(ImpassableError, match="characters that cannot be sent") as caught:
        WRITER.write(request(**fields[place]))
    assert "s3cret" not in str(caught.value)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_text_is_one_line_or_refused(method: str, path: str, name: str, value: str) -> None:
    """A head has as many lines as it was given, whatever is in them."""
    try:
        head = WRITER.write(request(method=method, path=path, headers=((name, value),)))
    except ImpassableError:
        return
    lines = head.split(b"\r\n")
    assert lines[-3:] == [f"{name}: {value}".encode(), b"", b""]
    assert len(lines) == (6 if b"Content-Length" in lines[1] else 5)
    assert b"".join(lines).isascii()
    assert not set(b"\r\n\0") & set(b"".join(lines))

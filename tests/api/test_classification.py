from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from reconciler.core.model import LastSeen
from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    Conflict,
    Method,
    NotFound,
    NotSent,
    Refused,
    TooManyRequests,
    Unauthorised,
    Unavailable,
)
from tests.api.factories import (
    ID,
    TOKEN,
    URL,
    Handler,
    ask_by,
    error,
    remote,
    reply,
    stamped,
    workload,
)

PAGE = b"<html><head><title>Bad\n gateway</title></head></html>"
PAGE_WORDS = 'an HTML page titled "Bad gateway" instead of JSON'

# What the API's own JSON answer with a status means, whatever the method.
JSON_ANSWERS: dict[int, ApiResult] = {
    400: Refused(status=400, message="no", own=True),
    401: Unauthorised(message="no"),
    403: Refused(status=403, message="no", own=True),
    404: NotFound(trusted=True, message="no"),
    405: Refused(status=405, message="no", own=True),
    408: Ambiguous(status=408, message="no"),
    409: Conflict(message="no"),
    410: Refused(status=410, message="no", own=True),
    413: Refused(status=413, message="no", own=True),
    422: Refused(status=422, message="no", own=True),
    429: TooManyRequests(retry_after=7.0, message="no"),
    500: Ambiguous(status=500, message="no"),
    501: Refused(status=501, message="no", own=True),
    502: Unavailable(retry_after=7.0, message="no"),
    503: Unavailable(retry_after=7.0, message="no"),
    504: Unavailable(retry_after=7.0, message="no"),
    599: Ambiguous(status=599, message="no"),
}
# What a page from something in between means.
PAGE_ANSWERS: dict[int, ApiResult] = {
    401: Unauthorised(message=f"HTTP 401: {PAGE_WORDS}"),
    404: NotFound(trusted=False, message=f"HTTP 404: {PAGE_WORDS}"),
} | {
    status: Ambiguous(status=status, message=f"HTTP {status}: {PAGE_WORDS}")
    for status in (200, 202, 204, 400, 403, 405, 408, 409, 413, 422, 500)
} | {
    status: Unavailable(retry_after=7.0, message=f"HTTP {status}: {PAGE_WORDS}")
    for status in (429, 502, 503, 504)
}  # fmt: skip
MOVED = "redirects to https://login.example/in; redirects are not followed, check the server URL"
REDIRECTS = {status: Refused(status=status, message=f"HTTP {status} {MOVED}")
             for status in (300, 301, 302, 303, 307, 308)}  # fmt: skip


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("status", JSON_ANSWERS)
def test_a_json_answer_means_what_its_status_says(method: Method, status: int) -> None:
    """The table of outcomes for the API's own errors."""
    handler = reply(status, error(status), retry_after="7")
    assert ask_by(handler, method) == stamped(JSON_ANSWERS[status])


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("status", PAGE_ANSWERS)
def test_a_page_proves_nothing(method: Method, status: int) -> None:
    """About the workload; that the API is away, or that we are a stranger, it can say well."""
    handler = reply(status, PAGE, media="text/html; charset=utf-8", retry_after="7")
    assert ask_by(handler, method) == stamped(PAGE_ANSWERS[status])


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("media", ["text/html", "application/json"])
def test_a_redirect_is_not_followed(method: Method, status: int, media: str) -> None:
    """It is a definite no that names its target, without the query."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        to = "https://u:p@login.example/in?state=hunter2"
        return reply(status, b"{}", media=media, location=to)(request)

    assert ask_by(handler, method) == stamped(REDIRECTS[status])
    assert len(asked) == 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_our_workload_is_accepted(status: int) -> None:
    """The documents disagree about 201 and 202."""
    bare, wrapped = reply(status, workload()), reply(status, {"workload": workload()})
    assert ask_by(bare, Method.POST) == stamped(Accepted(remote=remote()))
    assert ask_by(wrapped, Method.GET) == stamped(Accepted(remote=remote()))
    assert ask_by(bare, Method.DELETE) == stamped(Accepted(remote=remote(LastSeen.DELETING)))


def test_an_accepted_delete_is_not_absence() -> None:
    """Even when the reply already carries a deletion time."""
    answer = ask_by(reply(202, workload(deletedAt="2026-03-03T10:00:00Z")), Method.DELETE)
    assert isinstance(answer, Accepted)
    assert not answer.remote.is_gone


@pytest.mark.parametrize(
    ("method", "content", "problem"),
    [
        (Method.POST, {}, "metadata: is missing"),
        (Method.POST, {"workload": workload()}, "metadata: is missing"),
        (Method.GET, workload(), "workload: is missing"),
        (
            Method.POST,
            workload(name="other"),
            "it describes 4501/other, requested was 4501/finetune",
        ),
        (
            Method.POST,
            workload(projectId="1"),
            "it describes 1/finetune, requested was 4501/finetune",
        ),
        (
            Method.GET,
            {"workload": workload(id="x")},
            f"it describes workload x, requested was {ID}",
        ),
        (Method.DELETE, workload(id="x"), f"it describes workload x, requested was {ID}"),
    ],
)
def test_a_2xx_that_is_not_about_our_workload_is_ambiguous(
    method: Method, content: Any, problem: str
) -> None:
    """The server acted on something; nobody can tell on what."""
    assert ask_by(reply(202, content), method) == stamped(
        Ambiguous(status=202, message=f"HTTP 202 with an unusable body: {problem}")
    )


def test_an_id_is_compared_without_case() -> None:
    """UUIDs are, and a server may normalise them."""
    answer = ask_by(reply(200, {"workload": workload(id=ID.upper())}), Method.GET)
    assert isinstance(answer, Accepted)


@pytest.mark.parametrize(
    ("content", "media", "fault"),
    [
        (b"", "application/json", "an empty body"),
        (b"", "text/html", "an empty body"),
        (b" ", "application/json", "JSON that cannot be read"),
        (b'{"a": ', "application/json", "JSON that cannot be read"),
        (b"\xff\xfe\x00", "application/json", "JSON that cannot be read"),
        (b"[" * 100_000, "application/json", "JSON that cannot be read"),
        (b'{"a": NaN}', "application/json", "JSON that cannot be read"),
        (b'{"a": 1e999}', "application/json", "JSON that cannot be read"),
        (b'{"a": ' + b"1" * 5000 + b"}", "application/json", "JSON that cannot be read"),
        (b"[]", "application/json", "JSON that is not an object"),
        (b"null", "application/json", "JSON that is not an object"),
        (b"{}", "text/plain", "text/plain instead of JSON"),
        (b"{}", "text/html; charset=utf-8", "an HTML page instead of JSON"),
        (b"{}", "", "a body without a content type instead of JSON"),
        (b"{}", "application/jsonish", "application/jsonish instead of JSON"),
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (202, partial(Ambiguous, status=202)),
        (400, partial(Ambiguous, status=400)),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_body_that_is_no_json_object_is_a_transport_fault(
    status: int, kind: Callable[..., ApiResult], content: bytes, media: str, fault: str
) -> None:
    """The API has never said anything of the kind; that it is away, the status alone says."""
    assert ask_by(reply(status, content, media=media), Method.POST) == stamped(
        kind(message=f"HTTP {status}: {fault}")
    )


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("media", ["", "application/json", "text/html"])
def test_a_2xx_without_a_body_says_enough_of_a_delete_only(status: int, media: str) -> None:
    """What is deleted need not be described; what was created or read must be."""
    handler = reply(status, b"", media=media)
    unclear = stamped(Ambiguous(status=status, message=f"HTTP {status}: an empty body"))
    assert ask_by(handler, Method.DELETE) == stamped(Acknowledged())
    assert ask_by(handler, Method.POST) == unclear
    assert ask_by(handler, Method.GET) == unclear


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_without_a_body_is_no_answer_to_a_delete(status: int) -> None:
    """Only success needs no words."""
    assert not isinstance(ask_by(reply(status, b""), Method.DELETE), Acknowledged)


def test_the_title_of_a_page_is_read_as_a_browser_shows_it() -> None:
    """HTML writes some characters as names; what they stand for may be a space."""
    page = b"<title>Sign in &amp; go&nbsp;\n&#45; corp</title>"
    answer = ask_by(reply(200, page, media="text/html"), Method.GET)
    assert answer.message == 'HTTP 200: an HTML page titled "Sign in & go - corp" instead of JSON'


def test_the_title_of_a_page_is_short_and_without_secrets() -> None:
    """It is redacted before it is cut, so that no half of a secret is left."""
    title = f"{'x' * 70} {TOKEN} {'y' * 70}"
    answer = ask_by(reply(200, f"<title>{title}</title>".encode(), media="text/html"), Method.GET)
    cut = f"{'x' * 70} (hidden) …"
    assert answer.message == f'HTTP 200: an HTML page titled "{cut}" instead of JSON'


@pytest.mark.parametrize(
    ("status", "content", "answer"),
    [
        (
            404,
            {"message": "no Route matched with those values"},
            NotFound(trusted=False, message="no Route matched with those values"),
        ),
        (404, error(400), NotFound(trusted=False, message="no")),
        (404, {}, NotFound(trusted=False, message="HTTP 404: no message")),
        (
            400,
            {**error(400, "bad"), "details": "name"},
            Refused(status=400, message="bad: name", own=True),
        ),
        (501, {"message": "later"}, Ambiguous(status=501, message="later")),
        (403, {"error": "denied"}, Refused(status=403, message="denied")),
        (403, {"message": 7}, Refused(status=403, message="HTTP 403: no message")),
        (400, error(400, "m" * 5000), Refused(status=400, message="m" * 2000, own=True)),
        (
            400,
            error(400, f"got Bearer {TOKEN}"),
            Refused(status=400, message="got Bearer (hidden)", own=True),
        ),
    ],
)
def test_the_servers_words_are_kept_bounded_and_without_our_token(
    status: int, content: Any, answer: ApiResult
) -> None:
    """And a 404 is trusted only in the API's own envelope: gateways speak JSON too."""
    assert ask_by(reply(status, content), Method.GET) == stamped(answer)


def test_a_certificate_that_cannot_be_verified_is_permanent() -> None:
    """The error lies two libraries down; trying again would not make it valid."""

    def handler(_request: httpx.Request) -> httpx.Response:
        certificate = ssl.SSLCertVerificationError(1, "verify failed")
        certificate.verify_message = "self-signed certificate"
        try:
            raise OSError from certificate
        except OSError as wrapped:
            raise httpx.ConnectError("") from wrapped

    assert ask_by(handler, Method.POST) == NotSent(
        message="the server's certificate cannot be verified: self-signed certificate; "
        "if a private authority signed it, name its certificate with --ca-file",
        permanent=True,
    )


def test_a_wordless_failure_takes_the_words_of_its_cause() -> None:
    """The libraries on the way up wrap errors in empty ones."""

    def handler(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("") from OSError("no route to host")

    assert ask_by(handler, Method.GET) == NotSent(
        message=f"cannot connect to {URL}: no route to host"
    )


def test_half_a_character_does_not_get_in() -> None:
    """JSON can spell a lone surrogate, which neither UTF-8 nor a database can hold."""
    body = b'{"code": 400, "message": "a\\ud800b \\ud83d\\ude00"}'
    answer = ask_by(reply(400, body), Method.GET)
    assert answer.message == "a\ufffdb \U0001f600"


def test_a_compressed_answer_is_read() -> None:
    """gzip is the one coding that we ask for."""
    packed = gzip.compress(json.dumps(workload()).encode())
    answer = ask_by(reply(202, packed, content_encoding="gzip"), Method.POST)
    assert answer == stamped(Accepted(remote=remote()))


def streamed(status: int, chunks: list[bytes], coding: str) -> Handler:
    """A server whose body nobody decodes on its way to us."""

    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            for chunk in chunks:
                yield chunk

    fields = {"content-type": "application/json", "content-encoding": coding}
    return lambda _request: httpx.Response(status, headers=fields, stream=Stream())


@pytest.mark.parametrize(
    ("chunks", "coding", "fault"),
    [
        ([gzip.compress(b" " * 64 * 1024 * 1024)], "gzip", "a body of more than 8 MiB"),
        ([b" " * 1024 * 1024] * 9, "identity", "a body of more than 8 MiB"),
        ([gzip.compress(b"{}")[:-4]], "gzip", "a compressed body that ends too early"),
        ([b"{}"], "gzip", "a body whose compression is damaged"),
        ([b"{}"], "br", "a body coded as br, which was not asked for"),
    ],
    ids=["bomb", "flood", "cut", "damaged", "unasked"],
)
def test_a_body_is_bounded_after_decoding(chunks: list[bytes], coding: str, fault: str) -> None:
    """Eight mebibytes, however small it was on the wire."""
    assert ask_by(streamed(202, chunks, coding), Method.POST) == Ambiguous(
        status=202, message=f"HTTP 202: {fault}"
    )


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (httpx.ConnectError(""), NotSent(message=f"cannot connect to {URL}: ConnectError")),
        (httpx.ConnectTimeout(""), NotSent(message=f"no connection to {URL} in time")),
        (httpx.PoolTimeout(""), NotSent(message=f"no connection to {URL} in time")),
        (httpx.UnsupportedProtocol("odd"), NotSent(message="odd", permanent=True)),
        (httpx.ReadTimeout(""), Ambiguous(message="no complete answer within 5 s")),
        (httpx.WriteTimeout(""), Ambiguous(message="no complete answer within 5 s")),
        (httpx.ReadError(""), Ambiguous(message="the connection broke: ReadError")),
        (httpx.WriteError("pipe"), Ambiguous(message="the connection broke: pipe")),
        (httpx.CloseError("x"), Ambiguous(message="the connection broke: x")),
        (httpx.RemoteProtocolError("x"), Ambiguous(message="the connection broke: x")),
        (httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'"),
         Ambiguous(message="the connection broke: Illegal header value b'Bearer (hidden)'")),
        (ConnectionResetError("reset"), Ambiguous(message="the connection broke: reset")),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("method", Method)
def test_a_failure_is_sorted_by_what_it_proves(
    method: Method, failure: Exception, answer: ApiResult
) -> None:
    """Not sent for certain, or nobody knows."""

    def handler(_request: httpx.Request) -> httpx.Response:
        raise failure

    assert ask_by(handler, method) == answer

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.urls import is_workload_id, normalise_url, strip_url
from reconciler.api.wire.exchange import Call, Exchange
from reconciler.errors import InvalidInputError

HOSTS = st.from_regex(r"[a-zA-Z]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?(\.[a-z]{2,4})?", fullmatch=True)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
PREFIXES = st.from_regex(r"(/[a-z0-9][a-z0-9._-]{0,6}){0,2}/{0,2}", fullmatch=True)


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("https://App.Run.AI", "https://app.run.ai"),
        ("https://app.run.ai/", "https://app.run.ai"),
        ("https://app.run.ai:443/cp/", "https://app.run.ai/cp"),
        (" https://app.run.ai:8443 ", "https://app.run.ai:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.8.9.10:8080", "http://127.8.9.10:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://LOCALHOST:8080", "http://localhost:8080"),
    ],
)
def test_a_url_has_one_form(given_url: str, normal: str) -> None:
    """Case, default ports, blanks around it and slashes at its end make no difference."""
    assert normalise_url(given_url) == normal


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "the server URL is empty"),
        ("app.run.ai", "the server URL does not begin with https://"),
        ("ftp://app.run.ai", "the server URL does not begin with https://"),
        ("https:app.run.ai", "the server URL does not begin with https://"),
        ("https://", "the server URL has no host"),
        ("https://a b", "the server URL has invalid characters"),
        ("https://a\nb", "the server URL has invalid characters"),
        ("https://a\\b", "the server URL has invalid characters"),
        ("https://bücher.example", "the server URL has invalid characters"),
        ("https://[::1", "the server URL is not a valid URL"),
        ("https://-a.example", "the host of the server URL is not a valid name or address"),
        ("https://a..example", "the host of the server URL is not a valid name or address"),
        (
            f"https://{'a' * 64}.example",
            "the host of the server URL is not a valid name or address",
        ),
        ("https://me:hunter2@cp.example", "the server URL has a user name or password in it"),
        ("https://cp.example?token=hunter2", "the server URL has a query or a fragment"),
        ("https://cp.example#hunter2", "the server URL has a query or a fragment"),
        ("https://cp.example:0", "the port of the server URL is not a number from 1 to 65535"),
        ("https://cp.example:99999", "the port of the server URL is not a number from 1 to 65535"),
        ("https://cp.example:x", "the port of the server URL is not a number from 1 to 65535"),
        (
            "https://cp.example/../etc",
            "the path of the server URL has invalid characters",
        ),
        (
            "https://cp.example/%2e",
            "the path of the server URL has invalid characters",
        ),
    ],
)
def test_an_odd_url_is_refused_without_being_repeated(url: str, complaint: str) -> None:
    """Each complaint names what is wrong, has a way out, and never shows a password."""
    with pytest.raises(InvalidInputError) as caught:
        normalise_url(url)
    assert caught.value.message == complaint
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "host",
    ["app.run.ai", "10.0.0.1", "127.0.0.1.evil.example", "127.1", "2130706433", "169.254.0.1",
     "[::ffff:127.0.0.1]", "localhost.evil.example", "[::]"],
)  # fmt: skip
def test_plain_http_goes_to_this_machine_only(host: str) -> None:
    """A host that merely looks like loopback gets no token in the clear."""
    with pytest.raises(InvalidInputError, match="plain http"):
        normalise_url(f"http://{host}:8080")


@given(st.sampled_from(["https"]), HOSTS, PORTS, PREFIXES)
def test_httpx_reads_the_normal_form_as_we_do(
    scheme: str, host: str, port: str, prefix: str
) -> None:
    """Normalising twice changes nothing, and the HTTP library sees the same server."""
    normal = normalise_url(f"{scheme}://{host}{port}{prefix}")
    assert normalise_url(normal) == normal
    assert httpx.URL(normal).host == host.lower()
    assert str(httpx.URL(normal + "/api/v2/workloads")) == normal + "/api/v2/workloads"


@given(
    HOSTS, PORTS, PREFIXES, st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=3)
)
def test_a_query_is_written_as_httpx_would(
    host: str, port: str, prefix: str, params: dict[str, str]
) -> None:
    """For every text, behind every base URL."""
    url = normalise_url(f"https://{host}{port}{prefix}") + "/api/v1/workloads"
    exchanged: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        exchanged.append(str(request.url))
        return httpx.Response(204)

    async def main() -> None:
        base = url.removesuffix("/api/v1/workloads")
        exchange = Exchange(base, httpx.MockTransport(handler), request_timeout=1.0)
        call = Call(method="GET", path="/api/v1/workloads", params=params)
        await exchange.send(call, deadline=exchange.deadline())

    asyncio.run(main())
    assert exchanged == [str(httpx.URL(url, params=params) if params else httpx.URL(url))]


@given(st.text())
def test_any_text_is_a_url_or_invalid_input(text: str) -> None:
    """Nothing a user types ends in another error."""
    with suppress(InvalidInputError):
        normalise_url(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a?b", "a%2fb", "-a", "a\n", "a" * 129])
def test_what_would_change_the_path_is_no_id(text: str) -> None:
    """An id that is `..` would make a DELETE name the collection."""
    assert not is_workload_id(text)


@given(st.text())
def test_a_stripped_url_has_neither_query_nor_user(text: str) -> None:
    """Whatever a Location holds, the parts where secrets travel are dropped."""
    assert "hunter2" not in strip_url("https://u:hunter2@cp.example/a?hunter2#hunter2")
    assert "?" not in strip_url(f"https://cp.example/login?next={text}")

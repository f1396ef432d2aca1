"""Which proxy the environment names, for whom, and what it may not name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.api.connection.proxies import proxy_for
from reconciler.errors import InvalidInputError


def address(environ: Mapping[str, str], url: str = "https://cp.example") -> str | None:
    """The proxy that the environment chooses."""
    proxy = proxy_for(url, environ)
    return proxy.address if proxy else None


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTP_PROXY": "http://plain:1"}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128/"}, "http://p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p"}, "http://p:80"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "http://[fd00::1]:3128"),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:2"}, "http://lower:2"),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": ""}, "http://upper:1"),
        ({"ALL_PROXY": "http://all:1"}, "http://all:1"),
        ({"ALL_PROXY": "socks5://all:1", "HTTPS_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_which_variable_counts(environ: dict[str, str], chosen: str | None) -> None:
    """As curl reads them, except that an empty one is none."""
    assert address(environ) == chosen


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "https://cp.example", True),
        ("cp.example", "https://cp.example", True),
        ("CP.Example", "https://cp.example", True),
        ("example", "https://cp.example", True),
        (".example", "https://cp.example", True),
        ("*.example", "https://cp.example", True),
        ("a.test, cp.example", "https://cp.example", True),
        ("a.test cp.example", "https://cp.example", True),
        ("p.example", "https://cp.example", False),
        ("cp.example.org", "https://cp.example", False),
        ("cp.example:443", "https://cp.example", True),
        ("cp.example:8443", "https://cp.example", False),
        ("cp.example:8443", "https://cp.example:8443", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("192.168.0.0/16", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://cp.example", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]", "https://[fd00::1]", True),
        ("cp.example:²", "https://cp.example", False),
        ("cp.example:" + "9" * 5000, "https://cp.example", False),
        ("cp.example" + ":443" * 2000, "https://cp.example", False),
        (",, .", "https://cp.example", False),
        ("", "https://cp.example", False),
    ],
)
def test_what_no_proxy_excepts(exceptions: str, url: str, direct: bool) -> None:
    """Names, what is below them, ports and networks."""
    for name in ("NO_PROXY", "no_proxy"):
        environ = {"HTTPS_PROXY": "http://p:1", name: exceptions}
        assert address(environ, url) == (None if direct else "http://p:1")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8443",
        "https://localhost",
        "https://[::1]",
        "http://127.0.0.1:8080",
        "http://localhost",
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(url: str) -> None:
    """Whatever the variables say: another machine's loopback is not ours."""
    everything = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://p:1")
    assert proxy_for(url, everything) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("socks5://robot:hunter2@p:1", "socks5:// proxies are not supported"),
        ("https://robot:hunter2@p:1", "https:// proxies are not supported"),
        ("http://robot:hunter2@a..b:1", "it is not the address of a proxy"),
        ("http://robot:hunter2@", "it is not the address of a proxy"),
        ("http://robot:hunter2@p:1/path", "it is not the address of a proxy"),
        ("http://robot:hunter2@p:1?q", "it is not the address of a proxy"),
        ("http://robot:hunter2@p:port", "it is not a valid address"),
        ("http://robot:hunter2@[p", "it is not a valid address"),
        ("http://robot:hunter2@p\r\nx: y", "it has invalid characters"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(value: str, problem: str) -> None:
    """It may hold a password; the variable is named instead."""
    with pytest.raises(InvalidInputError) as caught:
        proxy_for("https://cp.example", {"https_proxy": value})
    refusal = caught.value
    assert refusal.message == f"the proxy in https_proxy cannot be used: {problem}"
    assert "hunter2" not in f"{refusal!r} {refusal.hint}"
    assert refusal.exit_code == 3

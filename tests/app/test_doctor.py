"""What the doctor concludes from a server's answers, and how the way there is described."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.app.status.doctor import examine
from reconciler.app.status.environment_report import connection_facts, list_versions
from reconciler.core.model import Own
from reconciler.report.text.doctor import Check, Level
from reconciler.specs.config import Config
from tests.support.timing import Timeline, VirtualClock, run
from tests.support.transports import SandboxTransport
from tests.support.worlds import LOGIN, URL, World, wish

OK, WARNING, PROBLEM, SKIPPED = Level
Respond = Callable[[httpx.Request], httpx.Response | None]


class Shifted(VirtualClock):
    """A machine whose clock is wrong by so many seconds."""

    def __init__(self, timeline: Timeline, seconds: float) -> None:
        super().__init__(timeline)
        self._by = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Its wall clock."""
        return super().now() + self._by


class Between(httpx.AsyncBaseTransport):
    """Something on the way that answers some requests itself."""

    def __init__(self, inner: httpx.AsyncBaseTransport, respond: Respond) -> None:
        self._inner = inner
        self._respond = respond

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Its own answer, or the server's."""
        return self._respond(request) or await self._inner.handle_async_request(request)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is, or would be."""
    return tmp_path / "state.db"


@pytest.fixture
def world(path: Path) -> World:
    """A server that knows one workload, which a state records."""
    world = World(path=path)
    world.apply(wish("a"))
    return world


def examined(
    world: World, path: Path, *, respond: Respond | None = None, skew: float = 0.0, **flags: Any
) -> dict[str, Check]:
    """Every check by its name."""
    connector = world.connector()
    if respond is not None and connector.transport is not None:
        way = connector.transport()
        connector = dataclasses.replace(connector, transport=lambda: Between(way, respond))
    if skew:
        connector = dataclasses.replace(connector, clock=Shifted(world.timeline, skew))
    given: dict[str, Any] = {"url": URL, "stack": "blue", "state": str(path)}
    work = examine(
        path.parent, Flags(**(given | flags)), environ=world.environ, connector=connector
    )
    return {check.name: check for check in run(work, world.timeline).checks}


def answer(status: int, when: str, **body: Any) -> Respond:
    """Answer like this wherever a path matches."""

    def respond(request: httpx.Request) -> httpx.Response | None:
        content = {"code": status, "message": f"HTTP {status} from a test", **body}
        return httpx.Response(status, json=content) if re.search(when, request.url.path) else None

    return respond


def test_everything_is_well(world: World, path: Path) -> None:
    """Each thing that an apply needs is looked at, in its order."""
    found = examined(world, path)
    assert [*found] == [
        *("configuration", "server", "state", "lock", "target", "credentials", "connection"),
        *("login", "read", "list", "clock", "api"),
    ]
    assert {check.level for check in found.values()} == {OK}
    assert "1 recorded, 0 in doubt" in found["state"].message
    assert "asked for project 4501" in found["list"].message


def test_a_look_changes_nothing(world: World, path: Path) -> None:
    """Neither on the server nor in the state."""
    before, sent = path.read_bytes(), len(world.entries())
    examined(world, path)
    assert path.read_bytes() == before
    assert [entry.method for entry in world.entries()[sent:]] == ["GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [
        (2.0, OK, "within 5 s"),
        (40.0, WARNING, "this machine is 40 s ahead of the server"),
        (-3600.0, WARNING, "this machine is 3600 s behind the server"),
    ],
)
def test_a_clock_that_is_wrong(
    world: World, path: Path, skew: float, level: Level, words: str
) -> None:
    """A warning: the records go by the server's clock."""
    clock = examined(world, path, skew=skew)["clock"]
    assert clock.level is level
    assert words in clock.message


@pytest.mark.parametrize(
    ("respond", "level", "words"),
    [
        (answer(403, "/v2/workloads"), PROBLEM, "workloads may not be read: HTTP 403"),
        (answer(401, "/v2/workloads"), PROBLEM, "HTTP 401"),
        (answer(503, "/v2/workloads"), PROBLEM, "HTTP 503"),
        (lambda _: httpx.Response(404, html="<p>no</p>"), PROBLEM, "issues no tokens"),
    ],
    ids=["forbidden", "unauthorised", "busy", "something-else"],
)
def test_workloads_that_cannot_be_read(
    world: World, path: Path, respond: Respond, level: Level, words: str
) -> None:
    """The server's words, and the code that an apply ends with."""
    found = examined(world, path, respond=respond)
    check = found["read"] if found["read"].level is not SKIPPED else found["login"]
    assert (check.level, check.exit_code) == (level, 9)
    assert words in check.message


def test_an_api_that_is_not_there(world: World, path: Path) -> None:
    """A page instead of the API's own 404 shows that --url leads to something else."""

    def respond(request: httpx.Request) -> httpx.Response | None:
        page = httpx.Response(404, html="<p>no</p>")
        return page if "/v2/workloads" in request.url.path else None

    check = examined(world, path, respond=respond)["read"]
    assert check.message.startswith("the server does not speak the API: ")
    assert (check.level, check.hint, check.exit_code) == (PROBLEM, "check --url", 9)


PAGE = "<title>Sign in</title>"


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (lambda _: httpx.Response(200, html=PAGE), 'an HTML page titled "Sign in"'),
        (lambda _: httpx.Response(302, headers={"location": "/in"}), "redirects to /in"),
    ],
    ids=["page", "redirect"],
)
@pytest.mark.parametrize("token", [True, False], ids=["token", "login"])
def test_a_login_page_is_no_login(
    world: World, path: Path, way: Respond, words: str, *, token: bool
) -> None:
    """A token at hand has not been taken by anybody yet; what is not the API has no list."""
    if token:
        world.environ = {"RUNAI_TOKEN": "an-own-token"}
    found = examined(world, path, respond=way)
    failing = found["read" if token else "login"]
    assert (failing.level, failing.exit_code, failing.hint) == (PROBLEM, 9, "check --url")
    assert failing.message.startswith("the server does not speak the API: ")
    assert words in failing.message
    assert [found[name].level for name in ("login", "list")] == [
        SKIPPED if token else PROBLEM,
        SKIPPED,
    ]


@pytest.mark.parametrize(
    ("respond", "login", "read"),
    [
        (answer(200, "nowhere"), OK, OK),
        (answer(403, "/v2/workloads"), OK, PROBLEM),
        (answer(401, "/v2/workloads"), PROBLEM, SKIPPED),
        (answer(503, "/v2/workloads"), SKIPPED, PROBLEM),
    ],
)
def test_a_token_at_hand_is_a_login_once_the_api_has_taken_it(
    world: World, path: Path, respond: Respond, login: Level, read: Level
) -> None:
    """Until then nobody has looked at it."""
    world.environ = {"RUNAI_TOKEN": bearer(world)}
    found = examined(world, path, respond=respond)
    assert (found["login"].level, found["read"].level) == (login, read)


def bearer(world: World) -> str:
    """A token that this server takes."""
    credentials = {
        "grantType": "client_credentials",
        "clientID": LOGIN["RUNAI_CLIENT_ID"],
        "clientSecret": LOGIN["RUNAI_CLIENT_SECRET"],
    }

    async def ask() -> str:
        async with httpx.AsyncClient(transport=SandboxTransport(world.sandbox)) as client:
            response = await client.post(f"{URL}/api/v1/token", json=credentials)
        return str(response.json()["accessToken"])

    return run(ask(), world.timeline)


def test_a_moment_of_trouble_is_none(world: World, path: Path) -> None:
    """A busy server is asked again, a few times and not until the deadline."""
    left = [503, 503]

    def respond(request: httpx.Request) -> httpx.Response | None:
        if "/v2/workloads" not in request.url.path or not left:
            return None
        return httpx.Response(left.pop(), json={"code": 503, "message": "busy"})

    assert examined(world, path, respond=respond)["read"].level is OK


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "the server has no list of workloads"),
        (403, "workloads of project 4501 may not be listed: HTTP 403"),
        (500, "the list could not be read: HTTP 500"),
    ],
)
def test_a_list_that_may_not_be_asked(world: World, path: Path, status: int, words: str) -> None:
    """A warning: an apply works without it, and settles fewer doubts by itself."""
    check = examined(world, path, respond=answer(status, r"/v1/workloads"))["list"]
    assert check.level is WARNING
    assert words in check.message
    assert "discovery: off" in check.hint


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(302, headers={"location": "/in"}), "HTTP 302 redirects to /in"),
        (httpx.Response(200, html="<title>Sign in</title>"), 'HTML page titled "Sign in"'),
    ],
    ids=["redirect", "page"],
)
def test_a_list_in_whose_place_something_else_answers(
    world: World, path: Path, response: httpx.Response, words: str
) -> None:
    """That is no matter of rights: the way to the list leads elsewhere."""

    def respond(request: httpx.Request) -> httpx.Response | None:
        return response if request.url.path.endswith("/v1/workloads") else None

    check = examined(world, path, respond=respond)["list"]
    assert check.level is WARNING
    assert check.message.startswith(
        "the list could not be read: the answer does not come from the API: "
    )
    assert words in check.message
    assert check.hint == "let the list through to the API as well, or set discovery: off"


def test_a_list_that_is_switched_off(world: World, path: Path) -> None:
    """It is not asked, and who decided that is named."""
    (path.parent / "reconciler.yaml").write_text("discovery: off\n")
    sent = len(world.entries())
    check = examined(world, path)["list"]
    assert check.level is OK
    assert "(discovery: off, from " in check.message
    assert [entry.path for entry in world.entries()[sent:]][1:] == ["/api/v1/clusters/minimal"]


def test_a_login_that_is_refused(world: World, path: Path) -> None:
    """What needs it is not tried, and the rest is still looked at."""
    world.environ["RUNAI_CLIENT_SECRET"] = "canary-wrong"
    found = examined(world, path)
    assert (found["login"].level, found["login"].exit_code) == (PROBLEM, 9)
    assert {found["read"].level, found["list"].level} == {SKIPPED}
    assert found["clock"].level is OK
    assert found["lock"].level is OK
    assert "canary" not in str(found)


def test_the_state_of_another_server(world: World, path: Path) -> None:
    """The address, the stack: each is said, with the code of a guard."""
    check = examined(world, path, stack="green")["target"]
    assert (check.level, check.exit_code) == (PROBLEM, 5)
    assert check.message == "this state belongs to stack blue, and this run is for green"


def test_creates_in_doubt(world: World, path: Path) -> None:
    """A warning; the next apply settles them."""
    world.record(dataclasses.replace(world.row("a"), op="zz", own=Own.UNCONFIRMED, id=None))
    check = examined(world, path)["state"]
    assert check.level is WARNING
    assert "2 recorded, 1 in doubt" in check.message


def test_a_damaged_state(world: World, path: Path) -> None:
    """The code of an apply, and everything else is looked at."""
    path.write_bytes(path.read_bytes()[:100] + b"x" * 5000)
    found = examined(world, path)
    assert (found["state"].level, found["state"].exit_code) == (PROBLEM, 1)
    assert found["login"].level is OK
    assert found["target"].level is SKIPPED


def test_no_state_yet(path: Path) -> None:
    """A warning: only the owner knows whether there should be one. None is made."""
    found = examined(World(), path)
    assert (found["state"].level, found["lock"].level) == (WARNING, SKIPPED)
    assert "--init" in found["state"].hint
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flags", "code"),
    [
        ("server", {"url": None}, 64),
        ("server", {"url": "http://elsewhere.example"}, 3),
        ("settings", {"state": "postgresql://user:canary@db/x"}, 64),
        ("settings", {"client_key": Path("k")}, 64),
        ("configuration", {"config": Path("absent.yaml")}, 3),
    ],
)
def test_settings_that_cannot_be_used(
    world: World, path: Path, name: str, flags: dict[str, Any], code: int
) -> None:
    """They are a finding like any other, with the code of an apply."""
    found = examined(world, path, **flags)
    assert (found[name].level, found[name].exit_code) == (PROBLEM, code)
    assert "canary" not in str(found)


def test_a_folder_that_is_not_there(world: World, path: Path) -> None:
    """An apply would not look any further either."""
    work = examine(
        path.parent / "nowhere", Flags(), environ=world.environ, connector=world.connector()
    )
    [check] = run(work, world.timeline).checks
    assert (check.level, check.exit_code) == (PROBLEM, 3)


def settings(**flags: Any) -> Settings:
    """What holds for some flags."""
    return resolve_settings(Flags(**flags), Config(), root=Path(), environ={})


PROXIED = {"HTTPS_PROXY": "http://robot:canary@proxy.example:3128", "NO_PROXY": "direct.example"}


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({}, {}, "TLS 1.2 or newer, checked by the system's authorities; directly"),
        (
            {"ca_file": Path("ca.pem"), "client_cert": Path("robot.pem")},
            {},
            (
                "TLS 1.2 or newer, checked by the system's authorities and ca.pem; "
                "we show robot.pem; directly"
            ),
        ),
        (
            {"use_env_proxy": True},
            PROXIED,
            (
                "TLS 1.2 or newer, checked by the system's authorities; through the proxy "
                "http://proxy.example:3128 (from HTTPS_PROXY, with a login)"
            ),
        ),
        (
            {},
            PROXIED | {"SSL_CERT_FILE": "/ca"},
            (
                "TLS 1.2 or newer, checked by the system's authorities (SSL_CERT_FILE); "
                "directly (HTTPS_PROXY is set, and not used without --use-env-proxy)"
            ),
        ),
        (
            {"use_env_proxy": True},
            {},
            (
                "TLS 1.2 or newer, checked by the system's authorities; "
                "directly (no proxy is named for this server)"
            ),
        ),
    ],
    ids=["plain", "files", "proxy", "unused", "none"],
)
def test_the_way_to_the_server(flags: dict[str, Any], environ: dict[str, str], words: str) -> None:
    """Whom we believe, whom we show ourselves to, and what is in between; never a password."""
    assert connection_facts("https://cp.example", settings(**flags), environ) == words


def test_the_way_to_this_machine() -> None:
    """There is nothing to verify."""
    words = "plain http, which never leaves this machine"
    assert connection_facts("http://127.0.0.1:8080", settings(), PROXIED) == words


def test_the_versions_are_those_that_are_needed() -> None:
    """The program's, Python's, and each package that it depends on."""
    found = list_versions()
    assert [*found][:4] == ["reconciler", "Python", "SQLite", "OpenSSL"]
    assert {"httpx", "click", "sqlite-utils"} <= set(found)
    assert "uvicorn" not in found
    assert all(re.match(r"\d", version) for version in found.values())

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.login.credentials import FixedToken
from reconciler.api.secret import Secret
from reconciler.core.protocol.api_results import (
    Accepted,
    ApiResult,
    Method,
    NotSent,
    TooManyRequests,
    Unauthorised,
)
from tests.api.factories import (
    ID,
    Handler,
    ask_by,
    client,
    error,
    jwt,
    remote,
    reply,
    stamped,
)
from tests.api.servers import FOUND, PAIR, REFUSED, SECRET, Hands, Server, story


def test_client_credentials_become_one_token_for_many_calls() -> None:
    """However many calls begin at once, one login is sent, in the documented form."""
    server = Server(lives=3600)

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        return await asyncio.gather(*(api.read(ID) for _ in range(50)))

    answers = story(server, tell, credentials=PAIR)
    assert answers == [stamped(Accepted(remote=remote()))] * 50
    assert server.used == ["t1"] * 50
    assert server.asked == [NEW_FORM]


def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    """Before it ends, so that no call meets the end."""
    server, clock = Server(lives=100), Hands()

    async def tell(api: HttpWorkloadApi) -> None:
        for clock.now in (1000.0, 1079.9, 1080.0, 1159.9, 1160.0):
            await api.read(ID)

    story(server, tell, credentials=PAIR, monotonic=clock)
    assert server.used == ["t1", "t1", "t2", "t2", "t3"]


def test_a_failing_renewal_is_no_failure_while_the_token_lives() -> None:
    """It is tried again after half of what is left; at the end of life its failure shows."""
    server, clock = Server(lives=100), Hands()

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        await api.read(ID)
        server.login = reply(503, error(503, "down"), retry_after="3")
        answers = []
        for clock.now in (1080.0, 1089.9, 1090.0, 1100.0):
            answers.append(await api.read(ID))
        return answers

    answers = story(server, tell, credentials=PAIR, monotonic=clock)
    kept = stamped(Accepted(remote=remote()))
    lost = stamped(TooManyRequests(message="no token: down", retry_after=3.0))
    assert answers == [kept, kept, kept, lost]
    assert len(server.asked) == 4


def test_a_rejected_token_is_replaced_once_for_all_who_used_it() -> None:
    """Fifty 401s of one token make one login, and each call is replayed."""
    server = Server(lives=3600, good={"t2"})

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        return await asyncio.gather(*(api.read(ID) for _ in range(50)))

    answers = story(server, tell, credentials=PAIR)
    assert answers == [stamped(Accepted(remote=remote()))] * 50
    assert (server.issued, sorted(server.used)) == (2, ["t1"] * 50 + ["t2"] * 50)


def test_a_second_401_is_final() -> None:
    """The server's words are kept, without the token that they repeat."""
    server = Server(lives=3600, good=set())
    answer = story(server, lambda api: api.read(ID), credentials=PAIR)
    assert answer == stamped(Unauthorised(message="token (hidden) is not accepted"))
    assert server.used == ["t1", "t2"]


def test_refused_credentials_are_not_tried_again() -> None:
    """A login that is repeated for every request under way looks like an attack, and locks out."""
    server = Server(lives=3600, good=set())

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        await api.login()
        server.login = reply(401, error(401, "locked"))
        return [await api.read(ID) for _ in range(5)]

    answers = story(server, tell, credentials=PAIR)
    assert answers == [stamped(Unauthorised(message=REFUSED + "locked"))] * 5
    assert (len(server.asked), server.used) == (2, ["t1"])


def test_a_fixed_token_is_not_replayed() -> None:
    """There is no other one to try."""
    server = Server(good=set())
    credentials = FixedToken(token=Secret(value="fixed"))
    answer = story(server, lambda api: api.read(ID), credentials=credentials)
    assert answer == stamped(Unauthorised(message="token (hidden) is not accepted"))
    assert server.used == ["fixed"]


PAGE = b"<title>Sign in</title>"
NO_OLD_TOKENS = "/api/v1/token of this server issues no tokens: "
NO_TOKENS = "/api/v2/token of this server issues no tokens: "


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        (reply(400, error(400, "bad")), Unauthorised(message=REFUSED + "bad")),
        (reply(401, error(401, "bad")), Unauthorised(message=REFUSED + "bad")),
        (reply(403, error(403, SECRET)), Unauthorised(message=REFUSED + "(hidden)")),
        (
            reply(429, error(429), retry_after="9"),
            TooManyRequests(message="no token: no", retry_after=9),
        ),
        (reply(503, error(503)), TooManyRequests(message="no token: no")),
        (reply(500, error(500)), NotSent(message="no token: no", answered=True)),
        (
            reply(502, PAGE, media="text/html"),
            TooManyRequests(
                message='no token: HTTP 502: an HTML page titled "Sign in" instead of JSON'
            ),
        ),
        (
            reply(200, PAGE, media="text/html"),
            NotSent(
                message=NO_TOKENS + 'HTTP 200: an HTML page titled "Sign in" instead of JSON',
                permanent=True,
                answered=True,
            ),
        ),
        (
            reply(404, error(404)),
            NotSent(message=NO_OLD_TOKENS + "no", permanent=True, answered=True),
        ),
        (
            reply(404, PAGE, media="text/html"),
            NotSent(
                message=NO_TOKENS + 'HTTP 404: an HTML page titled "Sign in" instead of JSON',
                permanent=True,
                answered=True,
            ),
        ),
        (
            reply(200, {"access_token": "two words"}),
            NotSent(
                message=NO_TOKENS + "its answer has no access_token",
                permanent=True,
                answered=True,
            ),
        ),
        (
            reply(302, b"", location="/login"),
            NotSent(
                message=NO_TOKENS + "HTTP 302 redirects to /login; redirects are not followed, "
                "check the server URL",
                permanent=True,
                answered=True,
            ),
        ),
    ],
)
def test_a_failing_login_leaves_nothing_in_doubt(login: Handler, answer: ApiResult) -> None:
    """Wrong credentials, trouble that passes and a wrong server are told apart."""
    server = Server()
    server.login = login
    assert ask_by(server, Method.POST, credentials=PAIR) == stamped(answer)
    assert server.used == []


NEW_FORM = {"grant_type": "client_credentials", "client_id": "robot", "client_secret": SECRET}
OLD_FORM = {"grantType": "client_credentials", "clientID": "robot", "clientSecret": SECRET}


@pytest.mark.parametrize(
    ("login", "asked"),
    [
        (reply(404, error(404)), [NEW_FORM, OLD_FORM]),
        (reply(405, error(405)), [NEW_FORM, OLD_FORM]),
        (reply(501, error(501)), [NEW_FORM, OLD_FORM]),
        (reply(404, {"message": "no Route matched"}), [NEW_FORM, NEW_FORM, OLD_FORM]),
    ],
)
def test_a_server_without_the_new_login_is_asked_by_the_old_one(
    login: Handler, asked: list[Any]
) -> None:
    """Its own error is enough; a gateway's has to come twice. The run remembers what worked."""
    server, clock = Server(), Hands()
    server.login = login
    server.old_login = reply(200, {"accessToken": "old", "expiresIn": 100})

    async def tell(api: HttpWorkloadApi) -> None:
        for clock.now in (1000.0, 1090.0):
            await api.read(ID)

    story(server, tell, credentials=PAIR, monotonic=clock)
    assert (server.used, server.asked) == (["old", "old"], [*asked, OLD_FORM])


def test_a_login_that_has_worked_is_not_given_up_for_the_old_one() -> None:
    """What a restarting server says for a moment decides nothing."""
    server, clock = Server(lives=100), Hands()

    async def tell(api: HttpWorkloadApi) -> ApiResult:
        await api.read(ID)
        server.login = reply(404, error(404))
        clock.now = 1200.0
        return await api.read(ID)

    answer = story(server, tell, credentials=PAIR, monotonic=clock)
    assert answer == stamped(NotSent(message=NO_TOKENS + "no", answered=True))
    assert server.asked == [NEW_FORM, NEW_FORM]


def test_a_secret_is_hidden_in_the_spelling_of_a_form() -> None:
    """Servers repeat what they were sent, also as it was sent."""
    secret = Secret(value="a b/c+d")
    assert secret.hide_in("got a+b%2Fc%2Bd and a b/c+d") == "got (hidden) and (hidden)"


def test_a_login_whose_connection_breaks_leaves_nothing_in_doubt() -> None:
    """The workload's own request was certainly not sent."""

    def login(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset")

    server = Server()
    server.login = login
    assert ask_by(server, Method.POST, credentials=PAIR) == NotSent(
        message="no token: the connection broke: reset"
    )


def test_a_caller_that_gives_up_leaves_the_login_to_the_others() -> None:
    """The fetch is shared, so cancelling one call must not cancel it."""
    server = Server(lives=3600)

    async def tell(api: HttpWorkloadApi) -> ApiResult:
        first = asyncio.create_task(api.read(ID))
        second = asyncio.create_task(api.read(ID))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert story(server, tell, credentials=PAIR) == stamped(Accepted(remote=remote()))
    assert (server.issued, server.used) == (1, ["t1"])


def test_the_issuer_is_known_once_a_token_is() -> None:
    """So that a state can pin it before anything is sent."""
    token = jwt(iss="https://cp.example/auth")
    for server, credentials in (
        (reply(200, {"access_token": token}), PAIR),
        (FOUND, FixedToken(token=Secret(value=token))),
    ):

        async def tell(api: HttpWorkloadApi) -> tuple[Any, ...]:
            return api.issuer, await api.login(), api.issuer

        issuers = story(server, tell, credentials=credentials)
        assert issuers == (None, None, "https://cp.example/auth")


def test_a_login_that_fails_says_why() -> None:
    """The same answer that any call would have got."""
    answer = story(reply(401, error(401)), lambda api: api.login(), credentials=PAIR)
    assert answer == stamped(Unauthorised(message=REFUSED + "no"))


def test_a_login_under_way_ends_with_the_client() -> None:
    """Closing waits for nobody."""

    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        api = client(never, credentials=PAIR)
        call = asyncio.create_task(api.read(ID))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await api.aclose()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(run())

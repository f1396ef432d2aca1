"""What stands before the API: it is away for a while, it is a login page, it forgets the login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.outcome import Failed, InDoubt
from reconciler.core.model import Own
from reconciler.core.planning.case import PlanOptions
from reconciler.engine.requests.dispatcher import BACKOFF_CAP
from reconciler.errors import UnreachableError
from reconciler.sandbox import Entry
from tests.engine.logins import at, logins
from tests.support.worlds import URL, World, wish

BLIND = PlanRequest(options=PlanOptions(refreshed=False))


@pytest.mark.parametrize("page", ["json", "html", "empty"])
@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("executed", ["", " executed"], ids=["not done", "done"])
def test_an_absence_is_waited_out_whatever_its_form(status: int, page: str, executed: str) -> None:
    """Fifteen seconds of a gateway's page are no reason to give up, and no create is repeated."""
    world = World(f"{status} page={page} on=POST for=15s{executed}", latency=0.1)

    ran = world.apply(*(wish(name) for name in "abc"))

    assert (ran.exit_code, ran.summary) == (0, {"created": 3})
    assert (world.live(), world.created_twice()) == ([*"abc"], [])
    assert {row.own for row in world.rows()} == {Own.ACCEPTED}
    assert world.timeline.now >= 15.0


@pytest.mark.parametrize("page", ["json", "html"])
def test_an_absence_does_not_count_among_the_three_sends(page: str) -> None:
    """A create that met it often has all its unclear sends left."""
    world = World(f"502 page={page} on=POST times=9", "500 on=POST nth=1-2")

    ran = world.apply(wish("a"))

    assert (ran.exit_code, ran.summary) == (0, {"created": 1})
    assert len(world.ledger("POST")) == 12


@pytest.mark.parametrize("page", ["json", "html", "empty"])
def test_an_absence_until_the_deadline_leaves_the_doubt_that_it_is(page: str) -> None:
    """The gateway may have spoken after the server had acted: the record says so."""
    world = World(f"504 page={page} on=POST")

    ran = world.apply(wish("a"), deadline=300.0)

    assert (ran.exit_code, world.row("a").ambiguous) == (8, True)
    assert len(world.ledger("POST")) > 3
    world.sandbox.set_faults()
    world.apply(wish("a"))
    assert (world.live(), world.created_twice()) == (["a"], [])


def test_a_page_of_429_is_patience_and_no_proof() -> None:
    """A limit in front of the API is waited for; only the API can say that it did nothing."""
    world = World("429 page=html executed on=POST times=9")

    ran = world.apply(wish("a"))

    assert (ran.exit_code, world.live(), world.created_twice()) == (0, ["a"], [])


LOGIN_PAGES = ["200 page=html at=workloads,list", "redirect", "204 page=empty", "200 page=json"]


def _plan(world: World) -> Any:
    return world.plan(wish("a"))


def _apply(world: World) -> Any:
    return world.apply(wish("a"), request=BLIND)


@pytest.mark.parametrize("work", [_plan, _apply], ids=["plan", "apply --no-refresh"])
@pytest.mark.parametrize("token", [True, False], ids=["token", "login"])
@pytest.mark.parametrize("rule", LOGIN_PAGES)
def test_what_is_not_the_api_is_told_at_once_and_gets_no_spec(
    rule: str, token: bool, work: Callable[[World], Any]
) -> None:
    """One GET has to be answered in the API's own JSON before anything is posted."""
    world = World(rule, declared=None)
    if token:
        world.environ = {"RUNAI_TOKEN": "an-own-token"}

    with pytest.raises(UnreachableError, match="does not speak the API") as error:
        work(world)

    assert (error.value.exit_code, world.timeline.now) == (9, 0.0)
    assert [_call(entry) for entry in world.sandbox.ledger if entry.path != TOKEN] == ["GET"]
    assert world.rows() == []


TOKEN = "/api/v2/token"


def _call(entry: Entry) -> str:
    return entry.method


def test_a_login_page_is_named_by_its_title() -> None:
    """So that whoever reads it knows what to ask for."""
    world = World("200 page=html")
    with pytest.raises(
        UnreachableError, match='HTTP 200: an HTML page titled "200" instead of JSON'
    ):
        world.plan(wish("a"))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("200 page=html", 'HTTP 200: an HTML page titled "200" instead of JSON'),
        ("404 page=html", 'HTTP 404: an HTML page titled "404" instead of JSON'),
        ("redirect", "HTTP 307 redirects to "),
    ],
)
def test_a_login_page_that_answers_the_login_is_no_missing_network(rule: str, words: str) -> None:
    """The server was reached, and is not the API: a search of the network would find nothing."""
    world = World(f"{rule} at=token", declared=None)

    with pytest.raises(UnreachableError) as error:
        world.plan(wish("a"))

    said, hint = error.value.message, error.value.hint
    assert said.startswith(f"{URL} does not speak the API: /api/v2/token ")
    assert (words in said, hint) == (True, "check --url; nothing was changed")
    assert [entry.path for entry in world.sandbox.ledger] == [TOKEN]


def test_a_login_page_with_a_state_is_told_before_anything_is_read() -> None:
    """Also where there would be much to read."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.sandbox.set_faults("200 page=html")
    before = len(world.entries())

    with pytest.raises(UnreachableError, match="does not speak the API"):
        world.apply(wish("a"), wish("c"))

    assert world.entries()[before:] == []


@pytest.mark.parametrize("rule", ["500", "503", "503 page=html", "429", "drop"])
def test_a_server_that_never_answers_as_the_api_gets_no_spec(rule: str) -> None:
    """At the deadline nothing is known of it, and a plan made from nothing would look like one."""
    world = World(f"{rule} on=GET")

    with pytest.raises(UnreachableError):
        world.apply(wish("a"), request=BLIND, deadline=60.0)

    assert world.ledger("POST") == []
    assert world.timeline.now <= 65.0


@pytest.mark.parametrize("rule", ["502 page=html", "503 page=empty", "500", "drop"])
def test_a_first_moment_of_trouble_is_waited_out(rule: str) -> None:
    """Of the read that the run begins with as of any other."""
    world = World(f"{rule} on=GET times=4")
    assert world.apply(wish("a")).summary == {"created": 1}


LOST_ROUTES = [
    "404 at=token",
    "404 page=html at=token",
    "200 page=html at=token",
    "200 page=empty at=token",
    "403 page=html at=token",
    "405 at=token",
    "redirect at=token",
    "503 page=html at=token",
    "drop at=token",
]


@pytest.mark.parametrize("rule", LOST_ROUTES)
def test_a_login_that_is_away_for_a_moment_does_not_end_a_run(rule: str) -> None:
    """An ingress that forgets its route in mid-run is as good as a restart: the run goes on."""
    world = World(token_lifetime=2.0, latency=0.25)
    names = [f"w{number:02}" for number in range(40)]

    def lose_the_route() -> None:
        world.sandbox.tokens.revoke()
        world.sandbox.set_faults(f"{rule} for=20s")

    ran = world.apply(
        *(wish(name) for name in names), meanwhile=at(0.6, lose_the_route), concurrency=4
    )

    assert (ran.exit_code, ran.summary) == (0, {"created": 40})
    assert (world.live(), world.created_twice()) == (names, [])
    assert world.timeline.now >= 20.0
    assert len(logins(world)) < 100


def test_a_login_that_stays_away_ends_the_run_at_its_deadline() -> None:
    """What is not sent is skipped, and nothing is in doubt: no request has left."""
    world = World(latency=0.25)

    def lose_the_route() -> None:
        world.sandbox.tokens.revoke()
        world.sandbox.set_faults("404 page=html at=token")

    ran = world.apply(
        *(wish(f"w{number}") for number in range(40)),
        meanwhile=at(0.3, lose_the_route),
        concurrency=4,
        deadline=120.0,
    )

    assert ran.exit_code == 9
    # What would wait for longer than is left ends at once.
    assert 120.0 - BACKOFF_CAP <= world.timeline.now <= 125.0
    assert {row.own for row in world.rows()} == {Own.ACCEPTED}
    assert len(world.rows()) == len(world.live())


@pytest.mark.parametrize("rule", LOST_ROUTES[:7])
def test_a_first_login_at_a_wrong_address_is_told_at_once(rule: str) -> None:
    """Nothing has shown yet that the address is right, and half an hour of silence helps nobody."""
    world = World(rule, declared=None)
    with pytest.raises(UnreachableError, match="issues no tokens"):
        world.apply(wish("a"))
    assert world.timeline.now == 0.0


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("wait", [True, False])
def test_a_delete_that_is_taken_without_a_word_is_taken(status: int, wait: bool) -> None:
    """One DELETE, then its absence is waited for as after any other answer."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.timeline.skip(3600.0)
    world.sandbox.set_faults(f"{status} page=empty executed on=DELETE")

    ran = world.apply(wish("b"), wait=wait)

    assert (ran.exit_code, ran.summary) == (0, {"deleted": 1})
    assert world.ledger("DELETE") == [f"DELETE a {status}"]
    assert world.live() == ["b"]


def test_a_delete_that_a_page_answers_is_sent_again() -> None:
    """HTML with 200 is no answer to anything."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.timeline.skip(3600.0)
    world.sandbox.set_faults("200 page=html on=DELETE times=2")

    ran = world.apply(wish("b"))

    assert (ran.exit_code, ran.summary) == (0, {"deleted": 1})
    assert world.ledger("DELETE") == ["DELETE a 200", "DELETE a 200", "DELETE a 202"]


PAGE = 'an HTML page titled "200" instead of JSON'
REPLACING = PlanRequest(options=PlanOptions(replace=("4501/a", "4501/b", "4501/c")))
REDIRECT = "HTTP 307 redirects to https://sso.corp.example/login"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("200 page=html at=workloads,list", PAGE),
        ("redirect=https://sso.corp.example/login at=workloads,list", REDIRECT),
    ],
    ids=["page", "redirect"],
)
@pytest.mark.parametrize("first", range(5, 17))
def test_a_login_page_that_comes_up_meanwhile_ends_the_run(
    rule: str, words: str, first: int
) -> None:
    """At once, with what answers there; nothing is given up, and the next apply finishes it."""
    names = "abc"
    world = World(latency=0.1)
    world.apply(*(wish(name) for name in names))
    changed = [wish(name, image="nginx:2") for name in names]
    world.sandbox.set_faults(f"{rule} nth={first}-")
    began = world.timeline.now

    ran = world.apply(*changed, request=REPLACING)

    assert ran.finished is not None
    assert (ran.exit_code, ran.finished.stopped_by) == (9, "unreachable")
    hints = {failed.hint for failed in ran.ended(Failed) if words in failed.message}
    assert hints <= {"apply again once the server speaks the API"}
    assert world.timeline.now - began < 5.0
    assert any(words in told for told in ran.told)
    assert [row for row in world.rows() if row.own is Own.DELETING and row.message] == []
    world.sandbox.set_faults()
    assert world.apply(*changed, request=REPLACING).exit_code == 0
    assert world.live() == [*names]
    assert {row.own for row in world.rows()} == {Own.ACCEPTED}


@pytest.mark.parametrize("first", [3, 4])
def test_a_login_page_is_the_cause_of_a_create_in_doubt(first: int) -> None:
    """The next apply looks for it by itself: nobody is asked to decide what became of it."""
    world = World(latency=0.1)
    world.apply(wish("b"))
    world.sandbox.set_faults("lost on=POST name=a", f"200 page=html at=workloads,list nth={first}-")

    ran = world.apply(wish("a"), wish("b"))

    (doubt,) = ran.ended(InDoubt)
    assert (ran.exit_code, doubt.hint) == (9, "apply again once the server speaks the API")
    world.sandbox.set_faults()
    assert world.apply(wish("a"), wish("b")).exit_code == 0
    assert (world.live(), world.created_twice()) == (["a", "b"], [])

"""What the engine makes of answers that are no plain yes."""

from __future__ import annotations

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.events import RequestRetried, Throttled
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Own
from reconciler.engine.requests.dispatcher import StopSignal
from reconciler.sandbox import DEMO, Credential, Project
from tests.support.worlds import PROJECT, World, wish

EXECUTED = [
    "lost on=POST times=1",
    "503 executed on=POST times=1",
    "503 executed page=html on=POST times=1",
    "500 executed on=POST times=1",
    "truncate=20 on=POST times=1",
    "garble on=POST times=1",
    "oversize=20MiB on=POST times=1",
    "slow=40s on=POST times=1",
    "late=20s hangup on=POST times=1",
]
NOT_EXECUTED = [
    "503 on=POST times=2",
    "503 page=html on=POST times=2",
    "500 on=POST times=2",
    "502 page=empty on=POST times=2",
    "429 on=POST times=2",
    "drop on=POST times=2",
]


@pytest.mark.parametrize("rule", EXECUTED)
def test_a_create_whose_answer_was_lost_is_adopted(rule: str) -> None:
    """It is sent again as the same operation, meets itself, and is recognised by its marker."""
    world = World(rule)

    ran = world.apply(wish("a"))

    assert ran.summary == {"created": 1}
    assert ran.exit_code == 0
    assert world.changes() == ["created a"]
    assert world.state() == ["a ACCEPTED Synced"]
    assert world.row("a").id == world.id_of("a")
    # The late one was carried out twice over: once by us, and once more still to come.
    assert world.row("a").ambiguous == rule.startswith("late")
    assert world.apply(wish("a")).summary == {}


@pytest.mark.parametrize("rule", NOT_EXECUTED)
def test_a_create_that_came_to_nothing_is_sent_again(rule: str) -> None:
    """The workload is created once, and the run says how often it had to ask."""
    world = World(rule)

    ran = world.apply(wish("a"))

    assert ran.summary == {"created": 1}
    assert [retry.attempt for retry in ran.of(RequestRetried)] == [1, 2]
    assert world.ledger("POST")[-1] == "POST a 202"
    assert world.changes() == ["created a"]


def test_a_storm_loses_nothing_and_creates_nothing_twice() -> None:
    """At 30 % 503 and 10 % lost answers every workload is created, each once."""
    world = World("503 p=30%", "lost p=10% on=POST")
    names = [f"w{number}" for number in range(60)]

    ran = world.apply(*(wish(name) for name in names))

    assert ran.summary == {"created": 60}
    assert world.live() == sorted(names)
    assert world.created_twice() == []
    assert world.apply(*(wish(name) for name in names)).summary == {}


def test_a_storm_over_replaces_and_deletes_ends_where_it_should() -> None:
    """Executed or not, lost or not: the server ends up with what is declared."""
    world = World()
    world.apply(*(wish(name) for name in "abcdefghij"))
    world.timeline.skip(3600.0)
    world.sandbox.set_faults("503 p=30%", "503 executed p=10%", "lost p=10% on=POST,DELETE")
    specs = [wish(name, image="nginx:2") for name in "abc"] + [wish(name) for name in "defghi"]

    ran = world.apply(*specs, request=PlanRequest(allow_deletes=4))

    assert ran.summary == {"replaced": 3, "deleted": 1}
    assert world.live() == list("abcdefghi")
    world.sandbox.set_faults()
    assert world.apply(*specs).summary == {}


@pytest.mark.parametrize("rule", ["503 retry-after=7s", "429 retry-after=7s", "503 retry-date=7s"])
def test_a_retry_after_holds_everyone_back(rule: str) -> None:
    """Nobody sends anything until the time is over, also who was not asked to wait."""
    world = World(f"{rule} on=POST name=a times=1", latency=0.5)

    ran = world.apply(*(wish(name) for name in "abcdefgh"), concurrency=2)

    (throttled,) = ran.of(Throttled)
    first, *others = (e for e in world.entries() if e.method == "POST")
    in_flight, *later = others
    assert 6.0 <= throttled.delay <= 9.0
    assert in_flight.arrived == first.arrived
    assert min(e.arrived for e in later) >= first.decided + 6.0
    assert ran.summary == {"created": 8}


def test_an_absurd_retry_after_is_not_obeyed() -> None:
    """A server that asks for a week gets two minutes, and two seconds of jitter."""
    world = World("503 retry-after=600000s on=POST times=1")

    ran = world.apply(wish("a"))

    assert ran.summary == {"created": 1}
    assert 120.0 <= world.timeline.now <= 123.0


def test_three_unclear_answers_leave_a_doubt_that_the_next_run_settles() -> None:
    """A POST is not repeated for ever: the run says so with exit code 8, the next one sends on."""
    world = World("500 on=POST name=a times=3")

    first = world.apply(wish("a"), wish("b"))
    left = world.row("a")
    second = world.apply(wish("a"), wish("b"))

    assert (first.summary, first.exit_code) == ({"created": 1, "in_doubt": 1}, 8)
    assert (left.own, left.ambiguous, left.attempts) == (Own.UNCONFIRMED, True, 3)
    assert second.told == ["done: resolve 4501/a"]
    assert second.exit_code == 0
    assert world.ledger("POST").count("POST a 500") == 3
    assert world.changes() == ["created b", "created a"]
    assert world.apply(wish("a"), wish("b")).summary == {}


@pytest.mark.parametrize("rule", ["500 executed on=POST times=3", "lost on=POST times=3"])
def test_three_unclear_answers_are_looked_up_before_they_are_a_doubt(rule: str) -> None:
    """What the list shows under our marker is adopted in the same run."""
    world = World(rule)

    ran = world.apply(wish("a"))

    assert ran.told == [
        "done: create 4501/a: an earlier request had created it; adopted by its marker"
    ]
    assert world.changes() == ["created a"]


def test_every_request_is_traced_with_its_time() -> None:
    """Those that are sent again too: whoever draws a run sees each of them."""
    world = World("latency=2s on=POST", "503 times=1 on=POST")

    ran = world.apply(wish("a"), wait=False)

    traced = [(request.method, request.answer, round(request.took, 3)) for request in ran.requests]
    assert traced == [("POST", "Unavailable", 2.0), ("POST", "Accepted", 2.0)]


def test_a_refusal_fails_in_the_words_of_the_server_and_stops_nobody() -> None:
    """400 is final for one workload; the others are created."""
    world = World()

    ran = world.apply(wish("a"), wish("Bad_Name"), wish("c"))

    (failed,) = ran.ended(Failed)
    assert "must consist of lower case" in failed.message
    assert failed.cause is Cause.SERVER
    assert ran.summary == {"created": 2, "failed": 1}
    assert ran.exit_code == 4
    assert world.ledger("POST").count("POST Bad_Name 400") == 1
    assert world.state() == ["a ACCEPTED Synced", "c ACCEPTED Synced"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("403", "injected by a fault rule"),
        ("413", "injected by a fault rule"),
        ("422", "injected by a fault rule"),
        ("404", "injected by a fault rule"),
        ("redirect=https://login.example/", "redirects to https://login.example/"),
    ],
)
def test_a_definite_no_is_not_asked_again(rule: str, words: str) -> None:
    """One request, one failure, nothing left in the state."""
    world = World(f"{rule} on=POST name=a")

    ran = world.apply(wish("a"), wish("b"))

    (failed,) = (told for told in ran.told if told.startswith("failed"))
    assert words in failed
    assert (ran.summary, ran.exit_code) == ({"created": 1, "failed": 1}, 4)
    assert len([line for line in world.ledger("POST") if " a " in line]) == 1
    assert world.state() == ["b ACCEPTED Synced"]


def test_an_unknown_project_fails_its_own_workloads_only() -> None:
    """The control plane answers 403 for it; the other project goes on."""
    world = World(projects=(Project(id=PROJECT, name="team-a"),))

    ran = world.apply(wish("a"), wish("b", project="9999"))

    assert ran.told == [
        "failed: create 9999/b: permission denied: You do not have sufficient permissions.",
        "done: create 4501/a",
    ]
    assert ran.exit_code == 4


def test_a_404_page_on_create_means_a_wrong_address() -> None:
    """The API answers in JSON; what does not is not the API, and the run ends with exit 9."""
    world = World("404 page=html on=POST")

    ran = world.apply(*(wish(name) for name in "abcdefgh"), concurrency=1)

    assert ran.exit_code == 9
    assert world.ledger("POST") == ["POST a 404"]
    assert world.state() == []


def test_a_revoked_token_is_renewed_in_the_middle_of_a_run() -> None:
    """A 401 is answered by one new login, and the run goes on."""
    world = World(latency=1.0, declared=None)

    def revoke(_: object) -> None:
        if len(world.changes()) == 3:
            world.sandbox.tokens.revoke()
            world.on_answer = lambda _: None

    world.on_answer = revoke

    ran = world.apply(*(wish(name) for name in "abcdef"), concurrency=2)

    assert ran.summary == {"created": 6}
    assert any("401" in line for line in world.ledger("POST"))
    assert sum(e.path == "/api/v2/token" for e in world.sandbox.ledger) == 2
    assert world.created_twice() == []


def test_a_lost_login_ends_the_run_with_an_exact_state() -> None:
    """When no new token is to be had nothing new is sent, and nothing is left in doubt."""
    world = World(latency=1.0)

    def forbid(_: object) -> None:
        if len(world.changes()) == 3:
            world.sandbox.set_faults("401 at=all")

    world.on_answer = forbid

    ran = world.apply(*(wish(name) for name in "abcdefgh"), concurrency=2, wait=False)

    assert ran.exit_code == 9
    assert ran.finished is not None
    assert ran.finished.stopped_by == "unauthorised"
    created = sorted(line.split()[1] for line in world.changes())
    assert sorted(row.address.name for row in world.rows()) == created
    assert {row.own for row in world.rows()} == {Own.ACCEPTED}
    world.sandbox.set_faults()
    world.apply(*(wish(name) for name in "abcdefgh"))
    assert (world.live(), world.created_twice()) == (list("abcdefgh"), [])


def test_a_client_without_the_right_to_write_changes_nothing() -> None:
    """Every create is refused, and the state stays empty."""
    reader = Credential(client_id=DEMO.client_id, client_secret=DEMO.client_secret, writes=False)
    world = World(credentials=(reader,))

    ran = world.apply(wish("a"), wish("b"))

    assert (ran.summary, ran.exit_code) == ({"failed": 2}, 4)
    assert (world.state(), world.live()) == ([], [])


def test_the_first_reason_to_stop_stands() -> None:
    """A switch is pulled once."""
    import asyncio

    async def main() -> str:
        halt = StopSignal()
        halt.pull(StopReason.SIGINT)
        halt.pull(StopReason.DEADLINE)
        return halt.reason

    assert asyncio.run(main()) == "SIGINT"

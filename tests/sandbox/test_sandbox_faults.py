from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from reconciler.sandbox import SCENARIOS, Effect, SandboxError, find_scenario, read_rule
from reconciler.sandbox.connection import Connection, Message
from tests.sandbox.rigs import WORKLOADS, Rig, in_base64, request

SOMEBODY = f"{WORKLOADS}/5d1f0000-0000-4000-8000-000000000000"


def answers(rig: Rig, count: int, path: str = SOMEBODY) -> list[int]:
    """The statuses of so many reads."""
    return [rig.ask("GET", path).status_code for _ in range(count)]


def test_a_status_takes_the_place_of_the_answer_and_nothing_is_done() -> None:
    """The body is an Error that names its rule; Retry-After is given in seconds."""
    rig = Rig("503 on=POST retry-after=2s")
    answer = rig.ask("POST", WORKLOADS, json=request())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json() == {
        "code": 503,
        "message": "injected by a fault rule",
        "details": "503 on=POST retry-after=2s",
    }
    assert rig.sandbox.store.all() == ()
    assert answers(rig, 1) == [404]


def test_retry_after_can_be_a_date() -> None:
    """The date is that of the sandbox's own clock, like the Date header."""
    answer = Rig("429 retry-date=90s").ask("GET", SOMEBODY)
    assert answer.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert answer.headers["retry-after"] == "Fri, 15 Jan 2027 08:01:30 GMT"


def test_a_gateway_answers_in_html_or_not_at_all() -> None:
    """Pages stand for what a proxy says in the server's place."""
    page = Rig("502 page=html").ask("GET", SOMEBODY)
    empty = Rig("504 page=empty").ask("GET", SOMEBODY)
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert page.text.startswith("<html>")
    assert (empty.status_code, empty.content) == (504, b"")


def test_a_login_page_takes_everything_for_a_success() -> None:
    """200 and HTML: nothing is done, and the status alone does not show it."""
    rig = Rig("200 page=html")
    answer = rig.ask("POST", WORKLOADS, json=request("a"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert rig.sandbox.store.all() == ()


def test_a_delete_can_be_carried_out_without_a_word() -> None:
    """204 has no body, and 200 need not have one."""
    for status in (200, 204):
        rig = Rig(f"{status} page=empty executed on=DELETE")
        made = rig.ask("POST", WORKLOADS, json=request("a")).json()
        answer = rig.ask("DELETE", f"{WORKLOADS}/{made['metadata']['id']}")
        assert (answer.status_code, answer.content) == (status, b"")
        assert [e.name for e in rig.sandbox.ledger.effects(Effect.DELETED)] == ["a"]


def test_a_redirect_leads_elsewhere() -> None:
    """A login page in the way answers 307 with a location."""
    answer = Rig("redirect=https://login.example/").ask("GET", SOMEBODY)
    assert (answer.status_code, answer.headers["location"]) == (307, "https://login.example/")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("503 nth=2", [404, 503, 404, 404, 404, 404]),
        ("503 nth=2-3", [404, 503, 503, 404, 404, 404]),
        ("503 nth=5-", [404, 404, 404, 404, 503, 503]),
        ("503 every=3", [404, 404, 503, 404, 404, 503]),
        ("503 times=2", [503, 503, 404, 404, 404, 404]),
        ("503 try=1", [503, 404, 404, 404, 404, 404]),
        ("503 p=0", [404] * 6),
        ("503 p=100%", [503] * 6),
        ("503 on=POST,DELETE", [404] * 6),
        ("503 at=token,list", [404] * 6),
        ("503 name=x*", [404] * 6),
    ],
)
def test_a_rule_strikes_when_it_says(rule: str, expected: list[int]) -> None:
    """Ordinals, budgets, chances and filters decide which requests are struck."""
    assert answers(Rig(rule), 6) == expected


def test_the_first_attempt_at_each_workload_can_be_struck() -> None:
    """Attempts are counted by method and workload, not over all requests."""
    rig = Rig("503 try=1 on=POST")
    statuses = [
        rig.ask("POST", WORKLOADS, json=request(name)).status_code
        for name in ("a", "b", "a", "b", "a")
    ]
    assert statuses == [503, 503, 202, 202, 409]


def test_rules_pick_workloads_by_name_kind_and_project() -> None:
    """All filters of a rule have to match, for reads by id as for creates."""
    rig = Rig("500 name=train-* kind=Job project=1", "504 name=x on=GET")
    statuses = [
        rig.ask("POST", WORKLOADS, json=request(name, project=project)).status_code
        for name, project in (("train-1", "1"), ("train-1", "2"), ("x", "1"))
    ]
    assert statuses == [500, 202, 202]
    assert rig.get(rig.sandbox.store.live()[1].id).status_code == 504


def test_rules_see_the_kind_inside_base64() -> None:
    """A rule for jobs strikes a job in either form; what cannot be read is of no kind."""
    rig = Rig("503 kind=Job")
    for text, status in (("{apiVersion: batch/v1, kind: Job}", 503), ("- a", 400), ("{", 400)):
        body = {"metadata": request()["metadata"], "manifestBase64Encoded": in_base64(text)}
        assert rig.ask("POST", WORKLOADS, json=body).status_code == status


def test_an_outage_has_a_beginning_and_an_end() -> None:
    """`after` and `for` count from the moment the rule was put in force."""
    rig = Rig("503 after=10s for=20s")
    seen = []
    for _ in range(4):
        seen += answers(rig, 1)
        rig.now += 10
    assert seen == [404, 503, 503, 404]


def test_chance_follows_the_seed_and_not_the_order() -> None:
    """The k-th attempt at a workload has the same fate in every replay of a seed."""

    def fates(seed: int, names: list[str]) -> dict[str, int]:
        rig = Rig("503 p=50%", seed=seed)
        return {n: rig.ask("POST", WORKLOADS, json=request(n)).status_code for n in names}

    names = [f"w{number}" for number in range(60)]
    assert fates(1, names) == fates(1, names[::-1])
    assert fates(1, names) != fates(2, names)
    assert 15 < list(fates(1, names).values()).count(503) < 45


def test_too_many_in_a_second_are_turned_away() -> None:
    """A rate limit counts whole seconds and answers 429."""
    rig = Rig("rate=2 retry-after=1s")
    assert answers(rig, 3) == [404, 404, 429]
    rig.now += 1
    assert answers(rig, 1) == [404]


def test_too_many_at_once_are_turned_away() -> None:
    """A cap counts the requests in flight; the ledger shows how many there were."""
    rig = Rig("cap=2 status=503", latency=1.0)
    headers = {"authorization": f"Bearer {rig.sandbox_token()}"}

    async def crowd() -> list[int]:
        asked = [rig.send("GET", SOMEBODY, headers=headers) for _ in range(4)]
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(crowd()) == [404, 404, 503, 503]
    assert max(entry.in_flight for entry in rig.sandbox.ledger) == 4


def test_a_lost_answer_leaves_the_work_done() -> None:
    """The client sees a dead connection, the ledger a creation that nobody was told of."""
    rig = Rig("lost on=POST try=1")
    with pytest.raises(httpx.ReadError):
        rig.ask("POST", WORKLOADS, json=request())
    (entry,) = rig.sandbox.ledger.effects(Effect.CREATED)
    assert (entry.status, entry.misled, entry.fault) == (None, True, "lost on=POST try=1")
    assert (entry.name, entry.marker) == ("a", "lineage/op-1")
    assert entry.id == rig.sandbox.store.live()[0].id


def test_a_dropped_request_leaves_nothing() -> None:
    """The same dead connection, but nothing was done."""
    rig = Rig("drop on=POST")
    with pytest.raises(httpx.ReadError):
        rig.ask("POST", WORKLOADS, json=request())
    assert rig.sandbox.store.all() == ()
    assert [(e.status, e.misled) for e in rig.sandbox.ledger] == [(None, False)]


def test_a_request_can_be_carried_out_and_denied() -> None:
    """`executed` does the work first and then answers otherwise."""
    rig = Rig("503 executed on=POST")
    assert rig.ask("POST", WORKLOADS, json=request()).status_code == 503
    assert [entry.misled for entry in rig.sandbox.ledger] == [True]
    assert len(rig.sandbox.store.live()) == 1


def test_a_late_request_is_carried_out_after_its_connection_has_died() -> None:
    """With `hangup` the create comes to life later, as an entry of its own."""
    rig = Rig("late=20s hangup on=POST")
    with pytest.raises(httpx.ReadError):
        rig.ask("POST", WORKLOADS, json=request())
    assert rig.sandbox.store.live() == ()
    rig.now += 20
    (workload,) = rig.sandbox.store.live()
    refused, created = rig.sandbox.ledger
    assert (refused.status, refused.effect) == (None, None)
    assert (created.cause, created.effect, created.misled) == (refused.seq, "created", True)
    assert created.id == workload.id


def test_a_late_request_answers_the_patient() -> None:
    """Who waits long enough gets the honest answer, and the ledger holds one entry."""
    rig = Rig("late=20s on=POST")
    started = rig.now
    assert rig.ask("POST", WORKLOADS, json=request()).status_code == 202
    assert rig.now == started + 20
    assert [(e.status, e.misled) for e in rig.sandbox.ledger] == [(202, False)]


def test_a_late_request_survives_a_client_that_gives_up() -> None:
    """A client's timeout does not undo what the server has begun."""
    rig = Rig("late=20s on=POST")
    headers = {"authorization": f"Bearer {rig.sandbox_token()}"}

    async def impatient() -> None:
        rig.endless = asyncio.Event()
        asked = asyncio.create_task(rig.send("POST", WORKLOADS, json=request(), headers=headers))
        await rig.endless.wait()
        asked.cancel()
        await asyncio.wait([asked])

    asyncio.run(impatient())
    assert rig.sandbox.store.live() == ()
    rig.now += 20
    assert [w.name for w in rig.sandbox.store.live()] == ["a"]
    assert [(e.status, e.effect) for e in rig.sandbox.ledger] == [(None, None), (None, "created")]


def test_a_late_request_is_checked_for_its_token_at_once() -> None:
    """What was never allowed is not carried out later either."""
    rig = Rig("late=20s on=POST")
    assert rig.ask("POST", WORKLOADS, json=request(), token=None).status_code == 401
    assert rig.sandbox.store.live() == ()


def test_a_slow_answer_comes_after_the_deed() -> None:
    """The work is done first; the answer takes its time."""
    rig = Rig("slow=5s on=POST")
    started = rig.now
    answer = rig.ask("POST", WORKLOADS, json=request())
    assert (answer.status_code, rig.now) == (202, started + 5)
    assert rig.sandbox.store.live()[0].created_at == started


@pytest.mark.parametrize("rule", ["slow=5s on=GET,DELETE", "late=5s on=GET,DELETE"])
def test_a_request_without_a_body_can_wait_too(rule: str) -> None:
    """The end of a body that nobody reads is not the client leaving."""
    rig = Rig(rule)
    workload_id = rig.create()
    started = rig.now
    answers = [rig.get(workload_id).status_code, rig.delete(workload_id).status_code]
    assert (answers, rig.now) == ([200, 202], started + 10)
    assert [(e.method, e.status, e.misled) for e in rig.sandbox.ledger] == [
        ("POST", 202, False),
        ("GET", 200, False),
        ("DELETE", 202, False),
    ]


def test_a_client_that_leaves_is_noticed_behind_its_body() -> None:
    """What is left of a request comes first, the disconnection after it."""
    messages: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.request", "body": b"}", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_: Message) -> None:
        raise AssertionError

    async def sleep(_: float) -> None:
        await asyncio.Future()

    wire = Connection({}, receive, send)
    assert asyncio.run(wire.outlasts(sleep, 5.0)) is False
    assert messages == []


def test_latency_adds_up_and_spares_nobody() -> None:
    """Latency and jitter delay every answer and change none."""
    rig = Rig("latency=1s", "latency=2s jitter=1s", latency=4.0)
    started = rig.now
    assert answers(rig, 1) == [404]
    assert 7 <= rig.now - started < 8


def test_a_truncated_answer_ends_in_a_dead_connection() -> None:
    """Announced in full, delivered in part."""
    with pytest.raises(httpx.ReadError):
        Rig("truncate=10").ask("GET", SOMEBODY)


def test_a_dripped_answer_is_whole_and_slow() -> None:
    """Every few bytes there is a pause."""
    rig = Rig("drip=1s chunk=10")
    started = rig.now
    answer = rig.ask("GET", SOMEBODY)
    assert answer.json()["code"] == 404
    assert rig.now - started == -(-len(answer.content) // 10)


def test_bodies_can_be_absurdly_large() -> None:
    """An oversized answer is valid JSON; a bomb is the same behind gzip, and small on the wire."""
    wide = Rig("oversize=1MiB").ask("GET", SOMEBODY)
    packed = Rig("bomb=1MiB").ask("GET", SOMEBODY)
    assert (len(wide.content), wide.json()["code"]) == (1024**2, 404)
    assert packed.headers["content-encoding"] == "gzip"
    assert (len(packed.content), packed.json()["code"]) == (1024**2, 404)
    assert len(gzip.compress(packed.content)) < 10_000


def test_a_garbled_answer_is_no_json() -> None:
    """A success whose body cannot be read."""
    rig = Rig("garble on=POST")
    answer = rig.ask("POST", WORKLOADS, json=request())
    assert answer.status_code == 202
    with pytest.raises(UnicodeDecodeError):
        answer.json()
    assert [entry.misled for entry in rig.sandbox.ledger] == [True]


def test_what_was_created_can_stay_invisible_for_a_while() -> None:
    """Read lag hides a workload by id and in lists, though its name is taken at once."""
    rig = Rig("lag=5s", "list-lag=10s")
    workload_id = rig.create()
    assert rig.ask("POST", WORKLOADS, json=request()).status_code == 409
    seen = []
    for _ in range(3):
        listed = rig.ask("GET", "/api/v1/workloads").json()["workloads"]
        seen.append((rig.get(workload_id).status_code, len(listed)))
        rig.now += 5
    assert seen == [(404, 0), (200, 0), (200, 1)]


def test_a_sync_can_fail_or_never_end() -> None:
    """Failed comes with a message; what is stuck keeps applying."""
    rig = Rig("sync-fails='no quota' name=bad", "sync-stuck name=slow", "sync-delay=60s name=late")
    bad, slow, late = (rig.create(name) for name in ("bad", "slow", "late"))
    assert rig.get(bad).json()["syncInfo"] == {"status": "Failed", "message": "no quota"}
    rig.now += 59
    assert (rig.status(slow), rig.status(late)) == ("Applying", "Applying")
    rig.now += 1
    assert (rig.status(slow), rig.status(late)) == ("Applying", "Synced")


def test_a_delete_can_linger_or_fail() -> None:
    """A failed delete is Failed, still wished for, and done when asked for again."""
    rig = Rig("linger=60s name=slow", "linger name=never", "delete-fails='stuck finalizer' try=1")
    slow, never, failing = (rig.create(name) for name in ("slow", "never", "failing"))
    rig.sandbox.set_faults(
        "linger=60s name=slow", "linger name=never", "delete-fails='stuck finalizer' name=failing"
    )
    for workload_id in (slow, never, failing):
        rig.delete(workload_id)
    assert rig.get(failing).json()["syncInfo"] == {"status": "Failed", "message": "stuck finalizer"}
    assert rig.get(failing).json()["workload"]["desiredPhase"] == "Deleted"
    rig.now += 60
    assert (rig.status(slow), rig.status(never)) == ("404", "Deleting")
    rig.sandbox.set_faults()
    rig.delete(failing)
    assert rig.status(failing) == "404"


def test_annotations_can_be_lost() -> None:
    """A server that does not echo annotations leaves the ledger as the only witness."""
    rig = Rig("strip-annotations")
    workload_id = rig.create()
    raw = rig.get(workload_id).json()["workload"]["rawManifest"]
    assert raw["metadata"] == {"name": "a"}
    assert rig.sandbox.ledger.effects(Effect.CREATED)[0].marker == "lineage/op-1"


def test_the_login_can_be_struck_too() -> None:
    """Rules concern the workloads unless `at` says otherwise."""
    rig = Rig("503 at=all")
    assert rig.ask("POST", "/api/v1/token", json={}, token=None).status_code == 503
    assert rig.ask("GET", "/api/v1/workloads").status_code == 503


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("", "is empty"),
        ("503 'x", "open quote"),
        ("302", "302 is not a status from 200 to 299 or from 400 to 599"),
        ("199", "199 is not a status from 200 to 299 or from 400 to 599"),
        ("explode", "'explode' is no fault"),
        ("late", "'late' needs a value: late=…"),
        ("late=soon", "'soon' is not a duration such as 250ms, 30s, 5m or 1h"),
        ("truncate=big", "'big' is not a size such as 512, 64KiB or 100MiB"),
        ("503 p=130%", "'130%' is not a share such as 30% or 0.3"),
        ("503 p=often", "'often' is not a share such as 30% or 0.3"),
        ("503 nth=0", "'0' is not a whole number of at least 1"),
        ("503 on=PATCH", "PATCH is not GET, POST, PUT or DELETE"),
        (
            "503 at=moon",
            (
                "workloads, list, details, types, projects, clusters, node-pools, token-v1, "
                "token-v2, token, all"
            ),
        ),
        ("503 page=pdf", "page=pdf: known are json, html, empty, oauth"),
        ("503 colour=red", "'colour=red' is not understood"),
        ("503 executed=yes", "'executed=yes' is not understood"),
        ("lag=1s on=GET", "'lag' strikes POST and PUT only"),
        ("merge on=POST", "'merge' has its own method, drop on="),
    ],
)
def test_a_rule_that_makes_no_sense_says_what_would(rule: str, complaint: str) -> None:
    """A typo in a rule must not leave a server without faults."""
    with pytest.raises(SandboxError) as raised:
        read_rule(rule)
    assert complaint in str(raised.value)


def test_every_scenario_consists_of_rules_that_can_be_read() -> None:
    """A scenario is found by its name and nothing else."""
    assert [find_scenario(s.name) for s in SCENARIOS] == list(SCENARIOS)
    for scenario in SCENARIOS:
        assert [read_rule(text).text for text in scenario.rules] == list(scenario.rules)
    with pytest.raises(SandboxError, match="known are storm, outage"):
        find_scenario("sunshine")

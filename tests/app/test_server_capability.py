"""Whether the server changes workloads in place: declared, shown before, or asked for."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.app.planning.server_capability import PlanForServer, plan_for_server
from reconciler.app.state.states import merge_targets
from reconciler.core.model import Target
from reconciler.core.planning.actions import Keep, Reason, Update
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.state import database
from tests.app.commands import Repository
from tests.engine.updates import scaled
from tests.support.factories import PLAN_TARGET, make_desired, make_recorded
from tests.support.timing import run
from tests.support.worlds import World, wish

YES, NO, UNKNOWN = CanUpdate.YES, CanUpdate.NO, CanUpdate.UNKNOWN


def make(can_update: CanUpdate, *, depends: bool = True) -> Plan:
    """A plan of one workload that has changed, or of one that has not."""
    record, desired = make_recorded(), make_desired()
    common: Any = {"address": record.address, "reason": Reason.SPEC_CHANGED, "recorded": record}
    action = Update(desired=desired, **common) if can_update is YES else Keep(**common)
    return Plan(
        target=PLAN_TARGET,
        lineage=None,
        serial=0,
        actions=(action if depends else Keep(**common),),
    )


class Puts(httpx.AsyncBaseTransport):
    """The sandbox, whose answers to updates are these, one after the other."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *answers: httpx.Response) -> None:
        self._inner = inner
        self._answers = list(answers)
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note down and answer what is an update, pass on the rest."""
        if request.method != "PUT":
            return await self._inner.handle_async_request(request)
        self.asked.append(f"{request.url.path} {request.content.decode()}")
        if not self._answers:
            return await self._inner.handle_async_request(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def aclose(self) -> None:
        """Nothing of its own."""


def ask(
    world: World,
    *answers: httpx.Response,
    pinned: bool = False,
    may_ask: bool = True,
    depends: bool = True,
    api_version: str | None = None,
) -> tuple[PlanForServer, list[str]]:
    """Make a plan; also what was asked of the server for it."""
    connector = world.connector()
    assert connector.transport is not None
    puts = Puts(connector.transport(), *answers)
    connector = dataclasses.replace(connector, transport=lambda: puts)
    settings = dataclasses.replace(world.settings, api_version=api_version)
    target = Target(url="", stack="", can_update=pinned)

    async def main() -> PlanForServer:
        async with connector.open_session(settings, None, lambda _: None) as session:
            return await plan_for_server(
                lambda can_update: make(can_update, depends=depends),
                settings,
                session,
                target,
                may_ask=may_ask,
            )

    return run(main(), world.timeline), puts.asked


def envelope(status: int) -> httpx.Response:
    """The API's own error."""
    return httpx.Response(status, json={"code": status, "message": "as the API says it"})


def page(status: int) -> httpx.Response:
    """Something on the way answers in the API's place."""
    return httpx.Response(status, html="<title>gateway</title>")


ROWS = {
    "the API's 404": (envelope(404), YES),
    "a 400": (envelope(400), YES),
    "the API's 405": (envelope(405), NO),
    "the API's 501": (envelope(501), NO),
    "a 404 page": (page(404), UNKNOWN),
    "a 405 page": (page(405), UNKNOWN),
    "a 400 page": (page(400), UNKNOWN),
    "a gateway's JSON 404": (httpx.Response(404, json={"message": "no route"}), UNKNOWN),
    "a gateway's JSON 405": (httpx.Response(405, json={"message": "no"}), UNKNOWN),
    "401": (envelope(401), UNKNOWN),
    "403": (envelope(403), UNKNOWN),
    "a 403 page": (page(403), UNKNOWN),
    "429": (envelope(429), UNKNOWN),
    "500": (envelope(500), UNKNOWN),
    "502": (page(502), UNKNOWN),
    "503": (envelope(503), UNKNOWN),
    "a login page": (page(200), UNKNOWN),
    "a redirect": (httpx.Response(302, headers={"location": "https://login"}), UNKNOWN),
    "422": (envelope(422), UNKNOWN),
}


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize(("answer", "means"), ROWS.values(), ids=ROWS.keys())
def test_what_an_answer_says(answer: httpx.Response, means: CanUpdate, pinned: bool) -> None:
    """Only the API's own word counts; a no after an earlier yes is held, and never a replace."""
    planned, asked = ask(World(), answer, pinned=pinned)
    known = means
    if pinned:
        known = UNKNOWN if means is NO else YES
    assert planned.can_update is known
    assert planned.has_shown is (means is YES)
    expected = dataclasses.replace(PLAN_TARGET, can_update=known)
    assert planned.plan == dataclasses.replace(make(known), target=expected)
    assert re.fullmatch(r"/api/v2/workloads/[0-9a-f-]{36} \{\}", asked[0])
    assert len(set(asked)) == 1
    # Asked again while it may be a moment's trouble; a 401 once, with another token.
    is_page = "text/html" in answer.headers.get("content-type", "")
    passing = (is_page and answer.status_code != 404) or answer.status_code in (429, 500, 503)
    assert len(asked) == (3 if passing else 2 if answer.status_code == 401 else 1)


@pytest.mark.parametrize("fault", ["lost on=PUT", "503 on=PUT", "500 on=PUT"])
def test_answers_that_keep_being_lost_say_nothing(fault: str) -> None:
    """Three questions, then it is not known."""
    planned, asked = ask(World(fault))
    assert (planned.can_update, planned.has_shown, len(asked)) == (UNKNOWN, False, 3)


@pytest.mark.parametrize("trouble", ["lost", "503", "502 page=html", "500", "200 page=html"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_moment_of_trouble_does_not_decide_what_a_server_can_do(trouble: str, times: int) -> None:
    """An unattended run would hold every change for one lost response."""
    planned, asked = ask(World(f"{trouble} on=PUT times={times}"))
    assert (planned.can_update, planned.has_shown, len(asked)) == (YES, True, times + 1)


@pytest.mark.parametrize(
    ("version", "means"),
    [("2.23", NO), ("2.24", YES), ("2.25", YES), ("3.0", YES)],
)
def test_every_version_of_the_sandbox(version: str, means: CanUpdate) -> None:
    """The answer that a real route gives, or the lack of one; nothing is changed by it."""
    world = World(api_version=version)
    planned, asked = ask(world)
    assert (planned.can_update, len(asked)) == (means, 1)
    assert world.sandbox.store.live() == ()


@pytest.mark.parametrize(
    ("how", "means", "asked"),
    [
        ({"depends": False}, UNKNOWN, 0),
        ({"may_ask": False}, UNKNOWN, 0),
        ({"may_ask": False, "pinned": True}, YES, 0),
        ({"api_version": "2.23"}, NO, 0),
        ({"api_version": "2.24"}, YES, 0),
        ({"api_version": "latest"}, YES, 0),
        ({"api_version": "4.1"}, YES, 0),
    ],
)
def test_who_is_not_asked(how: dict[str, Any], means: CanUpdate, asked: int) -> None:
    """A declared version decides; nor is anything asked that no action depends on, or unread."""
    planned, questions = ask(World(), envelope(405), **how)
    assert (planned.can_update, planned.has_shown, len(questions)) == (means, False, asked)
    has_updates = how.get("depends", True) and means is not NO
    assert planned.plan.target.can_update is (means if has_updates else None)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("403 on=PUT", "injected by a fault rule: 403 on=PUT"),
        ("503 page=html on=PUT", 'HTTP 503: an HTML page titled "503" instead of JSON'),
    ],
)
def test_what_the_server_said_is_told_once(fault: str, said: str) -> None:
    """Its words say what is in the way; they are a warning, so that no digest depends on them."""
    world = World()
    world.settings = dataclasses.replace(world.settings, api_version=None)
    world.apply(scaled(1), wish("b"))
    world.sandbox.set_faults(fault)
    plan = world.plan(scaled(2), wish("b", image="nginx:2")).plan
    assert [hold.reason for hold in plan.holds] == [Reason.UPDATE_UNKNOWN] * 2
    assert [(d.code, d.message, d.address) for d in plan.diagnostics] == [
        (
            "update-unknown",
            f"no clear answer to whether workloads can be changed in place: {said}",
            "4501/a",
        )
    ]


def test_a_capability_tells_plans_apart() -> None:
    """What was approved for a server that can is another plan than for one that cannot."""
    world = World()
    digests = {ask(world, answer)[0].plan.digest for answer in (envelope(404), envelope(405))}
    assert len(digests) == 2


def test_only_a_yes_stays_in_the_state() -> None:
    """It is written once, found again, and no later run without an answer takes it back."""
    shown = Target(url="https://a", stack="b", issuer="i", tenant_id=1, can_update=True)
    silent = dataclasses.replace(shown, can_update=False)
    for target in (shown, silent):
        assert database.target_of(database.target_meta(target)) == target
    assert "can_update" not in database.target_meta(silent)
    assert merge_targets(shown, silent) == shown
    assert merge_targets(silent, shown) == shown


def test_a_server_that_merges_is_remembered(tmp_path: Path) -> None:
    """What it has kept once, the next plan says of another workload before that is approved."""
    repository = Repository(tmp_path, World("merge", declared="3.0"))
    both = [
        dataclasses.replace(scaled(3), address=wish(n).address, metadata=wish(n).metadata)
        for n in "ab"
    ]
    repository.apply(*both)
    assert not repository.target().keeps_removed

    assert repository.apply(wish("a"), both[1]).exit_code == 4

    assert repository.target().keeps_removed
    repository.apply(wish("a"), wish("b"), answer=False)
    details = [action.detail for action in repository.asked[-1].plan.changes]
    assert details[-1] == (
        "/manifest/spec/replicas changed; this server keeps what an update no longer has, "
        "/manifest/spec/replicas; to take it away: --replace 4501/b"
    )


@pytest.mark.parametrize(
    ("declared", "logins"),
    [("2.23", ["/api/v1/token"]), ("2.24", ["/api/v2/token"]), (None, ["/api/v2/token"])],
)
def test_how_a_declared_version_logs_in(declared: str | None, logins: list[str]) -> None:
    """A server that is known to have only the old call is not asked for the other one."""
    world = World()
    ask(world, api_version=declared, depends=False)
    paths = [entry.path for entry in world.sandbox.ledger]
    assert [path for path in paths if path.endswith("/token")] == logins


@pytest.mark.parametrize(
    ("how", "asked", "can"),
    [
        ({"api_version": None}, "3.0", True),
        ({"api_version": None}, "2.23", False),
        ({"api_version": None, "discovery": False}, "3.0", False),
        ({"api_version": "2.23"}, "3.0", False),
        ({"api_version": "3.0"}, "2.23", True),
    ],
)
def test_a_replace_is_checked_where_the_server_knows_dry_runs(
    tmp_path: Path, how: dict[str, Any], asked: str, can: bool
) -> None:
    """A declared version says so, or else those of all clusters; nothing else is asked for it."""
    repository = Repository(tmp_path, World(api_version=asked))
    repository.settings = dataclasses.replace(repository.settings, **how)
    repository.apply(wish("a", kind="Job"))
    before = len(repository.world.ledger("POST"))
    request = PlanRequest(options=PlanOptions(replace=("4501/a",)))
    repository.apply(wish("a", kind="Job", image="nginx:2"), request=request)
    sent = repository.world.ledger("POST")[before:]
    assert sent == ([] if not can else ["POST a 409"]) + ["POST a 202"]
    clusters = [e for e in repository.world.entries() if e.path.endswith("/clusters/minimal")]
    assert len(clusters) == (how == {"api_version": None})


def test_what_was_refused_in_a_dry_run_ends_with_4(tmp_path: Path) -> None:
    """Nothing was deleted, and the history has the server's words."""
    world = World("422 on=POST name=a nth=2", declared="3.0")
    repository = Repository(tmp_path, world)
    repository.apply(wish("a", kind="Job"))
    refused = repository.apply(wish("a", kind="Job", image="nginx:2"))
    assert refused.exit_code == 4
    assert world.live() == ["a"]
    assert world.ledger("DELETE") == []

"""The whole of an apply: lock, plan, guards, question, run, and what it leaves behind."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.planning import PlanRequest, PlanResult
from reconciler.app.refused import GuardError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address, Own, Target
from reconciler.core.planning.actions import Hold, Reason
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.errors import (
    InvalidInputError,
    LockedError,
    ReconcilerError,
    StalePlanError,
    StateError,
    UnreachableError,
    UsageError,
    Where,
)
from reconciler.sandbox import Credential
from reconciler.state.sqlite import create_state, open_state
from tests.app.commands import Repository
from tests.support.worlds import URL, World, wish


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository and a calm server."""
    return Repository(tmp_path, World())


def test_an_apply_makes_its_state_and_pins_its_target(repository: Repository) -> None:
    """With --init the file is made; it remembers server, stack, issuer and tenant."""
    applied = repository.apply(wish("a"))

    assert applied.exit_code == 0
    assert applied.unsaved == ()
    assert [(row.address.name, row.own) for row in repository.rows()] == [("a", Own.ACCEPTED)]
    assert repository.target() == Target(
        url=URL, stack="blue", issuer=repository.world.sandbox.settings.issuer, tenant_id=1
    )


def test_an_apply_that_finds_nothing_to_do_writes_nothing(repository: Repository) -> None:
    """The server is read, and neither it nor what is recorded changes."""
    repository.apply(wish("a"))
    before = repository.rows(), repository.world.ledger()

    applied = repository.apply(wish("a"))

    assert applied.finished is not None
    assert applied.finished.summary == Summary()
    assert (repository.rows(), repository.world.ledger()) == before


def test_an_apply_that_is_not_confirmed_changes_nothing(repository: Repository) -> None:
    """The plan was shown; the server was only read."""
    applied = repository.apply(wish("a"), answer=False)

    assert (applied.finished, applied.exit_code) == (None, 0)
    assert [str(a.address) for a in repository.asked[0].plan.changes] == ["4501/a"]
    assert repository.world.ledger() == []
    assert repository.rows() == []


def test_an_apply_without_a_state_says_how_to_make_one(repository: Repository) -> None:
    """A state that should be there may have been lost: making a new one has to be asked for."""
    with pytest.raises(StateError, match="there is no state") as error:
        repository.apply(wish("a"), init=False)

    assert "--init" in error.value.hint
    assert repository.world.sandbox.ledger.entries == ()


def test_an_error_in_any_spec_stops_everything(repository: Repository) -> None:
    """What cannot be read must never look like something removed."""
    repository.apply(wish("a"), wish("b"))
    before = len(repository.world.sandbox.ledger)
    where = Where(file="b.yaml")
    broken = Diagnostic(severity=Severity.ERROR, code="syntax", message="bad", where=where)

    with pytest.raises(InvalidSpecsError):
        repository.apply(wish("a"), diagnostics=(broken,))

    assert len(repository.world.sandbox.ledger) == before


def test_no_specs_and_nothing_recorded_is_an_error(repository: Repository) -> None:
    """There is nothing to decide about."""
    with pytest.raises(InvalidInputError, match="no specs were found") as error:
        repository.apply()

    assert error.value.exit_code == 3


def test_no_specs_where_something_is_recorded_is_refused(repository: Repository) -> None:
    """An empty folder does not mean that everything should go."""
    repository.apply(wish("a"))

    with pytest.raises(GuardError) as error:
        repository.apply()

    assert [refusal.guard for refusal in error.value.refusals] == ["empty-set"]
    assert error.value.exit_code == 5
    assert error.value.planned is not None
    assert repository.world.live() == ["a"]


def test_a_destroy_needs_no_other_permission(repository: Repository) -> None:
    """It was asked for; the other guards stay."""
    repository.apply(wish("a"))

    request = PlanRequest(options=PlanOptions(destroying=True))
    applied = repository.apply(request=request)

    assert applied.finished is not None
    assert applied.finished.summary == Summary(deleted=1)
    assert (repository.rows(), repository.world.live()) == ([], [])


def test_a_plan_that_was_not_the_approved_one_is_stale(repository: Repository) -> None:
    """The digest of what was approved has to be the digest of what would be done."""
    with pytest.raises(StalePlanError) as error:
        repository.apply(wish("a"), expect_digest="sha256:0")
    applied = repository.apply(wish("a"), answer=False)
    digest = applied.planned.plan.digest

    assert error.value.exit_code == 7
    assert digest in error.value.message
    assert repository.apply(wish("a"), expect_digest=digest).exit_code == 0


def test_two_applies_at_once_are_one_too_many(repository: Repository) -> None:
    """The second one names the first and does nothing."""
    repository.apply(wish("a"))
    holder = open_state(repository.path)
    holder.hold("reconciler apply")
    before = len(repository.world.sandbox.ledger)

    with pytest.raises(LockedError) as error:
        repository.apply(wish("a", image="nginx:2"))
    holder.close()

    assert error.value.exit_code == 6
    assert f"process {os.getpid()}" in error.value.message
    assert len(repository.world.sandbox.ledger) == before
    assert repository.apply(wish("a", image="nginx:2")).exit_code == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(url="https://other.example", stack="blue"), "server https://other.example"),
        (Target(url=URL, stack="green"), "stack green"),
        (Target(url=URL, stack="blue", issuer="https://idp.example"), "token issuer"),
        (Target(url=URL, stack="blue", tenant_id=9), "tenant 9"),
    ],
)
def test_a_state_of_another_target_is_refused(
    repository: Repository, target: Target, words: str
) -> None:
    """Server, stack, issuer and tenant have to be the ones that the state was made with."""
    repository.apply(wish("a"))
    rows = repository.rows()
    repository.path.unlink()
    store = create_state(repository.path, target)
    store.hold("test")
    store.write(rows)
    store.close()
    before = repository.world.ledger()

    with pytest.raises(GuardError) as error:
        repository.apply(wish("a", image="nginx:2"))

    assert words in error.value.message
    assert repository.world.ledger() == before


def test_a_missing_url_is_wrong_usage(repository: Repository) -> None:
    """There is no default server."""
    repository.settings = dataclasses.replace(repository.settings, url=None)

    with pytest.raises(UsageError, match="no server is given"):
        repository.apply(wish("a"))


def test_wrong_credentials_end_before_anything_is_planned(tmp_path: Path) -> None:
    """Exit 9, in the words of the server."""
    other = Credential(client_id="demo", client_secret="another")
    repository = Repository(tmp_path, World(credentials=(other,)))

    with pytest.raises(UnreachableError, match="does not accept the credentials") as error:
        repository.apply(wish("a"))

    assert error.value.exit_code == 9


@pytest.mark.parametrize("token", [True, False])
def test_a_server_that_is_not_there_is_given_up_soon(repository: Repository, token: bool) -> None:
    """A misspelt address is noticed in seconds, with a token at hand as well as without."""
    repository.apply(wish("a"))
    repository.world.timeline.skip(60.0)
    began = repository.world.timeline.now
    if token:
        repository.world.environ = {"RUNAI_TOKEN": "a-token"}

    def refuse(request: httpx.Request) -> None:
        raise httpx.ConnectError("connection refused", request=request)

    repository.world.on_request = refuse

    with pytest.raises(UnreachableError) as error:
        repository.apply(wish("a"))

    assert error.value.exit_code == 9
    assert "connection refused" in error.value.message
    assert repository.world.timeline.now - began < 30.0


def test_a_server_that_goes_away_for_good_ends_with_its_words(repository: Repository) -> None:
    """However many records were being read at that moment: one error, no traceback."""
    specs = [wish(f"w{number}") for number in range(30)]
    repository.apply(*specs)
    repository.world.timeline.skip(60.0)
    answers = [0]

    def refuse(request: httpx.Request) -> None:
        answers[0] += 1
        if answers[0] > 5:
            raise httpx.ConnectError("connection refused", request=request)

    repository.world.on_request = refuse
    repository.settings = dataclasses.replace(repository.settings, concurrency=4)

    with pytest.raises(UnreachableError):
        repository.apply(*specs, deadline=100.0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_the_run(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The first one lets what is in flight come home, and the state is exact."""
    repository = Repository(tmp_path, World(latency=2.0, sync_delay=60.0))
    handler = signal.getsignal(number)

    applied = repository.apply(
        wish("a"), wish("b", wave=1), at=(1.0, lambda: os.kill(os.getpid(), number))
    )

    assert applied.exit_code == code
    assert applied.finished is not None
    assert applied.finished.stopped_by == number.name
    assert applied.finished.summary == Summary(created=1, skipped=1)
    assert [(row.address.name, row.own) for row in repository.rows()] == [("a", Own.ACCEPTED)]
    assert signal.getsignal(number) == handler


@pytest.fixture
def default_sigint() -> Iterator[None]:
    """SIGINT as a terminal's program has it: a shell that works in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_sigint")
def test_a_second_sigint_ends_the_process_at_once(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice does not want to wait; the state says what was sent."""
    repository = Repository(tmp_path, World("latency=20s on=POST"))

    def press_twice() -> None:
        # Not os.kill: that may reach another thread first, while the time of the test goes on.
        signal.raise_signal(signal.SIGINT)
        asyncio.get_running_loop().call_later(0.5, signal.raise_signal, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        repository.apply(wish("a"), at=(1.0, press_twice))

    assert repository.world.timeline.now < 5.0
    assert [(row.address.name, row.own) for row in repository.rows()] == [("a", Own.CREATING)]
    assert repository.apply(wish("a")).exit_code == 0


def _applied(summary: Summary, stopped_by: str = "", *refused: Hold) -> ApplyResult:
    finished = RunFinished(
        at="", run="", took=0.0, summary=summary, stopped_by=StopReason(stopped_by)
    )
    target = PlanTarget(url="", stack="", api_version="")
    plan = Plan(target=target, lineage=None, serial=0, actions=())
    planned = PlanResult(plan=plan, refusals=(), recorded=(), tenant_id=None, refused=refused)
    return ApplyResult(planned=planned, finished=finished)


STALE = Hold(address=Address(project="1", name="a"), reason=Reason.NEW, fails=True)


@pytest.mark.parametrize(
    ("applied", "code"),
    [
        (_applied(Summary(created=3)), 0),
        (_applied(Summary(failed=1)), 4),
        (_applied(Summary(skipped=1)), 4),
        (_applied(Summary(failed=1, in_doubt=1)), 8),
        (_applied(Summary(in_doubt=1), "unauthorised"), 9),
        (_applied(Summary(in_doubt=1), "unreachable"), 9),
        (_applied(Summary(in_doubt=1), "state"), 1),
        (_applied(Summary(in_doubt=1, failed=2), "SIGINT"), 130),
        (_applied(Summary(), "SIGTERM"), 143),
        (_applied(Summary(), "deadline"), 0),
        (_applied(Summary(skipped=1), "deadline"), 4),
        (_applied(Summary(failed=1), "fail-fast"), 4),
        (_applied(Summary(failed=2), "", STALE), 7),
        (_applied(Summary(failed=2, in_doubt=1), "", STALE), 8),
    ],
)
def test_the_worst_that_happened_decides_the_exit_code(applied: ApplyResult, code: int) -> None:
    """A signal, then a broken state, 9, 8, 7, 4."""
    assert applied.exit_code == code


def test_what_a_person_can_be_told_is_one_family_of_errors() -> None:
    """The command line catches one class."""
    kinds = (GuardError, InvalidSpecsError, StalePlanError, LockedError, UnreachableError)

    assert all(issubclass(kind, ReconcilerError) for kind in kinds)

from __future__ import annotations

import itertools

import pytest

from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    ClusterList,
    ClusterVersions,
    Conflict,
    Described,
    DryRunPassed,
    Listed,
    Method,
    NotFound,
    NotSent,
    NotShown,
    Occurrences,
    ProjectPage,
    Refused,
    TooManyRequests,
    TypeList,
    Unauthorised,
    Unavailable,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.protocol.retry import RULES, SendCounts, asked_pause, may_retry
from tests.support.factories import make_remote

ANSWERS: dict[str, ApiResult] = {
    "accepted": Accepted(remote=make_remote()),
    "acknowledged": Acknowledged(),
    "listed": Listed(ids=()),
    "dry run": DryRunPassed(),
    "versions": ClusterVersions(),
    "page": WorkloadPage(workloads=()),
    "count": WorkloadCount(count=0),
    "described": Described(
        workload=LiveWorkload(id="a", address=make_remote().address, is_v2=True)
    ),
    "occurrences": Occurrences(occurrences=()),
    "projects": ProjectPage(projects=()),
    "clusters": ClusterList(clusters=()),
    "types": TypeList(types=()),
    "not shown": NotShown(),
    "refused": Refused(status=400),
    "conflict": Conflict(),
    "not found": NotFound(trusted=True),
    "unauthorised": Unauthorised(),
    "not sent": NotSent(),
    "throttled": TooManyRequests(),
    "unavailable": Unavailable(),
    "ambiguous": Ambiguous(),
}
# What each method makes of each answer: "." is final, "r" sends again, "R" also thinks that the
# server may have acted, "3" does so for three sends, "A" leaves it to whoever sent it to read
# first. "-" is no answer to this method.
EXPECTED = {
    #                POST GET PUT DELETE
    "accepted":     ". . . .",
    "acknowledged": "- - - .",
    "listed":       "- . - -",
    "dry run":      ". - - -",
    "versions":     "- . - -",
    "page":         "- . - -",
    "count":        "- . - -",
    "described":    "- . - -",
    "occurrences":  "- . - -",
    "projects":     "- . - -",
    "clusters":     "- . - -",
    "types":        "- . - -",
    "not shown":    "- . - -",
    "refused":      ". . . .",
    "conflict":     ". . . r",
    "not found":    ". . . .",
    "unauthorised": ". . . .",
    "not sent":     "r r r r",
    "throttled":    "r r r r",
    "unavailable":  "R r A R",
    "ambiguous":    "3 r A R",
}  # fmt: skip
CELLS = [
    (method, name, cell)
    for name, row in EXPECTED.items()
    for method, cell in zip(
        (Method.POST, Method.GET, Method.PUT, Method.DELETE), row.split(), strict=True
    )
    if cell != "-"
]


@pytest.mark.parametrize(("method", "name", "cell"), CELLS)
def test_what_may_be_sent_again(method: Method, name: str, cell: str) -> None:
    """One cell of the table: whether it is retried, how often, and whether it leaves a doubt."""
    answer = ANSWERS[name]
    tries, sends = SendCounts(), 0
    for sends in itertools.count(1):
        tries = tries.after(method, answer)
        if not may_retry(method, answer, tries, reached=True) or sends == 50:
            break
    assert sends == {".": 1, "A": 1, "r": 50, "R": 50, "3": 3}[cell]
    assert tries.ambiguous is (cell in "RA3")
    assert tries.sends == sends


def test_the_table_has_a_cell_for_every_answer_to_every_method() -> None:
    """What can be met is decided, and nothing else is."""
    assert set(RULES) == {(method, type(ANSWERS[name])) for method, name, _ in CELLS}


def test_a_post_without_the_key_of_idempotence_is_doubted_after_a_503() -> None:
    """A proxy may say 503 after the server acted; a 429 was certainly not carried out."""
    doubted = SendCounts().after(Method.POST, Unavailable()).after(Method.POST, TooManyRequests())
    assert doubted == SendCounts(sends=2, ambiguous=True)
    assert SendCounts().after(Method.POST, TooManyRequests()) == SendCounts(sends=1)


def test_only_unclear_answers_use_up_the_unclear_sends() -> None:
    """A server that is busy for long does not make a later lost answer final."""
    tries = SendCounts()
    for _ in range(20):
        tries = tries.after(Method.POST, Unavailable())
    for expected in (True, True, False):
        tries = tries.after(Method.POST, Ambiguous())
        assert may_retry(Method.POST, Ambiguous(), tries, reached=True) is expected
    assert may_retry(Method.POST, Unavailable(), tries, reached=True)
    assert tries == SendCounts(sends=23, unclear=3, ambiguous=True)


@pytest.mark.parametrize("method", Method)
def test_a_server_that_was_never_reached_is_given_up_soon(method: Method) -> None:
    """Four connections that fail look like a wrong address; once reached, it is only away."""
    answer, tries = NotSent(), SendCounts()
    for expected in (True, True, True, False):
        tries = tries.after(method, answer)
        assert may_retry(method, answer, tries, reached=False) is expected
        assert may_retry(method, answer, tries, reached=True)
    assert tries == SendCounts(sends=4, unsent=4)


@pytest.mark.parametrize("method", Method)
def test_what_can_never_be_sent_is_not_tried_again(method: Method) -> None:
    """A certificate does not get better."""
    answer = NotSent(permanent=True)
    tries = SendCounts().after(method, answer)
    assert not may_retry(method, answer, tries, reached=True)
    assert not may_retry(method, answer, tries, reached=False)


def test_only_busy_answers_ask_for_a_pause() -> None:
    """Retry-After counts on 429 and 503."""
    assert asked_pause(TooManyRequests(retry_after=2.5)) == 2.5
    assert asked_pause(Unavailable(retry_after=0.0)) == 0.0
    assert asked_pause(Unavailable()) is None
    assert asked_pause(Ambiguous(status=500)) is None


def test_who_is_asked_to_slow_down_starts_slower() -> None:
    """The first back-off after a 429 is four times that after a 503."""
    bases = {
        name: RULES[method, type(ANSWERS[name])].base
        for method, name, _ in CELLS
        if method is Method.POST
    }
    assert bases == {name: 1.0 if name == "throttled" else 0.25 for name in bases}

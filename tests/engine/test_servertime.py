"""The server's clock as it is known from here, also when this process has stood still."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime, timedelta

import httpx

from reconciler.core.model import Own
from reconciler.core.protocol.api_results import Ambiguous, ApiResult, Listed, NotFound, Unavailable
from reconciler.engine.requests.sending import PROMPT
from reconciler.engine.requests.servertime import ServerTime
from tests.support.timing import EPOCH, Timeline, VirtualClock
from tests.support.worlds import World, is_write, wish

PAUSE = 368.0


def _at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _dated(seconds: float) -> ApiResult:
    return Listed(ids=(), date=_at(seconds).isoformat())


def _bounds(time: ServerTime) -> tuple[float, float]:
    return (time.earliest() - EPOCH).total_seconds(), (time.latest() - EPOCH).total_seconds()


def test_our_own_clock_is_believed_until_the_server_tells_its_time() -> None:
    """And from then on, not any more, however wrong it is and whatever it jumps to."""
    line = Timeline()
    time = ServerTime(VirtualClock(line))
    alone = _bounds(time)
    line.skip(2.0)
    time.observe(_dated(1000.0), asked_at=1.5)
    told = _bounds(time)
    line.skip(10.0)

    assert alone == (0.0, 0.0)
    assert told == (1000.0, 1001.5)
    assert _bounds(time) == (1010.0, 1011.5)


def test_an_answer_that_waited_does_not_set_the_clock_back() -> None:
    """A Date is a lower bound when it is read, and an upper one of when it was asked for."""
    line = Timeline()
    time = ServerTime(VirtualClock(line))
    time.observe(_dated(0.0), asked_at=0.0)
    line.skip(PAUSE)

    time.observe(_dated(0.0), asked_at=0.0)

    assert _bounds(time) == (PAUSE, PAUSE + 1.0)


def test_where_the_only_answer_waited_its_bounds_are_as_wide_as_its_wait() -> None:
    """What is over is judged by the one, and what may come true is dated with the other."""
    line = Timeline()
    time = ServerTime(VirtualClock(line))
    line.skip(PAUSE)
    time.observe(_dated(0.0), asked_at=0.0)
    waited = _bounds(time)
    line.skip(1.0)
    time.observe(_dated(PAUSE + 1.0), asked_at=PAUSE + 0.9)

    assert waited == (0.0, PAUSE + 1.0)
    assert _bounds(time) == (PAUSE + 1.0, PAUSE + 2.0)


def test_clocks_that_contradict_each_other_make_the_run_more_careful() -> None:
    """Replicas of a server may be a minute apart: neither is taken for the right one."""
    line = Timeline()
    time = ServerTime(VirtualClock(line))
    time.observe(_dated(100.0), asked_at=0.0)
    time.observe(_dated(40.0), asked_at=0.0)

    assert _bounds(time) == (41.0, 100.0)


def test_what_a_proxy_may_have_written_tells_no_time() -> None:
    """Its clock is not the server's."""
    line = Timeline()
    time = ServerTime(VirtualClock(line))
    date = _at(9000.0).isoformat()
    for answer in (
        Ambiguous(message="HTTP 502", date=date),
        Unavailable(message="HTTP 503", date=date),
        NotFound(trusted=False, message="a page", date=date),
        Listed(ids=()),
    ):
        time.observe(answer, asked_at=0.0)

    assert _bounds(time) == (0.0, 0.0)


def test_a_machine_that_slept_knows_it() -> None:
    """The run's clock goes on where Python's own stands still: the server's time did.

    A time namespace is a machine that has slept for so long; where the kernel gives none, the two
    clocks of this machine differ by what it has slept itself.
    """
    code = (
        "import time; from reconciler.engine.requests.clock import SystemClock as C;"
        "print(C().monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME),"
        " time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic())"
    )
    python = [sys.executable, "-c", code]
    unshare = shutil.which("unshare") or "unshare"
    asleep = [unshare, "--user", "--map-root-user", "--time", "--boottime", "100000", "--", *python]
    ran = subprocess.run(asleep, capture_output=True, text=True, check=False)
    if ran.returncode:
        ran = subprocess.run(python, capture_output=True, text=True, check=True)
    difference, slept = map(float, ran.stdout.split())

    assert abs(difference) < 1.0
    assert slept > -1.0


def _stopped_and_killed() -> World:
    """`b` was asked for by a process that had stood still, and was then killed.

    The answer to the create of `a` had come before the pause and was read after it; the create of
    `b` is carried out 200 s after it was sent.
    """
    world = World("late=200s hangup on=POST name=b times=1")
    world.apply(wish("z"))
    sent: list[str] = []

    def stand_still(request: httpx.Request) -> None:
        if is_write(request) and len(sent) == 1:
            world.timeline.skip(PAUSE)

    def die(request: httpx.Request) -> None:
        if is_write(request):
            sent.append(request.method)
            if len(sent) == 3:
                world.kill()

    world.on_answer, world.on_request = stand_still, die
    world.apply(wish("a"), wish("b"), wish("z"), concurrency=1, wait=False)
    world.on_answer = world.on_request = lambda _: None
    assert sent == ["POST"] * 3
    return world


def test_a_create_after_a_pause_is_not_dated_before_it() -> None:
    """Stopped for six minutes, resumed, killed, and then nobody wants it: it stays in doubt."""
    world = _stopped_and_killed()

    removed = world.apply(wish("a"), wish("z"))
    doubt = world.row("b").own
    world.timeline.skip(400.0)
    found = world.apply(wish("a"), wish("z"))
    deleted = world.apply(wish("a"), wish("z"))

    assert (removed.summary, removed.exit_code) == ({"in_doubt": 1}, 8)
    assert doubt is Own.UNCONFIRMED
    assert found.told == [
        "done: resolve 4501/b: it had been created; the next plan shows what to do"
    ]
    assert deleted.summary == {"deleted": 1}
    assert world.live() == ["a", "z"]


def test_a_pause_does_not_slow_the_rest_of_the_run_down() -> None:
    """An answer that waited for six minutes is no sign of a slow server."""
    world = World("503 on=POST name=b times=1")
    answered: list[str] = []

    def stand_still(request: httpx.Request) -> None:
        if is_write(request) and not answered:
            answered.append(request.method)
            world.timeline.skip(PAUSE)

    world.on_answer = stand_still
    ran = world.apply(wish("a"), wish("b"), concurrency=1)

    assert ran.summary == {"created": 2}
    assert world.timeline.now < PAUSE + 30.0


def test_no_record_is_older_than_its_send_however_slow_the_disk_is() -> None:
    """Each write takes longer than an intent may be old: it is dated ahead by more each time."""
    world = World()
    sent_at: list[float] = []

    def die(request: httpx.Request) -> None:
        if is_write(request):
            sent_at.append(world.timeline.now)
            world.kill()

    def make_slow(_: object) -> None:
        world.disk.on_write = lambda: world.timeline.skip(3.0)

    world.on_request = die
    world.apply(wish("a"), meanwhile=make_slow)

    recorded = datetime.fromisoformat(world.row("a").last_sent_at or "")
    assert recorded >= _at(sent_at[0] - PROMPT)
    assert recorded <= _at(sent_at[0] + 10.0)

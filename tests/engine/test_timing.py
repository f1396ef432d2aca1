"""The virtual loop that every test of the engine runs on."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.timing import Timeline, VirtualClock, run


def test_an_hour_passes_at_once() -> None:
    """Sleeping moves the timeline and takes no time."""
    line = Timeline()
    clock = VirtualClock(line)
    began = time.monotonic()

    run(clock.sleep(3600.0), line)

    assert line.now == pytest.approx(3600.0)
    assert time.monotonic() - began < 5.0


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """Whoever sleeps less wakes first, whatever the order in which they lay down."""
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def main() -> None:
        await asyncio.gather(*(sleep(seconds) for seconds in (3.0, 1.0, 2.0)))

    run(main())

    assert woken == [1.0, 2.0, 3.0]


def test_the_timeline_stands_still_while_a_thread_works() -> None:
    """A worker thread finishes before a timer of the loop that is due much later."""
    line = Timeline()

    async def main() -> float:
        timer = asyncio.create_task(asyncio.sleep(60.0))
        with ThreadPoolExecutor(max_workers=1) as executor:
            await asyncio.get_running_loop().run_in_executor(executor, sum, range(10))
        seen = line.now
        timer.cancel()
        return seen

    assert run(main(), line) == 0.0


def test_waiting_for_nothing_is_an_error() -> None:
    """A test that would hang fails at once instead."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        run(main())

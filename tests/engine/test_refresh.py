"""What is recorded is read back as a stream: each answer is used, then let go."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections import Counter
from dataclasses import replace
from typing import Any

from reconciler.core.model import Address, Live, Recorded, Remote
from reconciler.core.protocol.api_results import Accepted, Ambiguous, ApiResult
from reconciler.engine.refresh import OnReadRetry, refresh
from reconciler.engine.requests.dispatcher import Dispatcher, StopSignal
from tests.support.factories import make_desired, make_recorded
from tests.support.timing import Timeline, VirtualClock, run

CEILING = 16
_RNG = random.Random(1)  # noqa: S311 - jitter needs no secrecy


class Body(dict[str, Any]):
    """A manifest that can be watched."""


class Library:
    """A server of bodies that knows how many of them are still held by somebody."""

    def __init__(self, rows: list[Recorded]) -> None:
        self._rows = {row.id: row for row in rows}
        self._held = self.most = 0

    async def read(self, workload_id: str) -> ApiResult:
        """Answer after a while, each time a little later than before."""
        await asyncio.sleep(1.0)
        body = Body(kind="Job")
        weakref.finalize(body, self._let_go)
        self._held += 1
        self.most = max(self.most, self._held)
        row = self._rows[workload_id]
        return Accepted(
            remote=Remote(
                id=workload_id,
                address=row.address,
                metadata={},
                raw_manifest=body,
                desired_phase="Running",
            )
        )

    def _let_go(self) -> None:
        self._held -= 1


def _rows(count: int) -> list[Recorded]:
    wanted = make_desired()
    return [
        replace(make_recorded(wanted, op=f"op-{n}"), address=Address(project="1", name=f"w{n}"))
        for n in range(count)
    ]


def _refresh(
    library: Library, rows: list[Recorded], on_retry: OnReadRetry | None = None
) -> dict[str, Live]:
    timeline = Timeline()

    async def main() -> dict[str, Live]:
        clock = VirtualClock(timeline)
        dispatcher = Dispatcher(
            clock=clock, ceiling=CEILING, rng=_RNG, halt=StopSignal(), deadline=1e6
        )
        api: Any = library
        found = await refresh(
            rows,
            api=api,
            dispatcher=dispatcher,
            on_retry=on_retry,
            keep=lambda _, remote: replace(remote, raw_manifest={}),
        )
        dispatcher.close()
        return found

    return run(main(), timeline)


def test_every_record_is_read_and_no_body_is_kept() -> None:
    """However many are recorded, only as many bodies are in memory as requests in flight."""
    gc.collect()
    rows = _rows(2000)
    library = Library(rows)
    live = _refresh(library, rows)
    assert list(live) == [row.id for row in rows]
    assert library.most <= 2 * CEILING


def test_what_has_to_be_tried_again_holds_up_nothing_else() -> None:
    """As many as may be in flight are not answered for a while: the others are read meanwhile."""
    rows = _rows(3 * CEILING)
    unlucky = {row.id for row in rows[:CEILING]}
    tries = Counter[str]()
    read: list[str] = []

    class Fickle(Library):
        async def read(self, workload_id: str) -> ApiResult:
            tries[workload_id] += 1
            if workload_id in unlucky and tries[workload_id] <= 6:
                return Ambiguous(message="no complete answer")
            response = await super().read(workload_id)
            read.append(workload_id)
            return response

    retried: list[str | None] = []
    live = _refresh(Fickle(rows), rows, on_retry=lambda row, _: retried.append(row.id))
    assert list(live) == [row.id for row in rows]
    assert Counter(retried) == dict.fromkeys(unlucky, 6)
    lucky = len(rows) - CEILING
    assert unlucky.isdisjoint(read[:lucky])


def test_nothing_recorded_needs_no_request() -> None:
    """An empty state is read back at once."""
    assert _refresh(Library([]), []) == {}

"""Looks again and again at what takes its time, ever more patiently."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from reconciler.core.protocol.api_results import ApiResult
from reconciler.core.protocol.live import LiveWorkload
from reconciler.engine.requests.dispatcher import Dispatcher
from reconciler.engine.requests.live_list import LiveList, list_live
from reconciler.ports import WorkloadApi

Look = Mapping[str, LiveWorkload] | ApiResult
"""The workloads of a project by id, or why they cannot be looked at."""


def poll_intervals(first: float = 0.25, longest: float = 10.0) -> Iterator[float]:
    """Seconds between looks at one workload: soon at first, then ever more patient."""
    interval = first
    while True:
        yield interval
        interval = min(longest, interval * 1.6)


class PhaseWatch:
    """Reads the list of a project again and again, once for all who wait in it."""

    def __init__(self, dispatcher: Dispatcher, api: WorkloadApi) -> None:
        self._dispatcher = dispatcher
        self._api = api
        self._intervals = poll_intervals(first=1.0)
        self._looks: dict[str, asyncio.Task[Look]] = {}

    async def look(self, project: str) -> Look:
        """The next look at a project, after a pause that others share; raises StoppedError."""
        task = self._looks.get(project)
        if task is None or task.done():
            task = self._looks[project] = asyncio.create_task(self._read(project))
        # One who is let go must not take the look away from the others.
        return await asyncio.shield(task)

    def close(self) -> None:
        """End the looks that nobody waits for any more."""
        for task in self._looks.values():
            task.cancel()

    async def _read(self, project: str) -> Look:
        await self._dispatcher.pause(next(self._intervals))
        result = await list_live(self._dispatcher, self._api.live, project)
        return result.by_id if isinstance(result, LiveList) else result

"""Looks up by name what has vanished by id: the state may be older than the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reconciler.core.answers import Accepted, Answer, Listed, Method
from reconciler.core.marker import read_marker
from reconciler.core.model import Live, Missing, Own, Recorded
from reconciler.core.retry import Tries
from reconciler.engine.dispatcher import Dispatcher
from reconciler.engine.refresh import unless_ended
from reconciler.ports import WorkloadApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A server's list of names, and the lineage and stack that make a workload ours."""

    api: WorkloadApi
    dispatcher: Dispatcher
    lineage: str
    stack: str

    async def find_successors(
        self, rows: Sequence[Recorded], live: Mapping[str, Live]
    ) -> Mapping[str, Live]:
        """The answers, where a missing one names the workload of ours that has its name since.

        A list that cannot be asked leaves an answer as it is: an apply looks again before it acts.
        Raises UnreachableError when the run ends meanwhile.
        """
        lost = [row for row in rows if row.own is Own.ACCEPTED and _is_missing(row, live)]
        if not lost:
            return live
        with unless_ended():
            found = await asyncio.gather(*(self._find_successor(row) for row in lost))
        heirs = {row.id: heir for row, heir in zip(lost, found, strict=True) if heir}
        return {
            id_: replace(said, successor=heirs[id_])
            if isinstance(said, Missing) and id_ in heirs
            else said
            for id_, said in live.items()
        }

    async def _find_successor(self, row: Recorded) -> str | None:
        listed = await self._get(lambda _: self.api.find(row.address))
        for workload_id in listed.ids if isinstance(listed, Listed) else ():
            if workload_id == row.id:
                continue
            answer = await self._get(partial(self._read, workload_id))
            if isinstance(answer, Accepted) and self._is_ours(answer, row):
                return workload_id
        return None

    async def _get(self, attempt: Callable[[Tries], Awaitable[Answer]]) -> Answer:
        return await self.dispatcher.send(Method.GET, attempt)

    async def _read(self, workload_id: str, _: Tries) -> Answer:
        return await self.api.read(workload_id)

    def _is_ours(self, answer: Accepted, row: Recorded) -> bool:
        remote = answer.remote
        marker = read_marker(remote.raw_manifest)
        if marker is None or remote.address != row.address or remote.is_gone:
            return False
        return marker.is_of(self.lineage, self.stack)


def _is_missing(row: Recorded, live: Mapping[str, Live]) -> bool:
    return row.id is not None and isinstance(live.get(row.id), Missing)

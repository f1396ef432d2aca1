"""Looks up by name what has vanished by id: the state may be older than the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from reconciler.core.model import Address, Live, Missing, Own, Recorded, Remote
from reconciler.core.protocol.api_results import Accepted, ApiResult, Listed, Method
from reconciler.core.protocol.marker import read_marker
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.refresh import unless_ended
from reconciler.engine.requests.dispatcher import Dispatcher
from reconciler.ports import WorkloadApi
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRegistry:
    """A server's list of names, and the lineage and stack that make a workload ours."""

    api: WorkloadApi
    dispatcher: Dispatcher
    lineage: str
    stack: str

    async def find_successors(
        self, rows: Sequence[Recorded], live: Mapping[str, Live]
    ) -> Mapping[str, Live]:
        """The answers; a missing one says what the list shows under its name, if that is proof.

        A list that cannot be asked leaves an answer as it is: an apply looks again before it acts.
        Raises UnreachableError when the run ends meanwhile.
        """
        lost = [
            row
            for row in rows
            if row.own is Own.ACCEPTED and row.id and isinstance(live.get(row.id), Missing)
        ]
        if not lost:
            return live
        with unless_ended():
            believed = await self._find_believed(rows, live, {row.address.project for row in lost})
            evidence = await asyncio.gather(
                *(self._look_up(row, believed=row.address.project in believed) for row in lost)
            )
        missing = {row.id: absence for row, absence in zip(lost, evidence, strict=True)}
        return {
            id_: replace(missing[id_], message=answer.message)
            if isinstance(answer, Missing) and id_ in missing
            else answer
            for id_, answer in live.items()
        }

    async def _look_up(self, row: Recorded, *, believed: bool) -> Missing:
        listed = await self._find(row.address)
        # A list that shows the very id whose GET was a 404 proves nothing.
        if not (isinstance(listed, Listed) and listed.trusted) or row.id in listed.ids:
            return Missing()
        # Two cannot have one name: a stranger who has it proves that ours does not.
        is_read, stranger = True, False
        for workload_id in listed.ids:
            answer = await self._get(partial(self._read, workload_id))
            if not isinstance(answer, Accepted):
                # It may be ours, so the list proves no absence any more.
                is_read = False
                continue
            remote = answer.remote
            # A list may show more than it was asked for.
            if remote.address != row.address or remote.is_gone:
                continue
            marker = read_marker(remote.raw_manifest)
            if marker is not None and marker.is_of(self.lineage, self.stack):
                return Missing(replacement=workload_id, manifest=remote.raw_manifest)
            stranger = True
        return Missing(proven=is_read and (stranger or believed))

    async def _find_believed(
        self, rows: Sequence[Recorded], live: Mapping[str, Live], projects: Collection[str]
    ) -> set[str]:
        """The projects of which the list shows something that was read alive a moment ago."""
        # Only here: in most plans nothing is missing.
        from reconciler.engine.lookup import CONTROLS

        controls: dict[str, list[Recorded]] = {project: [] for project in projects}
        for row in rows:
            chosen = controls.get(row.address.project)
            if chosen is None or len(chosen) >= CONTROLS:
                continue
            # What is leaving may have left the list by now.
            answer = live.get(row.id) if row.id else None
            if isinstance(answer, Remote) and not answer.is_leaving:
                chosen.append(row)
        shown = await asyncio.gather(*(self._shows_any(chosen) for chosen in controls.values()))
        return {project for project, any_ in zip(controls, shown, strict=True) if any_}

    async def _shows_any(self, controls: Sequence[Recorded]) -> bool:
        for control in controls:
            listed = await self._find(control.address)
            if isinstance(listed, Listed) and listed.trusted and control.id in listed.ids:
                return True
        return False

    async def _get(self, attempt: Callable[[SendCounts], Awaitable[ApiResult]]) -> ApiResult:
        return await self.dispatcher.send(Method.GET, attempt)

    async def _find(self, address: Address) -> ApiResult:
        return await self._get(lambda _: self.api.find(address))

    async def _read(self, workload_id: str, _: SendCounts) -> ApiResult:
        return await self.api.read(workload_id)

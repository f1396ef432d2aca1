"""Holds the creates of which it is known that somebody else has their names."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.app.planning.questions import ask_briefly
from reconciler.app.settings import Settings
from reconciler.core.model import Address, Header
from reconciler.core.planning.actions import AnyAction, Create, Hold, Reason
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import Accepted, WorkloadPage
from reconciler.core.protocol.marker import read_marker

if TYPE_CHECKING:
    from reconciler.app.session import Session
    from reconciler.engine.lookup import NameTaken

# Of more workloads than this a project's list is not read for a plan: an apply looks at each name.
_MOST_PAGES = 20


async def hold_taken_names(
    plan: Plan, settings: Settings, session: Session, header: Header, *, may_ask: bool
) -> Plan:
    """Hold what would be created under the name of a workload that this state has not made.

    Of a second state of one stack, or of a lost one, that is everything: a plan that counts it as
    creates promises what no apply can do. Where the server's list cannot be read, nothing is held.
    """
    new = [a for a in plan.changes if isinstance(a, Create) and a.reason is Reason.NEW]
    if not (new and may_ask and settings.discovery):
        return plan
    taken: dict[Address, str] = {}
    for project, addresses in groupby(sorted(a.address for a in new), key=lambda a: a.project):
        taken |= await _find_ids(session, project, {*addresses})
    if not taken:
        return plan
    from reconciler.engine.lookup import tell_owner

    async def find_owner(address: Address, workload_id: str) -> NameTaken | None:
        """Whose it is; None for ours. Of its body nothing is kept."""
        response = await ask_briefly(
            session, partial(session.api.read, workload_id), expected=Accepted
        )
        if not isinstance(response, Accepted) or response.remote.is_gone:
            return None
        marker = read_marker(response.remote.raw_manifest)
        is_ours = marker is not None and marker.is_of(header.lineage, settings.stack)
        if response.remote.address != address or is_ours:
            return None
        return tell_owner(response.remote, marker, settings.stack)

    # At once, since a lost state has a whole fleet of them; the dispatcher keeps the pace.
    verdicts = await asyncio.gather(*(find_owner(*each) for each in taken.items()))
    owners = {address: owner for address, owner in zip(taken, verdicts, strict=True) if owner}

    def judge(action: AnyAction) -> AnyAction:
        if not isinstance(action, Create) or action.address not in owners:
            return action
        owner = owners[action.address]
        remedy = f"; {owner.hint}" if owner.hint else ""
        return Hold(
            address=action.address,
            reason=Reason.NAME_TAKEN,
            detail=f"{owner.message}{remedy}",
            source=action.source,
            wave=action.wave,
            gpus=replace(action.gpus, after=action.gpus.before, peak=None),
            fails=True,
            remedy=remedy,
        )

    return replace(plan, actions=tuple(map(judge, plan.actions))) if owners else plan


async def _find_ids(session: Session, project: str, addresses: set[Address]) -> dict[Address, str]:
    """The ids of those of some addresses that a project's list shows."""
    # One name is asked for by itself; of several, the pages of a list cost less.
    name = next(iter(addresses)).name if len(addresses) == 1 else ""
    ids: dict[Address, str] = {}
    offset: int | None = 0
    for _ in range(_MOST_PAGES):
        if offset is None:
            break
        read = partial(session.api.live.list_page, project, offset=offset, name=name)
        page = await ask_briefly(session, read, expected=WorkloadPage)
        if not isinstance(page, WorkloadPage):
            break
        ids |= {row.address: row.id for row in page.workloads if row.is_v2}
        offset = page.next
    return {address: ids[address] for address in addresses & ids.keys()}

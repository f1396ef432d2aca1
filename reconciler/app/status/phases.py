"""What the lists of v1 say of recorded workloads: one call for each project and page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.protocol.live import LiveWorkload
from reconciler.engine.refresh import unless_ended
from reconciler.engine.requests.live_list import LiveList, list_live

if TYPE_CHECKING:
    from reconciler.app.session import Session

NOT_ASKED = "the list is switched off (discovery: off)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """What is listed of some projects, by id, and why others could not be looked at.

    The lists of `changing` projects changed while they were read, so some workloads may be missing.
    """

    listed: Mapping[str, LiveWorkload] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    changing: frozenset[str] = frozenset()


async def read_phases(projects: Iterable[str], session: Session, *, discovery: bool) -> Phases:
    """List some projects.

    Raises UnreachableError where the run ends before that, GuardError for another tenant's.
    """
    names = sorted(set(projects))
    if not discovery:
        return Phases(unlisted=dict.fromkeys(names, NOT_ASKED))
    listed: dict[str, LiveWorkload] = {}
    unlisted: dict[str, str] = {}
    changing: set[str] = set()
    with unless_ended():
        lists = await asyncio.gather(
            *(list_live(session.dispatcher, session.api.live, name) for name in names)
        )
    for name, result in zip(names, lists, strict=True):
        if isinstance(result, LiveList):
            listed |= result.by_id
            if not result.is_whole:
                changing.add(name)
        else:
            unlisted[name] = result.description
    for tenant in {row.tenant_id for row in listed.values()}:
        session.need_tenant(tenant)
    return Phases(listed=listed, unlisted=unlisted, changing=frozenset(changing))

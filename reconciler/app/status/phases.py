"""What the lists of v1 say of recorded workloads: one call for each project and page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from reconciler.core.model import Live, Missing, Own, Recorded
from reconciler.core.planning.decisions import is_lost
from reconciler.engine.refresh import unless_ended
from reconciler.kinds.registry import runs_to_completion
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Session
    from reconciler.core.protocol.live import LiveWorkload

NOT_ASKED = "the list is switched off (discovery: off)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """What is listed of some projects, by id, and why others could not be looked at.

    The lists of `changing` projects changed while they were read, so some workloads may be missing.
    """

    listed: Mapping[str, LiveWorkload] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    changing: frozenset[str] = frozenset()


async def read_removed(
    rows: Iterable[Recorded], live: Mapping[str, Live], session: Session, *, discovery: bool
) -> Mapping[str, LiveWorkload]:
    """The last words about jobs that the server no longer has, by id, where it still tells them.

    A list that cannot be looked at says nothing; raises what `read_phases` does.
    """
    lost = {
        row.address.project
        for row in rows
        if row.own is Own.ACCEPTED and row.id is not None and _has_lost_job(row, live.get(row.id))
    }
    phases = await read_phases(lost, session, discovery=discovery, deleted=True)
    return phases.listed


def _has_lost_job(row: Recorded, answer: Live | None) -> bool:
    # First what is seldom true: a manifest is decoded when it is looked into.
    if not is_lost(answer) or (isinstance(answer, Missing) and answer.replacement is not None):
        return False
    manifest: Any = row.spec.get("manifest")
    return isinstance(manifest, Mapping) and runs_to_completion(manifest)


async def read_phases(
    projects: Iterable[str], session: Session, *, discovery: bool, deleted: bool = False
) -> Phases:
    """List some projects, or with `deleted` what was deleted there of late.

    Raises UnreachableError where the run ends before that, GuardError for another tenant's.
    """
    names = sorted(set(projects))
    if not discovery:
        return Phases(unlisted=dict.fromkeys(names, NOT_ASKED))
    if not names:
        return Phases()
    # Seldom needed by a plan, which is made far more often.
    from reconciler.engine.requests.live_list import LiveList, list_live

    listed: dict[str, LiveWorkload] = {}
    unlisted: dict[str, str] = {}
    changing: set[str] = set()
    with unless_ended():
        lists = await asyncio.gather(
            *(
                list_live(session.dispatcher, session.api.live, name, deleted=deleted)
                for name in names
            )
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

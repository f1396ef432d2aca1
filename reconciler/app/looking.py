"""What the server says of everything recorded, without a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.app.planning import met_target, need_same_target
from reconciler.app.session import Connector
from reconciler.app.settings import Settings
from reconciler.app.states import find_record, read_state
from reconciler.core.model import Live, Recorded
from reconciler.engine.refresh import refresh
from reconciler.ports import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One record and the server's answer; `live` is None for what has no id yet."""

    row: Recorded
    live: Live | None


async def look(
    settings: Settings, addresses: Sequence[str], *, connector: Connector, say: Say
) -> list[Look]:
    """Read the recorded workloads, all or the given ones.

    Raises StateError without a state or record, UnreachableError, GuardError for another target.
    """
    with read_state(settings.state) as store:
        rows = sorted(store.read(), key=lambda row: row.address)
        header = store.header
    chosen = [find_record(rows, address) for address in addresses] if addresses else rows
    async with connector.open(settings, say) as session:
        need_same_target(header, met_target(settings, session))
        live = await refresh(
            chosen, api=session.api, dispatcher=session.dispatcher, clock=session.clock
        )
    return [Look(row=row, live=live.get(row.id) if row.id else None) for row in chosen]

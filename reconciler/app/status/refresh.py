"""What the server says of recorded workloads, with an event for every repeated request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.app.settings import Settings
from reconciler.core.model import Header, Live, Recorded, Remote
from reconciler.engine.refresh import Keep, refresh
from reconciler.engine.requests.dispatcher import Retry
from reconciler.engine.successors import NameRegistry
from reconciler.ports import EventListener

if TYPE_CHECKING:
    from reconciler.app.session import Session


def _keep_all(_: Recorded, remote: Remote) -> Remote:
    return remote


async def read_live(
    rows: Sequence[Recorded], session: Session, say: EventListener, keep: Keep = _keep_all
) -> Mapping[str, Live]:
    """The answers by id; `keep` says what of each is kept.

    Raises UnreachableError, and GuardError for workloads of another tenant than the state's.
    """

    def say_retry(row: Recorded, retry: Retry) -> None:
        # Most reads are not repeated.
        from reconciler.core.history.events import RequestRetried

        say(
            RequestRetried(
                at=session.clock.now().isoformat(timespec="milliseconds"),
                address=row.address,
                method=retry.method.value,
                attempt=retry.tries.sends,
                delay=retry.delay,
                reason=retry.answer.description,
            )
        )

    live = await refresh(
        rows,
        api=session.api,
        dispatcher=session.dispatcher,
        on_retry=say_retry,
        keep=keep,
    )
    session.need_tenant(tenant_of(live))
    return live


async def read_with_successors(
    rows: Sequence[Recorded],
    session: Session,
    settings: Settings,
    header: Header,
    keep: Keep = _keep_all,
) -> Mapping[str, Live]:
    """The same, and of what is missing whether another workload of ours has its name since.

    That workload may be running, so a create under the same name would be a second one.
    """
    live = await read_live(rows, session, session.say, keep)
    if not settings.discovery:
        return live
    registry = NameRegistry(
        api=session.api,
        dispatcher=session.dispatcher,
        lineage=header.lineage,
        stack=settings.stack,
    )
    return await registry.find_successors(rows, live)


def tenant_of(live: Mapping[str, Live]) -> int | None:
    """The tenant that the workloads belong to, where the server says so."""
    tenants = {remote.tenant_id for remote in live.values() if isinstance(remote, Remote)}
    return min((tenant for tenant in tenants if tenant is not None), default=None)

"""What the server says of recorded workloads, with every repeated request told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.core.events import RequestRetried
from reconciler.core.model import Header, Live, Recorded, Remote
from reconciler.engine.dispatcher import Retry
from reconciler.engine.refresh import Keep, refresh
from reconciler.engine.successors import NameRegistry
from reconciler.ports import Say


def _all(_: Recorded, remote: Remote) -> Remote:
    return remote


async def read_live(
    rows: Sequence[Recorded], session: Session, say: Say, keep: Keep = _all
) -> Mapping[str, Live]:
    """The answers by id; `keep` says what of each is kept. Raises UnreachableError."""

    def tell(row: Recorded, retry: Retry) -> None:
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

    return await refresh(
        rows,
        api=session.api,
        dispatcher=session.dispatcher,
        on_retry=tell,
        keep=keep,
    )


async def read_with_successors(
    rows: Sequence[Recorded],
    session: Session,
    settings: Settings,
    header: Header,
    keep: Keep = _all,
) -> Mapping[str, Live]:
    """The same, and of what is missing whether another one of ours has its name since."""
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

"""Logins as the server saw them, and what happens in the middle of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler.app.session import Session
from reconciler.sandbox import Entry
from tests.support.worlds import World


def logins(world: World) -> list[Entry]:
    """Every request for a token since the beginning of the world."""
    return [
        entry for entry in world.sandbox.ledger if entry.path in ("/api/v1/token", "/api/v2/token")
    ]


def at(moment: float, *happenings: Callable[[], object]) -> Callable[[Session], None]:
    """Let something happen so many seconds after the planning."""

    def meanwhile(_: Session) -> None:
        for happening in happenings:
            asyncio.get_running_loop().call_later(moment, happening)

    return meanwhile

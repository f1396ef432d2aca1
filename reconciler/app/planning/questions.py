"""Asks the server what a plan would like to know, and is whole without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from reconciler.core.protocol.api_results import ApiResult, Method, NotShown
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.refresh import unless_ended

if TYPE_CHECKING:
    from reconciler.app.session import Session

MOST_QUESTIONS = 3


async def ask_briefly(
    session: Session, read: Callable[[], Awaitable[ApiResult]], *, expected: type[ApiResult]
) -> ApiResult:
    """What a read shows, or NotShown where three tries have not brought what was expected.

    Raises UnreachableError when the run ends meanwhile.
    """

    async def attempt(counts: SendCounts) -> ApiResult:
        result = await read()
        # Whoever keeps putting us off must not hold up a plan until the deadline.
        if counts.sends >= MOST_QUESTIONS - 1 and not isinstance(result, expected | NotShown):
            return NotShown(message=result.description, date=result.date)
        return result

    with unless_ended():
        return await session.dispatcher.send(Method.GET, attempt)

"""Reads what is recorded back from the server; concludes nothing that no answer says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from reconciler.core.model import Live, Missing, Own, Recorded, Remote, Unread
from reconciler.core.protocol.api_results import (
    NOBODY,
    Accepted,
    Ambiguous,
    ApiResult,
    Method,
    NotFound,
    NotSent,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    is_from_elsewhere,
)
from reconciler.core.protocol.retry import SendCounts
from reconciler.core.protocol.transitions import is_fresh
from reconciler.engine.requests.dispatcher import Dispatcher, Retry, StoppedError
from reconciler.errors import UnreachableError
from reconciler.ports import WorkloadApi

OnReadRetry = Callable[[Recorded, Retry], None]
"""Is told which record could not be read yet."""
Keep = Callable[[Recorded, Remote], Remote]
"""What is kept of a workload that was read."""

# At most so many read at once, those that wait for another try included.
READERS = 1024
NOT_VISIBLE_YET = "it was accepted just now and is not visible yet"


async def probe(*, api: WorkloadApi, dispatcher: Dispatcher) -> None:
    """Find out whether the API is there and lets us in; raises UnreachableError.

    One GET that the API itself has answered comes before everything: a login page takes a POST
    as gladly as a GET, and a token at hand has not shown who is there.
    """

    async def attempt(_: SendCounts) -> ApiResult:
        answer = await api.read(NOBODY)
        if is_from_elsewhere(answer):
            # No number of tries makes a page the API, so the dispatcher is not left to repeat it.
            raise UnreachableError(
                f"the server does not speak the API: {answer.message}",
                hint="check --url; nothing was changed",
            )
        return answer

    with unless_ended():
        answer = await dispatcher.send(Method.GET, attempt)
    if isinstance(answer, Unauthorised | NotSent):
        raise _unreachable(answer)
    if isinstance(answer, Unavailable | TooManyRequests | Ambiguous):
        raise UnreachableError(
            f"the server has not answered as the API does: {answer.description}",
            hint="run it again later, or give it more --deadline; nothing was changed",
        )


async def refresh(
    rows: Sequence[Recorded],
    *,
    api: WorkloadApi,
    dispatcher: Dispatcher,
    on_retry: OnReadRetry | None = None,
    keep: Keep = lambda _, remote: remote,
) -> dict[str, Live]:
    """GET every recorded id, and map it to what the server said.

    What `keep` drops of an answer is gone before the next ones are read: bodies need not pile up.
    Raises UnreachableError when the server cannot be reached or does not let us in.
    """
    by_id = {row.id: row for row in rows if row.id and row.own in (Own.ACCEPTED, Own.DELETING)}
    answers: dict[str, Live] = {}
    queue = iter(by_id.items())

    async def read(id_: str, row: Recorded) -> Live:
        def tell(retry: Retry) -> None:
            # Whoever waits for another try must not hold up the rest.
            add_reader()
            if on_retry is not None:
                on_retry(row, retry)

        # An answer that waited while this process stood still was true when it was asked for.
        asked_at = dispatcher.server.earliest()
        answer = await dispatcher.send(Method.GET, lambda _: api.read(id_), tell)
        live = _conclude(answer, row, asked_at)
        return keep(row, live) if isinstance(live, Remote) else live

    async def read_on() -> None:
        # Nothing of an answer may stay here: this waits for its next turn with all it has.
        with unless_ended():
            for id_, row in queue:
                answers[id_] = await read(id_, row)

    readers = 0

    def add_reader() -> None:
        nonlocal readers
        if readers < min(READERS, len(by_id)):
            readers += 1
            group.create_task(read_on())

    try:
        async with asyncio.TaskGroup() as group:
            # No more than may be in flight: then nearly each read finds a place, and none waits.
            for _ in range(dispatcher.ceiling):
                add_reader()
    except* UnreachableError as errors:
        # Every reader fails in the same way; one message is enough for a person.
        raise errors.exceptions[0] from None
    # In the order of the records, not of the answers: what follows must not depend on the network.
    live = {id_: answers[id_] for id_ in by_id}
    _check_reach(live)
    return live


@contextmanager
def unless_ended() -> Iterator[None]:
    """A run that ends while it is still reading has nothing to plan with."""
    try:
        yield
    except StoppedError:
        raise UnreachableError(
            "the run ended before all answers had come",
            hint="give it more --deadline",
        ) from None


def _conclude(answer: ApiResult, row: Recorded, asked_at: datetime) -> Live:
    match answer:
        case Accepted(remote=remote) if remote.address != row.address:
            return Unread(reason=f"the server says that {remote.id} is {remote.address}")
        case Accepted(remote=remote):
            return remote
        # Missing would lead to a second create; what is being deleted may be missing at any time.
        case NotFound(trusted=True) if _is_fresh(answer, row, asked_at) and row.own is Own.ACCEPTED:
            return Unread(reason=NOT_VISIBLE_YET)
        case NotFound(trusted=True, message=message):
            return Missing(message=message)
        case Unauthorised() | NotSent():
            raise _unreachable(answer)
        # An untrusted 404 is a proxy's word: it proves no absence.
        case _:
            return Unread(reason=answer.description)


def _is_fresh(answer: NotFound, row: Recorded, asked_at: datetime) -> bool:
    # The server's own date, where it gave one, compares with the dates in the record.
    return is_fresh(datetime.fromisoformat(answer.date) if answer.date else asked_at, row)


def _unreachable(answer: Unauthorised | NotSent) -> UnreachableError:
    if isinstance(answer, Unauthorised):
        return UnreachableError(
            f"the server does not accept the credentials: {answer.message}",
            hint="check the token or the client credentials (see 'reconciler plan --help')",
        )
    reason = "gives no token" if answer.answered else "cannot be reached"
    return UnreachableError(
        f"the server {reason}: {answer.message}",
        hint="check --url and the network; nothing was changed",
    )


def _check_reach(live: dict[str, Live]) -> None:
    """When nothing at all could be read, the address is more likely wrong than every workload."""
    reasons = [answer.reason for answer in live.values() if isinstance(answer, Unread)]
    if reasons and len(reasons) == len(live) and set(reasons) != {NOT_VISIBLE_YET}:
        raise UnreachableError(
            f"none of {len(live)} recorded workloads could be read: {reasons[0]}",
            hint="check --url; nothing was changed",
        )

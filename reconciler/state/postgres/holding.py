"""The lock of a state as this process has it: the only way to write, and gone once it is lost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from reconciler.core.states.places import PostgresPlace
from reconciler.errors import ReconcilerError, StateError, UnreachableError
from reconciler.state.locking.lock_owner import this_process
from reconciler.state.postgres import statements
from reconciler.state.postgres.connection import Channel, Connection
from reconciler.state.postgres.row import StateRow, read_state_row
from reconciler.state.postgres.schema import need_present_format
from reconciler.state.postgres.statements import Fence
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.holder import lock_lost_error, locked_error
from reconciler.state.shared.holding import Holding
from reconciler.state.shared.lease import Renewal
from reconciler.state.shared.timings import Timings

# A look at the lock while somebody else has it; more often where the lease is short.
_POLL_SECONDS = 1.0
# What one record more may add to the time that an answer takes, over a slow line.
_SECONDS_PER_ROW = 0.01
_FREEING_SECONDS = 2.0


class RowLease:
    """The lease that a row has, renewed by an UPDATE of what is held."""

    def __init__(self, channel: Channel, statement: str, values: Mapping[str, object]) -> None:
        self._channel = channel
        self._statement = statement.encode()
        self._values = values

    def renew(self) -> bool:
        """Give a sign of life; False where the row has another holder's mark."""
        return self._channel.repeat(
            lambda conn: conn.execute(self._statement, self._values).fetchone() is not None
        )

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for an answer."""
        self._channel.hurry(seconds)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


class HeldLock(Holding):
    """A lock that was taken, by `take_lock`.

    `row` is the state's own as of then, `was_forced` says that its last holder was alive as far as
    anybody knows. Writes belong to one thread at a time.
    """

    def __init__(
        self,
        place: PostgresPlace,
        timings: Timings,
        *,
        channel: Channel,
        row: StateRow,
        token: str,
        was_forced: bool,
    ) -> None:
        super().__init__()
        self.channel = channel
        self.row = row
        self.was_forced = was_forced
        self._place = place
        self._timings = timings
        self._token = token
        self._writes = row.writes
        self._renewal = Renewal(
            RowLease(
                Channel(place, timings, writes=True),
                statements.renew_lease(place.schema),
                {**self._mark, "lease": timings.lease},
            ),
            timings=timings,
            refused=self._find_out,
            renewed=self._note_alive,
        )
        self._renewal.start()

    def commit(self, commit: Commit) -> None:
        """Write something if the lock is still held; raises LockLostError, StateError."""
        self._need_no_failure()
        fence = Fence(
            state=self.row.id,
            epoch=self.row.epoch,
            token=self._token,
            number=self._writes + 1,
            lease=self._timings.lease,
        )
        text, values = statements.commit_statement(self._place.schema, fence, commit)
        query = text.encode()

        def write(conn: Connection) -> bool:
            (held,) = conn.execute(query, values).fetchone() or (0,)
            return bool(held)

        seconds = self._timings.silence + _SECONDS_PER_ROW * len(commit.rows)
        try:
            is_held = self.channel.repeat(write, seconds)
        except UnreachableError as error:
            # What became of it is not known: nothing may follow under another number.
            raise self._fail(error) from error
        if not is_held:
            raise self._find_out()
        self._writes += 1
        self._note_alive()

    def release(self) -> None:
        """Give the lock back, if it is still held, and close the connections."""
        self._renewal.stop()
        # After a failure there is nothing to free, or nobody to ask: the lease runs out by itself.
        if self._failure is None:
            self.channel.hurry(_FREEING_SECONDS)
            query = statements.free_lock(self._place.schema).encode()
            with suppress(ReconcilerError):
                self.channel.once(lambda conn: conn.execute(query, self._mark))
        self.channel.close()

    @property
    def _mark(self) -> dict[str, object]:
        return {"state": self.row.id, "epoch": self.row.epoch, "token": self._token}

    def _explain_loss(self, silent: float) -> StateError:
        # Two threads may be here, each of which has a connection that it must not share.
        channel = Channel(self._place, self._timings, writes=True)
        try:
            row = channel.repeat(lambda conn: read_state_row(conn, self._place, in_transit=True))
        finally:
            channel.close()
        has_mark = row.epoch == self.row.epoch and row.token == self._token
        # A database that went back in time hands out the same epochs again, to other holders.
        if row.epoch < self.row.epoch or (has_mark and row.writes < self._writes):
            lost = f"{self._writes - row.writes} commits" if has_mark else "commits"
            return StateError(
                f"the database of the state {self._place.title} lost {lost} that it had confirmed",
                hint="the server may have failed over to a replica that was behind. Apply again: "
                "the next run finds missing records by their markers",
            )
        holder = row.holder if row.token else None
        return lock_lost_error(self._place.title, holder, silent)


def take_lock(
    place: PostgresPlace,
    timings: Timings,
    command: str,
    *,
    timeout: float,
    on_wait: Callable[[], None] | None,
    in_transit: bool = False,
) -> HeldLock:
    """Take the lock; raises LockedError, which names the holder, after `timeout` seconds.

    `on_wait` is called when the database has not answered a commit for a while. A state that is
    not in use is held only `in_transit`, and one in older tables not at all.
    """
    token = str(uuid.uuid4())
    channel = Channel(place, timings, writes=True, on_wait=on_wait)
    look = partial(read_state_row, place=place, in_transit=in_transit)
    try:
        row, was_forced = _take(
            channel, look, place, timings, command, token=token, timeout=timeout
        )
    except BaseException:
        channel.close()
        raise
    return HeldLock(place, timings, channel=channel, row=row, token=token, was_forced=was_forced)


def _take(
    channel: Channel,
    look: Callable[[Connection], StateRow],
    place: PostgresPlace,
    timings: Timings,
    command: str,
    *,
    token: str,
    timeout: float,
) -> tuple[StateRow, bool]:
    """The row once it has our token, and whether somebody had it who did not give it back."""
    end = time.monotonic() + timeout
    query = statements.take_lock(place.schema).encode()
    owner = this_process(command)
    mine = {
        "token": token,
        "holder": owner.title,
        "link": owner.link,
        "lease": timings.lease,
    }
    was_forced = False
    while True:
        row = channel.once(look)
        need_present_format(place, row.version)
        # Read again, and not taken from the answer: that may have been lost.
        if row.token == token:
            return row, was_forced
        if not row.is_held:
            was_forced = row.token is not None
            values = {**mine, "state": row.id, "epoch": row.epoch}
            channel.repeat(partial(_execute, query=query, values=values))
        elif time.monotonic() >= end:
            raise locked_error(place.title, row.holder, row.lease_left)
        else:
            time.sleep(min(_POLL_SECONDS, timings.lease / 10))


def _execute(conn: Connection, *, query: bytes, values: Mapping[str, object]) -> None:
    conn.execute(query, values)

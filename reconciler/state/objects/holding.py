"""The lock of a state as this process has it: the only way to write, and gone once it is lost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from reconciler.errors import ReconcilerError, StateError
from reconciler.state.locking.lock_owner import this_process
from reconciler.state.objects import log
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.honesty import prove_honest
from reconciler.state.objects.lease import OwnLease, read_lease
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.segments import LOG, Segment, key_of, unpack_segment
from reconciler.state.rows import storable
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.holder import Holder, lock_lost_error, locked_error
from reconciler.state.shared.holding import Holding
from reconciler.state.shared.lease import Renewal

# A look at the lock while somebody else has it.
_POLL_SECONDS = 1.0
_FREEING_SECONDS = 2.0
# As many segments as are read at once: whoever comes next reads no longer for these.
_SHORT_LOG = 16
# So many more a holder that was replaced may write before the next one gives up.
_LATE_SEGMENTS = 10


class HeldLog(Holding):
    """A log that only this process continues, as far as anybody knows; made by `take_lock`.

    `replica` is all of the state, `was_forced` says that its last holder was alive as far as
    anybody knows. Writes belong to one thread at a time.
    """

    def __init__(
        self, bucket: Bucket, replica: Replica, lease: OwnLease, *, was_forced: bool
    ) -> None:
        super().__init__()
        self.bucket = bucket
        self.replica = replica
        self.was_forced = was_forced
        self._lease = lease
        self._renewal = Renewal(
            lease, timings=bucket.timings, refused=self._find_out, renewed=self._note_alive
        )
        self._renewal.start()

    def commit(self, commit: Commit) -> None:
        """Write something if the lock is still held; raises LockLostError, StateError."""
        self._need_no_failure()
        segment = Segment(
            number=self.replica.number + 1,
            epoch=self.replica.epoch,
            token=self.replica.token,
            previous=self.replica.digest,
            commit=commit,
        )
        try:
            with self.bucket.patiently():
                is_held = log.append(self.bucket, self.replica, segment)
        except ReconcilerError as error:
            # What became of it is not known: nothing may follow under another number.
            raise self._fail(error) from error
        if not is_held:
            raise self._find_out()
        self._note_alive()

    def compact(self) -> None:
        """Write a snapshot, and leave nothing of before; raises StateError, UnreachableError."""
        with self.bucket.patiently():
            log.compact(self.bucket, self.replica, keeps_former=False)

    def release(self) -> None:
        """Write a snapshot if the log is long, and give the lock back, if it is still held."""
        self._renewal.stop()
        # After a failure there is nothing to free, or nobody to ask: the lease runs out by itself.
        if self._failure is not None:
            return
        with suppress(ReconcilerError):
            # A signal leaves a few seconds, and the next run gets along without a snapshot.
            if self.replica.number > self.replica.base + _SHORT_LOG and not self.bucket.is_hurried:
                log.compact(self.bucket, self.replica)
        self.bucket.hurry(_FREEING_SECONDS)
        with suppress(ReconcilerError):
            self._lease.free(self.bucket)

    def _explain_loss(self, silent: float) -> StateError:
        bucket, number = self.bucket, self.replica.number
        title = bucket.place.title
        key = key_of(LOG, number + 1)
        taken = bucket.get(key)
        if taken is not None:
            return lock_lost_error(title, unpack_segment(taken.content, key).holder, silent)
        # Whoever takes the state over leaves the segment there for good: it was not replaced.
        if bucket.get(key_of(LOG, number)) is None:
            return StateError(
                f"the storage of the state {title} lost commits that it had confirmed",
                hint="its bucket may have been emptied or put back. Apply again: the next run "
                "finds missing records by their markers",
            )
        lease = read_lease(bucket)
        return lock_lost_error(title, lease.holder if lease and lease.token else None, silent)


def take_lock(
    connect: Callable[[], Bucket],
    look: Callable[[Bucket], Replica],
    command: str,
    *,
    timeout: float,
) -> HeldLog:
    """Take the lock; raises LockedError, which names the holder, after `timeout` seconds.

    `look` reads the state, and raises where it may not be held. Storage that ignores conditions is
    a StateError.
    """
    bucket, token = connect(), str(uuid.uuid4())
    look(bucket)
    owner = this_process(command)
    holder = Holder(
        title=storable(owner.title),
        link=storable(owner.link),
        since=datetime.fromisoformat(owner.since),
    )
    end = time.monotonic() + timeout
    # By the storage's clock: those of two machines may be an hour apart.
    proven_at, began = prove_honest(bucket), time.monotonic()
    while True:
        current = read_lease(bucket)
        now = proven_at + timedelta(seconds=time.monotonic() - began)
        left = current.left(now) if current else 0.0
        if left <= 0:
            # The renewals have a client to themselves.
            renewing = connect()
            lease = OwnLease(renewing, token, holder)
            with renewing.patiently(), bucket.patiently():
                if lease.write(current.version if current else None):
                    held = _take_over(
                        bucket, look, lease, was_forced=bool(current and current.token)
                    )
                    if held is not None:
                        return held
        elif time.monotonic() >= end:
            raise locked_error(bucket.place.title, current.holder if current else Holder(), left)
        else:
            time.sleep(min(_POLL_SECONDS, bucket.timings.lease / 10))


def _take_over(
    bucket: Bucket, look: Callable[[Bucket], Replica], lease: OwnLease, *, was_forced: bool
) -> HeldLog | None:
    """Write that the log is ours; None where somebody else has taken the lease meanwhile."""
    try:
        is_written = False
        for _ in range(_LATE_SEGMENTS):
            # A holder that was replaced may still write, until this segment is there.
            replica = look(bucket)
            segment = Segment(
                number=replica.number + 1,
                epoch=replica.epoch + 1,
                token=lease.token,
                previous=replica.digest,
                holder=lease.holder,
                was_forced=was_forced,
            )
            if is_written := log.append(bucket, replica, segment):
                break
        # Whoever stood still since it took the lease may have been replaced before it wrote.
        current = read_lease(bucket)
        if is_written and current is not None and current.token == lease.token:
            return HeldLog(bucket, replica, lease, was_forced=was_forced)
    except BaseException:
        with suppress(ReconcilerError):
            lease.free(bucket)
        raise
    return None

"""The lease of a state: a small object that is written over again and again by whoever holds it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import StateError
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.segments import (
    LEASE,
    holder_fields,
    pack_object,
    read_holder,
    unpack_object,
)
from reconciler.state.shared.holder import Holder
from reconciler.values import dataclass

if TYPE_CHECKING:
    from obstore import UpdateVersion

_FREEINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseObject:
    """The lease as it was read; `modified` is of the storage's clock, `seconds` how long it lasts.

    Without a token it was given back.
    """

    token: str
    holder: Holder
    seconds: float
    version: UpdateVersion
    modified: datetime

    def left(self, now: datetime) -> float:
        """Seconds until somebody else may take it, by the storage's clock; 0 where it is free."""
        if not self.token:
            return 0.0
        return max(0.0, self.seconds - (now - self.modified).total_seconds())


def read_lease(bucket: Bucket) -> LeaseObject | None:
    """The lease of a state; None where nobody ever held it."""
    blob = bucket.get(LEASE)
    if blob is None:
        return None
    fields = unpack_object(blob.content, LEASE)
    try:
        return LeaseObject(
            token=fields["token"],
            holder=read_holder(fields["holder"]),
            seconds=float(fields["seconds"]),
            version=blob.version,
            modified=blob.modified,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"the lease of the state {bucket.place.title} is damaged: {error}",
            hint="remove the object 'lease' while nothing runs; nothing else depends on it",
        ) from error


class OwnLease:
    """The lease as this process has it; `renew` is for a thread of its own."""

    def __init__(self, bucket: Bucket, token: str, holder: Holder) -> None:
        self._bucket = bucket
        self.token = token
        self.holder = holder
        self._version: UpdateVersion | None = None

    def write(self, over: UpdateVersion | None) -> bool:
        """Write it down as ours over a version, or where there is none; False for another one."""
        content = self._content(self.token)
        if over is None:
            version = self._bucket.put_new(LEASE, content)
        else:
            version = self._bucket.put_over(LEASE, content, over)
        if version is None:
            # An answer may have been lost: then the one that is there is our own.
            current = read_lease(self._bucket)
            version = current.version if current and current.token == self.token else None
        self._version = version or self._version
        return version is not None

    def renew(self) -> bool:
        """Give a sign of life; False where somebody else has the lease, or it is gone."""
        with self._bucket.patiently():
            return self.write(self._version)

    def free(self, bucket: Bucket) -> None:
        """Give it back, if it is still ours; by another client, since renewals wait for nothing."""
        # One that is under way may write a version that is not known here.
        for _ in range(_FREEINGS):
            current = read_lease(bucket)
            if current is None or current.token != self.token:
                return
            if bucket.put_over(LEASE, self._content(""), current.version) is not None:
                return

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for an answer."""
        self._bucket.hurry(seconds)

    def close(self) -> None:
        """Nothing to close: whoever made the connections shares them."""

    def _content(self, token: str) -> bytes:
        # A content that never comes again: the tag of many stores is a digest of it.
        return pack_object(
            {
                "token": token,
                "seconds": self._bucket.timings.lease,
                "holder": holder_fields(self.holder),
                "nonce": str(uuid.uuid4()),
            }
        )

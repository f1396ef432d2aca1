"""Whether storage keeps its conditions: one that ignores them would let two runs write at once."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, StateError
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.segments import PROBES

if TYPE_CHECKING:
    from obstore import UpdateVersion

_FIRST, _SECOND, _THIRD = b"first", b"second", b"third"


def prove_honest(bucket: Bucket) -> datetime:
    """Write an object under each condition that the state depends on; the storage's time then.

    Raises StateError for storage that ignores a condition, and for one that lists what is not there
    or does not list what is.
    """
    key = f"{PROBES}/{uuid.uuid4()}"
    first = bucket.put_new(key, _FIRST) or _find_own(bucket, key, _FIRST)
    try:
        if first is None:
            raise _dishonest(bucket, "refuses to create an object that is not there")
        if bucket.put_new(key, _SECOND) is not None:
            raise _dishonest(bucket, "ignores If-None-Match")
        second = bucket.put_over(key, _SECOND, first) or _find_own(bucket, key, _SECOND)
        if second is None:
            raise _dishonest(bucket, "refuses If-Match with the tag that it gave")
        if bucket.put_over(key, _THIRD, first) is not None:
            raise _dishonest(bucket, "ignores If-Match")
        blob = bucket.get(key)
        if blob is None or blob.content != _SECOND:
            raise _dishonest(bucket, "answers with a former version of an object")
        if key not in bucket.names(PROBES):
            raise _dishonest(bucket, "does not list what was just written")
    finally:
        with suppress(ReconcilerError):
            bucket.delete([key])
    return blob.modified


def _find_own(bucket: Bucket, key: str, content: bytes) -> UpdateVersion | None:
    """What was written by a request whose answer was lost, so that its repetition was refused."""
    blob = bucket.get(key)
    return blob.version if blob is not None and blob.content == content else None


def _dishonest(bucket: Bucket, fault: str) -> StateError:
    return StateError(
        f"the storage of the state {bucket.place.title} {fault}: two runs could write at once",
        hint="use storage that keeps conditional writes, as Amazon S3, Google Cloud Storage and "
        "Azure Blob Storage do, or a state in PostgreSQL; nothing was changed",
    )

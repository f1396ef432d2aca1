"""Mistakes in the fence of a state in a bucket, each of which some test must notice.

`python -m proof.objects --mutants` makes them one by one, as a plugin of pytest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import obstore

from reconciler.state.objects import holding, honesty, lease, log, opening, segments
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.replica import Replica

VARIABLE = "BUCKET_MUTANT"
_NAMES = Bucket.names
_PUT_NEW = Bucket.put_new


def _patch(owner: Any, name: str, value: Any) -> None:
    mock.patch.object(owner, name, value).start()


def _overwrite() -> None:
    def put(bucket: Bucket, key: str, content: bytes) -> Any:
        if not key.startswith("log/"):
            return _PUT_NEW(bucket, key, content)
        return bucket._ask(lambda: obstore.put(bucket._store, key, content))

    _patch(Bucket, "put_new", put)


def _refuse_repeats() -> None:
    def append(bucket: Bucket, replica: Replica, segment: Any) -> bool:
        key, content = segments.key_of(segments.LOG, segment.number), segments.pack_segment(segment)
        if bucket.put_new(key, content) is None:
            return False
        replica.follow(segment, segments.digest_of(content))
        return True

    _patch(log, "append", append)


def _believe_repeats() -> None:
    def append(bucket: Bucket, replica: Replica, segment: Any) -> bool:
        content = segments.pack_segment(segment)
        bucket.put_new(segments.key_of(segments.LOG, segment.number), content)
        replica.follow(segment, segments.digest_of(content))
        return True

    _patch(log, "append", append)


def _steal_back() -> None:
    def renew(own: lease.OwnLease) -> bool:
        found = lease.read_lease(own._bucket)
        return own.write(found.version if found else None)

    _patch(lease.OwnLease, "renew", renew)


def _remove_fences() -> None:
    collect = log._collect_garbage

    def collect_all(bucket: Bucket, replica: Replica) -> None:
        fences, replica.fences = replica.fences, []
        collect(bucket, replica)
        replica.fences = fences

    _patch(log, "_collect_garbage", collect_all)


def _believe_clocks() -> None:
    """Whoever stood still while it took the lock does not look again."""
    take_over = holding._take_over

    def believing(bucket: Bucket, look: Any, own: lease.OwnLease, *, was_forced: bool) -> Any:
        mine = mock.Mock(token=own.token, holder=own.holder)
        with mock.patch.object(holding, "read_lease", return_value=mine):
            return take_over(bucket, look, own, was_forced=was_forced)

    _patch(holding, "_take_over", believing)


def _believe_storage() -> None:
    def prove(bucket: Bucket) -> Any:
        bucket.put_new("probes/x", b"x")
        blob = bucket.get("probes/x")
        bucket.delete(["probes/x"])
        return blob.modified if blob else None

    for module in (honesty, holding, opening):
        _patch(module, "prove_honest", prove)


def _follow_anything() -> None:
    def follow(replica: Replica, segment: Any, digest: str) -> None:
        replica.number, replica.digest = segment.number, digest
        replica.epoch, replica.token = segment.epoch, segment.token
        if segment.was_forced or segment.number == 1:
            replica.fences.append(segment.number)
        replica._apply(segment)

    _patch(Replica, "follow", follow)


def _remove_at_once() -> None:
    """Nothing of before the newest snapshot stays."""
    collect = log._collect_garbage

    def collect_more(bucket: Bucket, replica: Replica) -> None:
        base, replica.base = replica.base, replica.number
        collect(bucket, replica)
        replica.base = base

    _patch(log, "_collect_garbage", collect_more)


MUTANTS: Mapping[str, Callable[[], None]] = {
    "a segment is written over": _overwrite,
    "a repeated commit is refused": _refuse_repeats,
    "whatever is there already is taken for our own": _believe_repeats,
    "a renewal takes the lease back": _steal_back,
    "the segments that fence are removed": _remove_fences,
    "a lease is not looked at again": _believe_clocks,
    "storage is believed": _believe_storage,
    "whatever comes next in the log is believed": _follow_anything,
    "the snapshot before is removed": _remove_at_once,
}


def pytest_configure() -> None:
    """Make the mistake that is named."""
    MUTANTS[os.environ[VARIABLE]]()

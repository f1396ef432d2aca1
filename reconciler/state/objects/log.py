"""The log of a state: read from its newest snapshot on, continued by one conditional write."""

from __future__ import annotations

from reconciler.errors import StateError
from reconciler.ports import ActionEntry
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.segments import (
    HISTORY,
    LOG,
    SNAPSHOTS,
    Segment,
    digest_of,
    key_of,
    number_of,
    pack_actions,
    pack_segment,
    pack_snapshot,
    unpack_actions,
    unpack_segment,
    unpack_snapshot,
)

# A holder may write a snapshot and remove what is in it while somebody reads.
_READINGS = 5
# A store may refuse one of two creations at once that did not come true either (409 of S3).
_CREATIONS = 5


def load(bucket: Bucket) -> Replica | None:
    """All of a state; None where there is none, StateError where it is damaged."""
    missing = 1
    for _ in range(_READINGS):
        replica = _load_snapshot(bucket)
        if replica is not None:
            missing = catch_up(bucket, replica)
            if not missing:
                return replica if replica.number else None
    raise StateError(
        f"the state {bucket.place.title} has no segment {missing}, and has later ones",
        hint="get the objects back that were removed, where the bucket keeps versions; no rule "
        "of the bucket may expire them",
    )


def load_existing(bucket: Bucket) -> Replica:
    """All of a state; raises StateError where there is none."""
    replica = load(bucket)
    if replica is None:
        raise StateError(
            f"there is no state {bucket.place.title}; it has: "
            f"{', '.join(bucket.neighbours()) or 'none'}",
            hint="give --stack or --config; only the very first apply makes one, with --init",
        )
    return replica


def _load_snapshot(bucket: Bucket) -> Replica | None:
    """The state as of the newest sound snapshot; None where that was removed meanwhile."""
    damage: StateError | None = None
    for key in reversed(bucket.names(SNAPSHOTS)):
        blob = bucket.get(key)
        if blob is None:
            return None
        try:
            return Replica.of(unpack_snapshot(blob.content, key))
        except StateError as error:
            # The log goes back to the snapshot before.
            damage = damage or error
    if damage is not None:
        raise damage
    return Replica()


def catch_up(bucket: Bucket, replica: Replica) -> int:
    """Follow the log to its end; otherwise the number of a segment before it that is not there."""
    after = key_of(LOG, replica.number) if replica.number else ""
    keys = bucket.names(LOG, after)
    for number, key in enumerate(keys, replica.number + 1):
        if number_of(key) != number:
            return number
    for key, blob in zip(keys, bucket.get_all(keys), strict=True):
        if blob is None:
            return number_of(key)
        replica.follow(unpack_segment(blob.content, key), digest_of(blob.content))
    return 0


def append(bucket: Bucket, replica: Replica, segment: Segment) -> bool:
    """Write the next segment; False where somebody else has written another one.

    Raises UnreachableError where it is not known whether it was written.
    """
    key, content = key_of(LOG, segment.number), pack_segment(segment)
    for _ in range(_CREATIONS):
        is_ours = bucket.put_new(key, content) is not None
        if not is_ours:
            existing = bucket.get(key)
            if existing is None:
                continue
            # The answer to an earlier attempt of our own may have been lost.
            is_ours = existing.content == content
        if is_ours:
            replica.follow(segment, digest_of(content))
        return is_ours
    raise StateError(
        f"the storage of the state {bucket.place.title} refuses to create {key}, which is not "
        "there",
        hint="ask the operator of the storage",
    )


def compact(bucket: Bucket, replica: Replica, *, keeps_former: bool = True) -> None:
    """Write a snapshot of what is held, and remove what the one before it has already.

    Without `keeps_former` that one goes as well, and all that it has.
    """
    for index, run in enumerate(replica.runs.values()):
        if run.actions or run.messages:
            actions = run.merged(read_actions(bucket, run.stored))
            key = f"{key_of(HISTORY, replica.number)}-{index}"
            bucket.put_new(key, pack_actions(actions))
            run.stored, run.actions, run.messages = key, {}, {}
    bucket.put_new(key_of(SNAPSHOTS, replica.number), pack_snapshot(replica.snapshot()))
    if not keeps_former:
        replica.base, replica.base_history = replica.number, frozenset()
    _collect_garbage(bucket, replica)
    replica.base = replica.number
    replica.base_history = replica.history


def read_actions(bucket: Bucket, key: str) -> dict[int, ActionEntry]:
    """The actions in an object, which may be none; raises StateError where it is gone."""
    if not key:
        return {}
    blob = bucket.get(key)
    if blob is None:
        raise StateError(
            f"the state {bucket.place.title} has no {key}",
            hint="run this again; if it stays away, get the object back where the bucket keeps "
            "versions",
        )
    return unpack_actions(blob.content, key)


def _collect_garbage(bucket: Bucket, replica: Replica) -> None:
    """Remove what is older than the snapshot before the newest one."""
    # That one stays for whoever reads at this moment, and for the day on which the newest one is
    # damaged. A segment that took the state over from somebody who may still be alive stays for
    # good: that one's next write has to find its name in use.
    last = key_of(LOG, replica.base + 1)
    fences = {key_of(LOG, number) for number in replica.fences}
    old = [key for key in bucket.names(LOG) if key < last and key not in fences]
    old += [key for key in bucket.names(SNAPSHOTS) if number_of(key) < replica.base]
    # Whoever was replaced in the middle of this must not remove what came after it.
    limit = key_of(HISTORY, replica.number + 1)
    kept = replica.history | replica.base_history
    old += [key for key in bucket.names(HISTORY) if key < limit and key not in kept]
    bucket.delete(old)

"""The ways to a state in object storage: opened, made, looked for."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import UTC, datetime

from reconciler.core.model import Target
from reconciler.core.states.places import ObjectPlace
from reconciler.errors import StateError
from reconciler.ports import IN_USE, Transit
from reconciler.state.objects import log
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.honesty import prove_honest
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.segments import LOG, SNAPSHOTS, Segment
from reconciler.state.objects.store import ObjectStore
from reconciler.state.shared import timings
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.store import target_fields


def open_state(place: ObjectPlace, *, in_transit: bool = False) -> ObjectStore:
    """Open a state that exists; raises UnreachableError, and StateError where it is absent."""
    return ObjectStore(place, in_transit=in_transit)


def create_state(place: ObjectPlace, target: Target, transit: Transit = IN_USE) -> ObjectStore:
    """Make a new, empty state; raises StateError where there is one, or for dishonest storage."""
    bucket = Bucket(place, timings.DEFAULT)
    header = {
        "lineage": str(uuid.uuid4()),
        "serial": 0,
        "nonce": str(uuid.uuid4()),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rules": "",
        "stack": target.stack,
        **target_fields(target),
        **asdict(transit),
    }
    prove_honest(bucket)
    first = Segment(number=1, epoch=0, token="", previous="", commit=Commit(header=header))
    if not log.append(bucket, Replica(), first):
        raise StateError(
            f"there is already a state {place.title}", hint="use it, or give another stack:"
        )
    return open_state(place, in_transit=transit != IN_USE)


def is_there(place: ObjectPlace) -> bool:
    """Whether the stack has a state; raises UnreachableError, StateError."""
    bucket = Bucket(place, timings.DEFAULT)
    return bool(bucket.names(LOG) or bucket.names(SNAPSHOTS))


def try_lock(place: ObjectPlace, command: str) -> None:
    """Take the lock and give it back at once; raises LockedError, StateError."""
    store = open_state(place)
    store.hold(command)
    store.release()

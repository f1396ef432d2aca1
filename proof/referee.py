"""What must be true after a run, judged by the sandbox's book against the state's bytes."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.sandboxes import Entry, Resident
from reconciler.core.model import Json, Own, Recorded
from reconciler.core.protocol.marker import OP, read_own_annotations
from reconciler.core.states.places import ObjectPlace, PostgresPlace
from reconciler.errors import ReconcilerError
from reconciler.state import places
from reconciler.state.sqlite import open_state

SharedPlace = PostgresPlace | ObjectPlace

# Rows that say "it may exist": they own whatever lives under their operation.
_DOUBT = (Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE)
# Rows that a plan without actions cannot leave behind; what may still come true only waits.
_UNSETTLED = (Own.CREATING, Own.UNCONFIRMED, Own.DELETING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a project must look in the end: how often each declared name was to be created.

    `removed` are names that were created and must be gone; `foreign` are ids of others. `specs` are
    the fields that updates have to leave below `spec`, by name: ours, and what others wrote.
    """

    project: str
    creates: Mapping[str, int]
    removed: Mapping[str, int] = field(default_factory=dict)
    foreign: Collection[str] = ()
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_rows(state: Path | SharedPlace) -> list[Recorded]:
    """The rows of a state, a file from a copy: opening repairs, and that is for the next run."""
    if not isinstance(state, Path):
        with closing(places.open_state(state)) as shared:
            return list(shared.read())
    if not state.exists():
        return []
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as name:
        copy = shutil.copytree(state.parent, Path(name) / "copy") / state.name
        store = open_state(copy)
        try:
            return list(store.read())
        finally:
            store.close()


def check_known(
    state: Path | SharedPlace,
    entries: Sequence[Entry],
    residents: Sequence[Resident],
    wanted: Wanted,
) -> list[str]:
    """Whatever lives and was made by us is on record, by id or as doubt about its operation.

    This holds at every instant, so also right after a kill.
    """
    try:
        rows = read_rows(state)
    except ReconcilerError as error:
        return [f"the state cannot be opened: {error}"]
    ids = {row.id for row in rows}
    doubts = {row.op for row in rows if row.own in _DOUBT or row.ambiguous}
    ops = {e.id: (e.marker or "").rpartition("/")[2] for e in entries if e.effect == "created"}
    return [
        f"{one.project}/{one.name} {one.id} lives, and the state knows nothing of it"
        for one in residents
        if one.id in ops and one.id not in ids and ops[one.id] not in doubts
    ] + check_deletes(entries, wanted.foreign)


def check_converged(
    state: Path | SharedPlace,
    entries: Sequence[Entry],
    residents: Sequence[Resident],
    wanted: Wanted,
) -> list[str]:
    """Exactly what is declared lives, once, under the recorded id; nobody else lost anything."""
    try:
        rows = read_rows(state)
    except ReconcilerError as error:
        return [f"the state cannot be opened: {error}"]
    return [
        *_check_living(residents, wanted),
        *_check_rows(rows, residents, wanted),
        *_check_creates(entries, wanted),
        *check_deletes(entries, wanted.foreign),
    ]


def _check_living(residents: Sequence[Resident], wanted: Wanted) -> list[str]:
    foreign = {one.id for one in residents if one.id in wanted.foreign}
    lost = [f"{id_} of somebody else is gone" for id_ in wanted.foreign if id_ not in foreign]
    living = Counter(one.name for one in residents if one.id not in foreign)
    return lost + [
        f"{wanted.project}/{name} lives {living[name]} times"
        for name in sorted(living.keys() | wanted.creates.keys())
        if living[name] != (name in wanted.creates)
    ]


def _check_rows(
    rows: Sequence[Recorded], residents: Sequence[Resident], wanted: Wanted
) -> list[str]:
    recorded = {
        (row.address.project, row.address.name, row.id) for row in rows if row.own is Own.ACCEPTED
    }
    living = {(r.project, r.name, r.id) for r in residents if r.id not in wanted.foreign}
    unsettled = [row for row in rows if row.own in _UNSETTLED]
    return [
        *(f"recorded, and not there: {'/'.join(map(str, one))}" for one in recorded - living),
        *(f"there, and not recorded: {'/'.join(map(str, one))}" for one in living - recorded),
        *(f"{row.address} is still {row.own}: {row.message}" for row in unsettled),
    ]


def _check_creates(entries: Sequence[Entry], wanted: Wanted) -> list[str]:
    made = Counter(entry.name for entry in entries if entry.effect == "created")
    expected = Counter({**wanted.creates, **wanted.removed})
    return [
        f"{wanted.project}/{name} was created {made[name]} times, not {expected[name]}"
        for name in sorted(map(str, made.keys() | expected.keys()))
        if made[name] != expected[name]
    ]


def check_deletes(entries: Sequence[Entry], foreign: Collection[str]) -> list[str]:
    """Every DELETE was aimed at an id that the server had given to us."""
    ours = {entry.id for entry in entries if entry.effect == "created"}
    targets = {entry.path.rpartition("/")[2] for entry in entries if entry.method == "DELETE"}
    return [
        f"a DELETE was sent for {target}, which {'is' if target in foreign else 'may be'} foreign"
        for target in sorted(targets - ours)
    ]


def check_updates(entries: Sequence[Entry], shown: Mapping[str, Json], wanted: Wanted) -> list[str]:
    """What updates leave: every declared field, what others wrote, and who made the workload.

    `shown` are the manifests that live, by id. One rev has one body, however often it was sent.
    """
    made = {entry.id: entry for entry in entries if entry.effect == "created"}
    bodies: dict[str | None, set[str | None]] = {}
    found = []
    for entry in (entry for entry in entries if entry.effect == "updated"):
        bodies.setdefault(entry.rev, set()).add(entry.body)
        if entry.id not in made or entry.marker != made[entry.id].marker:
            found.append(f"an update of {entry.name} has changed its mark to {entry.marker}")
    found += [f"rev {rev} has {len(sent)} bodies" for rev, sent in bodies.items() if len(sent) > 1]
    for id_, manifest in shown.items():
        if id_ not in made or made[id_].name not in wanted.specs:
            continue
        name, spec = str(made[id_].name), manifest["spec"]
        for field_, value in wanted.specs[name].items():
            if spec.get(field_) != value:
                found.append(f"{name} has {field_} {spec.get(field_)}, not {value}")
        if read_own_annotations(manifest).get(OP) != made[id_].marker:
            found.append(f"{name} has lost the mark of who made it")
    return found

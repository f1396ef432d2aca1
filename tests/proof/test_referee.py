"""The referee of the harnesses: it must see every way in which a run can go wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from proof.referee import Wanted, check_converged, check_known, check_updates
from proof.sandboxes import Entry, Resident
from reconciler.core.model import Address, Own, Recorded, Target
from reconciler.state.sqlite import create_state

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
FOREIGN = "99999999-9999-4999-8999-999999999999"
WANTED = Wanted(project="7", creates={"one": 1}, foreign=(FOREIGN,))
OURS = Resident(project="7", name="one", id=ONE)
THEIRS = Resident(project="7", name="theirs", id=FOREIGN)


def entry(seq: int, method: str, workload_id: str, *, effect: str | None = None) -> Entry:
    """A request about one workload."""
    path = "/api/v2/workloads" + ("" if method == "POST" else f"/{workload_id}")
    return Entry(
        seq=seq,
        arrived=float(seq),
        decided=float(seq),
        method=method,
        path=path,
        caller="demo",
        project="7",
        name="one",
        id=workload_id,
        marker="lineage/op-1" if effect == "created" else None,
        status=202,
        effect=effect,
    )


CREATED = entry(1, "POST", ONE, effect="created")
ROW = Recorded(
    op="op-1",
    address=Address(project="7", name="one"),
    own=Own.ACCEPTED,
    digest="d",
    spec={},
    id=ONE,
)

Check = Callable[[Path, Sequence[Entry], Sequence[Resident], Wanted], list[str]]


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., list[str]]:
    """A check of a world that is as wanted, but for what a test changes in it."""

    def call(
        check: Check,
        *,
        rows: Sequence[Recorded] = (ROW,),
        entries: Sequence[Entry] = (CREATED,),
        residents: Sequence[Resident] = (OURS, THEIRS),
    ) -> list[str]:
        path = Path(tempfile.mkdtemp(dir=tmp_path)) / "state.db"
        store = create_state(path, Target(url="http://127.0.0.1", stack="proof"))
        store.hold("test")
        store.write(rows)
        store.close()
        return check(path, entries, residents, WANTED)

    return call


@pytest.mark.parametrize("check", [check_known, check_converged])
def test_a_world_as_wanted_is_in_order(judge: Callable[..., list[str]], check: Check) -> None:
    """Nothing is found where there is nothing."""
    assert judge(check) == []


def test_a_workload_that_nobody_knows_is_seen(judge: Callable[..., list[str]]) -> None:
    """Right after a kill, a row about another operation explains nothing."""
    stranger = replace(ROW, op="op-2", id=None, own=Own.CREATING)
    assert judge(check_known, rows=[stranger]) == [
        f"7/one {ONE} lives, and the state knows nothing of it"
    ]


@pytest.mark.parametrize("own", [Own.CREATING, Own.UNCONFIRMED])
def test_a_doubt_covers_its_own_operation(judge: Callable[..., list[str]], own: Own) -> None:
    """What may exist by the state may exist in the world, but not in the end."""
    doubt = replace(ROW, id=None, own=own)
    assert judge(check_known, rows=[doubt]) == []
    assert judge(check_converged, rows=[doubt]) == [
        f"there, and not recorded: 7/one/{ONE}",
        f"7/one is still {own}: ",
    ]


def test_a_second_workload_is_seen(judge: Callable[..., list[str]]) -> None:
    """Under a declared name there lives one, made by one create."""
    twice = replace(OURS, id=TWO)
    again = entry(2, "POST", TWO, effect="created")
    assert judge(check_converged, residents=[OURS, twice, THEIRS], entries=[CREATED, again]) == [
        "7/one lives 2 times",
        f"there, and not recorded: 7/one/{TWO}",
        "7/one was created 2 times, not 1",
    ]


def test_a_lost_workload_is_seen(judge: Callable[..., list[str]]) -> None:
    """A record of what is not there is no success."""
    assert judge(check_converged, residents=[THEIRS]) == [
        "7/one lives 0 times",
        f"recorded, and not there: 7/one/{ONE}",
    ]


@pytest.mark.parametrize("check", [check_known, check_converged])
def test_a_delete_of_others_is_seen(judge: Callable[..., list[str]], check: Check) -> None:
    """Also when the other's workload has survived it."""
    shot = entry(2, "DELETE", FOREIGN)
    assert judge(check, entries=[CREATED, shot]) == [
        f"a DELETE was sent for {FOREIGN}, which is foreign"
    ]


def test_the_loss_of_others_is_seen(judge: Callable[..., list[str]]) -> None:
    """Whoever's doing it was."""
    assert judge(check_converged, residents=[OURS]) == [f"{FOREIGN} of somebody else is gone"]


def test_a_state_that_does_not_open_is_seen(tmp_path: Path) -> None:
    """No state, no proof."""
    path = tmp_path / "state" / "state.db"
    path.parent.mkdir()
    path.write_bytes(b"no database, but long enough to be looked at" * 20)
    (found,) = check_converged(path, [], [], WANTED)
    assert found.startswith("the state cannot be opened: ")


MARK = {"metadata": {"annotations": {"workload-reconciler/op": "lineage/op-1"}}}
SHOWN = {**MARK, "spec": {"replicas": 2, "minReadySeconds": 7}}
UPDATED = replace(
    entry(2, "PUT", ONE, effect="updated"), marker="lineage/op-1", rev="r1", body="b1"
)
UPDATES = replace(WANTED, specs={"one": {"replicas": 2, "minReadySeconds": 7}})


def test_an_update_as_wanted_is_in_order() -> None:
    """Also where the same was sent twice."""
    again = replace(UPDATED, seq=3)
    assert check_updates([CREATED, UPDATED, again], {ONE: SHOWN}, UPDATES) == []


def test_an_update_that_breaks_something_is_seen() -> None:
    """A second content under one rev, a field of others, and the mark of who made it."""
    other = replace(UPDATED, seq=3, body="b2", marker=None)
    assert check_updates([CREATED, UPDATED, other], {ONE: {"spec": {"replicas": 2}}}, UPDATES) == [
        "an update of one has changed its mark to None",
        "rev r1 has 2 bodies",
        "one has minReadySeconds None, not 7",
        "one has lost the mark of who made it",
    ]

"""A look at all of a state: what is wrong with it, and the way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.core.model import LastSeen, Own, Purpose
from reconciler.core.states.inspection import Inspection, StateFlaw
from reconciler.errors import StateError
from reconciler.state.check import inspect_state
from reconciler.state.sqlite import create_state, open_state
from reconciler.state.summary import summarize_state
from tests.state.runs import begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.states import sql

NO_BACKUP = (
    "there is no sound backup beside it; restore a copy from where your CI system keeps them"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with twenty records and a run, and two backups of it."""
    path = tmp_path / "state.db"
    store = create_state(path, make_target())
    store.hold("test")
    store.write([make_recorded(address=f"1/w{i}", op=f"op-{i:02}") for i in range(20)])
    store.begin_run(begun("a"))
    store.add_actions("a", [done("1/w0")])
    store.back_up()
    store.back_up()
    store.close()
    return path


def flaws(path: Path) -> list[StateFlaw]:
    """What is wrong with a state."""
    return list(inspect_state(path).flaws)


def restore(path: Path, nth: int = -1) -> str:
    """The way out of damage, with one of the backups."""
    backup = sorted(path.with_name("state.db.backups").iterdir())[nth]
    return (
        f"restore the newest sound backup while nothing else runs: cp '{backup}' '{path}'; "
        "the next apply finds by its markers what is missing in it"
    )


def test_a_sound_state(path: Path) -> None:
    """It is counted, and what is in doubt is no flaw."""
    store = open_state(path)
    store.hold("test")
    store.write(
        [
            make_recorded(address="1/x", op="x", own=Own.UNCONFIRMED),
            make_recorded(address="1/y", op="y", own=Own.GONE),
        ]
    )
    lineage = store.header.lineage
    store.close()
    assert inspect_state(path) == Inspection(
        path=str(path), format=6, lineage=lineage, records=21, in_doubt=1, runs=1, backups=2
    )


def test_what_the_holder_has_begun_is_under_way(path: Path) -> None:
    """It is no doubt before the holder ends; what was in doubt before is one."""
    begun = {Own.CREATING: "x", Own.DELETING: "y", Own.UNCONFIRMED: "z"}
    store = open_state(path)
    store.hold("reconciler apply")
    store.write([make_recorded(address=f"1/{n}", op=n, own=own) for own, n in begun.items()])

    beside, quick = inspect_state(path), summarize_state(path)
    store.close()
    alone, quiet = inspect_state(path), summarize_state(path)

    assert [(found.in_doubt, found.under_way) for found in (beside, alone)] == [(1, 2), (3, 0)]
    assert [found.in_doubt for found in (quick, quiet)] == [1, 2]


def test_what_a_person_has_given_up_is_no_doubt(path: Path) -> None:
    """Nobody looks for it any more, also while a run has the lock."""
    store = open_state(path)
    store.hold("reconciler apply")
    store.write(
        [
            make_recorded(address="1/x", op="x", own=Own.DELETING, purpose=Purpose.GIVEN_UP),
            make_recorded(address="1/y", op="y", own=Own.DELETING, purpose=Purpose.REMOVED),
        ]
    )
    beside = inspect_state(path)
    store.close()
    alone = inspect_state(path)

    assert [(found.in_doubt, found.under_way) for found in (beside, alone)] == [(0, 1), (1, 0)]


def test_what_is_down_is_in_doubt_only_where_its_successor_is(path: Path) -> None:
    """A look counts it either way, for nothing is known to run."""
    store = open_state(path)
    store.hold("test")
    store.write(
        [
            make_recorded(
                address=f"1/{name}",
                op=name,
                own=Own.LATE_CREATE_POSSIBLE,
                purpose=Purpose.REPLACE,
                seen=LastSeen.DELETED,
                former_id=f"id-{name}",
                id=None,
            )
            for name in ("x", "y")
        ]
    )
    store.write([make_recorded(address="1/y", op="yy", own=Own.UNCONFIRMED, id=None)])
    store.close()

    assert (inspect_state(path).in_doubt, summarize_state(path).down) == (1, 2)


def test_a_look_changes_nothing(path: Path) -> None:
    """It takes no lock and leaves no file."""
    before = path.read_bytes(), sorted(path.parent.iterdir())
    inspect_state(path)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


def test_a_state_of_an_older_format(tmp_path: Path) -> None:
    """It is looked at as it is."""
    fixture = Path(__file__).parent / "fixtures" / "format-1" / "state.db"
    path = Path(shutil.copy(fixture, tmp_path / "state.db"))
    lineage = "f83279f4-ceda-4c73-a39c-d8b26206e703"
    assert inspect_state(path) == Inspection(
        path=str(path), format=1, lineage=lineage, records=2, in_doubt=0, runs=0, backups=0
    )


def test_every_flaw_is_told(path: Path) -> None:
    """Not the first one only, each with its way out; the newest sound backup is named."""
    sql(
        path,
        "UPDATE meta SET value = 'https://other' WHERE key = 'url'",
        "UPDATE operations SET id = 'stolen' WHERE op = 'op-03'",
        "UPDATE operations SET attempts = 9 WHERE op = 'op-07'",
        "DELETE FROM runs",
    )
    assert flaws(path) == [
        StateFlaw(
            message=f"the state {path} is damaged: its header does not match its checksum",
            hint=restore(path),
        ),
        StateFlaw(
            message="the record of 1/w3 is damaged: its checksum does not match",
            hint=restore(path),
        ),
        StateFlaw(
            message="the record of 1/w7 is damaged: its checksum does not match",
            hint=restore(path),
        ),
        StateFlaw(
            message="1 actions in the history belong to no run",
            hint="they harm nothing; the next apply takes them out",
        ),
    ]
    assert inspect_state(path).lineage == "", "what is not sound is not told"


def test_a_damaged_backup_is_no_way_out(path: Path) -> None:
    """The one before it is, and without any sound one that is said."""
    sql(path, "UPDATE meta SET value = 'https://other' WHERE key = 'url'")
    older, newer = sorted(path.with_name("state.db.backups").iterdir())
    newer.write_bytes(newer.read_bytes()[:9000])
    assert [flaw.hint for flaw in flaws(path)] == [restore(path, 0)]
    older.write_text("garbage")
    assert [flaw.hint for flaw in flaws(path)] == [NO_BACKUP]


def test_the_way_out_leads_out(path: Path) -> None:
    """The command of the hint, carried out, gives a sound state."""
    sql(path, "DROP TABLE operations")
    (flaw,) = flaws(path)
    assert flaw.message == (
        f"the state {path} is damaged: its schema is not the one of its format "
        "(INDEX idx_operations_project_name ON operations and more)"
    )
    _, backup, _, state, _ = flaw.hint.split("'")
    shutil.copyfile(backup, state)
    assert flaws(path) == []


def test_orphans_are_taken_out_by_the_next_run(path: Path) -> None:
    """As the hint says."""
    sql(path, "DELETE FROM runs")
    store = open_state(path)
    store.hold("test")
    store.begin_run(begun("b"))
    store.close()
    assert flaws(path) == []


def test_doubles_are_found(path: Path) -> None:
    """Two records of one id, and two accepted ones of one address."""
    store = open_state(path)
    store.hold("test")
    store.write(
        [
            make_recorded(address="1/w1", op="z1", id="other"),
            make_recorded(address="1/elsewhere", op="z2", id="id-op-02"),
            make_recorded(address="1/w3", op="z3", id="old", own=Own.GONE),
            make_recorded(address="1/w4", op="z4", own=Own.UNCONFIRMED),
        ]
    )
    store.close()
    assert flaws(path) == [
        StateFlaw(
            message="2 records have the id id-op-02: operations op-02 (1/w2), z2 (1/elsewhere)",
            hint="'reconciler state rm 1/elsewhere' forgets the record of this address; "
            "the next apply takes a living workload back by its marker",
        ),
        StateFlaw(
            message="2 records have the address 1/w1: operations op-01 (1/w1), z1 (1/w1)",
            hint="'reconciler state rm 1/w1' forgets the record of this address; "
            "the next apply takes a living workload back by its marker",
        ),
    ]


def test_damaged_pages_are_told(path: Path) -> None:
    """What SQLite finds is passed on, at most ten lines of it."""
    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096 - 2):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    found = flaws(path)
    assert 0 < len(found) <= 10
    assert {flaw.hint for flaw in found} == {restore(path)}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "there is no state at STATE"),
        (b"", "STATE is not a state of this program"),
        (b"garbage" * 100, "the state STATE cannot be used: file is not a database"),
    ],
)
def test_what_is_no_state_is_refused(tmp_path: Path, data: bytes | None, message: str) -> None:
    """There is nothing to look at."""
    path = tmp_path / "state.db"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(StateError) as caught:
        inspect_state(path)
    assert caught.value.message.replace(str(path), "STATE") == message


def test_no_flipped_bit_breaks_the_look(path: Path) -> None:
    """Wherever it is: a sound state, flaws with hints, or a refusal with a hint."""
    data, copy = path.read_bytes(), path.with_name("copy.db")
    seen = set()
    for step in range(150):
        damaged = bytearray(data)
        damaged[step * 7919 % len(data)] ^= 1 << step % 8
        copy.write_bytes(damaged)
        try:
            found = inspect_state(copy)
        except StateError as error:
            seen.add("refused" if error.hint else "refused without a hint")
        else:
            assert all(flaw.message and flaw.hint for flaw in found.flaws)
            seen.add("flaws" if found.flaws else "sound")
    assert seen == {"refused", "flaws", "sound"}

"""A state of every format that was ever written: it opens, migrates, and plans nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from reconciler.api.wire.payloads import read_get_response
from reconciler.app.planning.workspace import open_workspace
from reconciler.app.settings import Flags
from reconciler.core.model import Own, Recorded, Remote
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.errors import LockedError, StateError
from reconciler.state import database, migrations
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import SqliteStore, open_state
from tests.support.rows import from_row, to_row
from tests.support.states import KilledError, opened

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = sorted(folder.name for folder in FIXTURES.iterdir() if folder.name.startswith("format-"))
PRESENT = f"format-{database.SCHEMA_VERSION}"


@pytest.fixture(params=FORMATS)
def folder(request: pytest.FixtureRequest) -> Path:
    """One format."""
    return FIXTURES / str(request.param)


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    """A copy of its state."""
    return Path(shutil.copy(folder / "state.db", tmp_path / "state.db"))


@pytest.fixture(params=[name for name in FORMATS if name != PRESENT])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a state in a format that has to be migrated."""
    return Path(shutil.copy(FIXTURES / str(request.param) / "state.db", tmp_path / "state.db"))


def answers(folder: Path) -> dict[str, Remote]:
    """What the server said of the workloads, by id."""
    said = json.loads((folder / "answers.json").read_text("utf-8"))
    return {remote.id: remote for remote in map(read_get_response, said)}


def plan_of(folder: Path, store: SqliteStore) -> Plan:
    """The plan of the fixture's specs, all but the one that was removed, with a state."""
    workspace = open_workspace([folder / "specs"], Flags(), {})
    workspace.need_valid()
    header = store.header
    return make_plan(
        [one for one in workspace.desired if one.address.name != "old"],
        store.read(),
        answers(folder),
        target=PlanTarget(
            url=header.target.url,
            stack=header.target.stack,
            api_version="2.23",
            tenant_id=header.target.tenant_id,
        ),
        lineage=header.lineage,
        serial=header.serial,
    )


def summary(plan: Plan) -> dict[str, object]:
    """The counts that are not zero."""
    counts = plan.summary()
    counts.pop("gpus")
    return {name: count for name, count in counts.items() if count}


def test_a_state_of_any_format_plans_nothing(folder: Path, path: Path) -> None:
    """Read as it is and after its migration: the same records, and nothing to do or to undo."""
    with opened(path) as store:
        before = store.read()
        assert summary(plan_of(folder, store)) == {"unchanged": 2}
        runs = store.runs()
        store.hold("reconciler apply")
        assert store.runs() == runs
        assert store.read() == before
        assert summary(plan_of(folder, store)) == {"unchanged": 2}
    with opened(path) as store:
        assert (store.read(), len(before)) == (before, 2)


def test_reading_leaves_the_file_as_it_is(older: Path) -> None:
    """A plan holds no lock, so it migrates a copy in memory: not a byte of the file changes."""
    before = older.read_bytes()
    with opened(older) as store:
        assert {row.own for row in store.read()} == {Own.ACCEPTED}
        with pytest.raises(AssertionError):
            store.write([])
    assert older.read_bytes() == before
    assert [file.name for file in older.parent.iterdir()] == ["state.db"]


def test_free_pages_of_a_file_fill_no_memory(older: Path) -> None:
    """What a copy in memory holds is what the state holds, whatever lies about in its file."""
    with contextlib.closing(sqlite3.connect(older)) as conn:
        conn.execute("CREATE TABLE heap (x)")
        conn.execute("INSERT INTO heap VALUES (zeroblob(50000000))")
        conn.execute("DROP TABLE heap")
        conn.commit()
    assert older.stat().st_size > 50_000_000
    with (
        contextlib.closing(database.open_database(older)) as conn,
        contextlib.closing(database.migrated_copy(conn)) as copy,
    ):
        [(pages,)], [(size,)] = (copy.execute(f"PRAGMA page_{x}") for x in ("count", "size"))
        assert pages * size < 1_000_000
    with opened(older) as store:
        assert {row.own for row in store.read()} == {Own.ACCEPTED}


def test_a_file_that_cannot_be_written_can_be_read(path: Path) -> None:
    """Of whatever format, wherever the checkout keeps it."""
    path.chmod(0o400)
    with opened(path) as store:
        assert len(store.read()) == 2


def test_whoever_takes_the_lock_migrates(older: Path) -> None:
    """Before, the state is backed up as it was; afterwards it has our format, for good."""
    before = contents(older)
    with opened(older) as store:
        store.hold("reconciler apply")
    assert contents(older)[0] == database.SCHEMA_VERSION > before[0]
    (backup,) = list_backups(older)
    assert contents(backup) == before
    with opened(older) as store:
        store.hold("reconciler apply")
    assert list_backups(older) == [backup]


def test_a_lock_that_is_taken_keeps_a_migration_away(path: Path) -> None:
    """Two at once: the second one is told, and the file stays in its format until it is free."""
    with opened(path) as one, opened(path) as other:
        one.hold("reconciler apply")
        with pytest.raises(LockedError):
            other.hold("reconciler apply")
        assert len(other.read()) == 2
        one.release()
        other.hold("reconciler apply")
        assert len(other.read()) == 2


@pytest.mark.parametrize("step", ["in a step", "after the last step"])
def test_a_migration_is_done_wholly_or_not_at_all(
    older: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Killed in the middle, the file is what it was, and the next one begins again."""
    before = contents(older)
    store = open_state(older)
    apply = migrations.migrations.apply
    with monkeypatch.context() as patch:
        if step == "in a step":
            patch.setattr("sqlite_utils.db.Database.execute", _die)
        else:
            patch.setattr(migrations.migrations, "apply", lambda db: (apply(db), _die()))
        with pytest.raises(KilledError):
            store.hold("reconciler apply")
    assert contents(older) == before
    with opened(older) as store:
        store.hold("reconciler apply")
        assert len(store.read()) == 2


def contents(path: Path) -> tuple[int, list[str]]:
    """The format of a database, and everything in it."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        return database.version_of(conn), list(conn.iterdump())


def _die(*_: object, **_more: object) -> str:
    raise KilledError


def test_a_migration_makes_no_damaged_row_believable(path: Path) -> None:
    """A fresh checksum over a wrong content would be a lie."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE operations SET id = 'stolen' WHERE name = 'chat'")
        conn.commit()
    for held in (False, True):
        with opened(path) as store:
            if held:
                store.hold("reconciler apply")
            with pytest.raises(StateError, match="4501/chat is damaged"):
                store.read()


def test_a_file_that_is_replaced_before_the_lock_is_the_one_that_counts(
    folder: Path, path: Path
) -> None:
    """Somebody restores a backup between a look and the lock: what was looked at is gone."""
    with opened(path) as store:
        store.hold("reconciler apply")
    with opened(path) as store:
        rest = path.with_name("restored.db")
        shutil.copy(folder / "state.db", rest)
        with contextlib.closing(sqlite3.connect(rest)) as conn:
            conn.execute("DELETE FROM operations WHERE name = 'chat'")
            conn.commit()
        os.replace(rest, path)  # noqa: PTH105 - what `mv` does
        store.hold("reconciler apply")
        assert [row.address.name for row in store.read()] == ["train"]


def test_the_checksum_does_not_depend_on_the_version_of_python() -> None:
    """What it was made of is written in ASCII; this is a row and its checksum for good."""
    row = {
        "op": "op",
        "project": "1",
        "name": "Grüße \u2028 🦀",
        "own": "ACCEPTED",
        "seen": "Synced",
        "id": None,
        "ambiguous": 0,
        "attempts": 1,
        "first_sent_at": None,
        "last_sent_at": None,
        "purpose": None,
        "digest": "d",
        "spec": "{}",
        "echo": None,
        "lifecycle": '{"ignore_changes":[],"on_change":"replace","on_failed":"keep",'
        '"on_missing":null,"on_remove":"delete","protect":false,"wave":0}',
        "message": "",
        "marker": "",
        "protected": 0,
        "source": "",
        "run": "",
        "epoch": 0,
        "memory": None,
        "checksum": "sha256:f029c6b9cf4d9e657bc3dab673f585ab33871c291273be0ee6c348e54d8b6fa0",
    }
    assert isinstance(from_row(row), Recorded)


@pytest.mark.parametrize(
    ("before", "after"),
    [("SUSPECT", Own.UNCONFIRMED), ("HAUNTED", Own.LATE_CREATE_POSSIBLE)],
)
def test_a_state_of_format_3_opens_with_the_words_and_the_columns_of_today(
    tmp_path: Path, before: str, after: Own
) -> None:
    """The word, what a replace remembers, and a default that nobody wrote; all else stays."""
    path = Path(shutil.copy(FIXTURES / "format-3" / "state.db", tmp_path / "state.db"))
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        row = dict(conn.execute("SELECT * FROM operations ORDER BY op LIMIT 1").fetchone())
        settings = json.loads(row["lifecycle"])
        memory = {"kept": {"manifest": {}}, "undone": ["/a"]}
        row |= {"own": before, "lifecycle": json.dumps({**settings, "memory": memory})}
        row["checksum"] = migrations._checksum_of_format_2(row)
        conn.execute(
            "UPDATE operations SET own = :own, lifecycle = :lifecycle, checksum = :checksum "
            "WHERE op = :op",
            row,
        )
        conn.commit()
    with opened(path) as store:
        [record] = [record for record in store.read() if record.op == row["op"]]
    assert settings["on_change"] == "replace"
    columns = to_row(record)
    ends = {"after_completion": "keep", "ttl": None, "max_runtime": None}
    today = {"on_change": None, "on_failed": "report", **ends}
    assert (settings["on_failed"], json.loads(columns.pop("lifecycle"))) == (
        "keep",
        {**settings, **today},
    )
    assert json.loads(columns.pop("memory")) == memory
    del columns["checksum"]
    assert columns == {key: row[key] for key in columns} | {"own": after.value}

from __future__ import annotations

import contextlib
import os
from itertools import product
from pathlib import Path

import pytest

from reconciler.core.model import Header, Recorded
from reconciler.errors import StateError
from reconciler.state.rows import checksum
from reconciler.state.sqlite import create_state, open_state
from tests.support.factories import make_recorded, make_target
from tests.support.rows import from_row, to_row
from tests.support.states import sql

RESTORE = (
    "restore a copy from its .backups folder, or move it away and run "
    "'reconciler state recover'; the server's workloads are untouched"
)
ANOTHER = "give the path of a state with --state"


NOT_OURS = "the state STATE is damaged: its schema is not the one of its format ({})"


def fill(path: Path, count: int = 20) -> None:
    """Make a state with some records."""
    store = create_state(path, make_target(issuer="i", tenant_id=1))
    store.hold("test")
    store.write([make_recorded(address=f"1/w{i}") for i in range(count)])
    store.close()


def contents(path: Path) -> tuple[Header, list[Recorded]]:
    """Open a state and read all of it."""
    store = open_state(path)
    try:
        return store.header, list(store.read())
    finally:
        store.close()


def refusal(path: Path) -> tuple[str, str]:
    """Return what is said of a state that cannot be used, its path as `STATE`."""
    with pytest.raises(StateError) as caught:
        contents(path)
    return caught.value.message.replace(str(path), "STATE"), caught.value.hint


def test_an_absent_state(tmp_path: Path) -> None:
    """Opening never makes one."""
    path = tmp_path / "state.db"
    assert refusal(path) == (
        "there is no state at STATE",
        (
            "if there was one, restore it or run 'reconciler state recover'; "
            "only the very first apply makes one, with --init"
        ),
    )
    assert not path.exists()


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder, a pipe and a device are neither waited for nor read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/full"), Path("/dev/null")):
        assert refusal(path) == ("STATE is not a file", ANOTHER)


def test_a_name_that_cannot_be(tmp_path: Path) -> None:
    """What the file system says is passed on."""
    assert refusal(tmp_path / ("x" * 300)) == (
        "the state STATE cannot be used: File name too long",
        "check the path given with --state",
    )


@pytest.mark.parametrize("data", [b"garbage" * 100, b"metadata: {name: x}\n" * 50])
def test_a_file_that_is_no_database(tmp_path: Path, data: bytes) -> None:
    """Somebody gave the path of something else, and it stays as it is."""
    path = tmp_path / "state.db"
    path.write_bytes(data)
    assert refusal(path) == (
        "the state STATE cannot be used: file is not a database",
        f"this file is not a state: give another path with --state, or {RESTORE}",
    )
    assert path.read_bytes() == data


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_the_database_of_another_program(tmp_path: Path, journal: str) -> None:
    """It is refused before anything is changed, its journal mode included."""
    path = tmp_path / "state.db"
    sql(path, f"PRAGMA journal_mode = {journal}", "CREATE TABLE x (a)")
    before = path.read_bytes()
    assert refusal(path) == (
        "STATE is not a state of this program",
        f"{ANOTHER}; nothing was changed",
    )
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


def test_an_empty_file(tmp_path: Path) -> None:
    """What a full disk left behind is no state, and is not made one."""
    path = tmp_path / "state.db"
    path.touch()
    assert refusal(path) == (
        "STATE is not a state of this program",
        f"{ANOTHER}; nothing was changed",
    )
    assert path.read_bytes() == b""


def test_a_state_of_a_newer_program(tmp_path: Path) -> None:
    """It is not read by halves."""
    path = tmp_path / "state.db"
    fill(path)
    sql(path, "PRAGMA user_version = 7")
    before = path.read_bytes()
    assert refusal(path) == (
        "STATE was written by a newer version of this program (format 7, this one knows 6)",
        "upgrade the program that runs here; nothing was changed",
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_state_that_was_cut_short(tmp_path: Path, share: float) -> None:
    """What is missing at the end is noticed at the start."""
    path = tmp_path / "state.db"
    fill(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message, hint = refusal(path)
    assert message.startswith("the state")
    assert hint == RESTORE


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "UPDATE operations SET id = 'id-stolen' WHERE name = 'w3'",
            "the state STATE: the record of 1/w3 is damaged: its checksum does not match",
        ),
        (
            "UPDATE operations SET own = 'DELETING' WHERE name = 'w0'",
            "the state STATE: the record of 1/w0 is damaged: its checksum does not match",
        ),
        (
            "UPDATE meta SET value = 'https://other' WHERE key = 'url'",
            "the state STATE is damaged: its header does not match its checksum",
        ),
        (
            "DELETE FROM meta",
            "the state STATE is damaged: its header does not match its checksum",
        ),
        (
            "DROP TABLE operations",
            NOT_OURS.format("INDEX idx_operations_project_name ON operations and more"),
        ),
        ("DROP TABLE meta", NOT_OURS.format("TABLE meta")),
        (
            "ALTER TABLE operations RENAME COLUMN epoch TO era",
            NOT_OURS.format("TABLE operations and more"),
        ),
    ],
)
def test_a_state_that_was_changed_by_hand(tmp_path: Path, statement: str, message: str) -> None:
    """A record that nobody of us wrote is not acted upon."""
    path = tmp_path / "state.db"
    fill(path)
    sql(path, statement)
    assert refusal(path) == (message, RESTORE)


def test_a_text_that_became_a_blob() -> None:
    """One bit decides about the type of a column; it is damage like any other."""
    row = to_row(make_recorded())
    with pytest.raises(StateError, match="is damaged: its checksum does not match"):
        from_row({**row, "message": b""})


def test_a_record_of_a_future_form() -> None:
    """Whole, but with words that this program does not know."""
    row = to_row(make_recorded())
    row["own"] = "DREAMING"
    row["checksum"] = checksum(row)
    with pytest.raises(StateError) as caught:
        from_row(row)
    assert caught.value.message == (
        "the record of 4501/llm cannot be read: 'DREAMING' is not a valid Own"
    )
    assert caught.value.hint == "it may come from another version of this program"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *product(["spec", "echo"], ["[]", "5", "[" * 100_000]),
        ("lifecycle", '[{"memory": 1}]'),
    ],
)
def test_a_record_whose_documents_are_none(column: str, text: str) -> None:
    """Whoever can write to a state can make a checksum for anything."""
    row = to_row(make_recorded())
    row[column] = text
    row["checksum"] = checksum(row)
    with pytest.raises(StateError, match=r"^the record of 4501/llm cannot be read: "):
        from_row(row)


def test_who_shows_documents_has_them_checked(tmp_path: Path) -> None:
    """A list shows none, and names a workload whose documents are none."""
    path = tmp_path / "state.db"
    fill(path, count=2)
    row = to_row(contents(path)[1][0])
    row["spec"] = "[]"
    sql(path, f"UPDATE operations SET spec = '[]', checksum = '{checksum(row)}' WHERE name = 'w0'")
    with contextlib.closing(open_state(path)) as store:
        assert [row.address.name for row in store.read_by_address()] == ["w0", "w1"]
        with pytest.raises(StateError, match="the record of 1/w0 cannot be read: a document"):
            list(store.read_by_address(checked=True))


@pytest.mark.parametrize(
    "memory",
    [
        '{"kept":5,"undone":[]}',
        (
            '{"change":{"confirmed":"","superseded":[],"open":{"rev":"r","base":"","body_digest":"",'
            '"digest":"","spec":[],"body":{}}}}'
        ),
    ],
)
def test_a_record_that_keeps_what_is_no_document(memory: str) -> None:
    """The same in what a replace or an update has to remember."""
    row = to_row(make_recorded())
    row["memory"] = memory
    row["checksum"] = checksum(row)
    with pytest.raises(StateError, match="cannot be read: a document is not a mapping"):
        from_row(row)


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    """Wherever it is, the state is either as it was or refused with a way out."""
    path, copy = tmp_path / "state.db", tmp_path / "copy.db"
    fill(path)
    data, expected = path.read_bytes(), contents(path)
    hints: list[str] = []
    for step in range(400):
        damaged = bytearray(data)
        damaged[step * 7919 % len(data)] ^= 1 << step % 8
        copy.write_bytes(damaged)
        try:
            found = contents(copy)
        except StateError as error:
            hints.append(error.hint)
        else:
            assert found == expected
    assert len(hints) > 60
    assert all(hints)

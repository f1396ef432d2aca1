from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.cli import appended_file
from reconciler.cli.appended_file import AppendedFile


def test_a_file_stays_open_and_is_read_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run left is replaced, each part can be read at once, one open serves all."""
    path = tmp_path / "events.ndjson"
    path.write_text("of an earlier run\n")
    opened: list[object] = []
    open_file = os.open

    def counted(*arguments: object) -> int:
        opened.append(arguments[0])
        return open_file(*arguments)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(os, "open", counted)
    file = AppendedFile(path)
    file.write(b"one\n")
    first = path.read_text()
    file.write(b"two\n")
    file.close()

    assert (first, path.read_text(), opened) == ("one\n", "one\ntwo\n", [path])


def test_a_file_that_was_moved_away_gets_a_successor(tmp_path: Path) -> None:
    """After a rotation the next part begins a new file; the old one keeps what it had."""
    path, rotated = tmp_path / "events.ndjson", tmp_path / "events.ndjson.1"
    file = AppendedFile(path)
    file.write(b"one\n")
    path.rename(rotated)
    file.write(b"two\n")
    path.unlink()
    file.write(b"three\n")
    file.close()

    assert (rotated.read_text(), path.read_text()) == ("one\n", "three\n")


def test_a_part_that_was_refused_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error the file is opened anew, and goes on behind what it has."""
    file = AppendedFile(tmp_path / "events.ndjson")
    file.write(b"one\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _no_room)
        with pytest.raises(OSError, match="No space left"):
            file.write(b"two\n")
    file.write(b"three\n")
    file.close()

    assert (tmp_path / "events.ndjson").read_text() == "one\nthree\n"


def _no_room(_: int, __: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_a_pipe_that_nobody_reads_is_an_error_at_once(tmp_path: Path) -> None:
    """Neither before the first reader nor after the last one does a run wait."""
    path = tmp_path / "events"
    os.mkfifo(path)
    file = AppendedFile(path)
    with pytest.raises(OSError, match="No such device or address"):
        file.write(b"one\n")
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file.write(b"two\n")
    assert os.read(reading, 100) == b"two\n"
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        file.write(b"three\n")
    with pytest.raises(OSError, match="No such device or address"):
        file.write(b"four\n")


def test_a_reader_that_stands_still_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe takes some of it, and the run goes on without the rest."""
    monkeypatch.setattr(appended_file, "_PATIENCE", 0.0)
    path = tmp_path / "events"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        AppendedFile(path).write(b"x" * 2**22)
    os.close(reading)

"""Files beside a state that a commit brought."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.app.state.states import inspect, read_state
from reconciler.core.model import Target
from reconciler.core.states.places import FilePlace
from reconciler.errors import StateError
from reconciler.state.sqlite import create_state

# The header of a journal, as a killed run leaves it; what follows does not matter here.
HEADER = bytes.fromhex("d9d505f920a163d7") + bytes(504)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state that no commit holds, with a journal beside it, in a checkout."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    path = tmp_path / "state.db"
    create_state(path, Target(url="https://runai.example.com", stack="tests")).close()
    path.with_name("state.db-journal").write_bytes(HEADER)
    return path


def test_a_committed_journal_is_never_written_into_the_state(state: Path) -> None:
    """Whatever opens the state refuses before SQLite has seen the journal."""
    subprocess.run(["git", "-C", str(state.parent), "add", "-f", "state.db-journal"], check=True)
    before = state.read_bytes()
    with (
        pytest.raises(StateError, match=r"state\.db-journal is committed"),
        read_state(FilePlace(path=state)),
    ):
        pass
    with pytest.raises(StateError, match=r"state\.db-journal is committed"):
        inspect(FilePlace(path=state))
    assert state.read_bytes() == before
    assert state.with_name("state.db-journal").read_bytes() == HEADER


def test_the_journal_of_a_killed_run_is_no_reason_to_refuse(state: Path) -> None:
    """Git does not know it, and the state needs it."""
    with read_state(FilePlace(path=state)) as store:
        assert store.read() == []

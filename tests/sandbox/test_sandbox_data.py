from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.sandbox import SandboxError
from tests.sandbox.rigs import Rig


def restarted(rig: Rig, data: Path, **settings: object) -> Rig:
    """The same world in a new process, at the same instant."""
    rig.sandbox.close()
    return Rig(start=rig.now, data=data, **settings)


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """Workloads, their phases, the names they hold and pending deletions all survive."""
    data = tmp_path / "sandbox.jsonl"
    delays = {"sync_delay": 10.0, "delete_delay": 10.0}
    rig = Rig(data=data, **delays)
    synced = rig.create("synced")
    rig.now += 10
    fresh, dying, dead = (rig.create(name) for name in ("fresh", "dying", "dead"))
    rig.sandbox.store.vanish(dead)
    rig.delete(dying)
    rig.now += 6
    ids = (synced, fresh, dying, dead)
    before = rig.sandbox.store.all(), [rig.get(one).content for one in ids]
    rig = restarted(rig, data, **delays)
    assert (rig.sandbox.store.all(), [rig.get(one).content for one in ids]) == before
    assert [rig.status(one) for one in ids] == ["Synced", "Applying", "Deleting", "404"]
    assert rig.sandbox.store.find("4501", "dying") is not None
    rig.now += 4
    assert [rig.status(one) for one in ids] == ["Synced", "Synced", "404", "404"]
    rig.sandbox.close()


def test_an_id_is_not_reused_after_a_restart(tmp_path: Path) -> None:
    """The same seed goes on where it left off."""
    data = tmp_path / "sandbox.jsonl"
    rig = Rig(data=data)
    seen = set()
    for _ in range(4):
        workload_id = rig.create()
        seen.add(workload_id)
        rig.delete(workload_id)
        rig = restarted(rig, data)
    rig.sandbox.close()
    assert len(seen) == 4


def test_a_token_survives_a_restart(tmp_path: Path) -> None:
    """The signing key follows from the secrets, as a client in the middle of its work expects."""
    data = tmp_path / "sandbox.jsonl"
    rig = Rig(data=data)
    token = rig.token()
    rig = restarted(rig, data)
    assert rig.ask("GET", "/api/v1/workloads", token=token).status_code == 200
    rig.sandbox.close()


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """A process killed while writing has not answered yet: what it wrote last never was."""
    data = tmp_path / "sandbox.jsonl"
    rig = Rig(data=data)
    kept = rig.create("kept")
    whole = data.read_bytes()
    rig.create("torn")
    data.write_bytes(data.read_bytes()[:-20])
    rig = restarted(rig, data)
    assert [w.id for w in rig.sandbox.store.all()] == [kept]
    assert data.read_bytes() == whole
    rig.sandbox.close()


@pytest.mark.parametrize("line", ["{}", "[]", "x", '{"births": 1}', "null"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, line: str) -> None:
    """What is no data file is named with its line, and not written to."""
    data = tmp_path / "notes.txt"
    data.write_text(line + "\n")
    with pytest.raises(SandboxError, match=r"notes\.txt:1: not a line of a sandbox data file"):
        Rig(data=data)
    assert data.read_text() == line + "\n"


def test_two_sandboxes_do_not_share_a_file(tmp_path: Path) -> None:
    """The second one is told why it cannot start; a folder is no file either."""
    data = tmp_path / "sandbox.jsonl"
    rig = Rig(data=data)
    with pytest.raises(SandboxError, match="another sandbox is using the data file"):
        Rig(data=data)
    with pytest.raises(SandboxError, match="cannot write the data file"):
        Rig(data=tmp_path)
    rig.sandbox.close()

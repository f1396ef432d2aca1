"""What the tests hold printed commands to, tried with commands that fail."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.repositories import new_project, spec, write_specs
from tests.support.printed_commands import PrintedCommands, copied_folder

Ran = list[list[str]]


def _check(text: str, end: tuple[int, str], monkeypatch: pytest.MonkeyPatch, capsys: object) -> Ran:
    ran: Ran = []

    def rehearse(words: Sequence[str]) -> tuple[int, str]:
        ran.append(list(words))
        return end

    assert isinstance(capsys, pytest.CaptureFixture)
    PrintedCommands(monkeypatch, capsys, rehearse, set()).check(text)
    return ran


@pytest.mark.parametrize(
    ("code", "said", "complaint"),
    [
        (1, "error: there is no state at .reconciler/state.db\n", "fails"),
        (5, "error: this state belongs to stack blue\n", "fails"),
        (1, "error: the state has no 4501/chat\n", "fails"),
        (1, "error: unexpected failure: KeyError: 'x'\n", "fails"),
        (64, "error: Missing option '--id'\n", "is no command"),
    ],
)
def test_a_dead_end_is_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    said: str,
    complaint: str,
) -> None:
    """A command that somebody was told to type ends in none of these ways."""
    with pytest.raises(AssertionError, match=complaint):
        _check("hint: reconciler state show 4501/chat", (code, said), monkeypatch, capsys)


@pytest.mark.parametrize(
    "printed", ["state shwo 4501/chat", "plan --sate other.db", "sandbox -P 1"]
)
def test_what_is_no_command_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], printed: str
) -> None:
    """Nothing has to be carried out for that."""
    with pytest.raises(AssertionError, match="is no command"):
        _check(f"hint: reconciler {printed}", (0, ""), monkeypatch, capsys)


def test_each_form_is_carried_out_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its values; what asks is answered, and what is to be filled in is filled in."""
    text = (
        "look: reconciler state show 4501/a; look: reconciler state show 4501/b\n"
        "'reconciler state show 4501/a --state s.db' or 'reconciler apply'\n"
        "by hand: reconciler state adopt ADDRESS --id ID\n"
        "'reconciler sandbox' starts one; reconciler status --watch"
    )
    assert _check(text, (0, ""), monkeypatch, capsys) == [
        ["state", "show", "4501/a"],
        ["state", "show", "4501/a", "--state", "s.db"],
        ["apply", "--yes"],
        ["state", "adopt", "4501/any-name", "--id", str(uuid.UUID(int=1)), "--yes"],
    ]


def test_a_copy_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command changes is the copy, also where a configuration has a whole path."""
    folder = write_specs(tmp_path / "w", spec("a", new_project()))
    (folder / "reconciler.yaml").write_text(f"state: {folder}/kept.db\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RECONCILER_STATE", str(folder / "kept.db"))
    with copied_folder(tmp_path, tmp_path.with_name("copy"), monkeypatch) as there:
        assert Path.cwd() == Path(there(str(folder)))
        assert Path("reconciler.yaml").read_text() == f"state: {Path.cwd()}/kept.db\n"
        Path("a.json").unlink()
    assert Path.cwd() == folder
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "reconciler.yaml"]
    assert not tmp_path.with_name("copy").exists()

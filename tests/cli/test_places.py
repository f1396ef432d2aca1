"""What a command is asked to write never lands on what it lives on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def specs(cli: Cli, tmp_path: Path) -> Path:
    """One workload that is there."""
    folder = write_specs(tmp_path / "w", spec("one", new_project()))
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("plan", "--save", "w/.reconciler/state.db"), "it belongs to the state"),
        (("plan", "--metrics-file", "w/.reconciler/state.db"), "it belongs to the state"),
        (("plan", "-o", "json=w/.reconciler/state.db"), "it belongs to the state"),
        (("apply", "--yes", "-o", "ndjson=w/.reconciler/state.db"), "it belongs to the state"),
        (("apply", "--yes", "-o", "text=w/.reconciler/state.db.lock"), "it belongs to the state"),
        (("plan", "-o", "markdown=w/one.json"), "it is among the specs"),
        (("apply", "--yes", "-o", "json=w/out.json"), "it is among the specs"),
        (("validate", "-o", "json=w/out.json"), "it is among the specs"),
        (("plan", "--save", "/dev/full"), "it is not a regular file"),
        (("plan", "--save", "x", "--metrics-file", "x"), "--save writes it as well"),
        (("plan", "-o", "json=x", "-o", "markdown=x"), "-o writes it as well"),
    ],
)
def test_nothing_is_written_over(
    cli: Cli, specs: Path, command: tuple[str, ...], words: str
) -> None:
    """It is refused before anything is sent, and every file is as it was."""
    before = contents(specs)
    refused = cli(command[0], specs, *command[1:])
    assert (refused.code, refused.out) == (64, "")
    assert words in refused.err
    assert contents(specs) == before
    assert not Path("x").exists()
    assert cli("plan", specs).code == 0


@pytest.mark.parametrize("command", ["plan", "apply", "validate"])
def test_an_included_folder_holds_specs_as_well(cli: Cli, tmp_path: Path, command: str) -> None:
    """What would be read as a spec by the next run is not written there, also after a validate."""
    (tmp_path / ".git").mkdir()
    base, root = write_specs(tmp_path / "base", spec("a", new_project())), tmp_path / "dev"
    root.mkdir()
    (root / "reconciler.yaml").write_text("include: [../base]\n")
    # The second validate remembers that nothing is wrong, and reads no spec.
    assert cli("validate", root).code == 0
    yes = ("--yes", "--init") if command == "apply" else ()
    refused = cli(command, root, *yes, "-o", "json=base/out.json")
    assert (refused.code, refused.out) == (64, "")
    assert "-o: base/out.json: it is among the specs and would be read as one" in refused.err
    assert [path.name for path in base.iterdir()] == ["a.json"]
    assert cli("validate", root, "-o", "json=base/_out.json").code == 0


def test_a_quiet_apply_says_nothing_if_nothing_was_done(cli: Cli, specs: Path) -> None:
    """A scheduler mails what is printed."""
    assert (idle := cli("apply", specs, "--yes", "-q")).code == 0
    assert (idle.out, idle.err) == ("", "")
    (specs / "one.json").write_text((specs / "one.json").read_text().replace("one", "two"))
    busy = cli("apply", specs, "--yes", "-q")
    assert busy.out.startswith(
        "Applied: 1 created, 0 updated, 0 replaced, 1 deleted; 0 failed, 0 down, 0 in doubt ("
    )


def test_a_deadline_that_is_over_at_once(cli: Cli, specs: Path) -> None:
    """Too short is an answer, and no defect of the program."""
    for command in ("plan", "apply"):
        more = ("--yes",) if command == "apply" else ()
        ended = cli(command, specs, "--deadline", "1ms", *more)
        assert ended.code == 9
        assert ended.err.startswith("error: the run ended before all answers had come")

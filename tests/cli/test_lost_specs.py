"""A file that is silently no spec would be a delete: it is an error or a refusal instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs


@pytest.fixture
def applied(cli: Cli, tmp_path: Path, server: object) -> Path:
    """A repository of four applied specs, of which one lies in a folder of its own."""
    del server
    project = new_project()
    root = write_specs(tmp_path / "w", *(spec(name, project) for name in ("one", "two", "three")))
    write_specs(root / "team", spec("four", project))
    (root / "team" / "README.md").write_text("The specs of the team.\n")
    assert cli("apply", root, "--yes", "--init").code == 0
    return root


def test_a_name_in_capitals_deletes_nothing(applied: Path, cli: Cli) -> None:
    """A spec whose ending is written otherwise is an error with the right name."""
    for name in ("one.JSON", "one.Json", "one.YAML", "one.Yml"):
        spec_file = applied / "one.json"
        spec_file.rename(applied / name)
        ended = cli("plan", applied)
        right = name.lower()
        assert (ended.code, ended.out) == (3, "")
        assert (
            f"'{name}' is not read: specs end in .yaml, .yml or .json (misnamed-spec)" in ended.err
        )
        assert f"hint: name it {right}, or list it in .reconcilerignore" in ended.err
        (applied / name).rename(spec_file)
    assert cli("plan", applied, "--detailed-exitcode").code == 0


def test_a_folder_that_lost_its_specs(applied: Path, cli: Cli) -> None:
    """It is refused while the folder stands, and the number allows it; without it all is clear."""
    (applied / "team" / "four.json").unlink()
    refused = cli("plan", applied)
    assert refused.code == 5
    assert (
        "the folder team is there, but has none of its specs any more: "
        "1 workload is to be deleted" in refused.err
    )
    assert cli("apply", applied, "--yes").code == 5
    assert cli("plan", applied, "--allow-deletes", "2").code == 5
    assert cli("plan", applied, "--allow-deletes", "1").code == 0
    (applied / ".reconcilerignore").write_text("team/\n")
    assert cli("plan", applied).code == 5
    (applied / "team" / "README.md").unlink()
    (applied / "team").rmdir()
    assert cli("plan", applied).code == 0
    assert cli("apply", applied, "--yes").code == 0


@pytest.mark.parametrize("saved", [False, True])
def test_a_folder_that_lost_specs_which_moved_there(
    *, saved: bool, applied: Path, cli: Cli, tmp_path: Path
) -> None:
    """A move is no change and is noted all the same, by any apply: a spec counts where it is."""
    (applied / "new").mkdir()
    (applied / "team" / "four.json").rename(applied / "new" / "four.json")
    (applied / "new" / "README.md").write_text("Where the specs of the team went.\n")
    plan = tmp_path / "plan.json"
    planned = cli("plan", applied, "--detailed-exitcode", "--save", plan)
    assert (planned.code, "Nothing to do" in planned.out) == (0, True)
    ended = cli("apply", applied, "--yes", *(("--plan", plan) if saved else ()))
    assert (ended.code, "Nothing to do" in ended.out) == (0, True)

    (applied / "new" / "four.json").unlink()

    refused = cli("apply", applied, "--yes")
    assert (refused.code, "the folder new is there, but has none" in refused.err) == (5, True)
    # The one that it was moved out of stands empty as well, and speaks against nothing.
    assert "the folder team" not in refused.err


def test_an_output_in_capitals_among_the_specs(applied: Path, cli: Cli) -> None:
    """A run does not write what would stop the next one."""
    ended = cli("plan", applied, "-o", f"json={applied}/plan.JSON")
    assert ended.code == 64
    assert "it is among the specs" in ended.err

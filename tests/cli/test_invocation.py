"""Where commands run, and where their state lies."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Result
from tests.cli.repositories import new_project, spec, write_specs


@pytest.fixture
def workloads(tmp_path: Path) -> Path:
    """A folder of specs with an owner of its own, below the working directory."""
    folder = write_specs(tmp_path / "my team", spec("a", new_project()))
    (folder / "reconciler.yaml").write_text("stack: my-team\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("-C", "my team", "validate"),
        ("validate", "-C", "my team"),
        ("-C", "my team", "validate", "-C", "..", "my team"),
    ],
)
@pytest.mark.usefixtures("workloads")
def test_a_command_runs_elsewhere(cli: Cli, words: tuple[str, ...]) -> None:
    """Before the command or behind it, and afterwards the program is where it was."""
    before = Path.cwd()
    assert cli(*words).out == "1 workload in 1 file: valid.\n"
    assert Path.cwd() == before


def test_a_folder_that_is_not_there(cli: Cli) -> None:
    """It is wrong usage, and nothing runs here instead."""
    result = cli("-C", "gone", "validate")
    assert (result.code, result.out) == (64, "")
    assert "-C: gone: No such file or directory" in result.err


@pytest.mark.usefixtures("workloads")
def test_a_hint_has_the_folder_that_the_run_was_sent_to(cli: Cli) -> None:
    """Quoted for the shell, it leads to the same state from where the run was started."""
    missing = cli("-C", "my team", "state", "list")
    assert "run 'reconciler -C 'my team' state recover'" in missing.err


@pytest.mark.usefixtures("server")
def test_the_state_lies_beside_the_configuration(cli: Cli, workloads: Path) -> None:
    """Also with --config, from anywhere; its folder is none of git's business."""
    config = ("--config", "my team/reconciler.yaml")
    rendered = Path("rendered")
    rendered.mkdir()
    (workloads / "a.json").rename(rendered / "a.json")
    assert cli("apply", rendered, *config, "--yes", "--init").code == 0
    folder = workloads / ".reconciler"
    assert (folder / "state.db").is_file()
    assert (folder / ".gitignore").read_text() == "# The state is not source code.\n*\n"
    assert not Path(".reconciler").exists()
    assert cli("state", "list", *config).out.count("\n") == 2


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("started_in", [".", "elsewhere"])
def test_documents_of_standard_input_belong_to_the_configuration(
    cli: Cli, workloads: Path, monkeypatch: pytest.MonkeyPatch, started_in: str
) -> None:
    """State, stack, defaults and files that a spec names lie beside it, wherever one stands."""
    project = new_project()
    one = spec("a", project)
    (workloads / "a.json").rename(workloads / "_manifest.json")
    (workloads / "_manifest.json").write_text(json.dumps(one["manifest"]))
    (workloads / "_defaults.yaml").write_text("metadata: {priority: high}\n")
    (workloads / "reconciler.yaml").write_text("stack: my-team\nstate: kept/state.db\n")
    here = Path.cwd() / started_in
    here.mkdir(exist_ok=True)
    (here / "_defaults.yaml").write_text("metadata: {priority: low}\n")
    monkeypatch.chdir(here)
    config = Path(os.path.relpath(workloads / "reconciler.yaml"))
    document = json.dumps({"metadata": one["metadata"], "manifestFile": "_manifest.json"})

    def typed(*words: str) -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(document.encode())))
        return cli(*words, "--config", config)

    rendered = typed("render", "-", "-o", "json")
    applied = typed("apply", "-", "--yes", "--init", "-q")
    listed = typed("state", "list", "-o", "json")
    assert (rendered.code, applied.code, listed.code) == (0, 0, 0), applied.err
    assert json.loads(rendered.out)[0]["metadata"]["priority"] == "high"
    assert f"{project}/a" in listed.out
    kept = workloads / "kept"
    assert sorted(path.name for path in kept.glob("*.db")) == ["state.db"]
    assert (kept / ".gitignore").read_text() == "# The state is not source code.\n*\n"
    assert sorted(path.name for path in here.iterdir() if path.is_file()) == ["_defaults.yaml"]
    planned = typed("plan", "-")
    assert "Stack my-team on " in planned.out
    assert f", state {config.parent}/kept/state.db.\n" in planned.out


@pytest.mark.usefixtures("server")
def test_a_state_that_is_named_knows_its_owner(cli: Cli, workloads: Path) -> None:
    """The status of a state of some other folder needs no --stack."""
    assert cli("apply", workloads, "--yes", "--init").code == 0
    status = cli("status", "--state", workloads / ".reconciler" / "state.db")
    assert (status.code, status.err) == (0, "")
    other = cli("status", "--state", workloads / ".reconciler" / "state.db", "--stack", "other")
    assert other.code == 5

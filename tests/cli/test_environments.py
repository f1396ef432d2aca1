"""The repository of two teams with three environments each that `examples/environments/` shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.app.scaffold import Ci, Source, scaffold
from reconciler.specs.compose.rendering import render_documents
from reconciler.specs.config import Config, config_file, load_config
from reconciler.specs.loaded import Loaded
from reconciler.specs.loading import load_specs
from tests.cli.conftest import Cli

EXAMPLE = Path(__file__).parents[2] / "examples" / "environments"
BY_HAND = Path(__file__).parent / "environments"
STACKS = {
    f"{team}-{environment}": f"{team}/{environment}"
    for team in ("research", "serving")
    for environment in ("dev", "staging", "production")
}
WORKLOADS = {"research-production": 1, "serving-production": 3}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The example as a checkout of its own, which is the working directory."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


def written(loaded: Loaded) -> str:
    """The effective specs, to the byte, whatever the order of keys in a file."""
    assert loaded.diagnostics == ()
    return json.dumps(render_documents(loaded.desired), indent=1, sort_keys=True)


@pytest.mark.parametrize(("stack", "folder"), STACKS.items())
def test_an_environment_is_what_a_person_would_have_copied(
    repository: Path, stack: str, folder: str
) -> None:
    """Include and patches come to the very specs that were written out by hand."""
    root = repository / folder
    config = load_config(config_file(root), root=root)
    with (BY_HAND / f"{stack}.yaml").open("rb") as copies:
        by_hand = load_specs([Path("-")], root=BY_HAND, config=Config(), stdin=copies)
    assert config.stack == stack
    assert written(load_specs([root], root=root, config=config)) == written(by_hand)


@pytest.mark.usefixtures("repository", "server")
def test_all_environments_live_beside_each_other(cli: Cli) -> None:
    """Each is valid, planned and applied with a state of its own, and then as declared."""
    for stack, folder in STACKS.items():
        count = WORKLOADS.get(stack, 2)
        assert cli("validate", folder, "--fail-on", "warning").code == 0
        planned = cli("plan", folder)
        assert (planned.code, f"Plan: {count} to create, 0 to update" in planned.out) == (0, True)
        applied = cli("apply", folder, "--yes", "--init")
        assert (applied.code, f"Applied: {count} created" in applied.out) == (0, True)
    for folder in STACKS.values():
        assert cli("plan", folder, "--detailed-exitcode").code == 0


@pytest.mark.usefixtures("repository")
def test_a_finding_in_what_was_overridden_points_at_the_patch(cli: Cli, repository: Path) -> None:
    """Whoever reads it opens the file that has to be mended."""
    patches = repository / "serving" / "production" / "_patches.yaml"
    patches.write_text(patches.read_text().replace("replicas: 6", "replicas: -6"))
    result = cli("validate", "serving/production")
    assert (result.code, result.out) == (
        3,
        (
            "serving/production/_patches.yaml:5:17: error: 'replicas' must be a whole number "
            "from 0, not -6 (bad-count)\n1 error.\n"
        ),
    )


def test_its_workflow_is_what_init_writes(tmp_path: Path) -> None:
    """Run on the six folders one after the other, which all have their configuration already."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    workflow = tmp_path / ".github" / "workflows" / "workloads.yml"
    shown = workflow.read_text()
    workflow.unlink()
    for folder in STACKS.values():
        scaffold(tmp_path / folder, ci=Ci.GITHUB, source=Source())
    assert workflow.read_text() == shown

"""The pipelines fetch the program at one commit, and at nothing that can be moved."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.ci.statebranch import git
from tests.ci.tools import ROOT, job_environment

GITHUB = sorted((ROOT / "examples" / "ci" / "github").glob("*.yml"))
GITLAB = ROOT / "examples" / "ci" / "gitlab" / "reconciler.gitlab-ci.yml"


def fetching_scripts() -> Mapping[str, str]:
    """The part of every pipeline that we show, from which on it has the program."""
    scripts = {}
    for path in GITHUB:
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            (step,) = [step for step in job["steps"] if step.get("name") == "Fetch reconciler"]
            scripts[f"{path.stem}/{name}"] = step["run"]
    before = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))[".reconciler"]["before_script"]
    end = next(at for at, line in enumerate(before) if "install.sh" in line)
    scripts["gitlab"] = "\n".join(before[:end])
    return scripts


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A repository of the program with a branch and a tag."""
    folder = tmp_path / "tool"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "first")
    git(folder, "tag", "v1.0.0")
    return folder


def fetch(script: str, tool: Path, commit: str) -> subprocess.CompletedProcess[str]:
    """Run such a part in an empty folder."""
    folder = tool.with_name("job")
    folder.mkdir()
    variables = {"TOOL": str(folder / ".reconciler-tool"), "CI_PROJECT_DIR": str(folder)}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**job_environment(), **variables, "TOOL_SOURCE": str(tool), "TOOL_COMMIT": commit},
        text=True,
    )


@pytest.mark.parametrize("script", fetching_scripts().values(), ids=fetching_scripts())
@pytest.mark.parametrize("named", ["main", "v1.0.0", "HEAD", "short", "longer", "other line"])
def test_what_is_no_commit_is_refused(tool: Path, script: str, named: str) -> None:
    """A branch and a tag can be moved, and a part of a hash can mean another commit later."""
    commit = git(tool, "rev-parse", "HEAD")
    named = {"short": commit[:12], "longer": f"{commit}0", "other line": f"{commit}\nx"}.get(
        named, named
    )
    refused = fetch(script, tool, named)
    assert refused.returncode != 0
    assert "TOOL_COMMIT is not the full hash of a commit" in refused.stdout
    assert not (tool.with_name("job") / ".reconciler-tool" / ".git" / "index").exists()


@pytest.mark.parametrize("script", fetching_scripts().values(), ids=fetching_scripts())
def test_a_commit_is_fetched(tool: Path, script: str) -> None:
    """Just that one, whatever has come after it, and no hook of a template runs."""
    commit = git(tool, "rev-parse", "HEAD")
    git(tool, "commit", "--quiet", "--allow-empty", "--message", "second")
    template = tool.with_name("template") / "hooks" / "post-checkout"
    template.parent.mkdir(parents=True)
    template.write_text(f"#!/bin/sh\ntouch {tool}/ran\n", encoding="utf-8")
    template.chmod(0o755)
    fetched = fetch(f"export GIT_TEMPLATE_DIR={template.parents[1]}\n{script}", tool, commit)
    assert fetched.returncode == 0, fetched.stderr
    assert git(tool.with_name("job") / ".reconciler-tool", "rev-parse", "HEAD") == commit
    assert not (tool / "ran").exists()

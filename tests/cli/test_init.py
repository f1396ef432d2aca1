from __future__ import annotations

import json
import re
import subprocess
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.app import scaffold as scaffolding
from reconciler.app.scaffold import Ci, Source, detect_ci, scaffold
from reconciler.app.settings import Flags, resolve_settings
from reconciler.resources import load_schema
from reconciler.specs.config import Config, load_config
from tests.cli.conftest import PROGRAM, Cli

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Source(url="https://git.example.com/tools/reconciler.git", commit=COMMIT)


def repository(folder: Path, remote: str = "") -> Path:
    """A git repository, as a clone of a remote."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    if remote:
        subprocess.run(["git", "-C", folder, "remote", "add", "origin", remote], check=True)
    return folder


def zizmor(path: Path) -> subprocess.CompletedProcess[str]:
    """What the linter of workflows says."""
    return subprocess.run(
        [PROGRAM.with_name("zizmor"), "--quiet", "--offline", "--no-progress", path],
        capture_output=True,
        check=False,
        text=True,
    )


def matrix_of(job: dict[str, Any]) -> list[dict[str, str]]:
    """The stacks that a job of a workflow is for."""
    entries: list[dict[str, str]] = job["strategy"]["matrix"]["include"]
    return entries


def test_a_plain_folder_gets_no_pipeline(cli: Cli, tmp_path: Path) -> None:
    """Where nothing says which CI system there is, none is guessed, and the way is named."""
    result = cli("init", "w")
    assert result.code == 0
    assert result.out == (
        "wrote w/reconciler.yaml\nwrote w/hello.yaml\nwrote w/.schemas/spec.schema.json\n"
        "wrote w/.reconciler/.gitignore\n"
    )
    first, *_ = (tmp_path / "w" / "hello.yaml").read_text().splitlines()
    assert first == "# yaml-language-server: $schema=.schemas/spec.schema.json"
    assert json.loads((tmp_path / "w" / ".schemas" / "spec.schema.json").read_text()) == (
        load_schema("spec")
    )
    assert result.err == (
        "No CI system was recognised, so no pipeline: --ci github or --ci gitlab writes one.\n"
        "Next: edit them, then run 'reconciler validate w'.\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]


def test_what_init_wrote_is_valid(cli: Cli) -> None:
    """The first command that it names succeeds."""
    assert cli("init", ".").code == 0
    assert cli("validate", ".", "--fail-on", "warning").out == "1 workload in 1 file: valid.\n"


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_specs_may_be_the_whole_repository(cli: Cli, tmp_path: Path, ci: str) -> None:
    """A pipeline beside the specs is not taken for one of them."""
    repository(tmp_path)
    assert cli("init", ".", "--ci", ci).code == 0
    assert cli("validate", ".").out == "1 workload in 1 file: valid.\n"


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_second_init_touches_nothing(cli: Cli, tmp_path: Path, ci: str) -> None:
    """What exists is the user's: it is named and left as it is."""
    repository(tmp_path)
    first = cli("init", "w", "--ci", ci)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = cli("init", "w", "--ci", ci)
    assert second.code == 0
    # The example is for who has no specs yet.
    example = "wrote w/hello.yaml\nwrote w/.schemas/spec.schema.json\n"
    kept = first.out.replace(example, "").replace("wrote ", "kept  ")
    assert second.out == kept
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert second.err == "Next: edit them, then run 'reconciler validate w'.\n"


@pytest.mark.parametrize(
    ("remote", "files", "ci"),
    [
        ("https://github.com/org/specs.git", [], Ci.GITHUB),
        ("git@github.example.com:org/specs.git", [], Ci.GITHUB),
        ("ssh://git@gitlab.example.com:2222/org/specs.git", [], Ci.GITLAB),
        ("https://git.example.com/github/specs.git", [], Ci.NONE),
        ("", [], Ci.NONE),
        ("", [".github/CODEOWNERS"], Ci.GITHUB),
        ("", [".gitlab-ci.yml"], Ci.GITLAB),
        ("https://github.com/org/specs.git", [".gitlab-ci.yml"], Ci.GITLAB),
        ("git@gitlab.com:org/specs.git", [".gitlab-ci.yml", ".github/x"], Ci.GITLAB),
        ("", [".gitlab-ci.yml", ".github/x"], Ci.GITHUB),
    ],
)
def test_the_system_is_recognised(tmp_path: Path, remote: str, files: list[str], ci: Ci) -> None:
    """Files of a system say more than the host, and the host more than nothing."""
    repository(tmp_path, remote)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert detect_ci(tmp_path) is ci


def test_a_worktree_is_recognised_by_its_repository(tmp_path: Path) -> None:
    """A worktree has no configuration of its own; its `.git` is a file that says where."""
    main = repository(tmp_path / "main", "https://github.com/org/specs.git")
    identity = ("-c", "user.name=x", "-c", "user.email=x@invalid")
    for words in (
        (*identity, "commit", "--quiet", "--allow-empty", "--message", "first"),
        ("worktree", "add", "--quiet", str(tmp_path / "tree")),
    ):
        subprocess.run(["git", "-C", main, *words], check=True)
    assert detect_ci(tmp_path / "tree") is Ci.GITHUB


def test_the_workflow_is_our_example(tmp_path: Path) -> None:
    """What init writes is what the examples show, for the folder that it was run on."""
    repository(tmp_path)
    scaffold(tmp_path / "workloads", ci=Ci.GITHUB, source=Source())
    scaffold(tmp_path / "workloads", ci=Ci.GITLAB, source=Source())
    written = tmp_path / ".github" / "workflows" / "workloads.yml"
    assert written.read_text("utf-8") == (EXAMPLES / "github/pull-request.yml").read_text("utf-8")
    example = EXAMPLES / "gitlab" / "reconciler.gitlab-ci.yml"
    assert (tmp_path / ".gitlab" / example.name).read_text("utf-8") == example.read_text("utf-8")


def test_the_workflow_fetches_what_is_installed(tmp_path: Path) -> None:
    """Where the program came from a commit of a repository, the pipeline fetches just that."""
    repository(tmp_path)
    made = scaffold(tmp_path / "specs", ci=Ci.GITHUB, source=SOURCE)
    path = tmp_path / ".github" / "workflows" / "workloads.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["env"] == {
        "TOOL_SOURCE": SOURCE.url,
        "TOOL_COMMIT": COMMIT,
    }
    entry = {"stack": "specs", "directory": "specs"}
    assert [matrix_of(job) for job in workflow["jobs"].values()] == [[entry], [entry]]
    assert {
        step["with"]["directory"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "directory" in step.get("with", {})
    } == {"${{ matrix.directory }}"}
    assert not any("Fill in" in note for note in made.notes)
    assert zizmor(path).returncode == 0, zizmor(path).stdout


@pytest.mark.parametrize(
    ("noted", "source"),
    [
        ({"url": SOURCE.url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, SOURCE),
        ({"url": SOURCE.url, "vcs_info": {"vcs": "git", "commit_id": "main"}}, Source()),
        ({"url": "ssh://git@x/y", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, Source()),
        ({"url": "file:///src", "dir_info": {"editable": True}}, Source()),
        ({"url": "https://x/y.whl", "archive_info": {}}, Source()),
        (None, Source()),
    ],
    ids=["commit", "branch", "ssh", "folder", "wheel", "index"],
)
def test_the_installer_notes_the_source(
    monkeypatch: pytest.MonkeyPatch, noted: dict[str, Any] | None, source: Source
) -> None:
    """Only what a pipeline can fetch is written into it; anything else is left to be filled in."""

    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if noted is None else json.dumps(noted)

    monkeypatch.setattr(metadata, "distribution", lambda _: Installed())
    assert Source.installed() == source


def test_a_program_that_is_not_installed_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a folder on the path, it does without."""
    monkeypatch.setattr(scaffolding, "DISTRIBUTION", "there-is-no-such-distribution")
    assert Source.installed() == Source()


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_pipeline_is_for_every_stack(cli: Cli, tmp_path: Path, ci: str) -> None:
    """Six folders of two teams get names of their own, and a line each where one was written."""
    repository(tmp_path)
    folders = [f"{team}/{place}" for team in ("a", "b") for place in ("dev", "test", "prod")]
    said = [cli("init", folder, "--ci", ci).out for folder in folders]
    stacks = [load_config(tmp_path / folder / "reconciler.yaml").stack for folder in folders]
    assert stacks == ["a-dev", "a-test", "a-prod", "b-dev", "b-test", "b-prod"]
    if ci == "github":
        path = ".github/workflows/workloads.yml"
        jobs = yaml.safe_load((tmp_path / path).read_text("utf-8"))["jobs"]
        expected = [{"stack": s, "directory": f} for s, f in zip(stacks, folders, strict=True)]
        assert [matrix_of(job) for job in jobs.values()] == [expected, expected]
        assert zizmor(tmp_path / path).returncode == 0
    else:
        path = ".gitlab/reconciler.gitlab-ci.yml"
        template = yaml.safe_load((tmp_path / path).read_text("utf-8"))[".reconciler"]
        expected = [{"STACK": s, "DIRECTORY": f} for s, f in zip(stacks, folders, strict=True)]
        assert template["parallel"]["matrix"] == expected
    assert [
        f"added {stack} to {path}\n" in out for stack, out in zip(stacks, said, strict=True)
    ] == [
        False,
        *[True] * 5,
    ]
    again = cli("init", folders[1], "--ci", ci)
    assert (f"kept  {path}\n" in again.out, "added" in again.out) == (True, False)


def test_workflows_that_were_copied_are_extended_as_well(cli: Cli, tmp_path: Path) -> None:
    """Those that apply, by the names that they ask to be copied to, and no other file."""
    repository(tmp_path)
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    for example, name in (("apply", "workloads-apply"), ("cron", "other")):
        text = (EXAMPLES / "github" / f"{example}.yml").read_text("utf-8")
        (workflows / f"{name}.yml").write_text(text, "utf-8")
    assert cli("init", "more/specs").out.splitlines()[-1:] == [
        "added more-specs to .github/workflows/workloads-apply.yml"
    ]
    line = "          - {stack: more-specs, directory: more/specs}\n"
    assert line in (workflows / "workloads-apply.yml").read_text("utf-8")
    assert line not in (workflows / "other.yml").read_text("utf-8")


def test_a_name_that_another_stack_has_gets_longer(cli: Cli, tmp_path: Path) -> None:
    """Two folders may be called alike, and so may those above them."""
    repository(tmp_path)
    for folder in ("x/a/dev", "y/a/dev"):
        assert cli("init", folder).code == 0
    found = [load_config(tmp_path / f / "reconciler.yaml").stack for f in ("x/a/dev", "y/a/dev")]
    assert found == ["a-dev", "y-a-dev"]


def test_a_missing_source_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    """A pipeline that cannot work yet says what is missing, here and when it runs."""
    repository(tmp_path, "https://github.com/org/specs.git")
    result = cli("init", "workloads")
    assert "wrote .github/workflows/workloads.yml\n" in result.out
    assert result.err.splitlines() == [
        "Fill in TOOL_SOURCE and TOOL_COMMIT in .github/workflows/workloads.yml.",
        "What else the pipeline needs stands at the top of .github/workflows/workloads.yml.",
        "Next: edit them, then run 'reconciler validate workloads'.",
    ]
    workflow = yaml.safe_load((tmp_path / ".github/workflows/workloads.yml").read_text("utf-8"))
    (fetch,) = [
        step["run"] for step in workflow["jobs"]["plan"]["steps"] if "fill it in" in str(step)
    ]
    done = subprocess.run(
        ["bash", "-euc", fetch],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **workflow["env"]},
        text=True,
    )
    assert done.returncode != 0
    assert "TOOL_SOURCE: fill it in above" in done.stderr


def test_a_pipeline_of_gitlab_is_added_to_the_one_there_is(cli: Cli, tmp_path: Path) -> None:
    """An existing pipeline is not rewritten: the line that it needs is named."""
    repository(tmp_path)
    entry = tmp_path / ".gitlab-ci.yml"
    entry.write_text("stages: [test]\n", encoding="utf-8")
    result = cli("init", "workloads")
    assert "wrote .gitlab/reconciler.gitlab-ci.yml\nkept  .gitlab-ci.yml\n" in result.out
    hint = "Add to .gitlab-ci.yml: include: [{local: .gitlab/reconciler.gitlab-ci.yml}]\n"
    assert hint in result.err
    entry.write_text("include: [{local: .gitlab/reconciler.gitlab-ci.yml}]\n", encoding="utf-8")
    assert "Add to" not in cli("init", "workloads").err


def test_a_new_pipeline_of_gitlab_is_included(cli: Cli, tmp_path: Path) -> None:
    """Where there is none, one is made that includes ours."""
    repository(tmp_path)
    assert cli("init", "workloads", "--ci", "gitlab").code == 0
    entry = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    assert entry == {"include": [{"local": ".gitlab/reconciler.gitlab-ci.yml"}]}


def _uncommented(text: str) -> str:
    """The settings that are shown as comments, in force."""
    return re.sub(r"^#(?=( {2})?[a-z_]+:)", "", text, flags=re.MULTILINE)


def test_every_setting_is_there(cli: Cli, tmp_path: Path) -> None:
    """The configuration names each setting that there is, those of `limits` as well."""
    cli("init", ".")
    shown = yaml.safe_load(_uncommented((tmp_path / "reconciler.yaml").read_text("utf-8")))
    schema = load_schema("config")
    assert set(shown) == set(schema["properties"])
    assert set(shown["limits"]) == set(schema["properties"]["limits"]["properties"])


def test_what_is_shown_as_a_comment_is_the_default(cli: Cli, tmp_path: Path) -> None:
    """With every comment in force, only those settings differ that are said to have no default."""
    cli("init", ".")
    path = tmp_path / "reconciler.yaml"
    path.write_text(_uncommented(path.read_text("utf-8")), encoding="utf-8")
    config = load_config(path)
    assert config.diagnostics == ()
    found, plain = (
        resolve_settings(Flags(), one, root=tmp_path, environ={}) for one in (config, Config())
    )
    differing = {
        field.name
        for field in fields(found)
        if getattr(found, field.name) != getattr(plain, field.name)
    }
    without_default = {
        *("url", "stack", "allowed_projects", "api_version", "max_update"),
        # Not shown as a comment: without one, the example would have no project.
        "projects",
    }
    assert differing - {"origins"} == without_default


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
def test_a_folder_may_have_any_name(name: str) -> None:
    """The stack is called like the folder, whatever characters that has."""
    text = scaffolding._yaml(name)
    assert yaml.safe_load(f"stack: {text}") == {"stack": name}


def test_a_folder_with_a_strange_name_is_named_in_the_pipelines(cli: Cli, tmp_path: Path) -> None:
    """Neither YAML nor GitLab's variables change it."""
    repository(tmp_path)
    name = 'a "$folder": yes'
    for ci in ("github", "gitlab"):
        assert cli("init", name, "--ci", ci).code == 0
    assert cli("validate", name).code == 0
    github = yaml.safe_load((tmp_path / ".github/workflows/workloads.yml").read_text("utf-8"))
    (entry,) = matrix_of(github["jobs"]["validate"])
    assert entry == {"stack": "a-folder-yes", "directory": name}
    gitlab = yaml.safe_load((tmp_path / ".gitlab/reconciler.gitlab-ci.yml").read_text("utf-8"))
    (entry,) = gitlab[".reconciler"]["parallel"]["matrix"]
    assert entry["DIRECTORY"].replace("$$", "$") == name


def test_an_expression_as_a_folder_is_refused(cli: Cli, tmp_path: Path) -> None:
    """GitHub would fill it in, and a job would run what it says."""
    repository(tmp_path)
    result = cli("init", "${{ secrets.X }}", "--ci", "github")
    assert result.code == 3
    assert result.err.startswith("error: a workflow cannot name the folder")


def test_a_file_in_the_way_is_an_error(cli: Cli, tmp_path: Path) -> None:
    """A file where a folder is needed is named, and nothing is thrown at the user."""
    (tmp_path / "w").write_text("", encoding="utf-8")
    result = cli("init", "w")
    assert result.code == 3
    assert "w" in result.err
    assert "Traceback" not in result.err

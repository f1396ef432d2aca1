"""The id of a project, wherever one is written: what else it may hold has a meaning elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import spec, write_specs

BAD = ["4501\n", "4501,name==x", "45 01", "45\t01", "4501/llm", "4501\x00", "٤٥٠١", "4" * 64]
TYPED = [one for one in BAD if "\x00" not in one]
LONGEST = "4" * 63


def shown(text: str) -> str:
    """An id as the start of a finding quotes it."""
    return text.replace("\n", r"\x0a").replace("\t", r"\x09").replace("\x00", r"\x00")[:50]


@pytest.mark.parametrize("project", [*BAD, ""])
def test_a_spec_of_no_project(cli: Cli, tmp_path: Path, project: str) -> None:
    """A finding at its place."""
    root = write_specs(tmp_path / "w", spec("one", project))
    column = (root / "one.json").read_text().index(json.dumps(project)) + 1
    ended = cli("validate", root)
    assert (ended.code, ended.err) == (3, "")
    assert ended.out.startswith(f"w/one.json:1:{column}: error: '{shown(project)}")
    assert "is not allowed as 'projectId'" in ended.out
    assert ended.out.endswith("1 error.\n")


@pytest.mark.parametrize("project", BAD)
@pytest.mark.parametrize("key", ["projects", "limits"])
def test_a_configuration_of_no_project(cli: Cli, tmp_path: Path, key: str, project: str) -> None:
    """Aliases and limits name projects as well."""
    root = write_specs(tmp_path / "w", spec("one", "1"))
    value = {"team-a": project} if key == "projects" else {"allowed_projects": [project]}
    text = json.dumps({key: value})
    (root / "reconciler.yaml").write_text(text)
    ended = cli("validate", root)
    column = text.index(json.dumps(project)) + 1
    assert (ended.code, ended.err) == (3, "")
    assert ended.out.startswith(f"w/reconciler.yaml:1:{column}: error: '{shown(project)}")
    assert ended.out.endswith("1 error.\n")


@pytest.mark.parametrize("project", TYPED)
@pytest.mark.parametrize(
    "command", [("plan",), ("apply", "--yes"), ("state", "adopt"), ("state", "recover")]
)
def test_a_flag_of_no_project(cli: Cli, command: tuple[str, ...], project: str) -> None:
    """Wrong usage, before anything is read."""
    ended = cli(*command, "--project", project)
    assert (ended.code, ended.out) == (64, "")
    assert f"{project!r} is not the id or the name of a project" in ended.err


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("project", [one for one in TYPED if "/" not in one])
@pytest.mark.parametrize(
    "command",
    [("show",), ("rm", "--yes"), ("adopt", "--id", "x", "--yes"), ("resolve", "--recheck")],
)
def test_an_address_of_no_project(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], project: str
) -> None:
    """Wrong usage in every command on the state that takes one."""
    root = write_specs(tmp_path / "w", spec("one", "1"))
    assert cli("apply", root, "--yes", "--init", "--no-create").code == 4
    first, *rest = command
    ended = cli("state", first, f"{project}/llm", *rest, "--state", root / ".reconciler/state.db")
    assert (ended.code, ended.out) == (64, "")
    assert "is not an address of the form <projectId>/<name>" in ended.err


@pytest.mark.parametrize("name", ["llm\n", "llm\t", "l m", "llm\x00", "llm٤", "l" * 64, "Llm", ""])
def test_a_spec_of_no_name(cli: Cli, tmp_path: Path, name: str) -> None:
    """Names have been bounded like this before: by the server's own rule."""
    root = tmp_path / "w"
    root.mkdir()
    text = json.dumps(spec("one", "1") | {"metadata": {"projectId": "1", "name": name}})
    (root / "one.json").write_text(text)
    ended = cli("validate", root)
    assert ended.code == 3
    column = text.index(json.dumps(name)) + 1
    assert f"w/one.json:1:{column}: error: '{shown(name)}" in ended.out


def test_the_longest_and_oddest_ids(cli: Cli, tmp_path: Path) -> None:
    """What is an id stays one."""
    specs = [spec(f"a{at}", project) for at, project in enumerate([LONGEST, "a.B_c-9", "0"])]
    ended = cli("validate", write_specs(tmp_path / "w", *specs))
    assert (ended.code, ended.out) == (0, "3 workloads in 3 files: valid.\n")

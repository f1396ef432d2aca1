"""Several repositories of specs in one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two folders with a configuration, a stack and a project each."""
    for name in ("a", "b"):
        folder = write_specs(tmp_path / name, spec(f"w-{name}", new_project()))
        (folder / "reconciler.yaml").write_text(f"stack: {name}\n")
    return ("a", "b")


def test_validate_shows_all_in_one_report(cli: Cli, tmp_path: Path, two: tuple[str, str]) -> None:
    """Findings of each, named from here, one verdict, and 3 where any is wrong."""
    assert cli("validate", *two).out == "2 workloads in 2 files: valid.\n"
    (tmp_path / "b" / "bad.yaml").write_text("metadata: {name: x}\n")
    found = cli("validate", *two, "-o", "json")
    assert found.code == 3
    assert {finding["file"] for finding in json.loads(found.out)} == {"b/bad.yaml"}


@pytest.mark.usefixtures("server")
def test_plan_shows_each_with_its_own_state(cli: Cli, tmp_path: Path, two: tuple[str, str]) -> None:
    """One is applied and one is not: two plans in one report, and the higher of the exit codes."""
    assert cli("apply", "a", "--yes", "--init").code == 0
    planned = cli(
        "plan", *two, "--detailed-exitcode", "-o", "json", "-o", "gitlab-plan=counts.json"
    )
    assert planned.code == 2
    plans = json.loads(planned.out)
    assert [plan["summary"]["create"] for plan in plans] == [0, 1]
    assert [plan["target"]["stack"] for plan in plans] == ["a", "b"]
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts == {"create": 1, "update": 0, "delete": 0}
    text = cli("plan", *two).out
    assert text.startswith("a:\nNothing to do.")
    assert "\n\nb:\n  + create " in text


@pytest.mark.usefixtures("server")
def test_what_ends_one_does_not_end_the_others(
    cli: Cli, tmp_path: Path, two: tuple[str, str]
) -> None:
    """An error is told with its folder, and the other plans are shown; its code is the highest."""
    (tmp_path / "a" / "bad.yaml").write_text("metadata: {name: x}\n")
    planned = cli("plan", *two)
    assert planned.code == 3
    assert planned.err.splitlines()[0] == "a:"
    assert "b:\n  + create " in planned.out


@pytest.mark.parametrize("option", [("--state", "s.db"), ("--save", "p"), ("-o", "html=p.html")])
def test_what_is_for_one_is_refused_for_several(
    cli: Cli, two: tuple[str, str], option: tuple[str, str]
) -> None:
    """A state, a saved plan and a page belong to one repository."""
    refused = cli("plan", *two, *option)
    assert (refused.code, refused.out) == (64, "")

"""Several repositories of specs in one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.report.pagetree import parse


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


@pytest.mark.parametrize("output", ["github", "sarif", "junit", "gitlab"])
def test_a_ci_server_gets_all_in_one_report(cli: Cli, two: tuple[str, str], output: str) -> None:
    """Both are valid, in every format; JUnit names the files of both."""
    validated = cli("validate", *two, "-o", output)
    assert (validated.code, validated.err) == (0, "")
    assert output != "junit" or all(name in validated.out for name in ("a/w-a.json", "b/w-b.json"))


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


@pytest.mark.parametrize("option", ["--state", "--save", "--metrics-file", "--config", "--stack"])
def test_what_is_for_one_is_refused_for_several(
    cli: Cli, two: tuple[str, str], option: str
) -> None:
    """Each has its own, and the sentence says how to give it."""
    refused = cli("plan", *two, option, "x")
    assert (refused.code, refused.out) == (64, "")
    assert f"{option} is for one DIR: run one command for each of them" in refused.err


@pytest.mark.usefixtures("server")
def test_one_page_shows_the_plans_of_all(cli: Cli, tmp_path: Path, two: tuple[str, str]) -> None:
    """The worst first, a link to each, and every id once; a folder without a plan says why."""
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "bad.yaml").write_text("metadata: {name: x}\n")
    assert cli("apply", "a", "--yes", "--init").code == 0
    planned = cli("plan", *two, "c", "-o", "text", "-o", "html=page.html")
    assert (planned.code, planned.out.count("\n\nb:\n")) == (3, 1)
    page = parse((tmp_path / "page.html").read_text("utf-8").removesuffix("\n"))
    [title] = page.find("h1")
    [sentence, *_] = [p for p in page.find("p") if p.attributes.get("class") == "sentence"]
    assert (title.text, sentence.text) == ("Plans of 3 folders", "1 of 3: No plan.")
    [index] = page.find("nav")
    assert [
        (link.text + item.text, link.attributes["href"])
        for item in index.find("li")
        for link in item.find("a")
    ] == [
        ("a: Plan: nothing to do", "#folder-1"),
        ("b: Plan: ready", "#folder-2"),
        ("c: No plan", "#folder-3"),
    ]
    ids = [e.attributes["id"] for e in page.walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert {"folder-2-changes", "folder-3-findings"} <= set(ids)


@pytest.mark.usefixtures("server")
def test_bars_of_two_folders_have_one_scale(cli: Cli, tmp_path: Path, two: tuple[str, str]) -> None:
    """A plan of three GPUs has a bar that is three times as long as that of one."""
    write_specs(tmp_path / "b", spec("x", new_project()), spec("y", new_project()))
    assert cli("plan", *two, "-o", "html=page.html").code == 0
    page = parse((tmp_path / "page.html").read_text("utf-8").removesuffix("\n"))
    totals = [row for row in page.find("tr") if row.attributes.get("class") == "total"]
    widths = [float(row.find("rect")[-1].attributes["width"] or 0) for row in totals]
    assert [round(width / widths[1], 2) for width in widths] == [0.33, 1.0]


@pytest.mark.usefixtures("server")
def test_one_workload_is_explained_where_it_is_known(
    cli: Cli, tmp_path: Path, two: tuple[str, str]
) -> None:
    """In one of the folders; in none of them it is misspelt."""
    assert cli("apply", "b", "--yes", "--init").code == 0
    project = json.loads((tmp_path / "b" / "w-b.json").read_text())["metadata"]["projectId"]
    explained = cli("plan", *two, "--explain", f"{project}/w-b")
    assert explained.code == 0
    assert explained.out.startswith("b:\nDeclared now:  b/w-b.json:1:1\n")
    assert explained.err == (
        f"a: no spec declares {project}/w-b, and the state does not record it\n"
    )
    found = json.loads(cli("plan", *two, "--explain", f"{project}/w-b", "-o", "json").out)
    assert [document["address"] for document in found] == [f"{project}/w-b"]
    nowhere = cli("plan", *two, "--explain", f"{project}/w-c")
    assert (nowhere.code, nowhere.out) == (64, "")
    assert "did you mean" in nowhere.err

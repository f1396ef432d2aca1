"""`-o html`: the page of a plan, of an apply, and of an apply that a guard refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.app.planning.planning import PlanResult
from reconciler.cli.options import OutputOptions
from reconciler.cli.output.console import Console
from reconciler.cli.output.html_pages import emit_plan_page
from reconciler.cli.params import Output
from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.report.pagetree import Element, parse
from tests.support.plans import busy_plan

pytestmark = pytest.mark.usefixtures("server")


def titles(page: Element) -> tuple[str, list[str]]:
    """The verdict of a page, and the headings of its parts."""
    return page.find("h1")[0].text, [found.text for found in page.find("h2")]


def test_a_plan_and_its_apply_have_a_page(cli: Cli, tmp_path: Path) -> None:
    """Beside the text, or alone on standard output; the apply's has its curves and its courses."""
    project = new_project()
    folder = write_specs(tmp_path / "w", spec("one", project), spec("two", project))
    planned = cli("plan", folder, "-o", "html")
    assert (planned.code, planned.err) == (0, "")
    assert titles(parse(planned.out.removesuffix("\n"))) == (
        "Plan: ready",
        ["In numbers", "GPUs", "Changes"],
    )
    target = tmp_path / "report.html"
    applied = cli("apply", folder, "--yes", "--init", "-o", "text", "-o", f"html={target}")
    assert applied.code == 0
    assert "2 created" in applied.out
    page = parse(target.read_text("utf-8"))
    assert titles(page) == (
        "Apply: done",
        ["What was done", "GPUs", "GPUs over time", "Concurrency", "Time line", "Changes"],
    )
    [courses] = [found for found in page.find("ol") if found.attributes["class"] == "courses"]
    assert len(courses.children) == 2


def test_the_page_of_a_saved_plan_tells_when_that_was_made(tmp_path: Path) -> None:
    """And not when it is shown."""
    target = tmp_path / "plan.html"
    planned = PlanResult(plan=busy_plan(), refusals=(), recorded=(), tenant_id=None)
    console = Console(OutputOptions(outputs=(Output("html", target),)))
    emit_plan_page(console, planned, "", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert "2026-01-02T03:04:05+00:00" in target.read_text("utf-8")


def test_a_refused_apply_has_the_page_of_its_plan(cli: Cli, tmp_path: Path) -> None:
    """Why it did not begin comes first."""
    project = new_project()
    names = ("a", "b", "c", "d")
    folder = write_specs(tmp_path / "w", *(spec(name, project) for name in names))
    assert cli("apply", folder, "--yes", "--init").code == 0
    for name in names:
        (folder / f"{name}.json").unlink()
    write_specs(folder, spec("e", project))
    target = tmp_path / "report.html"
    refused = cli("apply", folder, "--yes", "-o", f"html={target}")
    assert (refused.code, refused.out) == (5, "")
    title, headings = titles(parse(target.read_text("utf-8")))
    assert title == "Plan: refused"
    assert headings[0] == "Refused by guards"
    assert "--allow-deletes 4" in target.read_text("utf-8")


def test_the_next_command_is_the_one_that_goes_on(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workload that the server refuses is on the page, with its line and with what to do."""
    project = new_project()
    wrong = spec("wrong", project)
    wrong["metadata"]["category"] = "no-such-category"
    folder = write_specs(tmp_path / "w", wrong)
    monkeypatch.chdir(tmp_path)
    failed = cli("apply", "w", "--yes", "--init", "-o", "html")
    page = parse(failed.out.removesuffix("\n"))
    assert failed.code == 4
    assert folder.exists()
    assert titles(page)[0] == "Apply: failed in part"
    [section] = [f for f in page.find("section") if f.attributes["aria-labelledby"] == "failed"]
    words = [found.text for found in section.walk()]
    assert f"{project}/wrong" in words
    assert "w/wrong.json:1" in words
    assert "reconciler apply w" in words

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.planning import PlanResult
from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.planning.plan import PlanTarget
from reconciler.core.planning.planner import make_plan
from tools.generate_docs import ROOT, find_stale, main, pages

PAGES = [
    "docs/cli.md",
    "docs/diagnostics.md",
    "docs/exit-codes.md",
    "docs/reference/environment.md",
    "docs/reference/kubernetes-rules.md",
    "docs/reference/configuration.md",
    "docs/reference/spec.md",
    "docs/reference/plan.md",
    "docs/reference/events.md",
    "docs/reference/diagnostic.md",
]
TARGET = PlanTarget(url="https://cp.example", stack="team-a", api_version="2.23")
NOTHING = make_plan([], [], {}, target=TARGET, lineage="l")


def generate(*words: str | Path) -> Result:
    """Run the generator in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def exit_code(summary: Summary, stopped_by: str = "") -> int:
    """How an apply that went like this ends."""
    finished = RunFinished(
        at="", run="", took=0.0, summary=summary, stopped_by=StopReason(stopped_by)
    )
    planned = PlanResult(plan=NOTHING, refusals=(), recorded=(), tenant_id=None)
    return ApplyResult(planned=planned, finished=finished).exit_code


def test_the_pages_are_current() -> None:
    """What is committed below docs/ is what the code gives; tools/generate_docs.py writes it."""
    assert find_stale(ROOT) == []


def test_missing_pages_are_written(tmp_path: Path) -> None:
    """In an empty folder every page is written, and a second time none."""
    assert generate("--root", tmp_path).stdout.splitlines() == [f"wrote {name}" for name in PAGES]
    assert {name: (tmp_path / name).read_text("utf-8") for name in PAGES} == pages()
    assert generate("--root", tmp_path).stdout == ""


@pytest.mark.parametrize("name", PAGES)
def test_a_stale_page_is_named(name: str, tmp_path: Path) -> None:
    """`--check` fails for one changed page, names it alone, and leaves it as it is."""
    generate("--root", tmp_path)
    (tmp_path / name).write_text("old", "utf-8")
    result = generate("--check", "--root", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"{name} is out of date; run tools/generate_docs.py\n"
    assert (tmp_path / name).read_text("utf-8") == "old"


def test_current_pages_pass() -> None:
    """`--check` says nothing about a repository whose pages are current."""
    result = generate("--check")
    assert (result.exit_code, result.output) == (0, "")


def test_every_variable_is_documented() -> None:
    """What the program reads from the environment is on the page about it, and nothing else."""
    sources = "\n".join(path.read_text("utf-8") for path in ROOT.glob("reconciler/**/*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", sources))
    read |= set(re.findall(r"\b(?:RUNAI|RECONCILER)_[A-Z_]*[A-Z]\b", sources))
    page = pages()["docs/reference/environment.md"]
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    # What every terminal sets is no setting.
    assert read - documented == {"TERM"}


@pytest.mark.parametrize(
    ("summary", "stopped_by", "code"),
    [
        (Summary(created=1, deleted=1), "", 0),
        (Summary(failed=1), "", 4),
        (Summary(skipped=1), "deadline", 4),
        (Summary(failed=1, in_doubt=1), "", 8),
        (Summary(in_doubt=1), "unauthorised", 9),
        (Summary(skipped=1), "unreachable", 9),
        (Summary(in_doubt=1), "state", 1),
        (Summary(in_doubt=1, failed=1), "SIGINT", 130),
        (Summary(), "SIGTERM", 143),
    ],
)
def test_the_end_of_an_apply_is_documented(summary: Summary, stopped_by: str, code: int) -> None:
    """An apply ends with the first code that is true of it, and the page has it."""
    assert exit_code(summary, stopped_by) == code
    page = pages()["docs/exit-codes.md"].splitlines()
    rows = [line for line in page if line.startswith(f"| {code} | ")]
    assert any("`reconciler/app/applying/applying.py`" in row for row in rows)

"""What `plan` and `apply` give to reviews, on the command line and against the sandbox."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Cli, Result
from tests.cli.repositories import new_project, spec, without_updates, write_specs

pytestmark = pytest.mark.usefixtures("server")


@dataclass(frozen=True, slots=True)
class Step:
    """The files of a step of GitHub Actions."""

    summary: Path
    outputs: Path

    def values(self) -> dict[str, str]:
        """The outputs so far; later ones count."""
        lines = self.outputs.read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture(autouse=True)
def _no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """The environment of this test is that of a step."""
    step = Step(summary=tmp_path / "summary", outputs=tmp_path / "outputs")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step.summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(step.outputs))
    return step


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@pytest.fixture
def specs(tmp_path: Path, project: str) -> Path:
    """Two workloads in a folder of a git checkout."""
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    root = tmp_path / "checkout" / "workloads"
    return without_updates(write_specs(root, spec("one", project), spec("two", project)))


def change(folder: Path, old: str, new: str) -> None:
    """Edit the first spec."""
    path = folder / "one.json"
    path.write_text(path.read_text().replace(old, new))


def test_a_plan_as_a_comment(cli: Cli, specs: Path, project: str) -> None:
    """To the last line, with files as the checkout names them."""
    assert cli("apply", specs, "--yes", "--init").code == 0
    change(specs, '"replicas": 1', '"replicas": 3')
    result = cli("plan", specs, "-o", "markdown")
    assert (result.code, result.err) == (0, "")
    plan = json.loads(cli("plan", specs, "-o", "json").out)
    digest, document = plan["digest"], yaml.safe_dump(plan["actions"][0]["document"])
    since = r"releases 1 GPU, requested since \d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.sub(since, "SINCE", result.out) == (
        "<!-- reconciler:plan:default -->\n\n"
        "## Plan: 0 to create, 0 to update, 1 to replace, 0 to delete; "
        "1 unchanged. GPUs 2 → 4 (peak 4).\n\n"
        "| create | update | replace | delete | unchanged |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n"
        "| 0 | 0 | 1 | 0 | 1 |\n\n"
        "| GPUs in project | before | after | peak |\n"
        "| --- | ---: | ---: | ---: |\n"
        f"| `{project}` | 2 | 4 | 4 |\n"
        "| **total** | **2** | **4** | **4** |\n\n"
        "### Changes (1)\n\n"
        f"<details><summary>± replace <code>{project}/one</code> · "
        "<code>Deployment</code> · 1 → 3 GPUs · "
        "<code>workloads/one.json:1</code> · spec-changed</summary>\n\n"
        "- spec-changed: `/manifest/spec/replicas` changed; API `2.23` can only delete and create\n"
        "- SINCE\n\n"
        "```diff\n! /manifest/spec/replicas: 1 → 3\n```\n\n"
        "<details><summary>Effective document</summary>\n\n"
        f"```yaml\n{document}```\n\n"
        "</details>\n\n"
        "</details>\n\n"
        f"Stack `default` on `{os.environ['RUNAI_BASE_URL']}`, plan `{digest}` "
        "(`reconciler apply --expect-digest`).\n"
    )


def test_several_outputs_of_one_plan(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """One goes to standard output, others to files, annotations beside them; all as if alone."""
    forms = {name: tmp_path / name for name in ("markdown", "gitlab", "gitlab-plan", "github")}
    alone = {name: cli("plan", specs, "-o", name) for name in forms}
    files = [word for name, path in forms.items() for word in ("-o", f"{name}={path}")]
    result = cli("plan", specs, "-q", *files, "-o", "text")
    assert result == cli("plan", specs)
    for name in ("markdown", "gitlab", "gitlab-plan"):
        assert forms[name].read_text("utf-8") == alone[name].out
    assert alone["github"].err.startswith(forms["github"].read_text("utf-8"))
    assert json.loads(alone["gitlab-plan"].out) == {"create": 2, "update": 0, "delete": 0}
    assert json.loads(alone["gitlab"].out) == []


def test_annotations_leave_standard_output_alone(cli: Cli, specs: Path) -> None:
    """It stays what was asked for, or else the text of the plan."""
    both = cli("plan", specs, "-o", "json", "-o", "github")
    assert json.loads(both.out)["summary"]["create"] == 2
    notice, *notes = both.err.splitlines()
    assert notice == (
        "::notice title=reconciler plan::Plan: 2 to create, 0 to update, 0 to replace, "
        "0 to delete; "
        "0 unchanged. GPUs 0 → 2 (peak 2)."
    )
    assert notes == [
        "GITHUB_OUTPUT is not set: this step has no outputs",
        "GITHUB_STEP_SUMMARY is not set: this step has no summary",
    ]
    assert cli("plan", specs, "-o", "github", "-q").out == cli("plan", specs).out
    assert cli("plan", specs, "-o", "github", "-q").err == f"{notice}\n"


def test_a_step_of_a_workflow(cli: Cli, specs: Path, step: Step) -> None:
    """A plan is its summary and sets its outputs; an apply adds to both."""
    step.summary.write_text("before", "utf-8")
    step.outputs.write_text("a=1", "utf-8")
    planned = cli("plan", specs, "-o", "markdown", "-o", "github", "--detailed-exitcode")
    assert planned.code == 2
    assert step.summary.read_text("utf-8") == f"before\n{planned.out}"
    digest = json.loads(cli("plan", specs, "-o", "json").out)["digest"]
    assert step.values() == {
        "a": "1",
        "outcome": "changes",
        "exit_code": "2",
        "has_changes": "true",
        "refused": "false",
        "complete": "true",
        "digest": digest,
        "create": "2",
        **dict.fromkeys(("update", "replace", "delete", "adopt", "forget", "resolve"), "0"),
        **dict.fromkeys(("record", "hold"), "0"),
        "unchanged": "0",
        "drifted": "0",
        "gpus_before": "0",
        "gpus_after": "2",
        "gpus_peak": "2",
    }
    applied = cli("apply", specs, "--yes", "--init", "-o", "github", "--expect-digest", digest)
    assert applied.code == 0
    assert applied.out.splitlines()[-1].startswith("Applied: 2 created")
    assert "::notice title=reconciler apply::Applied: 2 created, " in applied.err
    assert "<!-- reconciler:apply:default -->" in step.summary.read_text("utf-8")
    assert step.values() | {"outcome": "applied", "created": "2", "failed": "0"} == step.values()


def test_a_refused_plan_shouts(cli: Cli, specs: Path, project: str, step: Step) -> None:
    """In the comment, in the annotations and in the outputs; an apply of it says the same."""
    more = [spec(name, project) for name in ("three", "four", "five")]
    write_specs(specs, *more)
    assert cli("apply", specs, "--yes", "--init").code == 0
    for name in ("one", "two", "three", "four"):
        (specs / f"{name}.json").unlink()
    pages = []
    for command in (("plan",), ("apply", "--yes")):
        result = cli(*command, specs, "-o", "markdown=page.md", "-o", "github")
        assert result.code == 5
        page = Path("page.md").read_text("utf-8")
        assert page.split("\n")[2].startswith(
            "## Refused. Plan: 0 to create, 0 to update, 0 to replace, 4 to"
        )
        assert "> - **mass-delete**: would delete or replace 4 of 5 workloads" in page
        assert "::error title=refused by mass-delete::would delete or replace 4 of 5" in result.err
        assert (step.values()["outcome"], step.values()["exit_code"]) == ("refused", "5")
        pages.append(page)
    assert pages[0] == pages[1]


def test_specs_with_errors(cli: Cli, specs: Path, step: Step) -> None:
    """The comment of the last plan must not stay: a page says why there is none."""
    change(specs, '"replicas": 1', '"replicas": "many"')
    for command in (("plan",), ("apply", "--yes", "--init")):
        result = cli(*command, specs, "-o", "markdown=page.md", "-o", "github")
        assert (result.code, result.out) == (3, "")
        page = Path("page.md").read_text("utf-8")
        verdict = "No plan" if command == ("plan",) else "Nothing was applied"
        assert f"## {verdict}: the specs are not valid; nothing was sent\n" in page
        assert "> - error at `workloads/one.json:1:" in page
        assert "::error file=workloads/one.json,line=1,col=" in result.err
        assert (step.values()["outcome"], step.values()["exit_code"]) == ("failed", "3")
    quality = cli("plan", specs, "-o", "gitlab")
    assert {one["location"]["path"] for one in json.loads(quality.out)} == {"workloads/one.json"}


def test_a_server_that_cannot_be_reached(cli: Cli, specs: Path, step: Step) -> None:
    """Any error that ends the command has a page, an annotation and an exit code in the outputs."""
    gone = ("--url", "http://127.0.0.1:9")
    result = cli("plan", specs, *gone, "-o", "markdown=page.md", "-o", "github")
    assert result.code == 9
    assert Path("page.md").read_text("utf-8").split("\n")[2] == "## No plan"
    assert result.err.startswith("::error title=reconciler plan::No plan: http://127.0.0.1:9")
    assert (step.values()["outcome"], step.values()["exit_code"]) == ("failed", "9")


def test_an_apply_in_which_workloads_fail(
    cli: Cli, specs: Path, project: str, tmp_path: Path, step: Step
) -> None:
    """The server's words stand in a table, with a way out, and at the lines of the specs."""
    assert cli("apply", specs, "--yes", "--init").code == 0
    other = ("--state", tmp_path / "other.db", "--init", "--yes")
    result = cli("apply", specs, *other, "-o", "text", "-o", "markdown=page.md", "-o", "github")
    assert result.code == 4
    page = Path("page.md").read_text("utf-8")
    assert page.split("\n")[2].startswith(
        "## Incomplete. Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
        "2 failed, 0 down, 0 in doubt"
    )
    rows = re.findall(r"^\| `(\S+)` \| hold \| `(\S+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [row[:2] for row in rows] == [
        (f"{project}/{name}", f"workloads/{name}.json:1") for name in ("one", "two")
    ]
    for name in ("one", "two"):
        place = f"::error file=workloads/{name}.json,line=1,col=1,title=hold failed::"
        assert f"{place}{project}/{name}: " in result.err
    assert (step.values()["outcome"], step.values()["failed"]) == ("incomplete", "2")


def test_files_that_cannot_be_written(
    cli: Cli, specs: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan fails for it; an apply is done, says so, and fails for nothing but the report."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(step.outputs / "nowhere"))
    hint = "GITHUB_OUTPUT names it; GitHub Actions sets that, and nothing else should"
    planned = cli("plan", specs, "-o", "github")
    assert planned.code == 1
    assert hint in planned.err
    applied = cli("apply", specs, "--yes", "--init", "-o", "github")
    assert applied.code == 1
    assert hint in applied.err
    assert applied.out.splitlines()[-1].startswith("Applied: 2 created")


def test_a_summary_that_is_nearly_full(cli: Cli, specs: Path, step: Step) -> None:
    """GitHub would drop all of it: what no longer fits is cut, then left out."""
    names = [spec(f"w{n}", new_project()) for n in range(60)]
    write_specs(specs, *names)
    room = 10_000
    step.summary.write_text("x" * (1024 * 1024 - room) + "\n", "utf-8")
    assert cli("plan", specs, "-o", "github").code == 0
    assert 1024 * 1024 - room // 2 < step.summary.stat().st_size <= 1024 * 1024
    assert "shown without details" in step.summary.read_text("utf-8")
    full = cli("plan", specs, "-o", "github")
    assert "the step summary has no room left for this report" in full.err
    assert step.summary.stat().st_size <= 1024 * 1024


def test_the_size_of_a_comment(cli: Cli, specs: Path) -> None:
    """It can be set, also from the environment, and not to nothing."""
    names = [spec(f"w{n}", new_project()) for n in range(60)]
    write_specs(specs, *names)
    for limit in (8_000, 16_000):
        result = cli("plan", specs, "-o", "markdown=page.md", "--markdown-limit", limit)
        assert result.code == 0
        assert limit // 2 < Path("page.md").stat().st_size <= limit
    small = cli("plan", specs, "-o", "markdown", "--markdown-limit", 7_999)
    assert (small.code, small.out) == (64, "")


SECRET = "canary-0c91d7aa52"


def test_no_secret_leaves_through_a_review(cli: Cli, specs: Path, step: Step) -> None:
    """Neither one in a spec nor the login's, in no file and no stream."""
    change(specs, '"image": "server:1"', f'"image": "server:1", "env": {env(SECRET)}')
    told: list[str] = []

    def tell(result: Result) -> None:
        told.extend([result.out, result.err])

    forms = ("-o", "markdown", "-o", "github")
    tell(cli("plan", specs, *forms))
    tell(cli("apply", specs, "--yes", "--init", *forms))
    change(specs, SECRET, f"{SECRET}-new")
    tell(cli("plan", specs, *forms))
    assert "(sensitive, changed)" in told[-2]
    tell(cli("apply", specs, "--yes", *forms))
    told += [step.summary.read_text("utf-8"), step.outputs.read_text("utf-8")]
    for text in told:
        assert SECRET not in text
        assert os.environ["RUNAI_CLIENT_SECRET"] not in text


def env(secret: str) -> str:
    """The environment of a container, with a token in it."""
    return json.dumps([{"name": "HF_TOKEN", "value": secret}])

"""`validate` on the command line: what it counts, shows and fails on."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from reconciler.specs.judged_tree import WORTH_REMEMBERING
from tests.cli.conftest import Cli
from tests.cli.repositories import spec, write_specs

UNKNOWN = {"apiVersion": "example.com/v1", "kind": "Trainer"}


def warned(name: str) -> dict[str, object]:
    """A spec with nothing but a warning."""
    return {"metadata": {"name": name, "projectId": "1"}, "manifest": UNKNOWN}


def broken(name: str) -> dict[str, object]:
    """A spec with two errors."""
    return {"metadata": {"name": name, "projectId": 1, "prio": "low"}, "manifest": UNKNOWN}


def test_only_what_was_asked_for_is_counted(cli: Cli, tmp_path: Path) -> None:
    """Of a repository, the given file or folder; all of it is read, since mistakes show between."""
    root = write_specs(tmp_path / "w", spec("one", "1"), spec("two", "1"))
    write_specs(root / "team", spec("three", "1"))
    (root / "reconciler.yaml").touch()
    assert cli("validate", root).out == "3 workloads in 3 files: valid.\n"
    assert cli("validate", root / "one.json").out == "1 workload in 1 file: valid.\n"
    assert cli("validate", root / "team").out == "1 workload in 1 file: valid.\n"


def test_a_file_is_judged_by_what_concerns_it(cli: Cli, tmp_path: Path) -> None:
    """Mistakes of others are not shown and do not fail it; those between it and them do."""
    root = write_specs(tmp_path / "w", spec("good", "1"), broken("bad"), warned("odd"))
    good, bad = cli("validate", root / "good.json"), cli("validate", root / "bad.json")
    assert (good.code, good.out) == (0, "1 workload in 1 file: valid.\n")
    assert good.err == "4 findings are not shown: about what was not asked for\n"
    assert (bad.code, bad.out.splitlines()[-1]) == (3, "2 errors, 1 warning.")
    assert bad.err == "1 finding is not shown: about what was not asked for\n"
    (root / "copy.json").write_text((root / "good.json").read_text())
    between = cli("validate", root / "copy.json", root / "odd.json", "-q")
    assert (between.code, between.err) == (3, "")
    assert "(duplicate-address)" in between.out
    assert between.out.splitlines()[-1] == "1 error, 1 warning."


def test_a_folder_without_specs(cli: Cli, tmp_path: Path) -> None:
    """Whoever names it expected some, and a path that was mistyped must not look like success."""
    root = write_specs(tmp_path / "w", spec("one", "1"))
    (root / "reconciler.yaml").touch()
    (root / "team").mkdir()
    result = cli("validate", root / "team")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("error: no specs were found\n")


def test_files_are_named_alike_in_every_format(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As paths from the working directory, so that they can be opened."""
    root = write_specs(tmp_path / "w", warned("one"))
    (root / "reconciler.yaml").touch()
    (root / "team").mkdir()
    for here, name in (
        (tmp_path, "w/one.json"),
        (root, "one.json"),
        (root / "team", "../one.json"),
    ):
        monkeypatch.chdir(here)
        shown = cli("validate", root).out
        (found,) = json.loads(cli("validate", root, "-o", "json").out)
        assert shown.startswith(f"{name}:1:")
        assert found["file"] == name


def test_warnings_can_fail(cli: Cli, tmp_path: Path) -> None:
    """By default only errors do."""
    root = write_specs(tmp_path / "w", warned("one"))
    lenient, strict = cli("validate", root), cli("validate", root, "--fail-on", "warning")
    assert (lenient.code, strict.code) == (0, 3)
    assert lenient.out == strict.out
    assert lenient.out.endswith("1 workload in 1 file: valid, 1 warning.\n")


def test_a_number_of_errors_is_enough(cli: Cli, tmp_path: Path) -> None:
    """What comes before the last of them is shown, and how much is not; the verdict stays."""
    root = write_specs(tmp_path / "w", broken("a"), warned("b"), broken("c"))
    whole = cli("validate", root, "-o", "json")
    assert whole.code == 3
    codes = ["wrong-type", "unknown-field", "unknown-kind", "unknown-kind"]
    found = [one["code"] for one in json.loads(whole.out)]
    assert found == [*codes, *codes[:3]]
    for most, shown in ((1, 1), (2, 2), (3, 5)):
        cut = cli("validate", root, "-o", "json", "--max-errors", most)
        assert [one["code"] for one in json.loads(cut.out)] == found[:shown]
        assert cut.err == f"{7 - shown} more findings are not shown (--max-errors)\n"
        assert cut.code == 3
    assert cli("validate", root, "--max-errors", 4).err == ""


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("destroy", "--yes")])
def test_a_plan_and_an_apply_show_as_many_errors(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The specs are as invalid as before; whoever reads them is shown the first of it."""
    root = write_specs(tmp_path / "w", broken("a"), warned("b"), broken("c"))
    cut, whole = (cli(*command, root, *more) for more in (("--max-errors", 2), ()))
    assert (cut.code, whole.code) == (3, 3)
    findings = [line for line in whole.err.splitlines() if re.search(r" \([a-z-]+\)$", line)]
    assert len(findings) == 7
    end = ["error: the specs are not valid; nothing was sent"]
    assert [line for line in cut.err.splitlines() if not line.startswith("  hint: ")] == [
        *findings[:2],
        "5 more findings are not shown (--max-errors)",
        *end,
    ]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A git repository whose specs all have a warning, and none of which has changed."""
    root = write_specs(tmp_path / "w", warned("a"), warned("b"))
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", *who, *arguments], cwd=root, check=True)
    return root


def test_findings_since_a_revision(cli: Cli, history: Path) -> None:
    """Only what has to do with changed files is shown, and a note says how much is not."""
    none = cli("validate", history, "--changed-since", "HEAD", "--fail-on", "warning")
    assert (none.code, none.out) == (0, "0 workloads in 0 files: valid.\n")
    assert none.err == "2 findings are not shown: not about changes since HEAD\n"
    (history / "c.json").write_text((history / "a.json").read_text())
    result = cli("validate", history, "--changed-since", "HEAD", "-o", "json")
    found = [(one["file"], one["code"]) for one in json.loads(result.out)]
    assert found == [
        ("w/c.json", "duplicate-address"),
        ("w/c.json", "unknown-kind"),
    ]
    assert result.code == 3


def test_a_revision_that_is_not_there(cli: Cli, history: Path) -> None:
    """It is wrong usage; a folder without git is invalid input."""
    unknown = cli("validate", history, "--changed-since", "v1")
    assert (unknown.code, unknown.out) == (64, "")
    assert unknown.err == (
        "error: git knows no revision 'v1'\n"
        "  hint: a shallow clone may lack it: fetch it, or clone with the whole history\n"
    )
    elsewhere = write_specs(history.parent / "x", warned("a"))
    outside = cli("validate", elsewhere, "--changed-since", "HEAD")
    assert (outside.code, outside.out) == (3, "")
    assert outside.err.startswith("error: git cannot list the changed files: not a git repository")


def test_names_of_projects_wait_for_a_server(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline they are no error: what was not resolved is said, from the cache as well."""
    monkeypatch.chdir(tmp_path)
    manifest = "{apiVersion: v1, kind: Pod, spec: {containers: [{name: m, image: a}]}}"
    text = f"metadata: {{name: NAME, project: ml}}\nmanifest: {manifest}\n"
    note = "Not resolved: project ml; plan, apply and validate --server ask the server.\n"
    for number in range(WORTH_REMEMBERING):
        (tmp_path / f"{number}.yaml").write_text(text.replace("NAME", f"w{number}"))
    for _ in range(2):
        ended = cli("validate")
        assert (ended.code, ended.out) == (0, "100 workloads in 100 files: valid.\n")
        assert ended.err == note
    rendered = cli("render", "1.yaml")
    assert (rendered.code, rendered.err) == (0, note)
    assert rendered.out.startswith("metadata:\n  name: w1\n  project: ml\n")

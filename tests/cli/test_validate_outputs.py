"""The formats of `validate` on the command line: where they go, and how they name files."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import PROGRAM, Cli

SPEC = """\
metadata:
  name: {name}
  projectId: 4501
  priorty: high
manifest: {{apiVersion: example.com/v1, kind: Trainer}}
"""
GOOD = """\
metadata: {name: good, projectId: "4501"}
manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}
"""
CODES = ["wrong-type", "unknown-field", "unknown-kind"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git checkout that holds its workloads in a folder, one of them broken in three ways."""
    root = tmp_path / "checkout" / "work loads"
    root.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    (root / "reconciler.yaml").touch()
    (root / "bad.yaml").write_text(SPEC.format(name="bad"))
    (root / "good.yaml").write_text(GOOD)
    return root


def files_named(cli: Cli, root: Path, *more: str) -> dict[str, set[str | None]]:
    """How each format names the files that it speaks of."""

    def out(form: str) -> str:
        return cli("validate", root, "-o", form, *more).out

    results = json.loads(out("sarif"))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    suites = ET.fromstring(out("junit"))  # noqa: S314 - our own
    return {
        "json": {one["file"] for one in json.loads(out("json"))},
        "github": {*re.findall(r"^::\w+ file=([^,]*),", out("github"), re.MULTILINE)},
        "gitlab": {one["location"]["path"] for one in json.loads(out("gitlab"))},
        "sarif": {place["artifactLocation"]["uri"] for place in places},
        "junit": {suite.get("name") for suite in suites},
    }


def test_servers_know_files_by_their_path_in_the_checkout(
    cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command runs; people and other programs open them from where they are."""
    for here, opened in ((root, "bad.yaml"), (root.parents[1], "checkout/work loads/bad.yaml")):
        monkeypatch.chdir(here)
        assert files_named(cli, root) == {
            "json": {opened},
            "github": {"work loads/bad.yaml"},
            "gitlab": {"work loads/bad.yaml"},
            "sarif": {"work%20loads/bad.yaml"},
            "junit": {"work loads/bad.yaml", "work loads/good.yaml"},
        }


def test_a_worktree_is_a_checkout(cli: Cli, root: Path) -> None:
    """There, and in a submodule, `.git` is a file."""
    (root.parent / ".git").rmdir()
    (root.parent / ".git").write_text("gitdir: elsewhere\n")
    assert files_named(cli, root)["gitlab"] == {"work loads/bad.yaml"}


def test_without_a_checkout(cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are named from the working directory, which is then the best guess."""
    (root.parent / ".git").rmdir()
    monkeypatch.chdir(root.parent)
    assert files_named(cli, Path("work loads"))["gitlab"] == {"work loads/bad.yaml"}


def test_several_formats_at_once(cli: Cli, root: Path, tmp_path: Path) -> None:
    """One goes to standard output, each other one to its file; the exit code is the same."""
    forms = {name: tmp_path / name for name in ("json", "github", "sarif", "junit", "gitlab")}
    alone = {name: cli("validate", root, "-o", name) for name in forms}
    result = cli(
        "validate",
        *(root, "-o", "text"),
        *(word for name, path in forms.items() for word in ("-o", f"{name}={path}")),
    )
    assert result == cli("validate", root)
    assert result.out.endswith("2 errors, 1 warning.\n")
    for name, path in forms.items():
        assert (path.read_text("utf-8"), alone[name].code) == (alone[name].out, 3)
    both = cli("validate", root, "-o", "text", "-o", "sarif")
    assert (both.code, both.out) == (64, "")


def test_formats_for_a_repository_without_findings(cli: Cli, root: Path) -> None:
    """Each says so in its own way, so that a server forgets what it showed before."""
    (root / "bad.yaml").unlink()
    out = {name: cli("validate", root, "-o", name) for name in ("github", "sarif", "gitlab")}
    assert {result.code for result in out.values()} == {0}
    assert out["github"].out == "1 workload in 1 file: valid.\n"
    assert json.loads(out["sarif"].out)["runs"][0]["results"] == []
    assert json.loads(out["gitlab"].out) == []
    assert '<testcase name="valid" classname="work loads/good.yaml"/>' in (
        cli("validate", root, "-o", "junit").out
    )


def test_what_fails_is_what_the_report_says(cli: Cli, root: Path) -> None:
    """With --fail-on warning, a warning is a failed test as well."""
    for severity, failures in (("error", "2"), ("warning", "3")):
        out = cli("validate", root, "-o", "junit", "--fail-on", severity).out
        assert ET.fromstring(out).get("failures") == failures  # noqa: S314 - our own


def test_the_cut_is_in_every_format(cli: Cli, root: Path) -> None:
    """--max-errors counts for servers, too, and so do the names of the rules."""
    out = cli("validate", root, "-o", "sarif", "--max-errors", 1).out
    [run] = json.loads(out)["runs"]
    assert [result["ruleId"] for result in run["results"]] == CODES[:1]
    [rule] = run["tool"]["driver"]["rules"]
    assert rule["shortDescription"] == {"text": "A value of the wrong type."}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(
    comments=st.lists(st.sampled_from(["", "# why", "   ", "# 日本"]), min_size=1, max_size=5),
    more=st.booleans(),
)
def test_a_servers_findings_survive_edits_above(
    comments: Sequence[str], more: bool, cli: Cli, root: Path
) -> None:
    """Lines above a finding, and other files, leave its fingerprint alone."""
    path = root / "bad.yaml"
    path.write_text(SPEC.format(name="bad"))
    (root / "a.yaml").unlink(missing_ok=True)
    before = _fingerprints(cli, root)
    path.write_text("\n".join([*comments, SPEC.format(name="bad")]))
    if more:
        (root / "a.yaml").write_text(SPEC.format(name="a"))
    after = _fingerprints(cli, root)
    assert before.items() <= after.items()
    assert len(after) == (6 if more else 3)


def _fingerprints(cli: Cli, root: Path) -> dict[tuple[str, str], Any]:
    found = json.loads(cli("validate", root, "-o", "gitlab").out)
    return {(one["location"]["path"], one["check_name"]): one["fingerprint"] for one in found}


def on_terminal(root: Path, *arguments: str, **variables: str) -> str:
    """What `validate` draws for somebody who looks."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1", **variables}
    command = [str(PROGRAM), "validate", *arguments]
    with subprocess.Popen(command, cwd=root, stdout=theirs, env=environment):
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_the_lines(root: Path) -> None:
    """Each with carets under what is meant; a log, which may be read later, has none of them."""
    shown = on_terminal(root)
    assert shown == (
        "bad.yaml:3:14: error: 'projectId' must be a string, not the number 4501 (wrong-type)\n"
        "  3 |   projectId: 4501\n"
        "    |              ^^^^\n"
        '  hint: quote it: "4501"\n'
        "bad.yaml:4:3: error: unknown field 'priorty' (unknown-field)\n"
        "  4 |   priorty: high\n"
        "    |   ^^^^^^^\n"
        "  hint: did you mean 'priority'?\n"
        "bad.yaml:5:46: warning: example.com/v1 Trainer is not among the kinds that the platform "
        "registers\n  out of the box (unknown-kind)\n"
        "  5 | manifest: {apiVersion: example.com/v1, kind: Trainer}\n"
        "    |                                              ^^^^^^^\n"
        "  hint: the platform's administrator can register it\n"
        "2 errors, 1 warning.\n"
    )


def test_a_log_has_no_lines(cli: Cli, root: Path) -> None:
    """Whoever reads it may not be one of those who can read the specs."""
    found = re.findall(r"^ +\d* \| ", on_terminal(root), re.MULTILINE)
    assert len(found) == 6
    assert re.findall(r"^ +\d* \| ", cli("validate", root, "-v").out, re.MULTILINE) == []


@pytest.mark.parametrize(
    "line",
    [
        "apiToken: s3cr3t",
        "priority: {token: s3cr3t}",
        "password:\n    value: {odd: s3cr3t}",
        "manifestBase64Encoded: s3cr3t",
    ],
)
def test_lines_about_secrets_are_not_drawn(root: Path, line: str) -> None:
    """Not even for somebody who looks: a terminal is recorded, and looked at by others."""
    content = f"metadata:\n  name: bad\n  projectId: 7\n  {line}\n"
    (root / "bad.yaml").write_text(content)
    shown = on_terminal(root)
    assert "s3cr3t" not in shown
    assert "  3 |   projectId: 7\n" in shown


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"metadata: {name: \xe9}\n", b"", b"a: [\n"], ids=str
)
def test_lines_that_cannot_be_shown(
    cli: Cli, root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no text, or has no such line, is reported as ever."""
    (root / "bad.yaml").write_bytes(content)
    monkeypatch.chdir(root)
    # Wide enough for every line: a terminal breaks longer ones between words.
    plain, seen = cli("validate"), on_terminal(root, COLUMNS="500")
    shown = [line for line in seen.split("\n") if not re.match(r" +\d* \| ", line)]
    assert "\n".join(shown) == plain.out


def test_standard_input_is_not_read_twice(root: Path) -> None:
    """What was piped in is gone: its findings come without lines."""
    done = subprocess.run(
        [PROGRAM, "validate", "-"],
        cwd=root,
        input=SPEC.format(name="bad").encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert b"<stdin>:4:3: error: unknown field 'priorty' (unknown-field)\n  hint: " in done.stdout


def test_lines_are_cut_to_the_terminal_and_coloured(root: Path) -> None:
    """The line that is meant is cut around what is meant."""
    lines = on_terminal(root, "--color", "always", COLUMNS="40").split("\n")
    assert lines[6:10] == [
        "bad.yaml:4:3: \x1b[31merror:\x1b[0m unknown field",
        "  'priorty' (unknown-field)",
        "\x1b[2m  4 | \x1b[0m  priorty: high",
        "\x1b[2m    |   \x1b[0m\x1b[31m^^^^^^^\x1b[0m",
    ]
    assert lines[15] == "\x1b[2m  5 | \x1b[0m…n: example.com/v1, kind: Trainer}"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""

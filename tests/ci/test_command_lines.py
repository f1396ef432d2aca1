"""Every command line that we show or ship is one that the program understands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ci.command_lines import CommandLine, find_command_lines, trouble_with
from tests.ci.tools import ROOT

_EXCEPT = {
    "docs/cli.md",  # written by the program: the forms of its commands, and not uses of them
    "ci/run.sh",  # puts its command line together, and is run by test_action.py
}


def shipped_files() -> Iterator[Path]:
    """What is read by people or run by machines, and names commands."""
    yield from ROOT.glob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / ".github" / "workflows").glob("*.yml")
    yield from (ROOT / "ci").glob("*.sh")
    yield from (ROOT / "examples" / "ci").rglob("*.yml")
    yield from (ROOT / "examples" / "cron").rglob("*")
    yield from (ROOT / "examples").glob("*.md")
    yield from (ROOT / "action.yml", ROOT / ".pre-commit-hooks.yaml")


def shipped_lines() -> list[CommandLine]:
    """Every command line of those files, each once."""
    names = {str(path.relative_to(ROOT)): path for path in shipped_files() if path.is_file()}
    found = [
        line
        for name, path in sorted(names.items())
        if name not in _EXCEPT
        for line in find_command_lines(path, name)
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("line", shipped_lines(), ids=str)
def test_a_shown_command_is_understood(line: CommandLine) -> None:
    """Whoever copies it gets no usage error: commands, options and their values exist."""
    assert trouble_with(line.words) is None


def test_the_search_finds_what_is_there() -> None:
    """A search that finds nothing would let everything pass."""
    files = {line.file for line in shipped_lines()}
    assert {
        "README.md",
        "docs/ci.md",
        "docs/cron.md",
        "ci/state-branch.sh",
        "examples/ci/gitlab/reconciler.gitlab-ci.yml",
        "examples/cron/crontab",
        "examples/cron/kubernetes-cronjob.yaml",
        "examples/cron/systemd/reconciler.service",
    } <= files


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("aply", "there is no command 'aply'"),
        ("state lst", "there is no command 'lst'"),
        ("apply --yess", "No such option '--yess'"),
        ("apply --deadline soon", "'soon' is not a duration"),
        ("plan -o yaml", "'yaml' is not one of"),
        ("apply one two", "unexpected ['two']"),
    ],
)
def test_a_mistake_is_found(words: str, trouble: str) -> None:
    """What the program would refuse is refused here."""
    assert trouble in (trouble_with(tuple(words.split())) or "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.md", "Use `reconciler state\nlist` now.", [("state", "list")]),
        ("a.md", "```console\n$ reconciler plan -q | less\nit's a plan\n```", [("plan", "-q")]),
        ("a.yml", "run: |\n  x=1\n  A=b reconciler plan \\\n    -q || true\n", [("plan", "-q")]),
        ("a.yaml", "- name: reconciler\n  args: [apply, --yes]\n", [("apply", "--yes")]),
        ("a.service", "ExecStart=/usr/bin/reconciler plan /x\n", [("plan", "/x")]),
        ("crontab", "1 2 * * * . x && reconciler apply -q\n", [("apply", "-q")]),
        ("a.md", "`init reconciler here` and the reconciler is", []),
    ],
)
def test_commands_are_found_where_they_stand(
    name: str, text: str, words: list[tuple[str, ...]], tmp_path: Path
) -> None:
    """Each kind of file is read the way its reader reads it."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert [line.words for line in find_command_lines(path, name)] == words

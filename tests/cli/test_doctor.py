from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.state.sqlite import open_state
from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def specs(cli: Cli, tmp_path: Path) -> Path:
    """A repository that is applied."""
    folder = write_specs(tmp_path / "w", spec("one", new_project()))
    (folder / "reconciler.yaml").write_text("stack: blue\nconcurrency: 4\n")
    assert cli("apply", folder, "--yes", "--init").code == 0
    return folder


def test_a_repository_that_is_well(cli: Cli, specs: Path) -> None:
    """Every check is ok, every value has its origin, and the exit code is 0."""
    result = cli("doctor", specs, "--max-rps", "50")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line for line in lines if line.startswith(("warning", "problem", "skipped"))] == []
    assert lines[-1] == "No problem, 0 warnings."
    words = [line.split() for line in lines]
    assert ["stack", "blue", "w/reconciler.yaml:1"] in words
    assert ["concurrency", "4", "w/reconciler.yaml:2"] in words
    assert ["max_rps", "50.0", "--max-rps"] in words
    assert ["RUNAI_CLIENT_SECRET", "(set)", "RUNAI_CLIENT_SECRET"] in words


@pytest.mark.parametrize(
    ("kind", "code"),
    [("lock", 6), ("login", 9), ("configuration", 3), ("target", 5), ("credentials", 9)],
)
def test_a_problem_ends_with_the_code_of_an_apply(
    cli: Cli, specs: Path, kind: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An apply of the same folder with the same options says so."""
    options = {"target": ["--stack", "red"]}
    held = open_state(specs / ".reconciler/state.db")
    if kind == "lock":
        held.hold("reconciler apply")
    if kind == "configuration":
        (specs / "reconciler.yaml").write_text("stack: blue\nurls: x\n")
    if kind == "login":
        monkeypatch.setenv("RUNAI_CLIENT_SECRET", "wrong")
    if kind == "credentials":
        monkeypatch.delenv("RUNAI_CLIENT_ID")
    try:
        found = cli("doctor", specs, "-o", "json", *options.get(kind, []))
        applied = cli("apply", specs, "--yes", *options.get(kind, []), "--deadline", "5s")
    finally:
        held.close()
    document = json.loads(found.out)
    assert (found.code, document["exit_code"], applied.code) == (code, code, code)
    problems = [one for one in document["checks"] if one["level"] == "problem"]
    assert problems[0]["name"] == kind
    assert len(document["checks"]) >= 12


def test_the_holder_of_the_lock_is_named(cli: Cli, specs: Path) -> None:
    """As in the message of an apply."""
    held = open_state(specs / ".reconciler/state.db")
    held.hold("reconciler apply")
    try:
        result = cli("doctor", specs)
    finally:
        held.close()
    assert "(reconciler apply)" in result.out
    assert "hint: wait for it with --lock-timeout" in result.out


def test_no_secret_is_shown(cli: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, and in whichever form: only who gave it."""
    monkeypatch.setenv("RUNAI_TOKEN", "canary-token")
    monkeypatch.setenv("RUNAI_CLIENT_SECRET", "canary-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://u:canary-proxy@proxy.example:3128")
    url = "https://user:canary-password@cp.example?key=canary-key"
    shown = [
        cli("doctor", specs, "-o", form, *more)
        for form in ("text", "json")
        for more in ([], ["--url", url], ["--use-env-proxy"])
    ]
    assert [one for one in shown if "canary" in one.out + one.err] == []
    assert "RUNAI_TOKEN" in shown[0].out


def test_the_same_folder_without_an_argument(
    cli: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory is the default."""
    monkeypatch.chdir(specs)
    document = json.loads(cli("doctor", "-o", "json").out)
    values = {one["name"]: one for one in document["settings"]}
    assert values["stack"] == {"name": "stack", "value": "blue", "origin": "reconciler.yaml:1"}

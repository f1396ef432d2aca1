"""Specs that take for ever: every command that reads them ends, and says what it was at."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.specs import repository
from reconciler.specs.schema import policyprocess
from reconciler.specs.source import deadline
from tests.cli.conftest import Cli

COMMANDS = [("validate",), ("render",), ("plan",), ("apply", "--yes")]
SPEC = """\
metadata: {name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, projectId: "4501"}
manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}
"""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_policy_without_end(
    cli: Cli, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finding in the policy's own file, before anything is sent."""
    monkeypatch.setattr(policyprocess, "LIMITS", policyprocess.LIMITS._replace(seconds=0.1))
    name = {"properties": {"name": {"pattern": "^(a+)+b$"}}}
    (tmp_path / "p.json").write_text(json.dumps({"properties": {"metadata": name}}))
    (tmp_path / "reconciler.yaml").write_text("policies: [p.json]\n")
    (tmp_path / "a.yaml").write_text(SPEC)
    ended = cli(*command)
    assert ended.code == 3
    assert ended.out + ended.err == (
        f"p.json:1:65: error: judging 4501/{'a' * 40} takes more than 0.1 s (bad-policy)\n"
        "  hint: simplify it: no repetition inside a repetition, no long lists to compare,"
        " fewer references\n"
        + ("1 error.\n" if command[0] == "validate" else "")
        + ("" if command[0] == "validate" else "error: the specs are not valid; nothing was sent\n")
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_reading_without_end(
    cli: Cli, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that takes the time, and also if somebody swallows what is to end it."""

    def swallow(*_: Any, **__: Any) -> Any:
        try:
            time.sleep(60)
        except Exception:
            time.sleep(60)

    monkeypatch.setattr(deadline, "_GRACE", 0.1)
    monkeypatch.setattr(repository, "discover_files", swallow)
    (tmp_path / "a.yaml").write_text(SPEC)
    begun = time.monotonic()
    ended = cli(*command, "--deadline", "100ms")
    assert time.monotonic() - begun < 30
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "error: the specs could not be read and checked within 0.1 s\n"
        "  hint: give it more --deadline; nothing was sent\n"
    )

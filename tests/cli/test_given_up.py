"""A deletion that was given up by hand: plan, apply, status and `state rm` tell one story."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.sandboxes import Sandbox


def test_every_command_says_that_it_is_given_up_and_how_to_settle_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that counts it, an apply that fails, a status that is not 0, the same way out."""
    project = new_project()
    with Sandbox.running("--sync-delay", "0s", "--fault", "linger name=a") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        folder = write_specs(tmp_path / "w", spec("a", project), spec("b", project))
        monkeypatch.chdir(folder)
        assert cli("apply", "--yes", "--init", "-q").code == 0
        [old, _] = json.loads(cli("status", "-o", "json").out)
        (folder / "a.json").unlink()
        assert cli("apply", "--yes", "-q", "--wait-timeout", "1s").code == 4
        assert cli("state", "resolve", old["address"], "--abandon", "--yes").code == 0

        planned = cli("plan", "--detailed-exitcode")
        page = cli("plan", "-o", "markdown")
        applied = cli("apply", "--yes")
        looked = cli("status", "--exit-status")
        removed = cli("state", "rm", old["address"], "--yes")

    settle = f"reconciler state resolve {old['address']} --recheck"
    assert (planned.code, applied.code, looked.code, removed.code) == (2, 4, 4, 5)
    assert "given-up: still there 1 s after DELETE" in planned.out
    assert f"workload {old['id']} may still be there, and its name is not free" in planned.out
    idle = "Nothing to do, but 1 workload held back here will fail the apply."
    assert (idle in planned.out, idle in page.out) == (True, True)
    assert f"Deletion given up (1):\n  {old['address']}: error: " in applied.out
    assert f"  next: once the workload is gone: {settle}\n" in applied.out
    assert "its deletion was given up by hand" in looked.out
    assert (f"once it is gone: {settle}" in removed.err, "--abandon" in removed.err) == (
        True,
        False,
    )

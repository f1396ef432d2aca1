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
        listed = cli("state", "check")
        applied = cli("apply", "--yes", "-o", "text", "-o", "markdown=applied.md")
        looked = cli("status", "--exit-status")
        removed = cli("state", "rm", old["address"], "--yes")
        write_specs(folder, spec("c", project))
        beside = cli("plan")

    settle = f"reconciler state resolve {old['address']} --recheck"
    assert (planned.code, applied.code, looked.code, removed.code) == (2, 4, 4, 5)
    assert "given-up: still there 1 s after DELETE" in planned.out
    assert f"workload {old['id']} may still be there, and its name is not free" in planned.out
    idle = "Nothing to do, but 1 workload held back here will fail the apply."
    assert (idle in planned.out, idle in page.out) == (True, True)
    assert f"Deletion given up (1):\n  {old['address']}: error: " in applied.out
    assert f"  next: once the workload is gone: {settle}\n" in applied.out
    report = (folder / "applied.md").read_text("utf-8")
    assert (applied.out.partition("Plan: ")[2].count(settle), report.count(settle)) == (1, 1)
    assert "Applying again" not in report
    assert f"its deletion was given up by hand; when it is gone, run: {settle}\n" in looked.out
    assert "2 records (0 in doubt)" in listed.out
    assert "\n\n1 workload held back here will fail the apply.\n\nStack " in beside.out
    assert "\nPlan: 1 to create" in beside.out
    assert (f"once it is gone: {settle}" in removed.err, "--abandon" in removed.err) == (
        True,
        False,
    )


def test_the_commands_of_hints_work_where_they_are_printed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the parent folder, for a state and a stack that only the folder of the specs names."""
    project = new_project()
    with Sandbox.running("--sync-delay", "0s", "--fault", "linger name=a") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        folder = write_specs(tmp_path / "w", spec("a", project), spec("b", project))
        (folder / "reconciler.yaml").write_text("stack: l1p\n")
        monkeypatch.chdir(tmp_path)
        assert cli("apply", "w", "--yes", "--init", "-q").code == 0
        (folder / "a.json").unlink()
        failed = cli("apply", "w", "--yes", "--wait-timeout", "1s")
        place = "--config w/reconciler.yaml"
        printed = f"reconciler state resolve {place} {project}/a --abandon"
        abandoned = cli(*printed.split()[1:], "--yes")
        listed = cli("state", "list", *place.split())
        again = f"state resolve {place} {project}/a --recheck"
        removed = cli("state", "rm", f"{project}/a", "--yes", *place.split())
        looked = cli(*again.split())

    assert f"hint: to wait for it no longer: {printed}\n" in failed.out
    assert (abandoned.code, removed.code, looked.code) == (0, 5, 4)
    assert f"reconciler {again}" in listed.out
    assert f"once it is gone: reconciler {again}\n" in removed.err

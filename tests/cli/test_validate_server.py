"""`validate --server` on the command line: all that a person sees of it, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.state.sqlite import open_state
from tests.cli.conftest import PROGRAM, Cli, Result
from tests.cli.repositories import new_project
from tests.support.sandboxes import Sandbox

SPEC = """\
metadata:
  name: {name}
  projectId: "{project}"
  priority: {priority}
manifest:
  apiVersion: batch/v1
  kind: Job
  spec:
    template:
      spec:
        restartPolicy: Never
        containers: [{{name: main, image: train}}]
"""
REFUSED = "the server refuses it: priority 'urgent' is not available in this cluster"
UNKNOWN = "not every server has the priority 'urgent'"
PRIORITIES = "very-low, low, medium-low, medium, medium-high, high, very-high"


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A new workload that every server takes, and one whose priority only some have."""
    folder = tmp_path / "w"
    folder.mkdir()
    project = new_project()
    for name, priority in (("bad", "urgent"), ("good", "high")):
        text = SPEC.format(name=name, project=project, priority=priority)
        (folder / f"{name}.yaml").write_text(text)
    (folder / "reconciler.yaml").write_text('stack: blue\napi_version: "3.0"\n')
    return folder


@pytest.fixture
def good(specs: Path) -> Path:
    """The first of the two alone."""
    (specs / "bad.yaml").unlink()
    return specs


def masked(result: Result) -> Result:
    """The same without what a server makes up."""
    error = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", result.err)
    error = re.sub(r"127\.0\.0\.1:\d+", "SERVER", error)
    return Result(result.code, result.out, re.sub(r"\b\d{4}/", "PROJECT/", error))


@pytest.mark.usefixtures("server")
def test_what_the_server_refuses_is_a_finding_like_any_other(cli: Cli, specs: Path) -> None:
    """At the line of the field, with the exit code of an invalid spec."""
    assert cli("validate", specs, "--server") == Result(
        3,
        f"w/bad.yaml:4:13: error: {REFUSED} (refused-by-server)\n"
        f"w/bad.yaml:4:13: warning: {UNKNOWN} (unknown-priority)\n"
        f"  hint: those that it has: {PRIORITIES}\n"
        "1 error, 1 warning.\n",
        "The server has checked 2 new workloads.\n",
    )


@pytest.mark.usefixtures("server")
def test_every_format_has_what_the_server_says(cli: Cli, specs: Path) -> None:
    """And standard output holds nothing beside it."""
    out = {
        form: cli("validate", specs, "--server", "-q", "-o", form)
        for form in ("json", "github", "sarif", "junit", "gitlab")
    }
    assert {(result.code, result.err) for result in out.values()} == {(3, "")}
    results = json.loads(out["sarif"].out)["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["refused-by-server", "unknown-priority"]
    first, second = json.loads(out["json"].out)
    assert (first, second["code"]) == (
        {
            "severity": "error",
            "code": "refused-by-server",
            "message": REFUSED,
            "hint": None,
            "file": "w/bad.yaml",
            "line": 4,
            "column": 13,
            "end_line": 4,
            "end_column": 19,
            "pointer": "/metadata/priority",
            "address": first["address"],
        },
        "unknown-priority",
    )
    assert f",line=4,col=13,endLine=4,endColumn=19,title=refused-by-server::{REFUSED}\n" in (
        out["github"].out
    )
    assert f'<failure message="{REFUSED}" type="refused-by-server">' in out["junit"].out
    assert [issue["check_name"] for issue in json.loads(out["gitlab"].out)] == [
        *("refused-by-server", "unknown-priority")
    ]


@pytest.mark.usefixtures("server")
def test_without_the_server_first(cli: Cli, specs: Path) -> None:
    """It is not asked about specs with errors; what is wrong in them it could only repeat."""
    (specs / "bad.yaml").write_text("metadata: {}\n")
    result = cli("validate", specs, "--server")
    assert (result.code, result.err) == (3, "The server was not asked: the specs have errors.\n")


@pytest.mark.usefixtures("server")
def test_what_exists_is_said_to_be_checked_for_its_name(cli: Cli, good: Path) -> None:
    """Whether the state knows it or only the server does."""
    assert cli("apply", good, "--yes", "--init").code == 0
    lines = (
        "The server has checked 0 new workloads.\n"
        "Only the name was checked of those that exist: PROJECT/good.\n"
    )
    valid = Result(0, "1 workload in 1 file: valid.\n", lines)
    assert masked(cli("validate", good, "--server")) == valid
    assert masked(cli("validate", good, "--server", "--state", "none.db")) == valid
    assert not Path("none.db").exists()


@pytest.mark.parametrize(
    ("api_version", "faults"), [("2.23", ()), ("2.24", ("--fault", "ignore-dry-run"))]
)
def test_a_server_that_creates(
    api_version: str,
    faults: tuple[str, ...],
    cli: Cli,
    good: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The canary is deleted, no spec is sent, and the command says what to declare."""
    with Sandbox.running("--api-version", api_version, "--sync-delay", "0s", *faults) as sandbox:
        for name, value in sandbox.variables.items():
            monkeypatch.setenv(name, value)
        result = masked(cli("validate", good, "--server"))
        assert sandbox.live_ids() == []
    canary = re.sub(r"canary-[0-9a-f]{12}", "canary-X", result.err)
    assert Result(result.code, result.out, canary) == Result(
        5,
        "",
        "error: the server creates what it was asked only to check; deleted again: "
        "PROJECT/dry-run-canary-X (ID)\n"
        "  hint: it does not know dry runs: declare its version in api_version\n",
    )


@pytest.mark.parametrize("declared", ['api_version: "2.23"\n', ""])
def test_a_server_of_2_23(
    declared: str, cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether that is declared or only its clusters say so, no dry run is sent."""
    (good / "reconciler.yaml").write_text(f"stack: blue\n{declared}")
    with Sandbox.running("--api-version", "2.23", "--ledger", "ledger") as sandbox:
        for name, value in sandbox.variables.items():
            monkeypatch.setenv(name, value)
        result = cli("validate", good, "--server")
    sent = [json.loads(line) for line in Path("ledger").read_text().splitlines()]
    posts = {entry["path"].rpartition("/")[2] for entry in sent if entry["method"] == "POST"}
    assert posts == (set() if declared else {"token"})
    why = (
        "a server of version 2.23 would create what it is to check"
        if declared
        else "nothing shows that the server knows dry runs (no such path: "
        "/api/v1/clusters/minimal): one that does not would create what it is to check"
    )
    assert result == Result(
        5,
        "",
        f"error: {why}\n"
        "  hint: set api_version in reconciler.yaml to the server's, if that is 2.24 or later\n",
    )


def test_nobody_to_ask(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called valid that the server was to check and has not."""
    monkeypatch.setenv("RUNAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("RUNAI_CLIENT_ID", "demo")
    monkeypatch.setenv("RUNAI_CLIENT_SECRET", "x")
    assert masked(cli("validate", good, "--server", "--deadline", "2s")) == Result(
        9,
        "",
        "error: http://SERVER cannot be reached: no token: cannot connect to http://SERVER: "
        "Connection refused\n"
        "  hint: check --url and the network; nothing was changed\n",
    )


@pytest.mark.usefixtures("server")
def test_a_wrong_login(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code as for an apply, and the same way out."""
    monkeypatch.setenv("RUNAI_CLIENT_SECRET", "wrong")
    result = masked(cli("validate", good, "--server"))
    assert (result.code, result.out) == (9, "")
    assert result.err.startswith("error: http://SERVER does not accept the credentials: ")
    assert result.err.endswith(
        "  hint: check RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET, RUNAI_TOKEN or --token-file\n"
    )


@pytest.mark.usefixtures("server")
def test_a_state_that_another_run_holds(cli: Cli, good: Path) -> None:
    """An apply at the same time would meet what a bad server makes of dry runs."""
    assert cli("apply", good, "--yes", "--init").code == 0
    with closing(open_state(good / ".reconciler/state.db")) as store:
        store.hold("another run")
        result = cli("validate", good, "--server")
    assert (result.code, result.out) == (6, "")
    assert "another run" in result.err


def test_ctrl_c_leaves_no_canary(good: Path) -> None:
    """The first signal ends the questions; what a server has created by then is deleted."""
    faults = ("--fault", "ignore-dry-run", "--fault", "slow=60s on=POST")
    with Sandbox.running("--sync-delay", "0s", "--ledger", "ledger", *faults) as sandbox:
        process = subprocess.Popen(
            [str(PROGRAM), "validate", str(good), "--server"],
            env={**sandbox.variables, "PATH": "/usr/bin:/bin"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(400):
            if '"effect":"created"' in Path("ledger").read_text().replace(" ", ""):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert sandbox.live_ids() == []
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(
        r"deleted what a dry run has created: \d{4}/dry-run-canary-[0-9a-f]{12}\nstopped\n", err
    )

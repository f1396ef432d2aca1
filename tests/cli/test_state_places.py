"""What the commands do with a state, wherever it is kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from reconciler.cli.complete import complete_recorded
from reconciler.core.states.places import parse_place
from reconciler.resources import install_command
from reconciler.state.places import open_state
from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.object_server import ObjectServer
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.usefixtures("server")

JOB = "https://gitlab.example.com/o/r/-/jobs/881"


@pytest.fixture(params=["file", "postgresql", "objects"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a state is going to be made, as `--state` takes it."""
    if request.param == "file":
        return str(tmp_path / "kept" / "state.db")
    if request.param == "objects":
        objects: ObjectServer = request.getfixturevalue("objects")
        return objects.url("states")
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.url(request.getfixturevalue("schema"))


@pytest.fixture
def project() -> str:
    """The project of the workloads of one test."""
    return new_project()


@pytest.fixture
def specs(cli: Cli, tmp_path: Path, state: str, project: str) -> Path:
    """A repository of two workloads that is applied."""
    folder = write_specs(tmp_path / "w", spec("one", project), spec("two", project))
    (folder / "reconciler.yaml").write_text(f"stack: blue\nstate: {state}\n")
    assert cli("apply", folder, "--yes", "--init").code == 0
    return folder


@contextmanager
def held(state: str) -> Iterator[None]:
    """An apply of somebody else is at work on the state."""
    store = open_state(parse_place(state, stack="blue"))
    store.hold("reconciler apply")
    try:
        yield
    finally:
        store.close()


def test_whoever_comes_later_finds_what_was_made(cli: Cli, specs: Path, project: str) -> None:
    """Plan, records, history and check are of one state, also from another folder."""
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    config = ("--config", specs / "reconciler.yaml")
    records = json.loads(cli("state", "list", *config, "-o", "json").out)
    assert [row["address"] for row in records] == [f"{project}/one", f"{project}/two"]
    shown = json.loads(cli("state", "show", f"{project}/one", *config).out)
    assert shown["id"] == records[0]["id"]
    assert cli("status", *config).code == 0
    checked = json.loads(cli("state", "check", *config, "-o", "json").out)
    assert (checked["sound"], checked["records"], checked["runs"]) == (True, 2, 1)


def test_a_state_is_made_for_whoever_asks_for_it(cli: Cli, specs: Path, state: str) -> None:
    """A stack that was misspelt would otherwise make everything once more."""
    if "://" not in state:
        state += ".other"
    other = cli("apply", specs, "--yes", "--state", state, "--stack", "bleu")
    assert (other.code, "there is no state" in other.err, "--init" in other.err) == (1, True, True)


def test_every_edit_leads_to_the_job_that_made_it(
    cli: Cli, specs: Path, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the list of runs, and in each of them."""
    monkeypatch.setenv("CI_JOB_URL", JOB)
    config = ("--config", specs / "reconciler.yaml")
    assert cli("state", "protect", f"{project}/*", "--yes", *config).code == 0
    assert cli("state", "unprotect", f"{project}/one", *config).code == 0
    monkeypatch.delenv("CI_JOB_URL")
    assert cli("state", "rm", f"{project}/one", "--yes", *config).code == 0
    runs = json.loads(cli("runs", "list", *config, "-o", "json").out)
    assert [(run["command"].split()[2:3], run["link"]) for run in runs] == [
        (["rm"], ""),
        (["unprotect"], JOB),
        (["protect"], JOB),
        ([], ""),
    ]
    assert JOB in cli("runs", "show", runs[1]["id"], *config).out


def test_two_at_once_are_one_after_the_other(
    cli: Cli, specs: Path, state: str, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is led to the first; a plan takes no lock, and says that it may be old."""
    monkeypatch.setenv("CI_JOB_URL", JOB)
    with held(state):
        monkeypatch.delenv("CI_JOB_URL")
        for command in (
            ("apply", specs, "--yes"),
            ("state", "protect", f"{project}/one", "--config", specs / "reconciler.yaml"),
        ):
            refused = cli(*command)
            assert refused.code == 6
            assert "is in use by" in refused.err
            assert JOB in refused.err
        assert "problem" in cli("doctor", specs).out
        planned = cli("plan", specs, "--detailed-exitcode")
        assert planned.code == 0
        assert "(reconciler apply)" in planned.out
        assert JOB in planned.out
        assert "shown as under way, and this plan may already be old.\n" in planned.out
    assert cli("apply", specs, "--yes").code == 0


def test_a_copy_is_a_file_wherever_the_state_is(
    cli: Cli, specs: Path, project: str, tmp_path: Path
) -> None:
    """It can be looked into as any state; the copies that a state keeps of itself are counted."""
    config = ("--config", specs / "reconciler.yaml")
    copy = tmp_path / "copy.db"
    assert cli("state", "backup", copy, *config).out == f"Copied the state to {copy}.\n"
    assert cli("state", "backup", copy, *config).code == 1
    assert cli("state", "backup", *config).code == 0
    assert cli("state", "backup", "--dry-run", *config).code == 0
    assert json.loads(cli("state", "check", *config, "-o", "json").out)["backups"] == 1
    for command in (["state", "list"], ["runs", "list"]):
        both = [cli(*command, *at, "-o", "json").out for at in (config, ["--state", copy])]
        assert both[0].replace(str(copy), "") == both[1]
    assert project in cli("state", "list", "--state", copy).out


def test_metrics_count_what_is_recorded(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """Also what a database records."""
    file = tmp_path / "runs.prom"
    assert cli("plan", specs, "--metrics-file", file).code == 0
    assert re.search(r'reconciler_recorded_workloads\{.*"accepted".*\} 2\n', file.read_text())


def test_completion_asks_nobody_far_away(
    specs: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell waits for it; what is in a file is offered."""
    monkeypatch.chdir(specs)
    command = click.Command("show")
    offered = complete_recorded(click.Context(command), click.Argument(["address"]), "")
    assert bool(offered) is not ("://" in state)


def test_a_copy_is_taken_back_whole(cli: Cli, specs: Path, project: str, tmp_path: Path) -> None:
    """Its records and no others, by its time or its file; workloads stay, and are found again."""
    config = ("--config", specs / "reconciler.yaml")
    listed = cli("state", "list", *config).out
    (specs / "three.json").write_text(json.dumps(spec("three", project)))
    assert cli("apply", specs, "--yes").code == 0
    assert cli("state", "rm", f"{project}/one", "--yes", *config).code == 0
    after = cli("state", "list", *config).out

    newest, oldest = cli("state", "restore", *config).out.splitlines()
    assert [line.split()[1:] for line in (newest, oldest)] == [["serial", "2"], ["serial", "1"]]
    time = oldest.split()[0]
    would = cli("state", "restore", time, "--dry-run", *config)
    assert would.out.startswith("Would restore 2 records from ")
    assert cli("state", "list", *config).out == after
    done = cli("state", "restore", time, "--yes", *config)
    assert (done.code, f"{project}/three is not in the copy" in done.out) == (0, True)
    assert cli("state", "list", *config).out == listed
    assert cli("state", "backup", tmp_path / "copy.db", *config).code == 0
    assert cli("apply", specs, "--yes").code == 0
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    assert cli("state", "restore", tmp_path / "copy.db", "--yes", *config).code == 0
    assert cli("state", "list", *config).out == listed
    runs = json.loads(cli("runs", "list", *config, "-o", "json").out)
    assert runs[0]["counts"] == {"restored": 0, "dropped": 1}
    assert cli("state", "check", *config).code == 0


def test_what_is_no_copy_of_a_state_is_not_taken_back(
    cli: Cli, specs: Path, tmp_path: Path
) -> None:
    """Of another state, of no time, of several."""
    config = ("--config", specs / "reconciler.yaml")
    other = write_specs(tmp_path / "other", spec("x", new_project()))
    assert cli("apply", other, "--yes", "--init", "--state", "x.db", "--stack", "blue").code == 0
    assert cli("state", "restore", "x.db", "--yes", *config).code == 5
    for _ in range(2):
        assert cli("state", "backup", *config).code == 0
    for time, count in (("1999", "no copies"), ("2", "2 copies")):
        refused = cli("state", "restore", time, "--yes", *config)
        assert (refused.code, count in refused.err) == (1, True)


def test_a_database_is_prepared_by_whoever_owns_it(
    cli: Cli, project: str, postgres: PostgresServer, schema: str, tmp_path: Path
) -> None:
    """With what 'state sql' prints: who writes needs no more rights, who reads can only plan."""
    folder = write_specs(tmp_path / "w", spec("one", project))
    roles = [f"{schema}_{role}" for role in ("writer", "reader")]
    printed = cli("state", "sql", "--state", postgres.url(schema))
    with postgres.connect() as conn:
        conn.execute(printed.out.encode())
        for role in roles:
            conn.execute(f"CREATE ROLE {role}_login LOGIN IN ROLE {role}".encode())
    writer, reader = (postgres.url(schema, user=f"{role}_login") for role in roles)
    try:
        assert cli("apply", folder, "--yes", "--init", "--state", writer).code == 0
        assert cli("state", "backup", "--state", writer).code == 0
        assert cli("plan", folder, "--detailed-exitcode", "--state", reader).code == 0
        assert cli("runs", "list", "--state", reader).code == 0
        refused = cli("apply", folder, "--yes", "--state", reader)
        assert (refused.code, f"GRANT {schema}_writer" in refused.err) == (1, True)
    finally:
        for role in roles:
            postgres.query(f"DROP ROLE {role}_login")
            postgres.query(f"DROP OWNED BY {role}")
            postgres.query(f"DROP ROLE {role}")


def test_a_file_needs_no_sql(cli: Cli) -> None:
    """Who asks for it has named no database."""
    refused = cli("state", "sql")
    assert (refused.code, "--state postgresql://" in refused.err) == (64, True)


def test_doctor_looks_at_where_a_state_is_shared(
    cli: Cli, specs: Path, state: str, postgres: PostgresServer
) -> None:
    """Which server, by which way, with which rights; what it may lose is a warning."""
    doctored = json.loads(cli("doctor", specs, "-o", "json").out)
    found = [check for check in doctored["checks"] if check["name"] in ("database", "bucket")]
    assert doctored["exit_code"] == 0
    if "://" not in state:
        assert found == []
        return
    if state.startswith("s3:"):
        assert [check["name"] for check in found] == ["bucket"]
        assert re.fullmatch(
            r"127\.0\.0\.1:\d+; on this machine; this account may read and write; conditional "
            r"writes are kept; round trip \d+\.\d ms",
            found[0]["message"],
        )
        return
    facts, warning = found
    version = postgres.query("SHOW server_version")[0][0]
    assert re.fullmatch(
        rf"PostgreSQL {version}, the primary; on this machine; "
        r"this account may read and write; round trip \d+\.\d ms",
        facts["message"],
    )
    assert (warning["level"], warning["message"].partition(":")[0]) == ("warning", "fsync is off")


def test_doctor_says_why_a_database_is_of_no_use(
    cli: Cli, project: str, postgres: PostgresServer, schema: str, tmp_path: Path
) -> None:
    """None that answers is a problem; one without tables says who can make them."""
    folder = write_specs(tmp_path / "w", spec("one", project))
    nowhere = cli("doctor", folder, "--state", "postgresql://127.0.0.1:1/x")
    assert (nowhere.code, "cannot be reached" in nowhere.out) == (9, True)
    empty = cli("doctor", folder, "--state", postgres.url(schema))
    assert (empty.code, "finds no tables, and may make them" in empty.out) == (0, True)


def test_single_records_move_between_places(cli: Cli, specs: Path, project: str) -> None:
    """Out of a state and back, wherever each of the two is kept."""
    config = ("--config", specs / "reconciler.yaml")
    one = f"{project}/one"
    there = cli("state", "move", one, "--to", "other.db", "--init", "--yes", *config)
    assert (there.code, there.out) == (0, f"Moved {one} to other.db.\n")
    assert one not in cli("state", "list", *config).out
    state = (specs / "reconciler.yaml").read_text().rpartition("state: ")[2].strip()
    back = ("state", "move", one, "--to", state, "--yes", "--state", "other.db", "--stack", "blue")
    assert cli(*back).code == 0
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    assert cli("state", "check", *config).code == 0


def test_a_saved_plan_is_of_one_state_wherever_it_is_applied(
    cli: Cli, specs: Path, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, from any folder; after another run of the same state it is out of date."""
    (specs / "three.json").write_text(json.dumps(spec("three", project)))
    plan = specs.parent / "three.plan"
    assert cli("plan", specs, "--save", plan).code == 0
    (specs.parent / "elsewhere").mkdir()
    monkeypatch.chdir(specs.parent / "elsewhere")
    assert cli("show", plan, "--config", specs / "reconciler.yaml").code == 0
    assert cli("apply", specs, "--plan", plan, "--yes").code == 0
    assert cli("apply", specs, "--plan", plan, "--yes").code == 7


def test_a_password_of_the_environment_is_in_no_output(
    cli: Cli,
    postgres: PostgresServer,
    schema: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither where all is well nor in an error, nor in the database itself."""
    folder = write_specs(tmp_path / "w", spec("one", new_project()))
    config = ("--config", folder / "reconciler.yaml")
    url = postgres.url(schema).replace("postgres@", "postgres:hunter2@")
    monkeypatch.setenv("RECONCILER_STATE", url)
    outputs = [
        cli("init", folder, "--ci", "none"),
        cli("apply", folder, "--yes", "--init", "-o", "text", "-o", "ndjson=events.ndjson", "-v"),
        cli("plan", folder, "--save", "plan.json", "-o", "json"),
        cli("doctor", folder),
        cli("doctor", folder, "-o", "json"),
        cli("state", "check", *config),
        cli("state", "sql", *config),
        cli("state", "backup", "copy.db", *config),
        cli("state", "move", "--all", "--to", "moved.db", "--init", "--yes", *config),
        cli("plan", folder),
    ]
    assert [output.code for output in outputs] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 5]
    monkeypatch.setenv("RECONCILER_STATE", "postgresql://ci:hunter2@127.0.0.1:1/x")
    outputs += [cli("plan", folder), cli("doctor", folder)]
    assert "cannot be reached" in outputs[-2].err
    assert "hunter2" not in "".join(output.out + output.err for output in outputs)
    for table in ("states", "runs", "run_actions", "operations", "copies"):
        rows = postgres.query(f"SELECT t::text FROM {schema}.{table} t")
        assert "hunter2" not in str(rows)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def test_a_state_is_made_in_a_database_on_its_own(
    cli: Cli, postgres: PostgresServer, schema: str, tmp_path: Path
) -> None:
    """As one in a file; a second one of the same stack is none."""
    url = postgres.url(schema)
    made = cli("init", tmp_path / "w", "--ci", "none", "--state", url)
    assert (made.code, f"wrote {url}" in made.out) == (0, True)
    again = cli("init", tmp_path / "w", "--ci", "none", "--state", url)
    assert (again.code, "there is already a state of stack w" in again.err) == (1, True)


def test_without_its_driver_a_database_is_told_how_to_be_used(server: Mapping[str, str]) -> None:
    """The extra is optional; whoever keeps the state in a file never needs it."""
    program = (
        "import sys; sys.modules['psycopg'] = None; from reconciler.cli import main; "
        "sys.argv[0] = 'reconciler'; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "state", "list", "--state", "postgresql://db/x"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **server},
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[1:] == [f"  hint: {install_command('postgres')}"]


def test_a_database_that_only_the_repository_names_confirms_no_server(
    cli: Cli, specs: Path, state: str, server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may change the address of the server may change that of the database as well."""
    config = specs / "reconciler.yaml"
    config.write_text(f"{config.read_text()}url: {server['RUNAI_BASE_URL']}\n")
    monkeypatch.delenv("RUNAI_BASE_URL")
    # In a CI job a file may have been checked out with the repository, and confirms nothing either.
    monkeypatch.delenv("CI", raising=False)
    refused = cli("plan", specs)
    is_far_away = "://" in state
    assert refused.code == (5 if is_far_away else 0)
    assert ("it, and proves nothing" in refused.err) is is_far_away
    monkeypatch.setenv("RECONCILER_STATE", state)
    assert cli("plan", specs, "--detailed-exitcode").code == 0


def test_an_end_is_kept_wherever_the_state_is(cli: Cli, specs: Path, project: str) -> None:
    """Nothing is made again, neither by the next apply nor after a copy was put back."""
    config = ("--config", specs / "reconciler.yaml")
    short = {**spec("one", project), "lifecycle": {"maxRuntime": "1ms"}}
    write_specs(specs, short, spec("two", project))
    owned: list[str] = []
    for _ in range(40):
        # It may take the sandbox a moment until it runs.
        assert cli("apply", specs, "--yes").code == 0
        records = json.loads(cli("state", "list", *config, "-o", "json").out)
        owned = [row["own"] for row in records]
        if "ENDED" in owned:
            break
    assert owned == ["ENDED", "ACCEPTED"]
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    assert cli("status", "--exit-status", *config).code == 0
    # Every apply that changes something keeps a copy of what was before it.
    newest = cli("state", "restore", *config).out.split()[0]
    assert cli("state", "restore", newest, "--yes", *config).code == 0
    held = cli("plan", specs, "--detailed-exitcode")
    assert (held.code, "hold     " in held.out) == (0, True)

"""Whether a server is spoken to at all: a listener that nobody confirmed hears not one byte."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from reconciler.cli.main import cli as program
from reconciler.core.model import Address, Own, Recorded, Target
from reconciler.state.sqlite import create_state, open_state
from tests.cli.conftest import PROGRAM, Cli
from tests.cli.repositories import spec, write_specs

PROJECT = "4501"
ID = "0ae9b56f-831f-47a4-a997-23b9e3658202"
SECRETS = ("canary-client-secret", "canary-own-token", "canary-file-token")
ELSEWHERE = "https://runai.example.com"

# Every command that opens a connection, as somebody would call it in a folder of specs.
CONNECTING: dict[str, list[str]] = {
    "validate --server": ["validate", "--server"],
    "plan": ["plan"],
    "plan --no-refresh": ["plan", "--no-refresh"],
    "plan --explain": ["plan", "--explain", f"{PROJECT}/one"],
    "apply": ["apply", "--yes"],
    "destroy": ["destroy", "--yes"],
    "doctor": ["doctor"],
    "status": ["status"],
    "status --watch": ["status", "--watch", "5s"],
    "import": ["import", "--project", PROJECT, "--into", ".", "--yes"],
    "state adopt": ["state", "adopt", f"{PROJECT}/other", "--id", ID, "--yes"],
    "state adopt --project": ["state", "adopt", "--project", PROJECT, "--yes"],
    "state resolve --id": ["state", "resolve", f"{PROJECT}/one", "--id", ID, "--yes"],
    "state resolve --recheck": ["state", "resolve", f"{PROJECT}/one", "--recheck"],
    "state recover": ["state", "recover", "--project", PROJECT, "--yes"],
}
# Those that begin without a state; what the others say then is about the state.
STATELESS = {
    "plan": [],
    "plan --no-refresh": [],
    "plan --explain": [],
    "apply": ["--init"],
    "doctor": [],
    "import": ["--init"],
    "state adopt": ["--init"],
    "state adopt --project": ["--init"],
    "state recover": [],
}
# It knows the same options and never connects; it may pin a server, though (tested below).
SILENT = {"init"}


# Whoever is turned away has been told, and does not ask again until the deadline.
UNAUTHORISED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Listener:
    """A socket that takes whatever comes, and turns it away."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear out what has been connected, and stop; harmless when it has stopped."""
        if not self._thread.is_alive():
            return
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"over")
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                said = connection.recv(65536)
                if said == b"over":
                    return
                connection.sendall(UNAUTHORISED)
            self.connections += 1
            self.heard += said


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody who waits for credentials."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(params=["client credentials", "a token", "a token file"])
def credentials(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What there is to be stolen."""
    match request.param:
        case "client credentials":
            monkeypatch.setenv("RUNAI_CLIENT_ID", "robot")
            monkeypatch.setenv("RUNAI_CLIENT_SECRET", SECRETS[0])
        case "a token":
            monkeypatch.setenv("RUNAI_TOKEN", SECRETS[1])
        case _:
            Path("token").write_text(SECRETS[2])
            monkeypatch.setenv("RECONCILER_TOKEN_FILE", "token")
    return str(request.param)


@pytest.fixture(autouse=True)
def _specs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_specs(Path("w"), spec("one", PROJECT)))
    monkeypatch.setenv("RECONCILER_DEADLINE", "5s")
    monkeypatch.delenv("CI", raising=False)


def name_server(url: str) -> None:
    """What a pull request adds to a configuration; the state lies where it is by default."""
    Path("reconciler.yaml").write_text(f"url: {url}\nstack: default\n")


def record(url: str, *, rows: bool = True) -> None:
    """A state of the server at this address, which has a create in doubt."""
    store = create_state(Path(".reconciler/state.db"), Target(url=url, stack="default"))
    address = Address(project=PROJECT, name="one")
    if rows:
        row = Recorded(op="0190-0", address=address, own=Own.UNCONFIRMED, digest="x", spec={})
        store.hold("test")
        store.write([row])
    store.close()


def call(cli: Cli, name: str, *extra: str) -> Any:
    """Run one of the commands."""
    return cli(*CONNECTING[name], *extra)


def test_every_command_that_can_connect_is_tried_here() -> None:
    """A new one has to be added above, or it would be tested by nobody."""
    found = {
        name
        for name, command in commands(program)
        if any(option.name == "token_file" for option in command.params)
    }
    tried = {re.split(" --", name)[0] for name in CONNECTING}
    assert found == tried | SILENT


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the program by its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        elif command is not None:
            yield f"{prefix}{name}", command


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("environ", [{}, {"CI": "true"}], ids=["no terminal", "CI"])
@pytest.mark.parametrize("name", STATELESS)
def test_a_server_that_only_the_repository_names_hears_nothing(
    cli: Cli,
    listener: Listener,
    name: str,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit 5, the line that names it, the way out; and no state that would confirm it later."""
    name_server(listener.url)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    ended = call(cli, name, *STATELESS[name])
    listener.close()

    assert (listener.connections, listener.heard) == (0, b"")
    assert ended.code == 5
    said = ended.out + ended.err
    assert f"only reconciler.yaml:1 names the server {listener.url}" in said
    assert "RUNAI_BASE_URL" in said
    assert not any(secret in said for secret in SECRETS)
    assert not Path(".reconciler/state.db").exists()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("confirmed", [True, False], ids=["given", "named by the repository"])
@pytest.mark.parametrize("name", CONNECTING)
def test_another_server_than_the_states_hears_nothing(
    cli: Cli, listener: Listener, name: str, confirmed: bool
) -> None:
    """The pinned server is compared first; not even a flag goes before it."""
    name_server(listener.url)
    record(ELSEWHERE)

    ended = call(cli, name, *(["--url", listener.url] if confirmed else []))
    listener.close()

    assert (listener.connections, listener.heard) == (0, b"")
    assert ended.code == 5
    assert f"this state belongs to server {ELSEWHERE}" in ended.out + ended.err


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("name", ["plan", "apply", "doctor"])
def test_a_state_without_records_confirms_its_server_only(
    cli: Cli, listener: Listener, name: str
) -> None:
    """It excludes no other one, and so it vouches for no other one."""
    name_server(listener.url)
    record(ELSEWHERE, rows=False)

    ended = call(cli, name)
    listener.close()

    assert (ended.code, listener.connections) == (5, 0)
    assert "names the server" in ended.out + ended.err


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("name", STATELESS)
def test_a_name_is_not_even_looked_up(cli: Cli, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query for a name of the attacker's could carry what the name was made of."""
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **_: asked.append(words))
    name_server("https://collector.example")

    ended = call(cli, name, *STATELESS[name])

    assert (ended.code, asked) == (5, [])


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("name", CONNECTING)
def test_an_empty_address_is_wrong_usage(
    cli: Cli, listener: Listener, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset variable of a CI system must not leave the choice to the repository."""
    name_server(listener.url)
    record(listener.url)
    monkeypatch.setenv("RUNAI_BASE_URL", "")

    ended = call(cli, name)
    listener.close()

    assert (listener.connections, ended.code) == (0, 64)
    assert "RUNAI_BASE_URL is set, and empty" in ended.out + ended.err


def test_what_needs_no_server_needs_no_address(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is nothing to `validate` and `render`."""
    monkeypatch.setenv("RUNAI_BASE_URL", "")
    assert [cli(name).code for name in ("validate", "render")] == [0, 0]


def test_a_state_is_not_made_for_a_server_that_nobody_confirmed(
    cli: Cli, listener: Listener
) -> None:
    """It would confirm it from then on."""
    name_server(listener.url)
    assert cli("init", "--ci", "none", "--state", ".reconciler/state.db").code == 5
    assert not Path(".reconciler/state.db").exists()


CONFIRMATIONS = ["--url", "RECONCILER_URL", "RUNAI_BASE_URL", "the state", "an empty state"]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("confirmation", CONFIRMATIONS)
def test_a_server_that_is_confirmed_is_spoken_to_in_ci(
    cli: Cli, listener: Listener, confirmation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a flag, a variable, or a state that belongs to it: a pipeline and cron go on as before."""
    monkeypatch.setenv("CI", "true")
    name_server(listener.url)
    extra = []
    match confirmation:
        case "--url":
            extra = ["--url", listener.url]
        case "the state":
            subprocess.run(["git", "init", "--quiet"], check=True)
            # As it was typed when the state was made.
            record(f"{listener.url}/")
        case "an empty state":
            subprocess.run(["git", "init", "--quiet"], check=True)
            record(listener.url, rows=False)
        case variable:
            monkeypatch.setenv(variable, listener.url)

    ended = call(cli, "plan", *extra)
    listener.close()

    assert ended.code == 9
    assert listener.connections > 0


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("tracked", "is_refused"),
    [
        (".reconciler/state.db", True),
        # What it holds is written into a state that no commit brought.
        (".reconciler/state.db-journal", True),
        ("reconciler.yaml", False),
    ],
)
def test_a_state_that_a_commit_brought_confirms_nothing(
    cli: Cli, listener: Listener, tracked: str, is_refused: bool
) -> None:
    """Whoever writes the address could write the state that vouches for it."""
    name_server(listener.url)
    record(listener.url)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".reconciler/state.db-journal").touch()
    subprocess.run(["git", "add", "--force", tracked], check=True)

    ended = call(cli, "plan")
    listener.close()

    assert (ended.code, listener.connections > 0) == ((5, False) if is_refused else (9, True))
    assert ("the state may have come with it" in ended.err) == is_refused


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("in_pipeline", [True, False])
def test_a_state_in_no_checkout_confirms_nothing_in_a_pipeline(
    cli: Cli, listener: Listener, in_pipeline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of a pull request holds what its author put there, and git cannot tell what."""
    if in_pipeline:
        monkeypatch.setenv("CI", "true")
    name_server(listener.url)
    record(listener.url)

    ended = call(cli, "plan")
    listener.close()

    assert (ended.code, listener.connections > 0) == ((5, False) if in_pipeline else (9, True))


def at_terminal(*words: str, reply: bytes, **environ: str) -> tuple[int, str]:
    """Run the program with a person at its terminal, who answers the first question."""
    controller, terminal = pty.openpty()
    variables = {"PATH": os.environ["PATH"], "RUNAI_TOKEN": SECRETS[1], "RECONCILER_DEADLINE": "5s"}
    with subprocess.Popen(
        [PROGRAM, *words],
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=variables | environ,
    ) as process:
        os.close(terminal)
        said = b""
        with suppress(OSError):
            while select.select([controller], [], [], 30)[0]:
                chunk = os.read(controller, 65536)
                said += chunk
                if b"[y/N]" in chunk:
                    os.write(controller, reply)
                if not chunk:
                    break
        process.wait(timeout=30)
    os.close(controller)
    return process.returncode, said.decode()


def test_a_person_is_asked_once_and_the_state_remembers(listener: Listener) -> None:
    """The address is named; a yes is pinned before anything is sent, and counts from then on."""
    name_server(listener.url)
    apply = ["apply", "--init"]

    code, said = at_terminal(*apply, reply=b"n\n")
    assert (code, said.count("[y/N]"), listener.connections) == (5, 1, 0)
    assert f"reconciler.yaml:1 names the server {listener.url}" in said
    assert not Path(".reconciler/state.db").exists()

    code, said = at_terminal(*apply, reply=b"y\n")
    assert (code, said.count("[y/N]")) == (9, 1)
    with_yes = listener.connections
    assert with_yes > 0
    store = open_state(Path(".reconciler/state.db"))
    assert store.header.target.url == listener.url
    store.close()

    code, said = at_terminal(*apply, reply=b"n\n")
    assert (code, said.count("[y/N]")) == (9, 0)
    listener.close()
    assert listener.connections > with_yes


@pytest.mark.parametrize(
    ("extra", "environ"), [([], {"CI": "1"}), (["--yes"], {})], ids=["CI", "--yes"]
)
def test_nobody_is_asked_who_would_not_answer(
    listener: Listener, extra: list[str], environ: dict[str, str]
) -> None:
    """A CI system's terminal has nobody in front of it, and --yes wants no question."""
    name_server(listener.url)
    code, said = at_terminal("apply", "--init", *extra, reply=b"y\n", **environ)
    listener.close()
    assert (code, "[y/N]" in said, listener.connections) == (5, False, 0)

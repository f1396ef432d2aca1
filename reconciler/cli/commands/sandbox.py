"""`reconciler sandbox`: a local Workloads V2 server to rehearse against."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.help import HelpCommand

if TYPE_CHECKING:
    from reconciler.sandbox import Credential, Entry, Settings

_FILE = click.Path(path_type=Path, dir_okay=False)
_READABLE = click.Path(path_type=Path, dir_okay=False, exists=True)


def _duration(text: str) -> float:
    from reconciler.sandbox.faults.quantities import read_duration

    try:
        return read_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """The options of the command, as they were given. Durations in seconds."""

    host: str
    port: int
    api_version: str
    data: Path | None
    sync_delay: float
    latency: float
    faults: tuple[str, ...]
    scenario: str | None
    list_scenarios: bool
    seed: int | None
    client_id: str
    client_secret_file: Path | None
    credentials: Path | None
    token_lifetime: float
    projects: tuple[str, ...]
    categories: tuple[str, ...]
    after_delete: str
    no_v1_token: bool
    no_list: bool
    control: bool
    ledger: Path | None
    quiet: bool


@click.command(cls=HelpCommand)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="TCP port; 0 takes a free one.",
)
@click.option(
    "--api-version",
    type=click.Choice(["2.23", "2.24", "2.25", "2.26", "3.0"]),
    default="3.0",
    show_default=True,
    help="The control plane's version: what it can do, and which fields it knows.",
)
@click.option("--data", type=_FILE, help="Keep the workloads in FILE over restarts.")
@click.option(
    "--sync-delay",
    type=_duration,
    metavar="DURATION",
    default="1s",
    show_default=True,
    help="Time from accepted to Synced, and from Deleting to gone.",
)
@click.option(
    "--latency", type=_duration, metavar="DURATION", default="0s", help="Delay of every response."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="RULE",
    help="Rule for a failure, such as '503 p=30%'; @FILE reads one rule a line. Repeatable.",
)
@click.option("--scenario", help="A named set of rules; see --list-scenarios.")
@click.option("--list-scenarios", is_flag=True, help="Describe the scenarios and exit.")
@click.option("--seed", type=int, help="Seed of the random faults; repeats an earlier run.")
@click.option("--client-id", default="demo", show_default=True, help="Who may log in.")
@click.option("--client-secret-file", type=_READABLE, help="File with the secret to log in with.")
@click.option(
    "--credentials",
    type=_READABLE,
    help="JSON list of further clients: client_id, client_secret, projects, writes.",
)
@click.option(
    "--token-lifetime",
    type=_duration,
    metavar="DURATION",
    default="1h",
    show_default=True,
    help="How long a login lasts.",
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="ID=NAME",
    help="A project; once one is given, no other exists. Repeatable.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="A category beside Build, Train and Deploy. Repeatable.",
)
@click.option(
    "--after-delete",
    type=click.Choice(["missing", "body", "bare"]),
    default="missing",
    show_default=True,
    help="GET of a deleted workload: 404, its body, or its body without syncInfo.",
)
@click.option("--no-v1-token", is_flag=True, help="Serve no POST /api/v1/token.")
@click.option("--no-list", is_flag=True, help="Serve no GET /api/v1/workloads.")
@click.option("--control", is_flag=True, help="Serve the control API below /sandbox/.")
@click.option("--ledger", type=_FILE, help="Append every request to FILE as JSON lines.")
@click.option("-q", "--quiet", is_flag=True, help="Log no requests.")
def sandbox(**values: Any) -> None:
    """Serve the Workloads V2 API on this machine, as strict and as hostile as asked."""
    if find_spec("uvicorn") is None or find_spec("jwt") is None:
        from reconciler.resources import install_command

        raise click.ClickException(
            f"the sandbox needs uvicorn and PyJWT: {install_command('sandbox')}"
        )
    from reconciler.sandbox import DEMO_SECRET, SCENARIOS, SandboxError, serve

    options = SandboxOptions(**values)
    if options.list_scenarios:
        for scenario in SCENARIOS:
            click.echo(f"{scenario.name}: {scenario.story}")
            for rule in scenario.rules:
                click.echo(f"    --fault '{rule}'")
        return

    def announce(url: str) -> None:
        """Say where it listens, then how to point the client at it, ready to be copied."""
        click.echo(f"sandbox listening on {url}")
        # A secret from a file is the user's own: it is not repeated on a terminal.
        file = options.client_secret_file
        secret = DEMO_SECRET if file is None else f'"$(cat {quote(str(file))})"'
        click.echo(f"export RUNAI_BASE_URL={url}")
        click.echo(f"export RUNAI_CLIENT_ID={options.client_id}")
        click.echo(f"export RUNAI_CLIENT_SECRET={secret}")
        click.echo(f"seed {settings.seed}: --seed {settings.seed} repeats its chance")

    try:
        settings = _settings(options)
        serve(
            settings,
            options.host,
            options.port,
            announce=announce,
            listener=None if options.quiet else _log,
        )
    except SandboxError as exc:
        raise click.UsageError(str(exc)) from None


def _settings(options: SandboxOptions) -> Settings:
    from secrets import randbelow

    from reconciler.sandbox import AfterDelete, Project, Settings, find_scenario
    from reconciler.sandbox.faults.rules import read_rules

    faults: list[str] = []
    if options.scenario is not None:
        faults.extend(find_scenario(options.scenario).rules)
    for text in options.faults:
        if text.startswith("@"):
            faults.extend(rule.text for rule in read_rules(_read(Path(text[1:]))))
        else:
            faults.append(text)
    projects = []
    for text in options.projects:
        project_id, equals, name = text.partition("=")
        if not (project_id and equals and name):
            raise click.UsageError(f"--project {text}: write ID=NAME, such as 4501=team-a")
        projects.append(Project(id=project_id, name=name))
    return Settings(
        # Small enough to be typed again.
        seed=randbelow(2**32) if options.seed is None else options.seed,
        api_version=options.api_version,
        v1_token=not options.no_v1_token,
        credentials=_credentials(options),
        projects=tuple(projects),
        categories=(*Settings().categories, *options.categories),
        token_lifetime=options.token_lifetime,
        sync_delay=options.sync_delay,
        delete_delay=options.sync_delay,
        latency=options.latency,
        after_delete=AfterDelete(options.after_delete),
        listing=not options.no_list,
        control=options.control,
        faults=tuple(faults),
        data=options.data,
        ledger=options.ledger,
    )


def _credentials(options: SandboxOptions) -> tuple[Credential, ...]:
    from reconciler.sandbox import DEMO_SECRET, Credential

    secret, path = DEMO_SECRET, options.credentials
    if options.client_secret_file is not None:
        secret = _read(options.client_secret_file).strip()
    if not secret:
        raise click.UsageError(f"{options.client_secret_file} holds no secret")
    first = Credential(client_id=options.client_id, client_secret=secret)
    if path is None:
        return (first,)
    try:
        further = [
            Credential(
                client_id=row["client_id"],
                client_secret=row["client_secret"],
                projects=None if row.get("projects") is None else frozenset(row["projects"]),
                writes=bool(row.get("writes", True)),
            )
            for row in json.loads(_read(path))
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.UsageError(
            f"{path} is not a JSON list of objects with client_id and client_secret"
        ) from None
    return (first, *further)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"cannot read {path}: {exc}") from None


def _log(entry: Entry) -> None:
    subject = entry.path if entry.name is None else f"{entry.project_id}/{entry.name}"
    status = "no answer" if entry.status is None else str(entry.status)
    effect = "" if entry.effect is None else f" {entry.effect}"
    fault = "" if entry.fault is None else f" [{entry.fault}]"
    clock = time.strftime("%H:%M:%S")
    click.echo(f"{clock} {entry.method} {subject} -> {status}{effect}{fault}", err=True)

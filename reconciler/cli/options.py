"""The options that mean the same in every command that has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.complete import complete_recorded
from reconciler.cli.params import DURATION, PROJECT_ID, OutputType

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.settings import Flags, Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


def environment_options(command: Command) -> Command:
    """Where things are: each also as RECONCILER_<FLAG> in the environment."""
    for flag, settings in reversed(_ENVIRONMENT):
        name = flag.partition("/")[0].removeprefix("--").replace("-", "_").upper()
        option = click.option(flag, envvar=f"RECONCILER_{name}", show_envvar=True, **settings)
        command = option(command)
    return command


_ENVIRONMENT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--config", {"type": _PATH, "metavar": "FILE", "help": "Configuration to read."}),
    ("--state", {"metavar": "PATH", "help": "State file.  [default: .reconciler/state.db]"}),
    ("--url", {"help": "Address of the control plane (also RUNAI_BASE_URL)."}),
    ("--stack", {"metavar": "NAME", "help": "Owner's name, written into every workload."}),
    ("--token-file", {"type": _PATH, "metavar": "FILE", "help": "File that holds a token."}),
    ("--ca-file", {"type": _PATH, "metavar": "FILE", "help": "Extra certificates to trust."}),
    (
        "--client-cert",
        {"type": _PATH, "metavar": "FILE", "help": "Certificate to show to the server (PEM)."},
    ),
    (
        "--client-key",
        {
            "type": _PATH,
            "metavar": "FILE",
            "help": "Its private key, where the certificate's file does not hold it.",
        },
    ),
    (
        "--use-env-proxy/--no-use-env-proxy",
        {
            "default": None,
            "help": "Whether HTTPS_PROXY, ALL_PROXY and NO_PROXY count.  [default: no]",
        },
    ),
    (
        "--concurrency",
        {
            "type": click.IntRange(1, 1024),
            "metavar": "N",
            "help": "Most requests in flight.  [default: 32]",
        },
    ),
    (
        "--max-rps",
        {
            "type": click.FloatRange(0, min_open=True),
            "metavar": "N",
            "help": "Most requests sent in a second.  [default: as many as the server takes]",
        },
    ),
    (
        "--deadline",
        {"type": DURATION, "default": "30m", "show_default": True, "help": "Time for the run."},
    ),
    (
        "--request-timeout",
        {"type": DURATION, "default": "30s", "show_default": True, "help": "Time per request."},
    ),
)


def state_options(command: Command) -> Command:
    """The part of the environment that a command without a server needs."""
    for flag, settings in reversed(_ENVIRONMENT[:2]):
        name = "RECONCILER_" + flag.removeprefix("--").upper()
        command = click.option(flag, envvar=name, show_envvar=True, **settings)(command)
    return command


def reading_option(command: Command) -> Command:
    """The deadline of a command that reads specs and nothing else."""
    option = click.option(
        "--deadline",
        type=DURATION,
        default="25s",
        show_default=True,
        envvar="RECONCILER_DEADLINE",
        show_envvar=True,
        help="Time for reading the specs and judging them by policies.",
    )
    return option(command)


def output_options(*formats: str) -> Callable[[Command], Command]:
    """How results are shown; the first format is the default."""

    def decorate(command: Command) -> Command:
        for option in reversed(
            (
                click.option(
                    "-o",
                    "--output",
                    "outputs",
                    type=OutputType(formats),
                    multiple=True,
                    help=f"Format of the result, repeatable.  [default: {formats[0]}]",
                ),
                click.option(
                    "--color",
                    type=click.Choice(["auto", "always", "never"]),
                    default="auto",
                    show_default=True,
                    envvar="RECONCILER_COLOR",
                    help="Colours; also NO_COLOR and FORCE_COLOR.",
                ),
                click.option("-q", "--quiet", is_flag=True, help="Only results and errors."),
                click.option("-v", "--verbose", is_flag=True, help="More about what happens."),
            )
        ):
            command = option(command)
        return command

    return decorate


def plan_options(command: Command) -> Command:
    """What a plan is about and what it may do; never read from the environment."""
    for option in reversed(_PLAN):
        command = option(command)
    return command


_PLAN: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-t",
        "--target",
        "targets",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="PATTERN",
        help="Only addresses like this (glob on <projectId>/<name>), repeatable.",
    ),
    click.option(
        "-x",
        "--exclude",
        "excludes",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="PATTERN",
        help="Not addresses like this, repeatable.",
    ),
    click.option("--project", type=PROJECT_ID, metavar="ID", help="Only this project."),
    click.option("--no-refresh", is_flag=True, help="Believe the state; read nothing back."),
    click.option("--no-delete", is_flag=True, help="Hold every delete and replace."),
    click.option("--no-create", is_flag=True, help="Hold every create and replace."),
    click.option(
        "--replace",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="ADDRESS",
        help="Replace this workload even if nothing changed, repeatable.",
    ),
    click.option(
        "--on-drift",
        type=click.Choice(["report", "replace"]),
        default="report",
        show_default=True,
        help="What a change made only on the server leads to.",
    ),
    click.option(
        "--max-delete",
        metavar="N|N%",
        help="Most deletes and replaces, per project and in all; "
        "below 10 recorded workloads 3.  [default: 30%]",
    ),
    click.option(
        "--allow-deletes",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Allow exactly this many deletes and replaces after all.",
    ),
    click.option(
        "--allow-missing",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Believe that exactly this many workloads are gone from the server.",
    ),
    click.option("--allow-empty", is_flag=True, help="Allow that no spec is left."),
)


def flags_from(options: Mapping[str, Any]) -> Flags:
    """The settings among a command's options, each with the flag or variable that gave it."""
    import dataclasses

    from reconciler.app.settings import Flags

    names = {field.name for field in dataclasses.fields(Flags)} - {"origins"}
    given = {name: value for name, value in options.items() if name in names}
    return Flags(**given, origins=_origins(given))


def _origins(names: Collection[str]) -> dict[str, str]:
    """Who gave each option of the running command that has a value and not just its default."""
    context = click.get_current_context(silent=True)
    origins: dict[str, str] = {}
    if context is None:
        return origins
    for option in context.command.params:
        if option.name not in names:
            continue
        source = context.get_parameter_source(option.name)
        if source is ParameterSource.COMMANDLINE:
            origins[option.name] = option.opts[0]
        elif source is ParameterSource.ENVIRONMENT:
            origins[option.name] = str(option.envvar)
    return origins


def settings_from(options: Mapping[str, Any], folder: Path | None = None) -> Settings:
    """The settings of the repository that a folder (default: here) belongs to.

    Raises InvalidSpecsError for a configuration with errors.
    """
    from reconciler.app.planning.workspace import settings_here

    return settings_here(folder or Path(), flags_from(options), os.environ)


def plan_request_from(options: Mapping[str, Any], places: tuple[str, ...]) -> PlanRequest:
    """What `plan_options` asked for."""
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.core.planning.case import OnDrift, PlanOptions
    from reconciler.core.planning.selection import Selection

    return PlanRequest(
        selection=Selection(
            targets=options["targets"],
            excludes=options["excludes"],
            project=options["project"],
            places=places,
        ),
        options=PlanOptions(
            on_drift=OnDrift(options["on_drift"]),
            no_delete=options["no_delete"],
            no_create=options["no_create"],
            replace=options["replace"],
            refreshed=not options["no_refresh"],
        ),
        allow_deletes=options["allow_deletes"],
        allow_missing=options["allow_missing"],
        allow_empty=options["allow_empty"],
    )

"""What each option of several commands is called, takes and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.params import DURATION, PROJECT, PROJECT_MEANING, OutputType

Decorator = Callable[[Any], Any]

APPLY_FORMATS = ("text", "json", "ndjson", "html", "markdown", "github")
PLAN_FORMATS = ("text", "json", "html", "markdown", "github", "gitlab", "gitlab-plan")
# What a review in CI is given; loading what renders it takes longer than a small plan.
REVIEW_FORMATS = ("markdown", "github", "gitlab", "gitlab-plan")
# Annotations are commands to whoever reads the log, and no result.
BESIDE = ("github",)

_PATH = click.Path(path_type=Path)

YES = click.option(
    "--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal."
)
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Show what would be done, and change nothing."
)
MARKDOWN_LIMIT = click.option(
    "--markdown-limit",
    type=click.IntRange(8_000),
    default=65_536,
    show_default=True,
    metavar="BYTES",
    envvar="RECONCILER_MARKDOWN_LIMIT",
    help="Maximum size of '-o markdown'; GitLab accepts 1000000.",
)


MAX_ERRORS = click.option(
    "--max-errors",
    type=click.IntRange(1),
    metavar="N",
    help="Show the findings up to error N, and then stop.",
)


def _from_environment(flag: str, **settings: Any) -> Decorator:
    """An option that a variable of the environment may give as well: RECONCILER_<FLAG>."""
    name = flag.partition("/")[0].removeprefix("--").replace("-", "_")
    return click.option(flag, envvar=f"RECONCILER_{name.upper()}", show_envvar=True, **settings)


# What describes the environment is read from it; what approves or selects never is, so that nothing
# is approved by a variable that somebody forgot.
STATE: tuple[Decorator, ...] = (
    _from_environment("--config", type=_PATH, metavar="FILE", help="Configuration to read."),
    _from_environment(
        "--state",
        metavar="PATH|URL",
        help="State: a file, postgresql://HOST/DATABASE or s3://BUCKET/FOLDER.  "
        "[default: .reconciler/state.db]",
    ),
    _from_environment(
        "--stack", metavar="NAME", help="Name of the owner; it is written into every workload."
    ),
)

READING: tuple[Decorator, ...] = (
    *STATE,
    _from_environment(
        "--deadline",
        type=DURATION,
        default="25s",
        show_default=True,
        help="Maximum duration of reading the specs and checking them against policies.",
    ),
)

SERVER: tuple[Decorator, ...] = (
    _from_environment("--url", help="Address of the control plane (also RUNAI_BASE_URL)."),
    _from_environment("--token-file", type=_PATH, metavar="FILE", help="File that holds a token."),
    _from_environment("--ca-file", type=_PATH, metavar="FILE", help="Extra certificates to trust."),
    _from_environment(
        "--client-cert",
        type=_PATH,
        metavar="FILE",
        help="Certificate to show to the server (PEM).",
    ),
    _from_environment(
        "--client-key",
        type=_PATH,
        metavar="FILE",
        help="Private key of the certificate, if its file does not hold the key.",
    ),
    _from_environment(
        "--use-env-proxy/--no-use-env-proxy",
        default=None,
        help="Use the proxies that HTTPS_PROXY, ALL_PROXY and NO_PROXY name.  [default: no]",
    ),
    _from_environment(
        "--concurrency",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Send at most N requests at the same time.  [default: 32]",
    ),
    _from_environment(
        "--max-rps",
        type=click.FloatRange(0, min_open=True),
        metavar="N",
        help="Send at most N requests per second.  [default: as many as the server takes]",
    ),
    _from_environment(
        "--request-timeout",
        type=DURATION,
        default="30s",
        show_default=True,
        help="Maximum duration of one request.",
    ),
)

ENVIRONMENT: tuple[Decorator, ...] = (
    *STATE,
    *SERVER,
    _from_environment(
        "--deadline",
        type=DURATION,
        default="30m",
        show_default=True,
        help="Maximum duration of the run.",
    ),
)

PLAN: tuple[Decorator, ...] = (
    click.option(
        "-t",
        "--target",
        "targets",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="PATTERN",
        help="Include only addresses that match this glob on <projectId>/<name>; repeatable.",
    ),
    click.option(
        "-x",
        "--exclude",
        "excludes",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="PATTERN",
        help="Leave out addresses that match this glob; repeatable.",
    ),
    click.option(
        "--project",
        type=PROJECT,
        metavar="PROJECT",
        help="Include only this project, by its id or its name.",
    ),
    click.option(
        "--no-refresh", is_flag=True, help="Trust the state; read nothing from the server."
    ),
    click.option("--no-delete", is_flag=True, help="Hold every delete and replace."),
    click.option("--no-create", is_flag=True, help="Hold every create and replace."),
    click.option(
        "--no-update",
        is_flag=True,
        help="Hold every update in place; none becomes a replace.",
    ),
    click.option(
        "--replace",
        multiple=True,
        shell_complete=complete_recorded,
        metavar="PATTERN",
        help="Replace workloads whose address matches this glob even if nothing changed; "
        "repeatable.",
    ),
    click.option(
        "--retry-failed",
        is_flag=True,
        help="Replace every workload that the cluster has refused, unchanged.",
    ),
    click.option(
        "--on-drift",
        type=click.Choice(["report", "update", "replace"]),
        default="report",
        show_default=True,
        help="What to do about a change that was made only on the server.",
    ),
    click.option(
        "--max-delete",
        metavar="N|N%",
        help="Limit of deletes and replaces, per project and in total; with fewer than "
        "10 recorded workloads, a percentage allows 3.  [default: 30%]",
    ),
    click.option(
        "--max-update",
        metavar="N|N%",
        help="Limit of updates in place, per project and in total; counted as for "
        "--max-delete; also limits.max_update.  [default: no limit]",
    ),
    click.option(
        "--allow-deletes",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Allow exactly N deletes and replaces, whatever --max-delete says.",
    ),
    click.option(
        "--allow-missing",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Accept that exactly N workloads are missing on the server.",
    ),
    click.option(
        "--allow-empty",
        is_flag=True,
        help="Accept that no spec is left; the plan then deletes every workload.",
    ),
    click.option(
        "--accept-project",
        "accept_projects",
        type=PROJECT_MEANING,
        multiple=True,
        metavar="NAME=ID",
        help="Accept that a project's name means another project now, this one; repeatable.",
    ),
    MAX_ERRORS,
)

APPLY: tuple[Decorator, ...] = (
    YES,
    click.option(
        "--wait/--no-wait",
        default=True,
        show_default=True,
        help="Wait until the cluster has accepted every workload.",
    ),
    click.option(
        "--wait-for",
        type=click.Choice(["synced", "running", "completed"]),
        default="synced",
        show_default=True,
        envvar="RECONCILER_WAIT_FOR",
        help="What to wait for, of all declared workloads that are targeted; what serves until it "
        "is ended is complete once it runs.",
    ),
    click.option(
        "--wait-timeout",
        type=DURATION,
        envvar="RECONCILER_WAIT_TIMEOUT",
        help="Wait at most this long for one workload (default: 15m; without an end, and without "
        "the default --deadline, for completed).",
    ),
    click.option("--fail-fast", is_flag=True, help="Start no further action after a failure."),
    click.option(
        "--lock-timeout",
        type=DURATION,
        default="0s",
        show_default=True,
        envvar="RECONCILER_LOCK_TIMEOUT",
        help="Wait at most this long for another run to end.",
    ),
    click.option(
        "--expect-digest",
        metavar="DIGEST|FILE",
        help="Go on only if the plan has this digest, or is the one in this file "
        "('plan -o json=FILE'); what differs from a file is shown.",
    ),
)


def output_table(formats: Sequence[str]) -> tuple[Decorator, ...]:
    """The options of a command that has these formats; the first is the default."""
    return (
        click.option(
            "-o",
            "--output",
            "outputs",
            type=OutputType(tuple(formats)),
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
        click.option("-q", "--quiet", is_flag=True, help="Print only results and errors."),
        click.option("-v", "--verbose", is_flag=True, help="Print more details about the run."),
    )

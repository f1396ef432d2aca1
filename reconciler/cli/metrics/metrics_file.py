"""`--metrics-file`: what a run leaves behind for monitoring, however it ends."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reconciler.app.session import Connector
    from reconciler.app.settings import Settings
    from reconciler.core.history.events import Event
    from reconciler.core.planning.plan import Plan
    from reconciler.ports import EventListener


class MetricsWriter:
    """Gathers what one run has to tell, from the moment it begins.

    It is the `obj` of the command line's context, so that a command finds it, and who runs the
    command line says at the end how that went.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.path: Path | None = None
        self.command = ""
        self.plan: Plan | None = None
        self.settings: Settings | None = None
        self.connector: Connector | None = None
        self.results: Counter[tuple[str, str]] | None = None
        self.refused: int | None = None
        self.phases: Counter[str] | None = None

    @classmethod
    def current(cls) -> MetricsWriter:
        """The one of the running command; one that nobody reads where there is none."""
        context = click.get_current_context(silent=True)
        return (context.find_object(cls) if context else None) or cls()

    def disarm(self) -> None:
        """Write nothing: what was asked for would destroy something."""
        self.path = None

    def aim(self, command: str, path: Path) -> None:
        """Name the command, and where its metrics go."""
        self.command, self.path = command, path

    def connect(self, *, yes: bool) -> Connector:
        """The way to servers, which counts what this run sends."""
        # Only once it is needed: what speaks HTTP takes longer to load than wrong specs to be read.
        from reconciler.cli.connecting import connector_for

        self.connector = connector_for(yes=yes)
        return self.connector

    @property
    def listener(self) -> EventListener | None:
        """Told every event of an apply, where somebody wants the metrics."""
        return self._count if self.path is not None else None

    def _count(self, event: Event) -> None:
        from reconciler.core.history.events import ActionEnded
        from reconciler.core.history.outcome import NAMES, Cause, Failed

        if self.results is not None and isinstance(event, ActionEnded):
            self.results[event.action, NAMES[type(event.outcome)].result] += 1
            if isinstance(event.outcome, Failed) and event.outcome.cause is Cause.CLUSTER:
                self.refused = (self.refused or 0) + 1

    def end(self, code: int) -> None:
        """Write the file, if one is wanted; that it cannot be written changes nothing else."""
        asked_for_help = code == 0 and self.settings is None
        if self.path is None or asked_for_help:
            return
        try:
            from reconciler.cli.metrics.run_metrics import write_run_metrics

            write_run_metrics(self, self.path, code)
        except Exception as error:
            # Also what nobody foresaw: how the run ended must not depend on who watches it.
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            with contextlib.suppress(OSError):
                click.echo(
                    f"warning: the metrics file {self.path} cannot be written: {reason}", err=True
                )


def metrics_option(command: Any) -> Any:
    """`--metrics-file` for a command that runs unattended."""
    return click.option(
        "--metrics-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="RECONCILER_METRICS_FILE",
        show_envvar=True,
        # Before all others: a run that fails over another option ends with metrics as well.
        is_eager=True,
        expose_value=False,
        callback=_aim,
        help="Write how the run ended for Prometheus, to a file that is replaced as a whole.",
    )(command)


def _aim(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    if path is not None and not context.resilient_parsing:
        metrics = context.find_object(MetricsWriter)
        if metrics is not None:
            metrics.aim(str(context.info_name), path)

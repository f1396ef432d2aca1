"""`--metrics-file`: what a run leaves behind for monitoring, however it ends."""

from __future__ import annotations

import contextlib
import stat
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.app.session import Connector
    from reconciler.app.settings import Settings
    from reconciler.core.events import Event
    from reconciler.core.planning.plan import Plan
    from reconciler.ports import Say
    from reconciler.report.machine.metrics import RunMetrics
    from reconciler.state.glance import Glance

# Nothing of ours is longer; what is was not written by us.
_MOST_BYTES = 1 << 20


class MetricsWriter:
    """Gathers what one run has to tell, from the moment it begins.

    It is the `obj` of the command line's context, so that a command finds it, and who runs the
    command line says at the end how that went.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._began = time.monotonic()
        self._path: Path | None = None
        self._command = ""
        self._settings: Settings | None = None
        self._connector: Connector | None = None
        self._results: Counter[tuple[str, str]] | None = None

    @classmethod
    def current(cls) -> MetricsWriter:
        """The one of the running command; one that nobody reads where there is none."""
        context = click.get_current_context(silent=True)
        found = context.find_object(cls) if context else None
        return found or cls()

    @property
    def path(self) -> Path | None:
        """The file that was asked for."""
        return self._path

    def disarm(self) -> None:
        """Write nothing: what was asked for would destroy something."""
        self._path = None

    def aim(self, command: str, path: Path) -> None:
        """Name the command, and where its metrics go."""
        self._command, self._path = command, path

    def attach(self, settings: Settings, connector: Connector) -> None:
        """Name the state and the stack, and what counts the requests."""
        self._settings, self._connector = settings, connector

    def listening(self, say: Say) -> Say:
        """The same `say`, heard by this meter as well; for an apply that is about to begin."""
        results: Counter[tuple[str, str]] = Counter()

        def heard(event: Event) -> None:
            say(event)
            result = _result(event)
            if result is not None:
                results[result] += 1

        self._results = results
        return heard

    def end(self, code: int) -> None:
        """Write the file, if one is wanted; that it cannot be written changes nothing else."""
        asked_for_help = code == 0 and self._settings is None
        if self._path is None or asked_for_help:
            return
        from reconciler.app.wholefiles import write_whole
        from reconciler.cli.output.last_success import read_successes
        from reconciler.report.machine.metrics import metrics_text

        try:
            place = _regular_file(self._path)
            text = metrics_text(self._metrics(code, read_successes(_read(place))))
            write_whole(place, text, shared=True)
        except Exception as error:
            # Also what nobody foresaw: how the run ended must not depend on who watches it.
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            with contextlib.suppress(OSError):
                click.echo(
                    f"warning: the metrics file {self._path} cannot be written: {reason}", err=True
                )

    def _metrics(self, code: int, successes: Mapping[tuple[str, str], float]) -> RunMetrics:
        from reconciler.app.applying.request_stats import RequestStats
        from reconciler.report.machine.metrics import RunMetrics

        stack = self._stack(successes)
        traffic = self._connector.traffic if self._connector else RequestStats()
        recorded = self._recorded()
        return RunMetrics(
            command=self._command,
            stack=stack,
            finished=time.time(),
            duration=time.monotonic() - self._began,
            exit_code=code,
            last_success=successes.get((self._command, stack)),
            plan=self.plan,
            results=self._results,
            requests=traffic.requests,
            retries=traffic.retries,
            pauses=traffic.pauses,
            paused=traffic.paused,
            owned=recorded.owned if recorded else None,
            down=recorded.down if recorded else 0,
        )

    def _stack(self, successes: Mapping[tuple[str, str], float]) -> str:
        """A run that failed before it knew its stack is one of the stack that was here before."""
        if self._settings is not None:
            return self._settings.stack
        known = [stack for command, stack in successes if command == self._command]
        return known[0] if len(known) == 1 else ""

    def _recorded(self) -> Glance | None:
        from reconciler.errors import StateError
        from reconciler.state.glance import glance

        if self._settings is None:
            return None
        with contextlib.suppress(StateError):
            return glance(self._settings.state)
        return None


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
        meter = context.find_object(MetricsWriter)
        if meter is not None:
            meter.aim(str(context.info_name), path)


def _result(event: Event) -> tuple[str, str] | None:
    from reconciler.core.events import ActionFailed, ActionSkipped, ActionSucceeded, InDoubt

    match event:
        case ActionSucceeded(action=action):
            return action, "succeeded"
        case ActionFailed(action=action):
            return action, "failed"
        case ActionSkipped(action=action):
            return action, "skipped"
        case InDoubt(action=action):
            return action, "in_doubt"
        case _:
            return None


def _regular_file(path: Path) -> Path:
    """Where a link leads; a device or a pipe of that name must not be replaced by a file."""
    place = path.resolve()
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(place.stat().st_mode):
            raise OSError("it is not a regular file")
    return place


def _read(place: Path) -> str:
    from reconciler.regularfiles import read_regular

    try:
        return read_regular(place, max_bytes=_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""

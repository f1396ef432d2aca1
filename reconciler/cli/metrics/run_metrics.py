"""Writes what one run leaves behind for monitoring."""

from __future__ import annotations

import contextlib
import math
import re
import stat
import time
from pathlib import Path

from reconciler.app.applying.request_stats import RequestStats
from reconciler.app.wholefiles import write_whole
from reconciler.cli.metrics.metrics_file import MetricsWriter
from reconciler.core.states.places import FilePlace
from reconciler.errors import StateError, UnreachableError
from reconciler.regularfiles import read_regular
from reconciler.report.machine.metrics import LAST_SUCCESS, RunMetrics, metrics_text
from reconciler.state.places import summarize_state

# Nothing of ours is longer; what is was not written by us.
_MOST_BYTES = 1 << 20
# How a run ends that a database has served to its end.
_WITH_DATABASE = (0, 2, 4, 5, 7, 8)
_SAMPLE = re.compile(
    rf'{LAST_SUCCESS}\{{command="(\w+)",stack="((?:[^"\\]|\\.)*)"\}} (\S+)', re.ASCII
)


def write_run_metrics(run: MetricsWriter, path: Path, code: int) -> None:
    """Replace the file as a whole; raises OSError where it cannot be written."""
    # Where a link leads; a device or a pipe of that name must not be replaced by a file.
    real = path.resolve()
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(real.stat().st_mode):
            raise OSError("it is not a regular file")
    try:
        earlier = read_regular(real, max_bytes=_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        earlier = ""
    successes = read_successes(earlier)
    if run.settings is not None:
        stack = run.settings.stack
    else:
        # A run that failed before it knew its stack is one of the stack that was here before.
        stacks = [stack for command, stack in successes if command == run.command]
        stack = stacks[0] if len(stacks) == 1 else ""
    recorded = None
    # A run that was told to end, or whose database does not answer, waits for no database.
    if run.settings is not None and (
        isinstance(run.settings.state, FilePlace) or code in _WITH_DATABASE
    ):
        with contextlib.suppress(StateError, UnreachableError):
            recorded = summarize_state(run.settings.state)
    requests = run.connector.traffic if run.connector else RequestStats()
    metrics = RunMetrics(
        command=run.command,
        stack=stack,
        finished=time.time(),
        duration=time.monotonic() - run.began,
        exit_code=code,
        # Alerts are about the age of the last success, so a failure has to keep its moment.
        last_success=successes.get((run.command, stack)),
        plan=run.plan,
        results=run.results,
        requests=requests.requests,
        retries=requests.retries,
        pauses=requests.pauses,
        paused=requests.paused,
        owned=recorded.owned if recorded else None,
        in_doubt=recorded.in_doubt if recorded else 0,
        down=recorded.down if recorded else 0,
        refused=_count_refused(run),
        phases=run.phases,
    )
    write_whole(real, metrics_text(metrics), shared=True)


def _count_refused(run: MetricsWriter) -> int | None:
    """What a status or an apply has met, or what a plan has found; None where nobody looked."""
    if run.refused is not None or run.plan is None:
        return run.refused
    return 0 if run.results is not None else int(run.plan.summary()["refused"])


def read_successes(text: str) -> dict[tuple[str, str], float]:
    """The moments of the last successes in an earlier file, by command and stack.

    What cannot be read is left out: a file that was cut or edited must not stop a run.
    """
    successes = {}
    # The last piece has no line break after it: of a file that was cut, it may be half a number.
    for line in text.split("\n")[:-1]:
        if not (match := _SAMPLE.fullmatch(line)):
            continue
        command, stack, value = match.groups()
        try:
            moment = float(value)
        except ValueError:
            continue
        # An alert compares with this moment, and never fires over one that is NaN or infinite.
        if math.isfinite(moment) and moment > 0:
            unescaped = re.sub(r"\\(.)", lambda pair: "\n" if pair[1] == "n" else pair[1], stack)
            successes[command, unescaped] = moment
    return successes

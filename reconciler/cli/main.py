"""The group of all commands, and the one place where a failure becomes an exit code."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType

import click

from reconciler import __version__
from reconciler.cli.habits import find_habit
from reconciler.cli.help import HelpGroup
from reconciler.cli.invocation import folder_option
from reconciler.cli.lazy_commands import LazyCommands
from reconciler.cli.metrics.metrics_file import MetricsWriter
from reconciler.errors import ReconcilerError

# Click's own code for wrong usage is 2, which a plan with changes has here.
USAGE = 64
INTERRUPTED = 130
# Where each command stands in `reconciler/cli/commands/`: its module, and its name there.
COMMANDS = {
    "init": "init.init",
    "validate": "validate.validate",
    "render": "render.render",
    "plan": "plan.plan",
    "apply": "apply.apply",
    "destroy": "apply.destroy",
    "show": "show.show",
    "status": "status.status",
    "import": "import_workloads.import_command",
    "state": "state.state",
    "runs": "runs.runs",
    "schema": "schema.schema",
    "sandbox": "sandbox.sandbox",
    "doctor": "doctor.doctor",
    "completion": "completion.completion",
}


@click.group(
    cls=HelpGroup,
    commands=LazyCommands(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="reconciler", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep NVIDIA Run:ai workloads as declared in a directory of spec files.

    validate checks the specs, plan shows what would change and why, apply does it.
    """


cli.params.insert(0, folder_option())


def main() -> None:
    """Run the command line and end the process with its exit code."""
    for name in ("stdout", "stderr"):
        # A shell's `>&-` leaves no stream at all, and much of Python does not expect that.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    # Modules hold no garbage, and one run makes little: looking for it takes longer than it saves.
    gc.freeze()
    gc.set_threshold(100_000)
    metrics = MetricsWriter()
    # Until an apply handles signals itself, nothing is under way that one could cut in two.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_end, metrics))
    code = run(sys.argv[1:], metrics)
    try:
        sys.stdout.flush()
    except OSError:
        # The reader went away; what was to be done is done, and the code says how it ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if threading.active_count() == 1:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        # Nothing is left to be done, and the system takes back all at once: the interpreter would
        # take it apart, for 5 ms and longer where many specs or records were read.
        os._exit(code)
    # The interpreter looks for garbage once more before it ends, among all that is left.
    gc.freeze()
    sys.exit(code)


def _end(metrics: MetricsWriter, number: int, _frame: FrameType | None) -> None:
    """A signal ends the process: an exception could be swallowed by whatever it hits."""
    with contextlib.suppress(OSError):
        # A live view hides the cursor.
        os.write(2, b"\x1b[?25hstopped\n" if os.isatty(2) else b"stopped\n")
    metrics.end(128 + number)
    # Without cleaning up: a handler may have interrupted anything, locks and buffers included.
    os._exit(128 + number)


def run(arguments: Sequence[str], metrics: MetricsWriter | None = None) -> int:
    """Run one command line and return its exit code; never raises."""
    metrics = metrics or MetricsWriter()
    code = _run(arguments, metrics)
    # Whatever the code: monitoring has to hear above all of runs that went wrong.
    metrics.end(code)
    return code


def _run(arguments: Sequence[str], metrics: MetricsWriter) -> int:
    habit = find_habit(arguments, cli)
    if habit:
        click.echo(f"error: {habit}", err=True)
        return USAGE
    try:
        # Standing alone, click would end the process with codes of its own.
        result = cli.main(
            list(arguments), prog_name="reconciler", standalone_mode=False, obj=metrics
        )
    except click.UsageError as error:
        called = error.ctx.command_path if error.ctx else "reconciler"
        click.echo(f"error: {error.format_message()}", err=True)
        click.echo(f"  hint: {called} --help shows what there is", err=True)
        return USAGE
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return error.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return INTERRUPTED
    except ReconcilerError as error:
        from reconciler.cli.output.console import explain

        explain(error)
        return error.exit_code
    except BrokenPipeError:
        # Who closed the pipe (`| head`) has read enough: that is no failure.
        return 0
    except OSError as error:
        # A full disk is no bug of ours.
        if error.errno != errno.ENOSPC:
            return _apologise(error)
        click.echo(f"error: standard output cannot be written: {error.strerror}", err=True)
        return 1
    except Exception as error:
        return _apologise(error)
    return result if isinstance(result, int) else 0


def _apologise(error: Exception) -> int:
    """A bug: say so in one line; the traceback is for those who ask for it."""
    click.echo(f"error: unexpected failure: {type(error).__name__}: {error}", err=True)
    if os.environ.get("RECONCILER_DEBUG"):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    else:
        click.echo("  hint: this is a bug; RECONCILER_DEBUG=1 shows where it happened", err=True)
    return 1

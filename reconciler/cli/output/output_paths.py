"""Where a command is asked to write, held against what must not be written over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.metrics.metrics_file import MetricsWriter
from reconciler.cli.output.console import Console
from reconciler.core.states.places import FilePlace, StatePlace

SPEC_SUFFIXES = (".json", ".yaml", ".yml")


def check_output_paths(
    console: Console,
    *,
    roots: Sequence[Path],
    state: StatePlace | None = None,
    save_to: Path | None = None,
) -> None:
    """Raise click's usage error for a file that another output, the state or the specs would lose.

    `roots` hold specs, as a root and the folders that it includes do. An output among them would
    be read as a spec by the next run, and stop it.
    """
    metrics = MetricsWriter.current()
    outputs = [("-o", output.path) for output in console.outputs]
    outputs += [("--save", save_to), ("--metrics-file", metrics.path)]
    flags: dict[Path, str] = {}
    file = state.path.resolve() if isinstance(state, FilePlace) else None
    for flag, path in outputs:
        if path is None:
            continue
        # Two names may lead to one file.
        real = path.resolve()
        problem = _problem_with(flag, real, [root.resolve() for root in roots], file)
        if real in flags:
            problem = f"{flags[real]} writes it as well"
        if problem:
            # The metrics of a run that was refused would be the first to be written there.
            metrics.disarm()
            raise click.UsageError(f"{flag}: {path}: {problem}")
        flags[real] = flag


def _problem_with(flag: str, path: Path, roots: Sequence[Path], state: Path | None) -> str:
    # The state itself, its lock, its journal and its copies all begin with its name.
    if state is not None and path.parent == state.parent and path.name.startswith(state.name):
        return "it belongs to the state"
    if flag == "--save" and path.exists() and not path.is_file():
        return "it is not a regular file"
    if path.suffix.lower() not in SPEC_SUFFIXES:
        return ""
    for root in roots:
        if path.is_relative_to(root) and not any(
            part.startswith((".", "_")) for part in path.relative_to(root).parts
        ):
            return (
                "it is among the specs and would be read as one; use another folder, another "
                "ending, or a name that begins with '.' or '_'"
            )
    return ""

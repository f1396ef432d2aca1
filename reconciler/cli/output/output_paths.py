"""Where a command is asked to write, held against what must not be written over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from reconciler.cli.output.console import Console
from reconciler.cli.output.metrics_file import MetricsWriter

SPEC_SUFFIXES = (".json", ".yaml", ".yml")


def check_places(
    console: Console, options: dict[str, Any], *, root: Path, state: Path | None = None
) -> None:
    """Raise click's usage error for a file that another output, the state or the specs would lose.

    An output among the specs would be read as one by the next run, and stop it.
    """
    seen: dict[Path, str] = {}
    for flag, path in _places(console, options):
        place = path.resolve()
        trouble = _trouble_with(flag, place, root.resolve(), state.resolve() if state else None)
        if place in seen:
            trouble = f"{seen[place]} writes it as well"
        if trouble:
            MetricsWriter.current().disarm()
            raise click.UsageError(f"{flag}: {path}: {trouble}")
        seen[place] = flag


def _trouble_with(flag: str, place: Path, root: Path, state: Path | None) -> str:
    if state is not None and _is_of_state(place, state):
        return "it belongs to the state"
    if flag == "--save" and place.exists() and not place.is_file():
        return "it is not a regular file"
    if _would_be_read(place, root):
        return (
            "it is among the specs and would be read as one; write it elsewhere, "
            "or under a name that begins with '.' or '_', or ends otherwise"
        )
    return ""


def _places(console: Console, options: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    for output in console.outputs:
        if output.path is not None:
            yield "-o", output.path
    if options.get("save_to") is not None:
        yield "--save", options["save_to"]
    metrics = MetricsWriter.current().path
    if metrics is not None:
        yield "--metrics-file", metrics


def _is_of_state(place: Path, state: Path) -> bool:
    """The file itself, its lock, its journal and its copies all begin with its name."""
    return place.parent == state.parent and place.name.startswith(state.name)


def _would_be_read(place: Path, root: Path) -> bool:
    if place.suffix.lower() not in SPEC_SUFFIXES or not place.is_relative_to(root):
        return False
    return not _is_hidden(place.relative_to(root).parts)


def _is_hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith((".", "_")) for part in parts)

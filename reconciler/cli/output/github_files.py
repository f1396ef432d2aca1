"""The files by which a step tells GitHub Actions its summary and its outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.report.machine.github import SUMMARY_LIMIT
from reconciler.report.markdown.size_limit import LEAST


def write_step(
    environ: Mapping[str, str], *, summary: Callable[[int], str], outputs: str
) -> list[str]:
    """Append to the files that GitHub names, and return what kept it from being all.

    `summary` is given the bytes that are left for it. Raises ReconcilerError where a file that is
    named cannot be written.
    """
    notes = []
    if file := environ.get("GITHUB_OUTPUT"):
        _append("GITHUB_OUTPUT", Path(file), outputs)
    else:
        notes.append("GITHUB_OUTPUT is not set: this step has no outputs")
    if file := environ.get("GITHUB_STEP_SUMMARY"):
        path = Path(file)
        # All commands of a step share its limit. Two line breaks at most go around this text.
        room = SUMMARY_LIMIT - (path.stat().st_size if path.is_file() else 0) - 2
        if room < LEAST:
            notes.append("the step summary has no room left for this report")
        else:
            _append("GITHUB_STEP_SUMMARY", path, f"{summary(room)}\n")
    else:
        notes.append("GITHUB_STEP_SUMMARY is not set: this step has no summary")
    return notes


def _append(name: str, path: Path, text: str) -> None:
    """Append on a line of its own, whether or not who wrote before has ended the last one."""
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else f"\n{text}"
            file.write(text.encode())
    except OSError as error:
        raise ReconcilerError(
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"{name} names it; GitHub Actions sets that, and nothing else should",
        ) from error

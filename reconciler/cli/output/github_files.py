"""The files by which a step tells GitHub Actions its summary and its outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.errors import ReconcilerError


def write_step(
    environ: Mapping[str, str], *, summary: Callable[[int], str], outputs: str
) -> list[str]:
    """Append to the files that GitHub names, and return what kept it from being all.

    `summary` is given the bytes that are left for it. Raises ReconcilerError where a file that is
    named cannot be written.
    """
    return [
        *_append_outputs(environ.get("GITHUB_OUTPUT"), outputs),
        *_append_summary(environ.get("GITHUB_STEP_SUMMARY"), summary),
    ]


def _append_outputs(file: str | None, outputs: str) -> list[str]:
    if not file:
        return ["GITHUB_OUTPUT is not set: this step has no outputs"]
    _append("GITHUB_OUTPUT", Path(file), outputs)
    return []


def _append_summary(file: str | None, summary: Callable[[int], str]) -> list[str]:
    from reconciler.report.machine.github import SUMMARY_LIMIT
    from reconciler.report.markdown.size_limit import LEAST

    if not file:
        return ["GITHUB_STEP_SUMMARY is not set: this step has no summary"]
    path = Path(file)
    # Two line breaks at most go around it.
    room = SUMMARY_LIMIT - (path.stat().st_size if path.is_file() else 0) - 2
    if room < LEAST:
        return ["the summary of this step has no room left for this one"]
    _append("GITHUB_STEP_SUMMARY", path, f"{summary(room)}\n")
    return []


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

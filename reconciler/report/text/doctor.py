"""The report of `reconciler doctor`, for people and programs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from enum import StrEnum
from typing import Any

from reconciler import __version__
from reconciler.core.planning.plan import FORMAT_VERSION
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import columns, number_of
from reconciler.values import dataclass


class Level(StrEnum):
    """How much a check matters; what is skipped could not be looked at after something else."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `exit_code` is the one that an apply would end with."""

    name: str
    level: Level
    message: str
    hint: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value that holds, as it may be shown, and the flag, variable or line that gave it."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """All checks, in the order in which an apply would meet them, and what they were made with."""

    checks: Sequence[Check]
    settings: Sequence[Setting] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The code that an apply would end with, as far as can be told: that of the first problem.

        0 where there is none.
        """
        codes = (check.exit_code for check in self.checks if check.level is Level.PROBLEM)
        return next(codes, 0)


_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red", Level.SKIPPED: ""}
_LEAST_WIDTH = 24


def examination_document(report: DoctorReport) -> dict[str, Any]:
    """An examination as `doctor -o json` has it."""
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "exit_code": report.exit_code,
        "checks": [
            {
                "name": check.name,
                "level": check.level.value,
                "message": check.message,
                "hint": check.hint or None,
                "exit_code": check.exit_code,
            }
            for check in report.checks
        ],
        "settings": [asdict(setting) for setting in report.settings],
        "versions": dict(report.versions),
    }


def examination_text(report: DoctorReport, paint: ColorWriter, *, width: int | None = None) -> str:
    """Every check with its hint, the settings, the versions, and the verdict as the last line.

    Messages are broken at `width`, where one is given.
    """
    widest = max(len(check.name) for check in report.checks)
    level = max(map(len, Level))
    margin = " " * (level + widest + 4)
    lines = []
    for check in report.checks:
        head = (
            f"{paint(f'{check.level:<{level}}', _COLOURS[check.level])}  {check.name:<{widest}}  "
        )
        texts = [escape_terminal(check.message)]
        texts += [f"hint: {escape_terminal(check.hint)}"] if check.hint else []
        # A hint begins on a line of its own.
        broken = [line for text in texts for line in _wrap(text, width, len(margin))]
        lines.append(f"{head}{broken[0]}")
        lines += [f"{margin}{line}" for line in broken[1:]]
    blocks = ["\n".join(lines)]
    if report.settings:
        rows = [
            (setting.name, escape_terminal(setting.value) or "-", escape_terminal(setting.origin))
            for setting in report.settings
        ]
        blocks.append(columns(("SETTING", "VALUE", "FROM"), rows))
    if report.versions:
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        blocks.append("\n".join(_wrap(f"Versions: {versions}", width, 0)))
    counts = Counter(check.level for check in report.checks)
    warnings = number_of(counts[Level.WARNING], "warning")
    verdict = f"No problem, {warnings}."
    if counts[Level.PROBLEM]:
        problems = number_of(counts[Level.PROBLEM], "problem")
        verdict = f"{problems}, {warnings}; an apply would end with {report.exit_code}."
    return "\n\n".join([*blocks, paint.bold(verdict)])


def _wrap(text: str, width: int | None, margin: int) -> list[str]:
    if width is None:
        return [text]
    room = max(width - margin, _LEAST_WIDTH)
    # Addresses and paths are copied: they stay whole.
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [text]

"""What a value on the command line may look like."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from reconciler.values import dataclass


class Duration(click.ParamType[float]):
    """A length of time such as `30s`, `5m`, `1h30m` or `250ms`; its value is in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it; click's usage error for anything else."""
        # Click expects that a value which is converted already passes unchanged.
        if isinstance(value, int | float):
            return float(value)
        from reconciler.core.durations import parse_duration

        try:
            return parse_duration(str(value).strip()).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


class GpuCount(click.ParamType[float]):
    """A number of GPUs, such as `8` or `0.5`."""

    name = "gpus"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it; click's usage error for anything else."""
        count: float = click.FLOAT.convert(value, param, ctx)
        # `nan` is smaller than nothing, and would be a bound that bounds nothing.
        if not 0 <= count < math.inf:
            self.fail(f"{value!r} is not a number of GPUs", param, ctx)
        return count


class Project(click.ParamType[str]):
    """A project by its id, such as `4501`, or by its name, such as `ml` or `ml@west`."""

    name = "project"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it; click's usage error for what no project can be called."""
        from reconciler.core.model import is_project_id

        name, _, cluster = str(value).partition("@")
        if not is_project_id(name) or "@" in cluster:
            message = f"{value!r} is not the id or the name of a project"
            self.fail(message, param, ctx)
        return str(value)


class ProjectMeaning(click.ParamType[tuple[str, str]]):
    """`NAME=ID`: a project's name and what it means."""

    name = "meaning"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read it; click's usage error for anything else."""
        from reconciler.core.model import is_project_id

        # As in `Duration`: a value may come here a second time.
        if isinstance(value, tuple):
            return value
        name, _, project = str(value).rpartition("=")
        if not (name and is_project_id(project)):
            self.fail(f"{value!r} is not NAME=ID, such as ml=4501", param, ctx)
        return name, project


@dataclass(frozen=True, slots=True)
class Output:
    """A format, and the file it goes to; standard output where there is none."""

    format: str
    path: Path | None = None


class OutputType(click.ParamType[Output]):
    """`FORMAT` or `FORMAT=PATH`."""

    name = "format"

    def __init__(self, formats: tuple[str, ...]) -> None:
        self._formats = formats

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's
        """How help shows it."""
        return f"{'|'.join(self._formats)}[=PATH]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Output:
        """Read it; click's usage error for a format that this command does not have."""
        # As in `Duration`: a value may come here a second time.
        if isinstance(value, Output):
            return value
        name, equals, path = str(value).partition("=")
        if name not in self._formats:
            self.fail(f"{name!r} is not one of {', '.join(self._formats)}", param, ctx)
        if equals and not path:
            self.fail(f"{value!r} names no file after '='", param, ctx)
        return Output(name, Path(path) if path else None)


DURATION = Duration()
PROJECT = Project()
GPUS = GpuCount()
PROJECT_MEANING = ProjectMeaning()

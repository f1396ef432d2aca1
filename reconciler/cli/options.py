"""The options of the commands, and the values that they come to.

A command takes each group of its options as one value, so that a name which does not exist is
found by the type checker. All of these values are made here.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from reconciler.cli.invocation import remember_commands
from reconciler.cli.option_tables import (
    APPLY,
    DRY_RUN,
    ENVIRONMENT,
    PLAN,
    READING,
    SERVER,
    STATE,
    YES,
    Decorator,
    output_table,
)
from reconciler.cli.params import Output
from reconciler.errors import ReconcilerError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.settings import Flags, Settings

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How results are shown, as `output_options` was given it."""

    outputs: tuple[Output, ...] = ()
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFlags:
    """What a plan is about and what it may do, as `plan_options` was given it."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    project: str | None = None
    no_refresh: bool = False
    no_delete: bool = False
    no_create: bool = False
    no_update: bool = False
    replace: tuple[str, ...] = ()
    retry_failed: bool = False
    on_drift: str = "report"
    allow_deletes: int = 0
    allow_missing: int = 0
    allow_empty: bool = False
    max_errors: int | None = None
    accept_projects: tuple[tuple[str, str], ...] = ()

    def request(self, places: tuple[str, ...]) -> PlanRequest:
        """The plan that is asked for; `places` are the parts of the repository it is about."""
        from reconciler.app.planning.planning import PlanRequest
        from reconciler.core.planning.case import OnDrift, PlanOptions
        from reconciler.core.planning.selection import Selection

        return PlanRequest(
            selection=Selection(
                targets=self.targets, excludes=self.excludes, project=self.project, places=places
            ),
            options=PlanOptions(
                on_drift=OnDrift(self.on_drift),
                no_delete=self.no_delete,
                no_create=self.no_create,
                no_update=self.no_update,
                replace=self.replace,
                retry_failed=self.retry_failed,
                refreshed=not self.no_refresh,
            ),
            allow_deletes=self.allow_deletes,
            allow_missing=self.allow_missing,
            allow_empty=self.allow_empty,
            accept_projects=dict(self.accept_projects),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFlags:
    """How a plan is carried out, as `apply_options` was given it. Durations in seconds."""

    yes: bool
    wait: bool
    wait_for: str
    wait_timeout: float | None
    fail_fast: bool
    lock_timeout: float
    expect_digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditFlags:
    """Whether an edit of the state is carried out, and whether anybody is asked before."""

    yes: bool
    dry_run: bool


def output_options(*formats: str) -> Callable[[Command], Command]:
    """How results are shown, as `output`; the first format is the default."""

    def decorate(command: Command) -> Command:
        return _with_options(_grouped(command, "output", OutputOptions), output_table(formats))

    return decorate


def plan_options(command: Command) -> Command:
    """What a plan is about and what it may do, as `plan_flags`."""
    return _with_options(_grouped(command, "plan_flags", PlanFlags), PLAN)


def apply_options(command: Command) -> Command:
    """How a plan is carried out, as `apply_flags`."""
    return _with_options(_grouped(command, "apply_flags", ApplyFlags), APPLY)


def edit_options(command: Command) -> Command:
    """Whether an edit of the state is carried out and asked for, as `edit`."""
    return _with_options(_grouped(command, "edit", EditFlags), (DRY_RUN, YES))


def environment_options(command: Command) -> Command:
    """Where everything is that a command with a server needs, as `flags`."""
    return _with_options(_with_flags(command), ENVIRONMENT)


def state_options(command: Command) -> Command:
    """The part of it that a command without a server needs, as `flags`."""
    return _with_options(_with_flags(command), STATE)


def reading_options(command: Command) -> Command:
    """The part of it for a command that reads specs and nothing else, as `flags`."""
    return _with_options(_with_flags(command), READING)


def checking_options(command: Command) -> Command:
    """The same for a command that reads specs and may ask the server about them, as `flags`."""
    return _with_options(_with_flags(command), (*READING, *SERVER))


def _with_options(command: Command, options: Sequence[Decorator]) -> Command:
    # A decorator that is applied later stands earlier in the help.
    for option in reversed(options):
        command = option(command)
    return command


def _grouped(command: Command, name: str, group: type) -> Command:
    """Hand the values of some options to a command as one value.

    Click gives all of them to the outermost wrapper. Each takes those of its own group and passes
    the others on, so that groups can be stacked in any order.
    """
    names = [field.name for field in fields(group)]

    @functools.wraps(command)
    def call(**values: Any) -> Any:
        value = group(**{option: values.pop(option) for option in names})
        return command(**values, **{name: value})

    return cast("Command", call)


def _with_flags(command: Command) -> Command:
    @functools.wraps(command)
    def call(**values: Any) -> Any:
        from reconciler.app.settings import Flags

        # The two limits stand among the options of a plan, and are settings like the others.
        names = {field.name for field in fields(Flags)} & values.keys()
        flags = Flags(**{name: values.pop(name) for name in names}, origins=_origins(names))
        # By whichever name the command takes its folders.
        paths = values.get("paths") or values.get("directories")
        paths = paths or [values.get("directory", Path())]
        commands = remember_commands(flags, paths)
        try:
            return command(**values, flags=flags)
        except ReconcilerError as error:
            # Here, because it is shown when the command is over.
            error.complete_commands(commands.completed)
            raise

    return cast("Command", call)


def _origins(names: Collection[str]) -> dict[str, str]:
    """The flag or the variable that gave each option of the running command its value."""
    context = click.get_current_context()
    origins: dict[str, str] = {}
    for option in context.command.params:
        if option.name not in names:
            continue
        # What is only an option's default was given by nobody.
        source = context.get_parameter_source(option.name)
        if source is ParameterSource.COMMANDLINE:
            origins[option.name] = option.opts[0]
        elif source is ParameterSource.ENVIRONMENT:
            origins[option.name] = str(option.envvar)
    return origins


def settings_from(flags: Flags) -> Settings:
    """The settings of the repository that the current folder belongs to.

    A state that a command is about knows its owner, where nobody names one. Raises
    InvalidSpecsError for a configuration with errors.
    """
    from reconciler.app.repositories import settings_here
    from reconciler.app.settings import DEFAULT
    from reconciler.app.state.states import recorded_stack

    settings = settings_here(Path(), flags, os.environ)
    if settings.origins.get("stack") == DEFAULT and (stack := recorded_stack(settings.state)):
        return dataclasses.replace(settings, stack=stack)
    return settings

"""The exception tree: message, place, way out and exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Where:
    """A place in a file as editors count: from 1, the end exclusive."""

    file: str
    line: int = 1
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ReconcilerError(Exception):
    """An error that users see: a message, optionally a place and a way out.

    The command line prints it, once; the class decides the exit code.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: Where | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def complete_commands(self, complete: Callable[[str], str]) -> None:
        """Let the commands that are named as ways out be completed by who knows the rest."""
        self.hint = complete(self.hint)


class UsageError(ReconcilerError):
    """The command line itself is wrong."""

    exit_code = 64


class InvalidInputError(ReconcilerError):
    """Specs or configuration are invalid, or there are none."""

    exit_code = 3


class RefusedError(ReconcilerError):
    """A guard refuses to go on; the hint names the option that overrides it."""

    exit_code = 5


class StateError(ReconcilerError):
    """The state cannot be used: missing, damaged, not ours, too new, not writable."""


class LockedError(ReconcilerError):
    """Another run holds the state."""

    exit_code = 6


class StalePlanError(ReconcilerError):
    """The plan is not the one that was approved."""

    exit_code = 7


class UnreachableError(ReconcilerError):
    """The server or the state's database cannot be reached, or does not accept our credentials."""

    exit_code = 9


class LockLostError(StateError, LockedError):
    """The state was taken over by another run while this one had its lock."""


class NotInUseError(StateError, RefusedError):
    """The state has moved elsewhere, or has not wholly arrived."""

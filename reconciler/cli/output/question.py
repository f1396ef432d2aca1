"""A question that does not keep a state from everybody else for ever."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

import click

from reconciler.errors import ReconcilerError

# Whoever has left a terminal open overnight holds the lock of a state that others wait for.
PATIENCE = 600.0


def ask(question: str, seconds: float = PATIENCE) -> bool:
    """Ask a person; raises ReconcilerError where nobody has answered in time."""

    def give_up(_number: int, _frame: FrameType | None) -> NoReturn:
        raise ReconcilerError(
            f"nobody answered within {seconds / 60:g} minutes; nothing was changed",
            hint="run it again; where nobody can answer, --yes says so before",
        )

    handler = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)

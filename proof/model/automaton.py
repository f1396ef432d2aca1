"""Runs the client's procedures one step at a time, and tells two clients apart or alike."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from proof.model.client import Client
from proof.model.messages import Command, Defect, End
from proof.model.work import Work
from proof.model.world import Row, Settings
from reconciler.core.protocol.transitions import TransitionError


class _Start(NamedTuple):
    """With what an apply begins."""

    known: tuple[Row, ...]
    desire: int
    fresh_op: int


class _Point(NamedTuple):
    """Where a client stands: what it does next, and one way in which it came here."""

    command: Command
    start: _Start
    heard: tuple[tuple[Any, int], ...]


class Automaton:
    """The procedures as a graph that is explored on demand.

    Two clients are the same point when each of their frames stands at the same instruction with
    equal variables. A generator cannot be copied, so a point is reached again by repeating what
    one client heard on its way there; each (point, answer) is worked out once.
    """

    def __init__(self, settings: Settings, procedures: type[Client] = Client) -> None:
        self._settings = settings
        self._procedures = procedures
        self._points: list[_Point] = []
        self._numbers: dict[Any, int] = {}
        self._next: dict[tuple[int, Any, int], int] = {}
        self._starts: dict[_Start, int] = {}

    def command(self, point: int) -> Command:
        """What a client at that point does next."""
        return self._points[point].command

    def start(self, known: tuple[Row, ...], desire: int, fresh_op: int) -> int:
        """The first point of an apply."""
        start = _Start(known, desire, fresh_op)
        if start not in self._starts:
            self._starts[start] = self._reach(start, ())
        return self._starts[start]

    def resume(self, point: int, answer: Any, now: int) -> int:
        """The next point, once the client has heard this at that time."""
        key = (point, answer, now)
        if key not in self._next:
            _, start, heard = self._points[point]
            self._next[key] = self._reach(start, (*heard, (answer, now)))
        return self._next[key]

    def _reach(self, start: _Start, heard: tuple[tuple[Any, int], ...]) -> int:
        client = self._procedures(self._settings, start.known, start.desire, start.fresh_op)
        steps = client.apply()
        command = _run(client, steps, heard)
        identity = (repr(command), start.desire, start.fresh_op, _identify(client, steps))
        if identity not in self._numbers:
            self._numbers[identity] = len(self._points)
            self._points.append(_Point(command, start, heard))
        return self._numbers[identity]


def _run(
    client: Work, steps: Generator[Command, Any, End], heard: tuple[tuple[Any, int], ...]
) -> Command:
    """Let a new client hear all this; returns what it does next."""
    try:
        command = next(steps)
        for answer, now in heard:
            client.now = now
            command = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # a generator's value is not typed here
    except TransitionError as error:
        return Defect(str(error))
    return command


def _identify(client: Work, steps: Generator[Command, Any, End]) -> tuple[Any, ...]:
    """Every frame from the outermost to the innermost, and what the run knows."""
    frames: list[Any] = [repr({k: v for k, v in vars(client).items() if k != "now"})]
    inner: Any = steps
    while inner is not None and inner.gi_frame is not None:
        frame = inner.gi_frame
        values = tuple((k, repr(v)) for k, v in frame.f_locals.items() if v is not client)
        frames.append((frame.f_code.co_qualname, frame.f_lasti, values))
        inner = inner.gi_yieldfrom
    return tuple(frames)

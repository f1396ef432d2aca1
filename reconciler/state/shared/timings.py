"""How long the parts of a state that machines share wait for each other."""

from __future__ import annotations

from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds. A holder that is not heard of for `lease` may be replaced.

    `renewal` is between two signs of life, `silence` how long an answer is waited for before its
    connection is given up, `patience` how long a commit is repeated, `notice` until that is said.
    `connect` bounds one attempt to connect; the pauses between two attempts double from
    `first_pause` to `longest_pause`.
    """

    lease: float = 30.0
    renewal: float = 10.0
    silence: float = 15.0
    patience: float = 120.0
    notice: float = 10.0
    connect: float = 10.0
    first_pause: float = 0.1
    longest_pause: float = 2.0


DEFAULT = Timings()

"""Under which circumstances one process runs: its options, its machine, and its end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from random import Random

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.planning.selection import Selection

_SKEWS = (-3600.0, -400.0, -2.0, 2.0, 400.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under which one process runs; seconds, and None for what does not happen.

    `kill_step` is the number of the step at which it dies, counted from 1; `pause_step` the one at
    which it stands still for `pause` seconds, as by Ctrl-Z or in a container that is frozen.
    """

    seed: int
    discovery: bool = True
    wait: bool = True
    fail_fast: bool = False
    deadline: float = 1800.0
    wait_timeout: float = 120.0
    concurrency: int = 32
    skew: float = 0.0
    slowest_write: float = 0.0
    kill_after: float | None = None
    kill_step: int | None = None
    interrupt_after: float | None = None
    pause_step: int | None = None
    pause: float = 0.0
    api_version: str = "2.23"
    request: PlanRequest = field(default_factory=PlanRequest)


def draw_circumstances(
    rng: Random, workloads: int, discovery: bool, *, paused: bool = False
) -> Circumstances:
    """Those of a run in a storm: one in two ends before its time, one way or another.

    With `paused` most of them stand still somewhere near their beginning and are killed soon after,
    and nothing ends the others.
    """
    kill_after = kill_step = interrupt_after = None
    luck = rng.random()
    if luck < 0.25:
        kill_step = rng.randint(1, 12 * workloads)
    elif luck < 0.45:
        kill_after = rng.random() * rng.choice((3.0, 20.0, 120.0))
    elif luck < 0.55:
        interrupt_after = rng.random() * rng.choice((3.0, 20.0, 120.0))
    pause_step = None
    least = 360.0 if paused else rng.uniform(1.0, 60.0)
    if rng.random() < (0.6 if paused else 0.4):
        pause_step = rng.randint(1, rng.choice((1, 2) if paused else (2, 6)) * workloads)
        if rng.random() < (0.9 if paused else 0.5):
            # It is resumed only to be killed.
            kill_step = pause_step + rng.randint(0, rng.choice((1, 3)) * workloads)
    elif paused:
        kill_step = kill_after = interrupt_after = None
    return Circumstances(
        seed=rng.getrandbits(32),
        discovery=discovery,
        wait=rng.random() < 0.6,
        fail_fast=rng.random() < 0.1,
        deadline=rng.choice((15.0, 60.0, 300.0, 300.0, 1800.0)),
        wait_timeout=rng.choice((5.0, 30.0, 200.0)),
        concurrency=rng.choice((4, 32)),
        skew=rng.choice(_SKEWS) if rng.random() < 0.3 else 0.0,
        slowest_write=rng.choice((0.0, 0.0, 0.05, 0.5)),
        kill_after=kill_after,
        kill_step=kill_step,
        interrupt_after=interrupt_after,
        pause_step=pause_step,
        # Most of them about as long as a create may be late, where mistakes show.
        pause=rng.choice((least, *[rng.uniform(250.0, 450.0)] * 3, 3000.0)),
        request=PlanRequest(
            selection=Selection(targets=("4501/*",) if rng.random() < 0.05 else ()),
            allow_empty=True,
        ),
    )


def undisturbed(circumstances: Circumstances) -> Circumstances:
    """The same, but nobody ends the run."""
    return dataclasses.replace(circumstances, kill_after=None, kill_step=None, interrupt_after=None)


def peaceful(rng: Random, *, discovery: bool) -> Circumstances:
    """Those of a run to which nothing happens."""
    return Circumstances(
        seed=rng.getrandbits(32), discovery=discovery, request=PlanRequest(allow_empty=True)
    )

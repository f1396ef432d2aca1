"""One end by a lifecycle, enumerated: each step at which the process dies, and what follows it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, product
from typing import Any
from unittest import mock

import httpx

from reconciler.core.ending import deletion, ended, missing
from reconciler.core.lifecycle import (
    AfterCompletion,
)
from reconciler.core.model import (
    Desired,
    Own,
)
from reconciler.core.planning.actions import AnyAction, Reason
from reconciler.core.planning.case import DecisionInputs
from reconciler.core.protocol import transitions
from reconciler.engine import remove
from reconciler.state.memory import MemoryStore
from tests.support.worlds import World, wish

HOUR = 3600.0
# Soon after a death, and when nothing that was on its way can come true any more.
PAUSES = (1.0, 600.0)
# It is there all the time, so that the list of its project can be believed.
_OTHER = wish("other")


class Setting(StrEnum):
    """Which setting ends the workload."""

    TTL = "ttl"
    MAX_RUNTIME = "maxRuntime"
    FORGET = "afterCompletion: forget"


class Future(StrEnum):
    """What becomes of its spec, and of the state, after the death."""

    SAME = "the spec stays"
    CHANGED = "the spec changes"
    REMOVED = "the spec goes"
    COPY = "an older copy of the state is put back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One history; the process dies at step number `step` of the run that ends the workload."""

    setting: Setting
    future: Future
    pause: float
    step: int

    def __str__(self) -> str:
        return f"{self.setting}, killed at step {self.step}, {self.pause:g} s later {self.future}"


def declare(setting: Setting, image: str = "nginx:1") -> Desired:
    """The workload."""
    match setting:
        case Setting.TTL:
            return wish("work", kind="Job", image=image, ttl="1h")
        case Setting.MAX_RUNTIME:
            return wish("work", image=image, max_runtime="1h")
        case Setting.FORGET:
            forget = AfterCompletion.FORGET
            return wish("work", kind="Job", image=image, after_completion=forget)


def tell(story: Story) -> tuple[bool, tuple[str, ...]]:
    """Whether the process came to that step at all, and what is broken in the end."""
    world = World(*(() if story.setting is Setting.MAX_RUNTIME else ("completes=10m name=work",)))
    spec = declare(story.setting)
    world.apply(spec, _OTHER)
    copy = world.rows()
    world.timeline.skip(2 * HOUR)
    steps = count(1)

    def step(_: object = None) -> None:
        if next(steps) == story.step:
            world.kill()

    world.on_request = world.on_answer = step
    killed = world.apply(spec, _OTHER, meanwhile=lambda _: setattr(world.disk, "on_write", step))
    world.on_request = world.on_answer = _nothing
    world.timeline.skip(story.pause)
    if story.future is Future.COPY:
        world._memory = MemoryStore(world.disk.header, copy)
    specs = _specs_after(story, spec)
    for _ in range(2):
        world.apply(*specs)
        world.timeline.skip(HOUR)
    return killed.finished is None, tuple(_check(world, story, specs))


def _specs_after(story: Story, spec: Desired) -> tuple[Desired, ...]:
    match story.future:
        case Future.REMOVED:
            return (_OTHER,)
        case Future.CHANGED:
            return (declare(story.setting, "nginx:2"), _OTHER)
        case Future.SAME | Future.COPY:
            return (spec, _OTHER)


def _check(world: World, story: Story, specs: tuple[Desired, ...]) -> Iterator[str]:
    """I20, and that everything has come to rest."""
    made = world.changes().count("created work")
    plan = world.plan(*specs).plan
    if story.future is Future.CHANGED:
        # The other content may be over as well by now.
        if made != 2:
            yield f"I20: another content was made {made - 1} times"
    elif made != 1:
        yield f"I20: it was made {made} times"
    if plan.changes and story.future is not Future.CHANGED:
        yield f"I8: {plan.changes[0].kind} is still to be done"
    rows = [row for row in world.rows() if row.address.name == "work"]
    if len(rows) > 1:
        yield f"I8: {len(rows)} records of one workload"
    if story.future is Future.REMOVED and rows:
        yield f"I8: {rows[0].own} is on record, and nothing declares it"
    lives = "work" in world.live()
    if lives and story.future is Future.SAME and story.setting is not Setting.FORGET:
        yield "I20: it is over, and is still there"
    if lives and rows and rows[0].own is Own.ENDED and story.setting is not Setting.FORGET:
        yield "I20: it is recorded as ended, and lives"


def _nothing(_: httpx.Request) -> None:
    """No death."""


def search(*, to_first: bool = False) -> tuple[int, list[tuple[Story, str]]]:
    """Tell every story, or those up to the first that is broken; returns how many, and what is."""
    told, broken = 0, list[tuple[Story, str]]()
    for setting, future, pause in product(Setting, Future, PAUSES):
        for step in count(1):
            story = Story(setting=setting, future=future, pause=pause, step=step)
            is_killed, found = tell(story)
            told += 1
            broken += [(story, words) for words in found]
            if not is_killed or (broken and to_first):
                break
        if broken and to_first:
            break
    return told, broken


def _make_again(case: DecisionInputs, desired: Desired) -> AnyAction:
    return missing._recreate(case, desired, Reason.MISSING_ON_SERVER, "")


MUTANTS: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "the end is not recorded": lambda: mock.patch.object(remove, "ENDS", ()),
    "the next run does not know why it was begun": lambda: mock.patch.object(deletion, "ENDS", ()),
    "an older copy takes it for deleted by somebody": lambda: mock.patch.object(
        missing, "_judge_over", _make_again
    ),
    "the end stays beside what is made anew": lambda: mock.patch.object(
        transitions, "_OUTLIVED", frozenset({Own.ACCEPTED, Own.UNCONFIRMED})
    ),
    "another content is taken for the same": lambda: mock.patch.object(
        ended, "is_another", return_value=False
    ),
}
"""Mistakes in the program, each of which a story must show."""


def main() -> int:
    """Tell all stories, with the program as it is or with each mistake."""
    parser = argparse.ArgumentParser(prog="python -m proof.endings", description=__doc__)
    parser.add_argument("--mutants", action="store_true", help="make every mistake, one by one")
    options = parser.parse_args()
    if options.mutants:
        survivors = 0
        for name, mistake in MUTANTS.items():
            with mistake():
                _, broken = search(to_first=True)
            survivors += not broken
            print(f"{name}: {f'{broken[0][0]}: {broken[0][1]}' if broken else 'SURVIVES'}")
        print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} mutants found")
        return 1 if survivors else 0
    began = time.perf_counter()
    told, broken = search()
    for story, words in broken:
        print(f"{story}: {words}")
    print(f"{told} stories, {len(broken)} violations, {time.perf_counter() - began:.1f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""The short stories of updates, a few of them; the whole figures are the command's."""

from __future__ import annotations

from itertools import islice

import pytest

from proof.updates.hunt import Figures, draw_deaths, find_mistake, play_one, play_with_deaths
from proof.updates.stories import FATES, Story, play, stories

STORY = Story(fates=("late",), spec="another", rest=150.0)


def test_every_promise_is_kept_in_sixty_deaths() -> None:
    """Updates that are lost, late or refused, and processes that die around them."""
    figures = Figures()
    for story in islice(draw_deaths(puts=1), 60):
        figures.add(play_one(story))

    assert figures.broken == []
    assert (figures.stories, figures.kills > 40, figures.unanswered > 20) == (60, True, True)


def test_a_run_dies_at_each_of_its_steps() -> None:
    """Once each, and once at none."""
    steps = play(STORY).steps

    figures = play_with_deaths(STORY)

    assert (figures.stories, figures.kills, figures.broken) == (steps + 1, steps, [])


def test_stories_differ_and_use_every_fate() -> None:
    """No story is told twice."""
    told = list(stories(1))

    assert len({*told}) == len(told)
    assert {story.fates[0] for story in told} == FATES.keys()
    assert {story.restored for story in told} == {True, False}


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("rev-unknown", "I16"),
        ("rev-forgotten", "I15"),
        ("failed-update", "I17"),
        ("stale-status", "I7"),
        ("late-kept", "I8"),
    ],
)
def test_a_mistake_is_caught(name: str, invariant: str) -> None:
    """The engine with a known mistake breaks a promise that the engine without it keeps."""
    _, story, played = find_mistake(name)

    assert story is not None
    assert played is not None
    assert invariant in {violation.invariant for violation in played.violations}

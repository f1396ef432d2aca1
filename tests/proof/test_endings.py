"""The ends of a lifecycle, told at a size for every day."""

from __future__ import annotations

import pytest

from proof.endings import MUTANTS, Future, Setting, Story, tell

# The run writes its intent, sends the DELETE and records the end at these steps.
_AT_WORK = (12, 13, 15, 17)


@pytest.mark.parametrize("future", Future)
def test_killed_while_it_is_ended_it_comes_to_the_same_end(future: Future) -> None:
    """Whatever becomes of its spec and of the state meanwhile."""
    for step in _AT_WORK:
        story = Story(setting=Setting.TTL, future=future, pause=1.0, step=step)
        assert tell(story)[1] == (), story


SHOWN_BY = {
    "the end is not recorded": (Future.SAME, 1),
    "the next run does not know why it was begun": (Future.SAME, 13),
    "an older copy takes it for deleted by somebody": (Future.COPY, 30),
    "the end stays beside what is made anew": (Future.CHANGED, 18),
    "another content is taken for the same": (Future.CHANGED, 18),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_shows(name: str) -> None:
    """Each that `--mutants` makes, in the story that shows it."""
    future, step = SHOWN_BY[name]
    story = Story(setting=Setting.TTL, future=future, pause=1.0, step=step)
    assert tell(story)[1] == ()
    with MUTANTS[name]():
        assert tell(story)[1] != ()

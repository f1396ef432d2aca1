"""Many stories in figures, and the stories in which a mistake shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from proof.updates.mutants import UPDATE_MUTANTS
from proof.updates.stories import LONGEST, Played, Story, play, stories

# Whoever looks for a mistake looks at so many deaths.
PATIENCE = 6_000


@dataclass(slots=True, kw_only=True)
class Figures:
    """What stories did; `unanswered` are the updates whose response was lost, late or a fault."""

    stories: int = 0
    kills: int = 0
    puts: int = 0
    unanswered: int = 0
    broken: list[str] = field(default_factory=list)

    def count(self, story: Story, played: Played) -> None:
        """Add one story."""
        self.stories += 1
        self.kills += played.killed
        self.puts += played.puts
        self.unanswered += played.unanswered
        if played.violations:
            self.broken.append(f"{story}: {played.violations[0]}")

    def add(self, other: Figures) -> None:
        """Add what another worker counted."""
        self.stories += other.stories
        self.kills += other.kills
        self.puts += other.puts
        self.unanswered += other.unanswered
        self.broken += other.broken


def play_one(story: Story) -> Figures:
    """One story as it is."""
    figures = Figures()
    figures.count(story, play(story))
    return figures


def play_with_deaths(story: Story) -> Figures:
    """One story, and the same again with each death of its run."""
    figures, whole = Figures(), play(story)
    figures.count(story, whole)
    for step in range(1, min(whole.steps, LONGEST) + 1):
        killed = replace(story, kill_step=step)
        figures.count(killed, play(killed))
    return figures


def draw_deaths(puts: int, seed: int = 1) -> Iterator[Story]:
    """Each death of each story in the order of a seed; some runs have ended before they die."""
    every = list(stories(puts))
    order = list(range(len(every) * LONGEST))
    Random(seed).shuffle(order)
    for number in order:
        yield replace(every[number // LONGEST], kill_step=number % LONGEST + 1)


def find_mistake(name: str) -> tuple[int, Story | None, Played | None]:
    """The first story that a mistake breaks and that is well without it, and how many were played.

    None where no story shows it.
    """
    for number, story in enumerate(draw_deaths(puts=1), 1):
        if number > PATIENCE:
            break
        with UPDATE_MUTANTS[name].made():
            played = play(story)
        if played.violations and not play(story).violations:
            return number, story, played
    return PATIENCE, None, None

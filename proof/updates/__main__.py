"""The short stories of updates as a command; exits 1 when a promise was broken.

python -m proof.updates                  every story, and each death in it
python -m proof.updates --kills 1000     so many deaths, drawn from all of them
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

from proof.updates.hunt import Figures, draw_deaths, play_one, play_with_deaths
from proof.updates.stories import Story, stories

_SHOWN = 20


def main() -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m proof.updates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--puts", type=int, default=1, help="how many PUTs have a fate (1)")
    parser.add_argument("--kills", type=int, help="only so many deaths, drawn from all of them")
    parser.add_argument("--no-kills", action="store_true", help="nobody dies")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    asked = parser.parse_args()
    began = time.monotonic()
    if asked.kills is not None:
        figures = play_many(play_one, draw_deaths(asked.puts), asked.jobs, kills=asked.kills)
    else:
        play = play_one if asked.no_kills else play_with_deaths
        figures = play_many(play, stories(asked.puts), asked.jobs)
    for line in figures.broken[:_SHOWN]:
        print(f"  {line}")
    print(
        f"{figures.stories} stories, {figures.kills} kills, {figures.puts} updates, of which "
        f"{figures.unanswered} were not answered as they should: {len(figures.broken)} broken; "
        f"{time.monotonic() - began:.1f} s on {asked.jobs} processes"
    )
    return 1 if figures.broken else 0


def play_many(
    play: Callable[[Story], Figures], told: Iterable[Story], jobs: int, *, kills: int | None = None
) -> Figures:
    """Share stories out among processes until there are no more, or so many deaths."""
    total = Figures()
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        for figures in pool.map(play, told, chunksize=16):
            total.add(figures)
            if kills is not None and total.kills >= kills:
                pool.shutdown(cancel_futures=True)
                break
    return total


if __name__ == "__main__":
    sys.exit(main())

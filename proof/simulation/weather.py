"""What may go wrong with one request, drawn from a seed: the opponent's dice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

# A POST that is carried out without an answer is carried out within this time (assumption A4).
LATEST = 300.0
# What was created is visible, by id and in lists, within this time (assumption A3).
LONGEST_LAG = 60.0
# For so long after an update the status may speak about the content before it (assumption A7).
LONGEST_STALE = 10.0
# How long a client waits for one answer.
PATIENCE = 30.0


class Said(StrEnum):
    """What the client hears of a request."""

    ANSWER = "the server's answer"
    BUSY = "503"
    SLOW_DOWN = "429"
    ERROR = "500"
    LOST = "the connection died"
    TIMEOUT = "no answer in time"
    NO = "refused"
    UNSENT = "not sent"
    PAGE = "an HTML page"
    MUTE = "a success without a body"
    UNTRUSTED = "a list that is none"
    NO_CALL = "405"
    NO_CALL_PAGE = "405 from a proxy"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request: `done` seconds after it was sent, or never (None).

    `heard` is when the client hears `said`, in seconds after it was sent.
    """

    done: float | None
    said: Said
    heard: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How often things go wrong during one run, each a share of the requests."""

    writes: float = 0.0
    late: float = 0.0
    reads: float = 0.0
    slow: float = 0.0
    lag: float = 0.0
    list_lag: float = 0.0
    failing_deletes: float = 0.0
    lingering_deletes: float = 0.0
    failing_syncs: float = 0.0
    stale: float = 0.0
    no_call: float = 0.0
    blind: frozenset[str] = field(default_factory=frozenset)
    listing: bool = True


CALM = Weather()

_WRITE_FAULTS = (
    *(Said.BUSY, Said.BUSY, Said.BUSY, Said.LOST, Said.LOST, Said.TIMEOUT),
    *(Said.ERROR, Said.SLOW_DOWN, Said.UNSENT, Said.NO, Said.MUTE),
)
_MAYBE_DONE = frozenset((Said.BUSY, Said.LOST, Said.TIMEOUT, Said.ERROR))
_READ_FAULTS = (Said.BUSY, Said.BUSY, Said.LOST, Said.SLOW_DOWN, Said.UNSENT, Said.PAGE)


def draw_weather(rng: Random, hidden: frozenset[str]) -> Weather:
    """The weather of one run: most are mixed, some fair, some foul; `hidden` projects stay so."""
    kind = rng.random()
    if kind < 0.15:
        return Weather(slow=0.02, blind=hidden)
    foul = kind > 0.8
    some = rng.random
    return Weather(
        writes=some() * (0.6 if foul else 0.25),
        late=some() * 0.6,
        reads=some() * (0.15 if foul else 0.03),
        slow=some() * 0.1,
        lag=some() * 0.5 if some() < 0.5 else 0.0,
        list_lag=some() * 0.5 if some() < 0.5 else 0.0,
        failing_deletes=some() * 0.3 if some() < 0.3 else 0.0,
        lingering_deletes=some() * 0.3 if some() < 0.3 else 0.0,
        failing_syncs=some() * 0.1 if some() < 0.3 else 0.0,
        blind=hidden,
        listing=some() > 0.05,
    )


def draw_for_updates(rng: Random, weather: Weather) -> Weather:
    """What may go wrong with updates beside that, by dice of their own."""
    return replace(
        weather,
        stale=rng.random() * 0.6 if rng.random() < 0.6 else 0.0,
        no_call=rng.random() * 0.3 if rng.random() < 0.15 else 0.0,
        failing_syncs=max(weather.failing_syncs, rng.random() * 0.3 if rng.random() < 0.3 else 0.0),
    )


def draw_write(rng: Random, weather: Weather) -> Fate:
    """What becomes of one POST or DELETE."""
    quick = 0.02 + rng.random() * 0.3
    if weather.writes == 0.0 or rng.random() >= weather.writes:
        if weather.slow and rng.random() < weather.slow:
            # The server thinks first or the answer crawls, but the client hears it.
            first, rest = rng.random() * PATIENCE / 2, rng.random() * PATIENCE / 2
            return Fate(first, Said.ANSWER, first + rest)
        return Fate(0.0, Said.ANSWER, quick)
    said = rng.choice(_WRITE_FAULTS)
    done: float | None = 0.0 if said is Said.MUTE else None
    if said in _MAYBE_DONE and rng.random() < 0.6:
        late = rng.random() < weather.late
        done = _near_the_end(rng, LATEST) if late else 0.0
    return Fate(done, said, PATIENCE if said is Said.TIMEOUT else quick)


def draw_update(rng: Random, weather: Weather) -> Fate:
    """What becomes of one PUT."""
    if weather.no_call and rng.random() < weather.no_call:
        said = rng.choice((Said.NO_CALL, Said.NO_CALL_PAGE))
        return Fate(None, said, 0.02 + rng.random() * 0.3)
    return draw_write(rng, weather)


def draw_read(rng: Random, weather: Weather) -> Fate:
    """What becomes of one GET."""
    quick = 0.02 + rng.random() * 0.2
    if weather.reads and rng.random() < weather.reads:
        return Fate(None, rng.choice(_READ_FAULTS), quick)
    return Fate(0.0, Said.ANSWER, quick)


def draw_lag(rng: Random, share: float) -> float:
    """Seconds for which something stays invisible."""
    return _near_the_end(rng, LONGEST_LAG) if share and rng.random() < share else 0.0


def _near_the_end(rng: Random, longest: float) -> float:
    """Some time up to the longest one, which is where mistakes are made."""
    least = 0.9 * longest if rng.random() < 0.3 else 0.01
    return rng.uniform(least, longest)

"""How many requests one lane may have in flight: as many as the server takes, found by trying."""

from __future__ import annotations

import math

from reconciler.values import dataclass

START = 8.0
FLOOR = 2.0
# Outcomes that are judged together. A share of fewer says too little; with more in flight than
# this, a whole round of them.
WINDOW = 24
# Factors of a cut: gentle for a slight rise of refusals, firm for a blatant one.
GENTLE, FIRM = 0.85, 0.7
# So many cuts take 64 in flight below 13: more of them would not help either.
CUTS = 5
# An improvement smaller than this is chance.
IMPROVEMENT = 0.15
# Near a known edge the limit grows this slowly at first: stepping over it costs refusals.
CREEP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Experiment:
    """A slowdown on trial: the share of refusals and the limit before it, and the cuts since."""

    share: float
    limit: float
    cuts: int


class AdaptiveLimit:
    """A limit that grows by one per round of successes, and falls where that helps.

    A server that refuses at random must not be left idle, and one that takes only so many at once
    must not be pushed: both answer the same. So a rise in refusals starts an experiment: the limit
    is cut, and cut again. If refusals fall, they were ours, and the limit stays below the edge that
    was found; if not, they are noise, the limit goes back, and that share of refusals counts as
    normal. No clock and no chance in here: outcomes in, limit out.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = float(ceiling)
        self._limit = min(START, self._ceiling)
        self._floor = min(FLOOR, self._ceiling)
        # The share of refusals that counts as normal, and the limit at which it was measured.
        self._noise = 0.0
        self._noise_limit = self._limit
        # The limit at which refusals were proven to be ours, and how fast to grow near it.
        self._edge = math.inf
        self._step = 1.0
        self._untouched = True
        self._strikes = 0
        # Outcomes since the last judgement.
        self._seen = self._refused = 0
        self._latency = 0.0
        self._experiment: _Experiment | None = None

    @property
    def limit(self) -> int:
        """Requests that may be in flight at this moment, at least one."""
        return int(self._limit)

    @property
    def spacing(self) -> float:
        """Seconds between two requests at the present rate of successes."""
        # A refusal comes back faster than a success: without a pause its place would be filled,
        # and refused, again and again while the others are still being served.
        return self._latency / self._limit

    def succeeded(self, latency: float) -> None:
        """One request was served, in so many seconds."""
        # A moving average: one slow response must not stretch the spacing.
        self._latency += (latency - self._latency) * (0.1 if self._latency else 1.0)
        if self._experiment is None:
            near_edge = self._limit >= GENTLE * self._edge
            growth = (self._step if near_edge else 1.0) / self._limit
            # Until the first refusal it doubles per round: a server with room is filled at once.
            self._limit = min(self._ceiling, self._limit + (1.0 if self._untouched else growth))
        self._count(refused=False)

    def refused(self) -> None:
        """One request met an overloaded server (503, 429, no answer in time)."""
        self._untouched = False
        self._count(refused=True)

    def _count(self, *, refused: bool) -> None:
        self._seen += 1
        self._refused += refused
        if self._seen < max(WINDOW, self.limit):
            return
        share, seen = self._refused / self._seen, self._seen
        self._seen = self._refused = 0
        # Two standard deviations of the normal share in so many outcomes, and a margin.
        spread = math.sqrt(max(self._noise * (1 - self._noise), 0.01) / seen)
        over = share > self._noise + 0.1 + 2 * spread
        if self._experiment is not None:
            self._continue_experiment(self._experiment, share, over=over)
        elif over:
            self._begin_experiment(share)
        else:
            self._strikes = 0
            self._step = min(1.0, self._step * 1.25)
            # The normal share follows what is seen; upwards only where the limit has not grown
            # much since, or refusals that are ours would be taken for noise.
            if share < self._noise or self._limit <= 1.5 * self._noise_limit:
                self._noise += 0.15 * (share - self._noise)

    def _begin_experiment(self, share: float) -> None:
        # A slight rise may be chance, and has to be seen twice; unless nearly nothing was refused
        # before.
        self._strikes += 1
        blatant = share > self._noise + 0.4
        if blatant or self._strikes >= 2 or self._noise < CREEP:
            self._strikes = 0
            self._experiment = _Experiment(share=share, limit=self._limit, cuts=1)
            self._cut(FIRM if blatant else GENTLE)

    def _continue_experiment(self, experiment: _Experiment, share: float, *, over: bool) -> None:
        if not over and share < experiment.share - IMPROVEMENT:
            # It helped: the refusals were ours, and the limit grows on from here.
            self._experiment = None
            self._edge, self._step = experiment.limit, CREEP
        elif experiment.cuts >= CUTS or self._limit <= self._floor:
            # It did not help: the server refuses by chance, and was slowed down for nothing.
            self._experiment = None
            self._noise = share
            self._limit = self._noise_limit = experiment.limit
            self._edge = math.inf
        else:
            self._experiment = _Experiment(
                share=experiment.share, limit=experiment.limit, cuts=experiment.cuts + 1
            )
            self._cut(FIRM)

    def _cut(self, factor: float) -> None:
        self._limit = max(self._floor, self._limit * factor)

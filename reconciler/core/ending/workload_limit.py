"""The limit on what one run may end: the settings name it, and a guard holds a plan to it."""

from __future__ import annotations

import re

from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadLimit:
    """How many workloads one run may end, or change in place: a share in percent, or a number."""

    percent: float | None = 30.0
    count: int | None = None

    # Below this many recorded workloads a share says nothing, and a number is used instead.
    SMALL = 10
    SMALL_LIMIT = 3

    @classmethod
    def parse(cls, text: str) -> WorkloadLimit:
        """Read `30%` or `12`; raises ValueError for anything else."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)%|(\d{1,9})", text.strip())
        if not match:
            raise ValueError(f"{text!r} is neither a number nor a percentage such as 30%")
        if match[1] is None:
            return cls(percent=None, count=int(match[2]))
        if float(match[1]) > 100:
            raise ValueError(f"{text!r} is more than 100%")
        return cls(percent=float(match[1]))

    def allowed(self, recorded: int) -> int:
        """How many of so many recorded workloads may go."""
        if self.count is not None:
            return self.count
        percent = self.percent or 0.0
        if recorded < self.SMALL and percent < 100:
            return self.SMALL_LIMIT if percent else 0
        # Only here: whoever reads the settings need not load what brings decimal numbers as well.
        from fractions import Fraction

        # As it was written: 2.01 % of 10,000 are 201, which binary fractions miss.
        return int(recorded * Fraction(str(percent)) / 100)

    def __str__(self) -> str:
        return f"{self.percent:g} %" if self.percent is not None else str(self.count)

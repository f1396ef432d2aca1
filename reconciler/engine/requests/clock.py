"""Real time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

# Python's own monotonic clock stands still while the machine sleeps, on Linux (CLOCK_MONOTONIC) and
# macOS (mach_absolute_time) alike; for a server those hours pass. CLOCK_MONOTONIC of macOS goes on.
_AWAKE_AND_ASLEEP: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that never go back, those included in which the machine slept."""
        return time.clock_gettime(_AWAKE_AND_ASLEEP)

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)

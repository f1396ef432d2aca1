"""Which workloads hold GPUs without using them, by what the server says of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.core.protocol.live import LiveWorkload
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleWorkload:
    """A workload with idle GPUs; `running_for` is the age of its present phase.

    The server tells that GPUs are idle now, not since when.
    """

    listed: LiveWorkload
    running_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleSearch:
    """The idle workloads, the most idle GPUs first, and why others could not be judged."""

    idle: tuple[IdleWorkload, ...] = ()
    unknown: tuple[tuple[LiveWorkload, str], ...] = ()

    @property
    def gpus(self) -> float:
        """All GPUs that are held and not used."""
        return round(sum(workload.listed.gpus_idle or 0.0 for workload in self.idle), 6)


def find_idle(workloads: Iterable[LiveWorkload], at_least: timedelta, at: datetime) -> IdleSearch:
    """Those with idle GPUs whose phase is at least so old; `at` is the server's time."""
    idle: list[IdleWorkload] = []
    unknown: list[tuple[LiveWorkload, str]] = []
    for workload in workloads:
        # What has no GPU wastes none, whatever else is not known of it.
        if workload.gpus_allocated == 0 or workload.gpus_idle == 0:
            continue
        if workload.gpus_idle is None:
            if workload.gpus_allocated:
                unknown.append((workload, "the server does not say how many of its GPUs are idle"))
            continue
        try:
            since = datetime.fromisoformat(workload.phase_updated_at or "")
            # The clocks behind one server may differ a little.
            running_for = max(at - since, timedelta())
        except (TypeError, ValueError):
            unknown.append((workload, "the server does not say since when it is in its phase"))
            continue
        if running_for >= at_least:
            idle.append(IdleWorkload(listed=workload, running_for=running_for))
    idle.sort(key=lambda workload: (-(workload.listed.gpus_idle or 0.0), workload.listed.address))
    return IdleSearch(idle=tuple(idle), unknown=tuple(unknown))

"""What a look through some projects has found, and what of them could not be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime

from reconciler.core.running.idle import IdleSearch
from reconciler.core.running.unmanaged import UnmanagedWorkload
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSearch:
    """What was found in some projects; `at` is the server's time of it.

    `recorded` are the ids that the state has. `unlisted` says why a project has no list, and the
    lists of `changing` projects changed while they were read.
    """

    projects: tuple[str, ...]
    at: datetime
    unmanaged: tuple[UnmanagedWorkload, ...] = ()
    idle: IdleSearch = field(default_factory=IdleSearch)
    recorded: frozenset[str] = frozenset()
    unlisted: Mapping[str, str] = field(default_factory=dict)
    changing: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What `--exit-status` ends with: 4 for a find, 9 where not everything could be seen."""
        if self.unmanaged or self.idle.idle:
            return 4
        return 9 if any(self.gaps) else 0

    @property
    def gaps(self) -> Iterator[str]:
        """What could not be looked at, a sentence each."""
        for project, reason in sorted(self.unlisted.items()):
            yield f"project {project} could not be looked at: {reason}"
        for project in self.changing:
            yield f"the list of project {project} changed while it was read: some may be missing"
        for unmanaged in self.unmanaged:
            if unmanaged.unread:
                yield f"{unmanaged.listed.address} could not be read: {unmanaged.unread}"
        for workload, reason in self.idle.unknown:
            yield f"{workload.address}: {reason}"

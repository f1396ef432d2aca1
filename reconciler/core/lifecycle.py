"""What the author of a spec wants to happen to its workload, beside what it declares."""

from __future__ import annotations

from enum import StrEnum

from reconciler.values import dataclass


class OnRemove(StrEnum):
    """What happens to a workload whose spec is gone."""

    DELETE = "delete"
    FORGET = "forget"


class OnMissing(StrEnum):
    """What happens to a workload that somebody else deleted on the server."""

    RECREATE = "recreate"
    HOLD = "hold"
    FAIL = "fail"


class OnChange(StrEnum):
    """What happens to a workload whose spec changed.

    UPDATE holds what only a replace could do; REPLACE never updates, as before servers could.
    """

    UPDATE_OR_REPLACE = "update-or-replace"
    UPDATE = "update"
    REPLACE = "replace"
    HOLD = "hold"


class OnFailed(StrEnum):
    """What happens to a workload that the cluster refused; IGNORE makes it no failure."""

    REPORT = "report"
    REPLACE = "replace"
    IGNORE = "ignore"

    @classmethod
    def _missing_(cls, value: object) -> OnFailed | None:
        # What older states and specs call it.
        return cls.REPORT if value == "keep" else None


class AfterCompletion(StrEnum):
    """What happens to a workload that has completed; FORGET leaves it on the server."""

    KEEP = "keep"
    DELETE = "delete"
    FORGET = "forget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Our own settings of a workload; never sent to the server, remembered in the state.

    `on_missing` is None where the spec leaves it to the kind (see `kinds.runs_to_completion`).
    `on_change` is None in a record of an old format, which does not tell a default from a setting.
    `ttl` is how long after its completion a workload is deleted, `max_runtime` how long it may run:
    durations as their author wrote them, see `core.durations`.
    """

    protect: bool = False
    on_remove: OnRemove = OnRemove.DELETE
    on_missing: OnMissing | None = None
    on_change: OnChange | None = OnChange.UPDATE_OR_REPLACE
    on_failed: OnFailed = OnFailed.REPORT
    after_completion: AfterCompletion = AfterCompletion.KEEP
    ttl: str | None = None
    max_runtime: str | None = None
    wave: int = 0
    ignore_changes: tuple[str, ...] = ()

    @property
    def at_completion(self) -> AfterCompletion:
        """What becomes of it once it has completed; a `ttl` implies its deletion."""
        return self.after_completion if self.ttl is None else AfterCompletion.DELETE

    @property
    def may_end(self) -> bool:
        """Whether it may be ended by these settings, and not be there for that reason."""
        return self.at_completion is not AfterCompletion.KEEP or self.max_runtime is not None

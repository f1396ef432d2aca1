"""What a project may have of the GPUs, beside what a plan adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.protocol.live import PoolQuota
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQuota:
    """A project's GPUs over all its node pools, as the server tells them, and in each of them.

    None stands for what it does not tell, and a `limit` of None also for none. `requested` counts
    what waits as well, `non_preemptible` is the part of `allocated` that may not borrow. `change`
    is what the plan adds to the GPUs that are asked for.
    """

    project: str
    name: str
    pools: tuple[PoolQuota, ...]
    deserved: float | None
    limit: float | None
    allocated: float | None
    change: float
    requested: float | None = None
    non_preemptible: float | None = None

    @property
    def label(self) -> str:
        """Its id and its name."""
        return f"{self.project} ({self.name})"

    def to_json(self) -> dict[str, Any]:
        """The published form."""
        return {
            "project": self.project,
            "name": self.name,
            "deserved": self.deserved,
            "limit": self.limit,
            "allocated": self.allocated,
            "change": self.change,
            "node_pools": [
                {
                    "node_pool": pool.pool,
                    "deserved": pool.deserved,
                    "limit": pool.limit,
                    "allocated": pool.allocated,
                }
                for pool in self.pools
            ],
        }

    @classmethod
    def from_json(cls, document: Json) -> ProjectQuota:
        """Read the published form back, without what it leaves out."""
        pools = tuple(
            PoolQuota(
                pool=pool["node_pool"],
                deserved=pool["deserved"],
                limit=pool["limit"],
                allocated=pool["allocated"],
            )
            for pool in document["node_pools"]
        )
        fields = ("project", "name", "deserved", "limit", "allocated", "change")
        return cls(**{name: document[name] for name in fields}, pools=pools)

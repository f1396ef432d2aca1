"""The specs of one history, as somebody edits them between two runs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from random import Random

from reconciler.core.lifecycle import (
    Lifecycle,
    OnFailed,
    OnRemove,
)
from reconciler.core.model import (
    Address,
    Desired,
)
from reconciler.errors import Where

PROJECTS = ("4501", "4502")
# Two in each project: one of them may be under way itself when the other is looked for.
ANCHORS = 2


class Repository:
    """Which workloads are declared, and how; every change is drawn from the history's dice.

    The `anchors` are never removed: where a list is to be believed, somebody has to be known to
    live (assumption A5). With `updates` specs also hold a field that comes and goes, and a secret:
    what an update has to take away, and what must never be sent as its stand-in.
    """

    def __init__(self, rng: Random, workloads: int, *, updates: bool = False) -> None:
        self._rng = rng
        self._updates = updates
        self._first: dict[Address, Desired] = {}
        self.names = _names(workloads)
        self.anchors = {
            address
            for project in PROJECTS
            for address in [a for a in self.names if a.project == project][:ANCHORS]
        }
        self.wanted: dict[Address, Desired] = {}

    def begin(self) -> None:
        """The first commit."""
        for address in self.names:
            if address in self.anchors or self._rng.random() < 0.8:
                self.wanted[address] = self._wish(address, 1)

    def edit(self) -> None:
        """Another commit: additions, changes of a spec or of its lifecycle, removals."""
        rng = self._rng
        pace = rng.random() * 0.5
        for address in self.names:
            if rng.random() >= pace:
                continue
            now = self.wanted.get(address)
            if now is None or rng.random() < 0.6 or address in self.anchors:
                self.wanted[address] = self._wish(address, rng.randint(1, 3))
            else:
                del self.wanted[address]

    def take_back(self) -> None:
        """Another commit: most of what was declared is removed."""
        for address in [*self.wanted]:
            if address not in self.anchors and self._rng.random() < 0.7:
                del self.wanted[address]

    def _wish(self, address: Address, replicas: int) -> Desired:
        rng = self._rng
        on_remove = OnRemove.FORGET if rng.random() < 0.05 else OnRemove.DELETE
        on_failed = OnFailed.REPLACE if rng.random() < 0.5 else OnFailed.REPORT
        # An anchor shows that its project's list can be believed, so it waits for nobody.
        wave = 1 if rng.random() < 0.1 and address not in self.anchors else 0
        desired = declare(address, replicas, on_remove, on_failed, wave)
        if not self._updates:
            return desired
        desired = declare_more(desired, paused=rng.random() < 0.3, secret=rng.randint(0, 2))
        # Changes are often taken back: the record of an older copy then says what is wanted.
        first = self._first.setdefault(address, desired)
        return first if rng.random() < 0.3 else desired


@lru_cache(maxsize=64)
def _names(count: int) -> tuple[Address, ...]:
    """Two projects, the second one smaller; three addresses at least."""
    return tuple(
        Address(project=PROJECTS[n % 3 == 2], name=f"w{n:02}") for n in range(max(3, count))
    )


@lru_cache(maxsize=4096)
def declare(
    address: Address, replicas: int, on_remove: OnRemove, on_failed: OnFailed, wave: int
) -> Desired:
    """A declared workload; `replicas` is what an edit of its spec changes."""
    return Desired(
        address=address,
        source=Where(file=f"{address.name}.yaml"),
        metadata={"name": address.name, "projectId": address.project},
        manifest={"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": replicas}},
        lifecycle=Lifecycle(on_remove=on_remove, on_failed=on_failed, wave=wave),
    )


def declare_more(desired: Desired, *, paused: bool, secret: int) -> Desired:
    """The same with a field that not every version of it has, and perhaps with a secret."""
    spec = dict(desired.manifest["spec"])
    if paused:
        spec["paused"] = True
    if secret:
        spec["env"] = [{"name": "HF_TOKEN", "value": f"hf_{'0abc1def2' * 4}{secret}"}]
    return replace(desired, manifest={**desired.manifest, "spec": spec})

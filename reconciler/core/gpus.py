"""What a manifest asks of the GPUs: the pods that its controller makes, added up.

What the manifest alone does not say is reported as unknown, in words, never counted as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from reconciler.kinds.fields import (
    WHOLE_GPU,
    Template,
    UnreadableError,
    need,
    read_annotations,
    read_fraction,
    read_gpus,
    read_items,
    read_positive,
)
from reconciler.kinds.registry import find_pods


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRequest:
    """GPUs asked for (a fraction counts as its fraction), and beside them what has no such number.

    `memory_mib` (the gpu-memory annotation) and `mig_instances` are shares of a device whose size
    no manifest states: 1g.24gb is a seventh of one model and a quarter of another. `unknown` says
    what could not be read.
    """

    gpus: float = 0.0
    memory_mib: int = 0
    mig_instances: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether `gpus` is the whole answer; if not, it is the least that is asked for."""
        return not (self.unknown or self.memory_mib or self.mig_instances)


def count_gpus(manifest: Mapping[str, Any]) -> GpuRequest:
    """Count what a Kubernetes object asks for once its controller has made its pods; never raises.

    Suspended and scaled to nothing count as 0. What scales by itself counts at its lower bound, but
    as one replica at least where one is started before it may scale to zero: an idling model would
    look free otherwise.
    """
    gpus: int | Fraction = 0
    memory = mig = 0
    unknown: tuple[str, ...] = ()
    try:
        for pods, template in find_pods(manifest):
            if pods:
                asked = _ask_of_pod(template)
                gpus += pods * asked.gpus
                memory += pods * asked.memory_mib
                mig += pods * asked.mig_instances
    except UnreadableError as gap:
        unknown = (str(gap),)
    return GpuRequest(gpus=float(gpus), memory_mib=memory, mig_instances=mig, unknown=unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """What one pod asks for, exact: a sum of tenths must not depend on its order."""

    gpus: int | Fraction = 0
    memory_mib: int = 0
    mig_instances: int = 0


def _ask_of_pod(template: Template) -> _Ask:
    # The scheduler takes the annotation where both stand; admission refuses such a pod anyway.
    annotations = read_annotations(template)
    devices = read_positive(annotations, "gpu-fraction-num-devices", 1)
    if annotations.get("gpu-fraction") is not None:
        return _Ask(gpus=devices * read_fraction(annotations["gpu-fraction"]))
    if annotations.get("gpu-memory") is not None:
        return _Ask(memory_mib=devices * read_positive(annotations, "gpu-memory", 0))
    return _ask_of_containers(need(template, "spec"))


def _ask_of_containers(spec: Template) -> _Ask:
    """Take Kubernetes' effective request: the larger of what starting and what running needs."""
    if spec.get("resourceClaims"):
        raise UnreadableError("resourceClaims may claim GPUs that the manifest does not count")
    if spec.get("containers") is None:
        raise UnreadableError("containers is missing")
    running = [read_gpus(each) for each in read_items(spec, "containers")]
    starting = [
        (read_gpus(each), each.get("restartPolicy") == "Always")
        for each in read_items(spec, "initContainers")
    ]
    names = {name for asked in (*running, *(asked for asked, _ in starting)) for name in asked}
    effective = {name: _effective(name, running, starting) for name in names}
    whole = effective.pop(WHOLE_GPU, 0)
    return _Ask(gpus=whole, mig_instances=sum(effective.values()))


def _effective(
    name: str, running: list[dict[str, int]], starting: list[tuple[dict[str, int], bool]]
) -> int:
    # A restartable init container is a sidecar: it stays, so all that starts after it comes on top.
    sidecars = peak = 0
    for asked, stays in starting:
        amount = asked.get(name, 0)
        peak = max(peak, sidecars + amount)
        sidecars += amount if stays else 0
    return max(peak, sidecars + sum(asked.get(name, 0) for asked in running))

"""What a manifest asks of the GPUs: the pods that its controller makes, added up.

What the manifest alone does not say is reported as unknown, in words, never counted as nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from reconciler.core.stored_json import StoredJson, decoded
from reconciler.kinds.devices import Device, describe_device, device_of
from reconciler.kinds.fields import (
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
from reconciler.values import dataclass


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


class CountedManifest(StoredJson):
    """A manifest as text, with what it asks for: of thousands that are alike one is counted."""

    __slots__ = ("request",)

    def __init__(self, text: str, request: GpuRequest) -> None:
        super().__init__(text)
        self.request = request


def count_gpus(manifest: Mapping[str, Any]) -> GpuRequest:
    """Count what a Kubernetes object asks for once its controller has made its pods; never raises.

    Suspended and scaled to nothing count as 0. What scales by itself counts at its lower bound, but
    as one replica at least where one is started before it may scale to zero: an idling model would
    look free otherwise.
    """
    if isinstance(manifest, CountedManifest):
        return manifest.request
    manifest = decoded(manifest)
    gpus: int | Fraction = 0
    memory = mig = 0
    # Each reason once, in the order of the manifest.
    gaps: dict[str, None] = {}
    for pods, template in _walk(manifest, gaps):
        # A template of which no pod is made may be unreadable: it asks for nothing.
        if pods:
            try:
                request = _count_pod(template)
            except UnreadableError as gap:
                request = _PodRequest(unknown=(str(gap),))
            gpus += pods * request.gpus
            memory += pods * request.memory_mib
            mig += pods * request.mig_instances
            gaps |= dict.fromkeys(request.unknown)
    return GpuRequest(gpus=float(gpus), memory_mib=memory, mig_instances=mig, unknown=tuple(gaps))


def _walk(manifest: Mapping[str, Any], gaps: dict[str, None]) -> Iterator[tuple[int, Template]]:
    """The pods that can be found; why others cannot is added to `gaps`."""
    try:
        for group in find_pods(manifest):
            if isinstance(group, UnreadableError):
                gaps[str(group)] = None
            else:
                yield group
    except UnreadableError as gap:
        gaps[str(gap)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PodRequest:
    """What one pod asks for, exact: a sum of tenths must not depend on its order."""

    gpus: int | Fraction = 0
    memory_mib: int = 0
    mig_instances: int = 0
    unknown: tuple[str, ...] = ()


def _count_pod(template: Template) -> _PodRequest:
    # The scheduler takes the first of these where both stand; admission refuses such a pod anyway.
    annotations = read_annotations(template)
    devices = read_positive(annotations, "gpu-fraction-num-devices", 1)
    if annotations.get("gpu-fraction") is not None:
        return _PodRequest(gpus=devices * read_fraction(annotations["gpu-fraction"]))
    if annotations.get("gpu-memory") is not None:
        return _PodRequest(memory_mib=devices * read_positive(annotations, "gpu-memory", 0))
    return _count_containers(need(template, "spec"))


def _count_containers(spec: Template) -> _PodRequest:
    """Kubernetes' effective request: the larger of what starting and what running needs."""
    gaps: list[str] = []
    if spec.get("resourceClaims"):
        gaps.append("resourceClaims may claim GPUs that the manifest does not count")
    elif spec.get("containers") is None:
        raise UnreadableError("containers is missing")
    running: Counter[str] = Counter()
    for container in read_items(spec, "containers"):
        running.update(_read_container(container, gaps))
    # What a pod has for all of its containers together, where that is more.
    if shared := _read_container(spec, gaps):
        running |= Counter(shared)
    if spec.get("initContainers") is not None:
        running = _with_init_containers(spec, running, gaps)
    whole = mig = 0
    for name, amount in running.items():
        device = device_of(name)
        if device is Device.WHOLE:
            whole += amount
        elif device is Device.MIG:
            mig += amount
        elif device is Device.OTHER and amount:
            gaps.append(describe_device(name))
    return _PodRequest(gpus=whole, mig_instances=mig, unknown=tuple(gaps))


def _with_init_containers(spec: Template, running: Counter[str], gaps: list[str]) -> Counter[str]:
    # They run one after the other, so the largest of them counts. One that may be restarted is a
    # sidecar: it stays, and all that starts after it comes on top.
    sidecars: Counter[str] = Counter()
    peak: Counter[str] = Counter()
    for container in read_items(spec, "initContainers"):
        starting = sidecars + Counter(_read_container(container, gaps))
        peak |= starting
        if container.get("restartPolicy") == "Always":
            sidecars = starting
    return peak | (sidecars + running)


def _read_container(container: Template, gaps: list[str]) -> dict[str, int]:
    try:
        return read_gpus(container)
    except UnreadableError as gap:
        gaps.append(str(gap))
        return {}

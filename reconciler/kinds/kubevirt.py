"""Virtual machines, which get whole devices of their host."""

from __future__ import annotations

from reconciler.kinds.devices import WHOLE_GPU, is_virtual
from reconciler.kinds.fields import (
    Template,
    UnreadableError,
    need,
    optional,
    read_items,
)
from reconciler.kinds.kind import Kind, Pods
from reconciler.kinds.updates import FieldRule, InPlace, UpdateRules


def _machine_pods(manifest: Template) -> Pods:
    # Each entry is one device node of the host; whether it is a whole card only the host knows.
    spec = need(manifest, "spec")
    if spec.get("resourceClaims"):
        yield UnreadableError("resourceClaims may claim GPUs that the manifest does not count")
    devices = optional(need(spec, "domain"), "devices")
    hosted = (str(device.get("deviceName")) for device in read_items(devices, "hostDevices"))
    if any(name.startswith("nvidia.com/") for name in hosted):
        yield UnreadableError("hostDevices may pass GPUs through under any name")
    # One pod runs the machine and holds all of its devices.
    names = [str(device.get("deviceName")) for device in read_items(devices, "gpus")]
    virtual = [name for name in names if is_virtual(name)]
    for name in virtual:
        yield UnreadableError(f"{name} is a vGPU, a part of a GPU")
    limits = {WHOLE_GPU: len(names) - len(virtual)}
    yield 1, {"spec": {"containers": [{"resources": {"limits": limits}}]}}


KINDS = (
    Kind(
        group="kubevirt.io",
        name="VirtualMachineInstance",
        versions=("v1",),
        find_pods=_machine_pods,
        updates=UpdateRules(
            source="KubeVirt: a machine runs as it was started; only KubeVirt itself changes it",
            rules=(
                FieldRule(
                    patterns=("/spec",),
                    outcome=InPlace.WITHOUT_EFFECT,
                    reason="has no effect on what runs: a machine runs as it was started",
                ),
            ),
        ),
    ),
)

"""What the name of a resource stands for: a whole GPU, a part of one, or something else."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

WHOLE_GPU = "nvidia.com/gpu"
MIG_PREFIX = "nvidia.com/mig-"
# Time-slicing renames the resource: a slot of a device that any number of pods share.
TIME_SLICE_PREFIX = "nvidia.com/gpu."

# With a pass-through device (`pgpu`) a pod has a card to itself, as with the device plugins' `gpu`.
_WHOLE = frozenset({WHOLE_GPU, "nvidia.com/pgpu", "amd.com/gpu"})
# NVIDIA's network devices. Whatever else it registers is a GPU or a part of one, such as the vGPU
# `nvidia.com/GRID_T4-2Q`.
_NETWORK = r"(?i)nvidia\.com/(?:hostdev|rdma|roce|sriov|ib|ipoib|macvlan|mlnx|bf|net|resibp|cx)"
_ACCELERATOR = re.compile(
    r"(?:nvidia\.com|amd\.com|gpu\.intel\.com|habana\.ai|cloud-tpus\.google\.com)/"
    r"|aws\.amazon\.com/neuron|huawei\.com/ascend|qualcomm\.com/qaic"
    # Of others the last part tells it: `aliyun.com/gpu-mem`, `volcano.sh/vgpu-number`.
    r"|(?:.*/)?(?:[^/]*[^a-z/])?[psv]?(?:gpu|npu|tpu|mlu|dcu|xpu|vcuda)[^/]*\Z",
    re.IGNORECASE,
)
_VIRTUAL_GPU = r"-[0-9]+(?:-[0-9]+)?(?:ME)?[ABCQ]\Z"


class Device(Enum):
    """What one of a resource is."""

    WHOLE = "a GPU"
    MIG = "an instance of a partitioned GPU"
    OTHER = "a part of a GPU, or another accelerator"


@lru_cache(maxsize=1024)
def device_of(resource: str) -> Device | None:
    """What a resource is to a count of GPUs; None for what is neither a GPU nor like one."""
    if resource in _WHOLE:
        return Device.WHOLE
    if resource.startswith(MIG_PREFIX):
        return Device.MIG
    if _ACCELERATOR.match(resource) and not re.match(_NETWORK, resource):
        return Device.OTHER
    return None


def is_virtual(device: str) -> bool:
    """Whether a device of a virtual machine is a vGPU, by the names of NVIDIA's profiles."""
    return re.search(_VIRTUAL_GPU, device) is not None


def describe_device(resource: str) -> str:
    """Why a number of a resource is no number of GPUs."""
    if resource.startswith(TIME_SLICE_PREFIX):
        return f"{resource} is a slot of a shared GPU"
    return f"{resource} is no number of whole GPUs"

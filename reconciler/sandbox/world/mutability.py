"""What a cluster lets an update change, by kind: the sandbox's own table, shared with nobody."""

from __future__ import annotations

from typing import Any, NamedTuple

_POD_TEMPLATE_WHILE_SUSPENDED = (
    "metadata/labels",
    "metadata/annotations",
    "spec/nodeSelector",
    "spec/tolerations",
    "spec/affinity",
    "spec/schedulingGates",
)


# What a RayJob makes its cluster and its submission of, once.
_RAY_JOB_START = ("/spec/rayClusterSpec", "/spec/entrypoint", "/spec/submitterPodTemplate")


class _Row(NamedTuple):
    """The rules of one kind, as JSON pointers into the manifest; `*` is any one segment.

    `refused` is immutable. `allowed` turns it round: the rest of spec is immutable.
    `without_effect` is accepted, and what runs already goes on as it was. `while_suspended`
    excepts pointers from the first and the last as long as the workload is suspended.
    """

    refused: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    without_effect: tuple[str, ...] = ()
    while_suspended: tuple[str, ...] = ()


def _training(replicas: str) -> _Row:
    # The operator makes new pods from a new template only where an old pod has ended.
    return _Row(
        refused=("/spec/runPolicy/managedBy",),
        without_effect=(f"/spec/{replicas}/*/template",),
    )


_TABLE = {
    "Deployment": _Row(refused=("/spec/selector",)),
    "ReplicaSet": _Row(refused=("/spec/selector",), without_effect=("/spec/template",)),
    "StatefulSet": _Row(
        allowed=(
            "/spec/replicas",
            "/spec/ordinals",
            "/spec/template",
            "/spec/updateStrategy",
            "/spec/revisionHistoryLimit",
            "/spec/persistentVolumeClaimRetentionPolicy",
            "/spec/minReadySeconds",
        )
    ),
    "Job": _Row(
        refused=(
            "/spec/template",
            "/spec/selector",
            "/spec/completionMode",
            "/spec/completions",
            "/spec/podFailurePolicy",
            "/spec/backoffLimitPerIndex",
            "/spec/managedBy",
            "/spec/successPolicy",
        ),
        while_suspended=tuple(f"/spec/template/{path}" for path in _POD_TEMPLATE_WHILE_SUSPENDED),
    ),
    "Pod": _Row(
        allowed=(
            "/spec/containers/*/image",
            "/spec/initContainers/*/image",
            "/spec/containers/*/resources",
            "/spec/activeDeadlineSeconds",
            "/spec/tolerations",
        )
    ),
    "JobSet": _Row(
        refused=(
            "/spec/replicatedJobs",
            "/spec/network",
            "/spec/successPolicy",
            "/spec/failurePolicy",
            "/spec/startupPolicy",
            "/spec/volumeClaimPolicies",
            "/spec/managedBy",
        ),
        while_suspended=tuple(
            f"/spec/replicatedJobs/*/template/spec/template/{path}"
            for path in _POD_TEMPLATE_WHILE_SUSPENDED
            # Its webhook lets through what Kueue changes, and that is not among it.
            if path != "spec/affinity"
        ),
    ),
    "PyTorchJob": _training("pytorchReplicaSpecs"),
    "TFJob": _training("tfReplicaSpecs"),
    "XGBoostJob": _training("xgbReplicaSpecs"),
    "JAXJob": _training("jaxReplicaSpecs"),
    "MPIJob": _training("mpiReplicaSpecs"),
    # The operator compares replicas, not templates, unless its strategy is to recreate.
    "RayCluster": _Row(
        refused=("/spec/managedBy", "/spec/gcsFaultToleranceOptions/backend"),
        without_effect=("/spec/headGroupSpec/template", "/spec/workerGroupSpecs/*/template"),
    ),
    "RayJob": _Row(
        refused=("/spec/managedBy",),
        without_effect=_RAY_JOB_START,
        while_suspended=_RAY_JOB_START,
    ),
    "RayService": _Row(refused=("/spec/managedBy",)),
    # Everything else rolls.
    "LeaderWorkerSet": _Row(refused=("/spec/leaderWorkerTemplate/subGroupPolicy",)),
    # Both have started by the time that anybody can update them; cancelling is all that is left.
    "TaskRun": _Row(allowed=("/spec/status", "/spec/statusMessage")),
    "PipelineRun": _Row(allowed=("/spec/status",)),
    # Both read their spec once, when they start.
    "Workflow": _Row(without_effect=("/spec",)),
    "VirtualMachineInstance": _Row(without_effect=("/spec",)),
}
_FREE = _Row()


class UpdateEffect(NamedTuple):
    """What a cluster makes of an update: JSON pointers, and the program that then runs."""

    refused: tuple[str, ...]
    without_effect: tuple[str, ...]
    running: dict[str, Any]


def judge_update(
    kind: str, old: dict[str, Any], new: dict[str, Any], running: dict[str, Any]
) -> UpdateEffect:
    """Compare the cluster's object with the one that an update would make of it.

    `running` is what the pods were made from, which may be older than the object.
    """
    row, suspended = _TABLE.get(kind, _FREE), _dig(old, ("spec", "suspend")) is True
    strategy = _dig(new, ("spec", "upgradeStrategy", "type"))
    recreates = kind == "RayCluster" and strategy == "Recreate"
    restarts = recreates or (suspended and bool(row.while_suspended))
    inert = () if restarts else row.without_effect
    # Any change of a pointer above a row's would show at its leaves, so leaves are enough.
    refused, without_effect = [], []
    for pointer in changed_pointers(old, new):
        if suspended and _covers(row.while_suspended, pointer):
            continue
        if _is_refused(kind, row, pointer, old, new):
            refused.append(pointer)
        elif _covers(inert, pointer):
            without_effect.append(pointer)
    effective = new
    # Also where this update leaves them alone: an earlier one may have changed them in vain.
    for pattern in inert:
        effective = _graft(effective, running, pattern.split("/")[1:])
    return UpdateEffect(tuple(refused), tuple(without_effect), effective)


def refusal_message(group: str, kind: str, name: str, refused: tuple[str, ...]) -> str:
    """Word a refusal as the API server words it."""
    subject = f"{kind}.{group}" if group else kind
    allowed = _TABLE[kind].allowed
    if allowed is not None:
        fields = ", ".join(f"'{pointer.removeprefix('/spec/')}'" for pointer in allowed)
        detail = f"spec: Forbidden: updates for fields other than {fields} are forbidden"
    else:
        path = _field_path(_TABLE[kind].refused, refused[0])
        detail = f"{path}: Invalid value: field is immutable"
    return f'{subject} "{name}" is invalid: {detail}'


def changed_pointers(old: Any, new: Any, pointer: str = "") -> tuple[str, ...]:
    """JSON pointers at which two documents differ; null and absent are the same, as in Go."""
    if isinstance(old, dict | None) and isinstance(new, dict | None) and (old or new):
        # What is added or removed is named by its leaves, so that it meets the table's pointers.
        before, after = old or {}, new or {}
        keys = sorted(before.keys() | after.keys())
        parts = [(before.get(key), after.get(key), f"{pointer}/{_escape(key)}") for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        parts = [(*pair, f"{pointer}/{index}") for index, pair in enumerate(pairs)]
    else:
        # To Python, true is 1; to JSON it is not.
        same = old == new and isinstance(old, bool) == isinstance(new, bool)
        return () if same else (pointer,)
    return tuple(deeper for part in parts for deeper in changed_pointers(*part))


def _is_refused(
    kind: str, row: _Row, pointer: str, old: dict[str, Any], new: dict[str, Any]
) -> bool:
    if row.allowed is not None:
        if kind == "Pod" and pointer.startswith("/spec/tolerations"):
            # Tolerations can be added, never changed or taken away.
            before, after = (_dig(m, ("spec", "tolerations")) or [] for m in (old, new))
            lists = isinstance(before, list) and isinstance(after, list)
            return not (lists and all(toleration in after for toleration in before))
        return pointer.startswith("/spec") and not _covers(row.allowed, pointer)
    if kind == "Job" and pointer == "/spec/completions":
        # An elastic indexed Job may be resized, if both numbers stay equal.
        elastic = _dig(new, ("spec", "completionMode")) == "Indexed"
        numbers = [_dig(new, ("spec", name)) for name in ("completions", "parallelism")]
        return not (elastic and numbers[0] == numbers[1])
    return _covers(row.refused, pointer)


def _covers(patterns: tuple[str, ...], pointer: str) -> bool:
    """Whether a pointer is one of the patterns or lies below one."""
    segments = pointer.split("/")
    return any(
        len(pattern) <= len(segments)
        and all(part in ("*", segment) for part, segment in zip(pattern, segments, strict=False))
        for pattern in (text.split("/") for text in patterns)
    )


def _field_path(patterns: tuple[str, ...], pointer: str) -> str:
    """The field of the table that a pointer lies in, as the API server spells it."""
    fields = [pattern for pattern in patterns if _covers((pattern,), pointer)]
    return (fields or [pointer])[0].removeprefix("/").replace("/", ".")


def _graft(target: Any, source: Any, segments: list[str]) -> Any:
    """Take what is at a pattern from `source`, the rest from `target`."""
    if not segments:
        return source
    head, *tail = segments
    if isinstance(target, list) and isinstance(source, list) and head == "*":
        # Groups beyond those that run already are new, and made from their own template.
        pairs = zip(target, source, strict=False)
        return [*(_graft(*pair, tail) for pair in pairs), *target[len(source) :]]
    if not (isinstance(target, dict) and isinstance(source, dict)):
        return target
    if tail or head == "*":
        keys = target.keys() & source.keys() & ({head} if head != "*" else target.keys())
        return target | {key: _graft(target[key], source[key], tail) for key in keys}
    # A field that is new has no effect, one that is gone has it still.
    without = {key: value for key, value in target.items() if key != head}
    return without | ({head: source[head]} if head in source else {})


def _dig(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")

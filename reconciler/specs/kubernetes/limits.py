"""Limits of the API server that Kubernetes' published schemas leave out: choices and ranges.

OpenAPI gives most fields a type only; these are the checks in `pkg/apis/*/validation` of
Kubernetes' source, as far as one field by itself goes. An empty text is a field that was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Limits: TypeAlias = Mapping[str, Mapping[str, Any]]


def _choice(*choices: str) -> Mapping[str, Any]:
    return {"enum": [*choices, ""]}


def _from(least: int, most: int | None = None) -> Mapping[str, Any]:
    return {"minimum": least} if most is None else {"minimum": least, "maximum": most}


_PORT, _NOT_NEGATIVE, _POSITIVE = _from(1, 65535), _from(0), _from(1)
# The schema has an int64 for users; the API server checks for what Linux has.
_USER, _MODE = _from(0, 2**31 - 1), _from(0, 0o777)
_ROLLING = {"minReadySeconds": _NOT_NEGATIVE, "revisionHistoryLimit": _NOT_NEGATIVE}
_PROFILE = {"type": _choice("RuntimeDefault", "Localhost", "Unconfined")}
_EXPRESSION = ("In", "NotIn", "Exists", "DoesNotExist")

# By definition and field, laid over what the schema says.
LIMITS: Mapping[str, Limits] = {
    "AppArmorProfile": _PROFILE,
    "ConfigMapVolumeSource": {"defaultMode": _MODE},
    "Container": {
        "imagePullPolicy": _choice("Always", "IfNotPresent", "Never"),
        "restartPolicy": _choice("Always", "OnFailure", "Never"),
        "terminationMessagePolicy": _choice("File", "FallbackToLogsOnError"),
    },
    "ContainerPort": {
        "containerPort": _PORT,
        # A port of the host that is left out is 0.
        "hostPort": _from(0, 65535),
        "protocol": _choice("TCP", "UDP", "SCTP"),
    },
    "ContainerResizePolicy": {"restartPolicy": _choice("NotRequired", "RestartContainer")},
    "CronJobSpec": {
        "concurrencyPolicy": _choice("Allow", "Forbid", "Replace"),
        "failedJobsHistoryLimit": _NOT_NEGATIVE,
        "startingDeadlineSeconds": _NOT_NEGATIVE,
        "successfulJobsHistoryLimit": _NOT_NEGATIVE,
    },
    "DeploymentSpec": {**_ROLLING, "progressDeadlineSeconds": _NOT_NEGATIVE},
    "DeploymentStrategy": {"type": _choice("RollingUpdate", "Recreate")},
    "DownwardAPIVolumeSource": {"defaultMode": _MODE},
    "GRPCAction": {"port": _PORT},
    "HTTPGetAction": {"port": _PORT, "scheme": _choice("HTTP", "HTTPS")},
    "HostPathVolumeSource": {
        "type": _choice(
            *("DirectoryOrCreate", "Directory", "FileOrCreate", "File"),
            *("Socket", "CharDevice", "BlockDevice"),
        )
    },
    "JobSpec": {
        "activeDeadlineSeconds": _NOT_NEGATIVE,
        "backoffLimit": _NOT_NEGATIVE,
        "backoffLimitPerIndex": _NOT_NEGATIVE,
        "maxFailedIndexes": _NOT_NEGATIVE,
        "completionMode": _choice("NonIndexed", "Indexed"),
        "podReplacementPolicy": _choice("TerminatingOrFailed", "Failed"),
        "ttlSecondsAfterFinished": _NOT_NEGATIVE,
    },
    "KeyToPath": {"mode": _MODE},
    "LabelSelectorRequirement": {"operator": _choice(*_EXPRESSION)},
    "NodeSelectorRequirement": {"operator": _choice(*_EXPRESSION, "Gt", "Lt")},
    "PersistentVolumeClaimSpec": {"volumeMode": _choice("Filesystem", "Block")},
    "PodFailurePolicyOnExitCodesRequirement": {"operator": _choice("In", "NotIn")},
    "PodFailurePolicyRule": {"action": _choice("FailJob", "FailIndex", "Ignore", "Count")},
    "PodOS": {"name": _choice("linux", "windows")},
    "PodSecurityContext": {
        "fsGroup": _USER,
        "fsGroupChangePolicy": _choice("Always", "OnRootMismatch"),
        "runAsGroup": _USER,
        "runAsUser": _USER,
        "seLinuxChangePolicy": _choice("MountOption", "Recursive"),
        "supplementalGroupsPolicy": _choice("Merge", "Strict"),
    },
    "PodSpec": {
        "activeDeadlineSeconds": _POSITIVE,
        "dnsPolicy": _choice("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "preemptionPolicy": _choice("PreemptLowerPriority", "Never"),
    },
    "Probe": dict.fromkeys(
        (
            *("failureThreshold", "initialDelaySeconds", "periodSeconds"),
            *("successThreshold", "timeoutSeconds"),
        ),
        _NOT_NEGATIVE,
    ),
    "ProjectedVolumeSource": {"defaultMode": _MODE},
    "ReplicaSetSpec": {"minReadySeconds": _NOT_NEGATIVE},
    "SeccompProfile": _PROFILE,
    "SecretVolumeSource": {"defaultMode": _MODE},
    "SecurityContext": {
        "procMount": _choice("Default", "Unmasked"),
        "runAsGroup": _USER,
        "runAsUser": _USER,
    },
    "StatefulSetPersistentVolumeClaimRetentionPolicy": {
        "whenDeleted": _choice("Retain", "Delete"),
        "whenScaled": _choice("Retain", "Delete"),
    },
    "StatefulSetSpec": {**_ROLLING, "podManagementPolicy": _choice("OrderedReady", "Parallel")},
    "StatefulSetUpdateStrategy": {"type": _choice("RollingUpdate", "OnDelete")},
    "TCPSocketAction": {"port": _PORT},
    "Toleration": {
        "effect": _choice("NoSchedule", "PreferNoSchedule", "NoExecute"),
        "operator": _choice("Exists", "Equal", "Lt", "Gt"),
    },
    "TopologySpreadConstraint": {
        "maxSkew": _POSITIVE,
        "minDomains": _POSITIVE,
        "nodeAffinityPolicy": _choice("Honor", "Ignore"),
        "nodeTaintsPolicy": _choice("Honor", "Ignore"),
        "whenUnsatisfiable": _choice("DoNotSchedule", "ScheduleAnyway"),
    },
    "VolumeMount": {
        "mountPath": {"minLength": 1},
        "mountPropagation": _choice("None", "HostToContainer", "Bidirectional"),
        "recursiveReadOnly": _choice("Disabled", "IfPossible", "Enabled"),
    },
}


def with_limits(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions with the limits laid over them; what is passed stays as it is."""
    limited = dict(definitions)
    for name, limits in LIMITS.items():
        fields = dict(limited[name]["properties"])
        for field, limit in limits.items():
            fields[field] = {**fields[field], **limit}
        limited[name] = {**limited[name], "properties": fields}
    return limited

"""What the API server takes beyond what Kubernetes' published schemas say: words and ranges.

OpenAPI gives most fields a type only; these are the checks in `pkg/apis/*/validation` of
Kubernetes' source, as far as one field by itself goes. An empty text is a field that was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Limits: TypeAlias = Mapping[str, Mapping[str, Any]]


def _words(*words: str) -> Mapping[str, Any]:
    return {"enum": [*words, ""]}


def _from(least: int, most: int | None = None) -> Mapping[str, Any]:
    return {"minimum": least} if most is None else {"minimum": least, "maximum": most}


_PORT, _NOT_NEGATIVE, _POSITIVE = _from(1, 65535), _from(0), _from(1)
_USER, _MODE = _from(0, 2**31 - 1), _from(0, 0o777)
_ROLLING = {"minReadySeconds": _NOT_NEGATIVE, "revisionHistoryLimit": _NOT_NEGATIVE}
_PROFILE = {"type": _words("RuntimeDefault", "Localhost", "Unconfined")}
_EXPRESSION = ("In", "NotIn", "Exists", "DoesNotExist")

# By definition and field, laid over what the schema says.
LIMITS: Mapping[str, Limits] = {
    "AppArmorProfile": _PROFILE,
    "ConfigMapVolumeSource": {"defaultMode": _MODE},
    "Container": {
        "imagePullPolicy": _words("Always", "IfNotPresent", "Never"),
        "restartPolicy": _words("Always", "OnFailure", "Never"),
        "terminationMessagePolicy": _words("File", "FallbackToLogsOnError"),
    },
    "ContainerPort": {
        "containerPort": _PORT,
        "hostPort": _from(0, 65535),
        "protocol": _words("TCP", "UDP", "SCTP"),
    },
    "ContainerResizePolicy": {"restartPolicy": _words("NotRequired", "RestartContainer")},
    "CronJobSpec": {
        "concurrencyPolicy": _words("Allow", "Forbid", "Replace"),
        "failedJobsHistoryLimit": _NOT_NEGATIVE,
        "startingDeadlineSeconds": _NOT_NEGATIVE,
        "successfulJobsHistoryLimit": _NOT_NEGATIVE,
    },
    "DeploymentSpec": {**_ROLLING, "progressDeadlineSeconds": _NOT_NEGATIVE},
    "DeploymentStrategy": {"type": _words("RollingUpdate", "Recreate")},
    "DownwardAPIVolumeSource": {"defaultMode": _MODE},
    "GRPCAction": {"port": _PORT},
    "HTTPGetAction": {"port": _PORT, "scheme": _words("HTTP", "HTTPS")},
    "HostPathVolumeSource": {
        "type": _words(
            *("DirectoryOrCreate", "Directory", "FileOrCreate", "File"),
            *("Socket", "CharDevice", "BlockDevice"),
        )
    },
    "JobSpec": {
        "activeDeadlineSeconds": _NOT_NEGATIVE,
        "completionMode": _words("NonIndexed", "Indexed"),
        "podReplacementPolicy": _words("TerminatingOrFailed", "Failed"),
        "ttlSecondsAfterFinished": _NOT_NEGATIVE,
    },
    "KeyToPath": {"mode": _MODE},
    "LabelSelectorRequirement": {"operator": _words(*_EXPRESSION)},
    "NodeSelectorRequirement": {"operator": _words(*_EXPRESSION, "Gt", "Lt")},
    "PersistentVolumeClaimSpec": {"volumeMode": _words("Filesystem", "Block")},
    "PodFailurePolicyOnExitCodesRequirement": {"operator": _words("In", "NotIn")},
    "PodFailurePolicyRule": {"action": _words("FailJob", "FailIndex", "Ignore", "Count")},
    "PodOS": {"name": _words("linux", "windows")},
    "PodSecurityContext": {
        "fsGroup": _USER,
        "fsGroupChangePolicy": _words("Always", "OnRootMismatch"),
        "runAsGroup": _USER,
        "runAsUser": _USER,
    },
    "PodSpec": {
        "activeDeadlineSeconds": _POSITIVE,
        "dnsPolicy": _words("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "preemptionPolicy": _words("PreemptLowerPriority", "Never"),
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
        "procMount": _words("Default", "Unmasked"),
        "runAsGroup": _USER,
        "runAsUser": _USER,
    },
    "StatefulSetPersistentVolumeClaimRetentionPolicy": {
        "whenDeleted": _words("Retain", "Delete"),
        "whenScaled": _words("Retain", "Delete"),
    },
    "StatefulSetSpec": {**_ROLLING, "podManagementPolicy": _words("OrderedReady", "Parallel")},
    "StatefulSetUpdateStrategy": {"type": _words("RollingUpdate", "OnDelete")},
    "TCPSocketAction": {"port": _PORT},
    "Toleration": {
        "effect": _words("NoSchedule", "PreferNoSchedule", "NoExecute"),
        "operator": _words("Exists", "Equal", "Lt", "Gt"),
    },
    "TopologySpreadConstraint": {
        "maxSkew": _POSITIVE,
        "minDomains": _POSITIVE,
        "nodeAffinityPolicy": _words("Honor", "Ignore"),
        "nodeTaintsPolicy": _words("Honor", "Ignore"),
        "whenUnsatisfiable": _words("DoNotSchedule", "ScheduleAnyway"),
    },
    "VolumeMount": {
        "mountPath": {"minLength": 1},
        "mountPropagation": _words("None", "HostToContainer", "Bidirectional"),
        "recursiveReadOnly": _words("Disabled", "IfPossible", "Enabled"),
    },
}


def with_limits(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the limits over definitions, which stay as they are."""
    made = dict(definitions)
    for name, limits in LIMITS.items():
        fields = dict(made[name]["properties"])
        for field, limit in limits.items():
            fields[field] = {**fields[field], **limit}
        made[name] = {**made[name], "properties": fields}
    return made

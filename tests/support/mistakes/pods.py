"""Parts of pods for the corpus of manifests: what one container, and the pod around it, may say."""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

# Each pair: fields of the first container, and fields of its pod.
PARTS: tuple[tuple[Fields, Fields], ...] = (
    ({}, {}),
    (
        {
            "command": ["python", "-m", "train"],
            "args": ["--epochs", "3"],
            "resources": {
                "requests": {"cpu": "4", "memory": "16Gi"},
                "limits": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 2},
            },
            "env": [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "SEED", "value": "7"}],
        },
        {},
    ),
    (
        {
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "readinessProbe": {
                "httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"},
                "periodSeconds": 5,
                "failureThreshold": 3,
            },
            "livenessProbe": {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 30},
            "imagePullPolicy": "IfNotPresent",
        },
        {"terminationGracePeriodSeconds": 60},
    ),
    (
        {
            "volumeMounts": [
                {"name": "data", "mountPath": "/data", "readOnly": True},
                {"name": "shm", "mountPath": "/shm"},
                {"name": "keys", "mountPath": "/keys", "subPath": "ssh"},
            ],
            "workingDir": "/workspace",
        },
        {
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "dataset"}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
                {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 256}},
            ]
        },
    ),
    (
        {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "allowPrivilegeEscalation": False,
                "capabilities": {"add": ["IPC_LOCK"], "drop": ["ALL"]},
            }
        },
        {
            "serviceAccountName": "trainer",
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    ),
    (
        {"resources": {"limits": {"nvidia.com/gpu": 1}}},
        {
            "nodeSelector": {"nvidia.com/gpu.product": "H100"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "zone", "operator": "In", "values": ["a", "b"]}
                                ]
                            }
                        ]
                    }
                }
            },
        },
    ),
    (
        {
            "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "sleep 5"]}}},
            "terminationMessagePolicy": "FallbackToLogsOnError",
        },
        {
            "initContainers": [
                {
                    "name": "fetch",
                    "image": "busybox:1.36",
                    "command": ["sh", "-c", "true"],
                    "resources": {"limits": {"memory": "256Mi"}},
                }
            ]
        },
    ),
    (
        {
            "env": [
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {
                    "name": "HF_TOKEN",
                    "valueFrom": {
                        "secretKeyRef": {"name": "hub", "key": "token", "optional": True}
                    },
                },
                {
                    "name": "MODE",
                    "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}},
                },
            ],
            "envFrom": [{"configMapRef": {"name": "common"}}],
        },
        {"enableServiceLinks": False},
    ),
    (
        {"tty": False, "stdin": False},
        {
            "priorityClassName": "high",
            "schedulerName": "runai-scheduler",
            "hostIPC": False,
            "dnsPolicy": "ClusterFirst",
            "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["registry.local"]}],
        },
    ),
    (
        {
            "volumeMounts": [
                {"name": "info", "mountPath": "/etc/info"},
                {"name": "scratch", "mountPath": "/scratch"},
            ],
            "startupProbe": {"exec": {"command": ["cat", "/up"]}, "failureThreshold": 30},
        },
        {
            "volumes": [
                {
                    "name": "info",
                    "projected": {
                        "sources": [
                            {
                                "configMap": {
                                    "name": "settings",
                                    "items": [{"key": "a", "path": "a.yaml"}],
                                }
                            }
                        ]
                    },
                },
                {"name": "scratch", "emptyDir": {}},
            ]
        },
    ),
)


def container(number: int, name: str = "main") -> Fields:
    """The first container of the pod with a number."""
    own, _ = PARTS[number % len(PARTS)]
    return {"name": name, "image": f"registry.example.com/team/{name}:{number + 1}", **own}


def pod_spec(number: int, name: str = "main", **fields: Any) -> Fields:
    """A pod's specification; `fields` are those that its kind wants."""
    _, own = PARTS[number % len(PARTS)]
    return {"containers": [container(number, name)], **own, **fields}


def template(number: int, name: str = "main", **fields: Any) -> Fields:
    """A pod template with labels and an annotation."""
    return {
        "metadata": {"labels": {"app": "llm"}, "annotations": {"example.com/owner": "research"}},
        "spec": pod_spec(number, name, **fields),
    }

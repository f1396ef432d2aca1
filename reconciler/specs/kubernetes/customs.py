"""Shapes of kinds that Kubernetes does not ship: only what their operators are sure to refuse.

They are written by hand from the definitions and webhooks of these operators, and say nothing about
fields that they do not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _object(
    fields: Mapping[str, Any] | None = None, required: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    known = {"properties": dict(fields)} if fields else {}
    needed = {"required": list(required)} if required else {}
    return {"type": "object", **known, **needed, **more}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(item)}


def _any_of(*names: str) -> list[dict[str, Any]]:
    return [{"required": [name]} for name in names]


_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string", "minLength": 1}
_RAY_SERVICE = {"type": "string", "enum": ["ClusterIP", "NodePort", "LoadBalancer", ""]}
_RAY_CLUSTER = _object(
    {
        "headGroupSpec": _object({"serviceType": _RAY_SERVICE}, ("template",)),
        "workerGroupSpecs": _list(_object({"groupName": _TEXT}, ("groupName", "template"))),
    },
    ("headGroupSpec",),
)
_SERVERS = (
    *("model", "containers", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx"),
    *("huggingface", "pmml", "lightgbm", "paddle", "workerSpec"),
)
_PREDICTOR = _object(
    {
        "minReplicas": _COUNT,
        "maxReplicas": _COUNT,
        "model": _object({"modelFormat": _object({"name": _TEXT}, ("name",))}, ("modelFormat",)),
    },
    anyOf=_any_of(*_SERVERS),
)
_GROUP_RESTARTS = ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None", ""]

# By the kind, of its `spec`.
CUSTOMS: Mapping[str, dict[str, Any]] = {
    "DynamoGraphDeployment": _object({"services": _object()}),
    "InferenceService": _object({"predictor": _PREDICTOR}, ("predictor",)),
    "JobSet": _object(
        {"replicatedJobs": _list(_object({"name": _TEXT, "replicas": _COUNT}, ("name",)))}
    ),
    "KnativeService": _object(
        {
            "template": _object({"spec": _object({"containerConcurrency": _COUNT})}),
            "traffic": _list(
                _object({"percent": {"type": "integer", "minimum": 0, "maximum": 100}})
            ),
        }
    ),
    "LeaderWorkerSet": _object(
        {
            "leaderWorkerTemplate": _object(
                {"restartPolicy": {"enum": _GROUP_RESTARTS}}, ("workerTemplate",)
            ),
            "startupPolicy": {"enum": ["LeaderCreated", "LeaderReady", ""]},
        },
        ("leaderWorkerTemplate",),
    ),
    "NIMCache": _object({"source": _object(), "storage": _object()}, ("source", "storage")),
    "NIMService": _object(
        {
            "authSecret": {"type": "string"},
            "image": _object({"repository": _TEXT, "tag": {"type": "string"}}, ("repository",)),
        },
        ("authSecret", "image"),
    ),
    "RayCluster": _RAY_CLUSTER,
    "RayJob": _object(
        {"rayClusterSpec": _RAY_CLUSTER, "clusterSelector": _object()},
        anyOf=_any_of("rayClusterSpec", "clusterSelector"),
    ),
    "RayService": _object({"rayClusterConfig": _RAY_CLUSTER}),
    "SeldonDeployment": _object({"predictors": _list(_object())}),
}

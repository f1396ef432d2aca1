"""What the parts of a pod and of a controller have to do with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.limits import LIMITS, with_limits
from reconciler.specs.kubernetes.structure import definition_schema, definitions
from tests.specs.manifests import TEMPLATE, controller, findings, fresh, manifest, said

HTTP = {"httpGet": {"port": 80}}
SECRET = {"secretKeyRef": {"name": "a", "key": "b"}}
DATA = {"name": "data", "emptyDir": {}}


def pod(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod with one container."""
    main = {"name": "main", "image": "a:1", **container}
    return manifest("v1", "Pod", {"containers": [main], **spec})


@pytest.mark.parametrize(
    ("volumes", "mounts", "found"),
    [
        ([DATA], [{"name": "data", "mountPath": "/a"}], []),
        ([{"name": "data"}], [{"name": "data", "mountPath": "/a"}], []),
        ([DATA], [{"name": "other", "mountPath": "/a"}], ["containers/0/volumeMounts/0/name"]),
        ([DATA, DATA], [], ["volumes/1/name"]),
        ([{"name": "Data"}], [], ["volumes/0/name"]),
        ([{**DATA, "hostPath": {"path": "/"}}], [], ["volumes/0/hostPath"]),
        ([{**DATA, "hostPath": None}], [], []),
        (
            [DATA],
            [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"}],
            ["containers/0/volumeMounts/1/mountPath"],
        ),
    ],
)
def test_volumes_and_mounts(volumes: Any, mounts: Any, found: list[str], tmp_path: Path) -> None:
    """Each mount names a volume of its own pod, and each volume is one thing."""
    value = pod({"volumeMounts": mounts}, volumes=volumes)
    assert said(tmp_path, value) == [("bad-volume", f"/spec/{pointer}") for pointer in found]


def test_claims_of_a_stateful_set_are_volumes(tmp_path: Path) -> None:
    """Its pods mount what it claims for each of them."""
    value = controller("StatefulSet")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    value["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim}]
    container = value["spec"]["template"]["spec"]["containers"][0]
    container = {**container, "volumeMounts": [{"name": "data", "mountPath": "/a"}]}
    value["spec"]["template"] = {
        **value["spec"]["template"],
        "spec": {"containers": [container]},
    }
    assert said(tmp_path, value) == []


def test_an_operator_may_add_volumes(tmp_path: Path) -> None:
    """So a mount of one that is not there is a warning, where the API server sees no pods yet."""
    value = fresh("RayCluster")
    (container,) = value["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    container["volumeMounts"] = [{"name": "data", "mountPath": "/a"}]
    (found,) = findings(tmp_path, value)
    assert (found.code, found.severity) == ("bad-volume", Severity.WARNING)


@pytest.mark.parametrize(
    ("name", "is_right"),
    [
        *[("http", True), ("a-1", True), ("x" * 15, True), ("", True)],
        *[("x" * 16, False), ("HTTP", False), ("80", False), ("a--b", False), ("-a", False)],
        *[("a-", False), ("a_b", False), ("a\n", False)],
    ],
)
def test_names_of_ports(name: str, is_right: bool, tmp_path: Path) -> None:
    """They are those of services: short, in lower case, with a letter."""
    value = pod({"ports": [{"name": name, "containerPort": 80}]})
    expected = [] if is_right else [("bad-port", "/spec/containers/0/ports/0/name")]
    assert said(tmp_path, value) == expected


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ([{"name": "A", "value": "1"}, {"name": "B", "valueFrom": SECRET}], []),
        ([{"name": "A", "value": "", "valueFrom": SECRET}], []),
        ([{"name": "A"}, {"name": "A"}], ["1/name"]),
        ([{"name": "A=B"}], ["0/name"]),
        ([{"name": ""}], ["0/name"]),
        ([{"name": "A", "value": "1", "valueFrom": SECRET}], ["0/valueFrom"]),
        ([{"name": "A", "valueFrom": {}}], ["0/valueFrom"]),
        (
            [{"name": "A", "valueFrom": {**SECRET, "fieldRef": {"fieldPath": "metadata.name"}}}],
            ["0/valueFrom"],
        ),
    ],
)
def test_variables(variables: Any, found: list[str], tmp_path: Path) -> None:
    """Each has one name, and one way to its value."""
    expected = [("bad-env", f"/spec/containers/0/env/{pointer}") for pointer in found]
    assert said(tmp_path, pod({"env": variables})) == expected


@pytest.mark.parametrize(
    ("container", "found"),
    [
        ({"readinessProbe": {**HTTP, "successThreshold": 3}}, []),
        ({"livenessProbe": {**HTTP, "exec": None}}, []),
        ({"livenessProbe": {}}, ["livenessProbe"]),
        ({"livenessProbe": {**HTTP, "tcpSocket": {"port": 80}}}, ["livenessProbe"]),
        ({"startupProbe": {**HTTP, "successThreshold": 2}}, ["startupProbe/successThreshold"]),
    ],
)
def test_probes(container: Any, found: list[str], tmp_path: Path) -> None:
    """A probe looks in exactly one way; only readiness counts successes."""
    expected = [("bad-probe", f"/spec/containers/0/{pointer}") for pointer in found]
    assert said(tmp_path, pod(container)) == expected


@pytest.mark.parametrize(
    ("toleration", "found"),
    [
        ({"operator": "Exists"}, []),
        ({"key": "a", "value": "b"}, []),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}, []),
        ({"key": "a", "operator": "Exists", "value": "b"}, ["/value"]),
        ({"effect": "NoSchedule"}, [""]),
        ({"key": "a", "value": "b", "tolerationSeconds": 3}, ["/tolerationSeconds"]),
    ],
)
def test_tolerations(toleration: Any, found: list[str], tmp_path: Path) -> None:
    """What they hold belongs to their operator and effect."""
    value = pod({}, tolerations=[toleration])
    expected = [("bad-placement", f"/spec/tolerations/0{pointer}") for pointer in found]
    assert said(tmp_path, value) == expected


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ({"key": "a", "operator": "In", "values": ["b"]}, []),
        ({"key": "a", "operator": "Gt", "values": ["1"]}, []),
        ({"key": "a", "operator": "In"}, [""]),
        ({"key": "a", "operator": "NotIn", "values": []}, [""]),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, ["/values"]),
        ({"key": "a", "operator": "Lt", "values": ["1", "2"]}, [""]),
    ],
)
def test_expressions_about_nodes(expression: Any, found: list[str], tmp_path: Path) -> None:
    """An operator has the values that it takes, however deep the expression is."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    place = (
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution"
        "/nodeSelectorTerms/0/matchExpressions/0"
    )
    expected = [("bad-placement", place + pointer) for pointer in found]
    assert said(tmp_path, pod({}, affinity=affinity)) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "found"),
    [
        ("Deployment", {"strategy": {"rollingUpdate": {"maxSurge": 0}}}, []),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            ["strategy/rollingUpdate"],
        ),
        (
            "StatefulSet",
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
            ["updateStrategy/rollingUpdate"],
        ),
        ("Job", {"completionMode": "Indexed", "completions": 3}, []),
        ("Job", {"completionMode": "Indexed"}, ["completionMode"]),
        ("Job", {"podFailurePolicy": {"rules": []}}, []),
    ],
)
def test_rollouts(kind: str, spec: Any, found: list[str], tmp_path: Path) -> None:
    """A strategy and a mode have what they need, and nothing that is for another."""
    value = fresh(kind)
    value["spec"] |= spec
    assert said(tmp_path, value) == [("bad-rollout", f"/spec/{pointer}") for pointer in found]


def test_a_failure_policy_needs_pods_that_stay(tmp_path: Path) -> None:
    """With OnFailure, the pod that the policy would judge is started again."""
    value = fresh("Job")
    value["spec"]["podFailurePolicy"] = {"rules": []}
    value["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    assert said(tmp_path, value) == [("bad-rollout", "/spec/podFailurePolicy")]


@pytest.mark.parametrize(
    ("kind", "field", "roles", "found"),
    [
        ("PyTorchJob", "pytorchReplicaSpecs", ["Worker"], []),
        ("PyTorchJob", "pytorchReplicaSpecs", ["worker"], []),
        ("TFJob", "tfReplicaSpecs", ["PS", "Boss"], ["/Boss"]),
        ("XGBoostJob", "xgbReplicaSpecs", ["Worker"], [""]),
        ("MPIJob", "mpiReplicaSpecs", ["Worker"], [""]),
    ],
)
def test_roles(kind: str, field: str, roles: list[str], found: list[str], tmp_path: Path) -> None:
    """Those that an operator knows, and the one without which nothing begins."""
    value = fresh(kind)
    role = next(iter(value["spec"][field].values()))
    value["spec"][field] = dict.fromkeys(roles, role)
    expected = [("bad-role", f"/spec/{field}{pointer}") for pointer in found]
    assert said(tmp_path, value) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "found"),
    [
        ("InferenceService", {}, [("kubernetes-missing-field", "/spec")]),
        (
            "InferenceService",
            {"predictor": {"minReplicas": -1}},
            [
                ("kubernetes-invalid-value", "/spec/predictor"),
                ("kubernetes-invalid-value", "/spec/predictor/minReplicas"),
            ],
        ),
        (
            "InferenceService",
            {"predictor": {"model": {}}},
            [("kubernetes-missing-field", "/spec/predictor/model")],
        ),
        # A field that is null is left out: neither of these is there.
        (
            "InferenceService",
            {"predictor": {"workerSpec": None}},
            [("kubernetes-invalid-value", "/spec/predictor")],
        ),
        (
            "LeaderWorkerSet",
            {"leaderWorkerTemplate": {"leaderTemplate": TEMPLATE, "workerTemplate": None}},
            [("kubernetes-missing-field", "/spec/leaderWorkerTemplate")],
        ),
        ("NIMCache", {"source": {}}, [("kubernetes-missing-field", "/spec")]),
        ("DynamoGraphDeployment", {"services": []}, [("kubernetes-wrong-type", "/spec/services")]),
        ("RayJob", {"entrypoint": "a"}, [("bad-job", "/spec")]),
        ("RayJob", {"clusterSelector": {"ray.io/cluster": "a"}}, []),
        ("SeldonDeployment", {"predictors": {}}, [("kubernetes-wrong-type", "/spec/predictors")]),
    ],
)
def test_shapes_of_other_kinds(
    kind: str, spec: Any, found: list[tuple[str, str]], tmp_path: Path
) -> None:
    """What the operator of a kind is sure to refuse is a finding; what it may know, is not."""
    assert said(tmp_path, {**fresh(kind), "spec": spec}) == found


LIMITED = [
    (name, field, limit)
    for name, limits in LIMITS.items()
    for field, limit in limits.items()
    if "enum" in limit
]


@pytest.mark.parametrize(("name", "field", "limit"), LIMITED)
def test_words(name: str, field: str, limit: Any) -> None:
    """Where Kubernetes takes some words only, each of them passes, in no other spelling."""
    fields = with_limits(definitions())[name]["properties"][field]
    assert fields["type"] == "string"
    assert limit["enum"][-1] == ""
    for word in limit["enum"][:-1]:
        validator = definition_schema(name).validator
        for given, is_right in ((word, True), (word.upper() + "?", False)):
            errors = validator.iter_errors({field: given})
            wrong = [one for one in errors if list(one.absolute_path) == [field]]
            assert (not wrong) is is_right


def test_a_mode_that_was_meant_in_octal(tmp_path: Path) -> None:
    """0644 is 644 to YAML 1.2, and more than any mode."""
    secret = {"secretName": "a", "defaultMode": 644}
    value = pod({}, volumes=[{"name": "a", "secret": secret}])
    assert said(tmp_path, value) == [
        ("kubernetes-invalid-value", "/spec/volumes/0/secret/defaultMode")
    ]

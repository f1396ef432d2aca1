from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.registry import KINDS
from reconciler.specs.config import config_file, load_config
from reconciler.specs.loading import load_specs
from tests.specs.manifests import (
    CONTAINERS,
    MANIFESTS,
    TEMPLATE,
    at,
    controller,
    findings,
    fresh,
    manifest,
    said,
)
from tests.support.specs import encoded, load, pointed_at, told

ROOT = Path(__file__).resolve().parents[2]
DECIDED_LATER = {
    "AMLJob",
    "DevWorkspace",
    "PipelineRun",
    "SPOTRequest",
    "ScheduledWorkflow",
    "TaskRun",
    "VirtualMachineInstance",
    "Workflow",
}

each_kind = pytest.mark.parametrize("kind", MANIFESTS)


def test_every_kind_whose_pods_are_counted_is_known() -> None:
    """What the plan counts is also checked, but for what a manifest does not determine."""
    assert {kind.name for kind in KINDS.values() if kind.layout is None} == DECIDED_LATER
    assert {kind.name for kind in KINDS.values() if kind.layout} == set(MANIFESTS)


@each_kind
def test_a_right_manifest_of_each_kind(kind: str, tmp_path: Path) -> None:
    """It gives no finding."""
    assert said(tmp_path, MANIFESTS[kind][0]) == []


def test_the_examples_are_right() -> None:
    """So does every workload of the examples."""
    root = ROOT / "examples" / "workloads"
    loaded = load_specs([root], root=root, config=load_config(config_file(root)))
    assert told(loaded) == []


@each_kind
def test_every_pod_is_walked(kind: str, tmp_path: Path) -> None:
    """Each container of each role, group and template is looked at, init containers too."""
    value, places = fresh(kind), MANIFESTS[kind][1]
    for place in places:
        (container,) = at(value, place)["containers"]
        at(value, place)["initContainers"] = [dict(container)]
        container["image"] = " "
    assert said(tmp_path, value) == sorted(
        [
            *(("no-image", f"{place}/containers/0/image") for place in places),
            *(("bad-name", f"{place}/initContainers/0/name") for place in places),
        ]
    )


@pytest.mark.parametrize("kind", [kind for kind, shape in MANIFESTS.items() if shape[1]])
def test_a_kind_without_its_pods(kind: str, tmp_path: Path) -> None:
    """It is a finding, unless the kind may have none of its own."""
    value = {**MANIFESTS[kind][0], "spec": {}}
    codes = {code for code, _ in said(tmp_path, value)}
    optional = {"RayJob", "SeldonDeployment"}
    assert ("no-containers" in codes) is (kind not in optional)


ANY, FINITE, STEADY = {"Always", "OnFailure", "Never"}, {"OnFailure", "Never"}, {"Always"}
RESTARTS = {
    **dict.fromkeys(("Pod", "RayCluster", "RayService", "PyTorchJob", "MPIJob"), ANY),
    **dict.fromkeys(("Job", "CronJob", "JobSet"), FINITE),
    **dict.fromkeys(
        ("Deployment", "ReplicaSet", "StatefulSet", "LeaderWorkerSet", "Notebook"), STEADY
    ),
}


@pytest.mark.parametrize("kind", RESTARTS)
def test_how_pods_restart(kind: str, tmp_path: Path) -> None:
    """A kind takes the policies that its controller does, and only a Job insists on one."""
    value, places = fresh(kind), MANIFESTS[kind][1]
    taken = set()
    for policy in sorted(ANY | {"Sometimes"}):
        for place in places:
            at(value, place)["restartPolicy"] = policy
        taken |= {policy} if said(tmp_path, value) == [] else set()
    assert taken == RESTARTS[kind]
    for place in places:
        del at(value, place)["restartPolicy"]
    codes = {code for code, _ in said(tmp_path, value)}
    assert codes == ({"bad-restart-policy"} if kind in ("Job", "CronJob") else set())


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("kubeflow.org/v1", {"Always", "OnFailure", "Never", "ExitCode"}),
        ("kubeflow.org/v2beta1", {"OnFailure", "Never"}),
    ],
)
def test_how_roles_restart(version: str, taken: set[str], tmp_path: Path) -> None:
    """The roles of a training job have policies of their own, by the version of its operator."""
    right = set()
    for policy in ("Always", "OnFailure", "Never", "ExitCode", "exitcode"):
        role = {"restartPolicy": policy, "template": TEMPLATE}
        value = manifest(version, "MPIJob", {"mpiReplicaSpecs": {"Launcher": role}})
        right |= {policy} if said(tmp_path, value) == [] else set()
    assert right == taken


@pytest.mark.parametrize(
    ("expression", "is_met"),
    [
        ({"key": "app", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "app", "operator": "In", "values": ["b"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "Exists"}, False),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selector_expressions(expression: Any, is_met: bool, tmp_path: Path) -> None:
    """An expression is met by the template's labels or is a finding at the expression."""
    value = controller("Deployment")
    value["spec"]["selector"] = {"matchExpressions": [expression]}
    expected = [] if is_met else [("bad-selector", "/spec/selector/matchExpressions/0")]
    assert said(tmp_path, value) == expected


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}, {"matchLabels": None}])
def test_an_empty_selector(selector: Any, tmp_path: Path) -> None:
    """It would match every pod, and is refused."""
    value = controller("StatefulSet")
    value["spec"]["selector"] = selector
    assert said(tmp_path, value) == [("bad-selector", "/spec/selector")]


LONGEST_NAMES = {
    "CronJob": 52,
    "Deployment": 242,
    "Job": 63,
    "LeaderWorkerSet": 51,
    "RayCluster": 53,
    "RayJob": 47,
    "RayService": 47,
    "StatefulSet": 52,
}


@pytest.mark.parametrize("kind", LONGEST_NAMES)
def test_a_name_is_as_long_as_its_controller_can_work_with(kind: str, tmp_path: Path) -> None:
    """What it makes is named after the workload, and has a limit, too: one more, and none runs."""
    value = fresh(kind)
    for length, expected in ((0, set()), (1, {("bad-name", "/metadata/name")})):
        value["metadata"] = {
            **value.get("metadata", {}),
            "name": "a" * (LONGEST_NAMES[kind] + length),
        }
        assert {one for one in said(tmp_path, value) if one[0] == "bad-name"} == expected


def test_a_manifest_without_a_name_has_the_workloads(tmp_path: Path) -> None:
    """It is the same object then, so the limit is the same."""
    text = json.dumps(controller("StatefulSet"))
    for length, codes in ((52, []), (53, ["bad-name"])):
        found = load(
            tmp_path,
            {"a.yaml": f"metadata: {{name: {'a' * length}, projectId: '1'}}\nmanifest: {text}\n"},
        )
        assert [one.code for one in found.diagnostics] == codes
        assert {pointed_at(tmp_path, one.where) for one in found.diagnostics} <= {"a" * length}


def indexed(completions: int) -> dict[str, Any]:
    """The specification of a Job whose pods have numbers."""
    pod = {"restartPolicy": "Never", "containers": CONTAINERS}
    return {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": 1,
        "template": {"spec": pod},
    }


DERIVED = [
    ("batch/v1", "Job", indexed(10), 61),
    ("batch/v1", "Job", indexed(11), 60),
    ("batch/v1", "CronJob", {"schedule": "0 * * * *", "jobTemplate": {"spec": indexed(1000)}}, 50),
    (
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        {"replicatedJobs": [{"name": "workers", "replicas": 4, "template": {"spec": indexed(8)}}]},
        45,
    ),
    (
        "kubeflow.org/v1",
        "PyTorchJob",
        {
            "pytorchReplicaSpecs": {
                "Master": {
                    "replicas": 1,
                    "template": {"spec": {"containers": [{"name": "pytorch", "image": "x"}]}},
                },
                "Worker": {
                    "replicas": 12,
                    "template": {"spec": {"containers": [{"name": "pytorch", "image": "x"}]}},
                },
            }
        },
        53,
    ),
]


@pytest.mark.parametrize(("version", "kind", "spec", "longest"), DERIVED)
def test_names_that_are_made_of_a_name_have_a_limit(
    version: str, kind: str, spec: dict[str, Any], longest: int, tmp_path: Path
) -> None:
    """A pod of an indexed Job, or a service of a training job, has 63 characters at most."""
    value = {"apiVersion": version, "kind": kind, "spec": spec}
    for length, expected in ((0, set()), (1, {("bad-name", "/metadata/name")})):
        value["metadata"] = {"name": "a" * (longest + length)}
        found = {one for one in said(tmp_path, value) if one[0] != "name-mismatch"}
        assert found == expected


def test_an_object_has_a_size(tmp_path: Path) -> None:
    """Kubernetes stores 1.5 MiB of one, as bytes and not as characters."""
    value = fresh("Pod")
    space = 1_572_864 - len(json.dumps(value, separators=(",", ":"))) - 40
    for text, expected in (
        ("x" * space, []),
        ("ü" * (space // 2 + 40), [("object-too-large", "")]),
    ):
        value["spec"]["hostname"] = ""
        value["spec"]["containers"][0]["args"] = [text]
        assert said(tmp_path, value) == expected


def test_annotations_have_a_size(tmp_path: Path) -> None:
    """All annotations of an object together hold 256 KiB at most."""
    value = fresh("Pod")
    value["metadata"] = {"annotations": {"a": "x" * 262_143}}
    assert said(tmp_path, value) == []
    value["metadata"]["annotations"]["b"] = ""
    assert said(tmp_path, value) == [("bad-annotation", "/metadata/annotations")]


def test_null_is_what_is_left_out(tmp_path: Path) -> None:
    """Kubernetes takes null for a field that is not there: fine where it may be missing."""
    value = controller("Deployment")
    value["spec"] |= {"replicas": None, "strategy": None, "minReadySeconds": None}
    value["metadata"] = {"creationTimestamp": None, "labels": None, "annotations": {"a": None}}
    assert said(tmp_path, {**value, "status": {}}) == []
    value["spec"]["selector"] = None
    assert said(tmp_path, value) == [("kubernetes-missing-field", "/spec")]


def test_a_version_that_nobody_registers_is_left_alone(tmp_path: Path) -> None:
    """Nothing is known of how its pods look, so only the object itself is checked."""
    value = {**manifest("ray.io/v1alpha1", "RayCluster", {"template": 3}), "metadata": {"uid": "x"}}
    assert said(tmp_path, value) == [
        ("server-field", "/metadata/uid"),
        ("unknown-kind", "/apiVersion"),
    ]


@pytest.mark.parametrize(
    ("version", "kind", "hint"),
    [
        ("apps/v1beta2", "Deployment", "write apps/v1"),
        ("extensions/v1beta1", "Deployment", "write apps/v1"),
        ("v1", "CronJob", "write batch/v1"),
        ("batch/v1beta1", "CronJob", "write batch/v1"),
        ("batch/v1", "PyTorchJob", "write kubeflow.org/v1"),
        ("apps/v1", "Deploymant", "did you mean 'Deployment'?"),
    ],
)
def test_a_kind_that_kubernetes_does_not_have(
    version: str, kind: str, hint: str, tmp_path: Path
) -> None:
    """Nobody can add one to its own groups; what is meant is checked where it is known."""
    value = {**manifest(version, kind, {"x": 1}), "metadata": {"lables": {}}}
    found = findings(tmp_path, value)
    assert [one.hint for one in found if one.code == "bad-kind"] == [hint]
    unknown = {one.pointer for one in found if one.code == "kubernetes-unknown-field"}
    is_known = hint.startswith("write")
    assert unknown == {"/manifest/metadata/lables", *(["/manifest/spec/x"] if is_known else [])}


@pytest.mark.parametrize(
    ("version", "kind"),
    [("v1", "ConfigMap"), ("apps/v1", "DaemonSet"), ("apps.example.com/v1", "Job")],
)
def test_kinds_that_may_be_registered(version: str, kind: str, tmp_path: Path) -> None:
    """An administrator can register any that exists, and any of another group."""
    assert [code for code, _ in said(tmp_path, manifest(version, kind, {}))] == ["unknown-kind"]


def test_labels_of_the_template_are_checked_as_well(tmp_path: Path) -> None:
    """Every map of labels counts: the object's, the template's, selectors of pods and nodes."""
    value = controller("Deployment")
    value["spec"]["template"] = {
        "metadata": {"labels": {"app": "a", "b": "c d"}},
        "spec": {"containers": CONTAINERS, "nodeSelector": {"a/b/c": "x"}},
    }
    value["spec"]["selector"]["matchLabels"]["b"] = "c d"
    assert said(tmp_path, value) == [
        ("bad-label", "/spec/selector/matchLabels/b"),
        ("bad-label", "/spec/template/metadata/labels/b"),
        ("bad-label", "/spec/template/spec/nodeSelector/a~1b~1c"),
    ]


POSITIONS = {
    "inline": {"a.yaml": "metadata: {name: a, projectId: '1'}\nmanifest:\n  {body}\n"},
    "from defaults": {
        "_defaults.yaml": "manifest:\n  {body}\n",
        "a.yaml": "metadata: {name: a, projectId: '1'}\nmanifest: {apiVersion: v1}\n",
    },
    "through an alias": {
        "a.yaml": "metadata: {name: a, projectId: '1'}\nmanifest: &m\n  {body}\n---\n"
        "metadata: {name: b, projectId: '1'}\nmanifest: &m\n  {body}\n"
    },
    "from a file": {
        "a.yaml": "metadata: {name: a, projectId: '1'}\nmanifestFile: m/pod.yaml\n",
        "m/pod.yaml": "{body}\n",
    },
}
BODY = "{apiVersion: v1, kind: Pod, spec: {containers: [{name: A_1, image: x}]}}"


def test_what_is_meant_again_counts_again(tmp_path: Path) -> None:
    """Some lines of YAML with aliases are an object of megabytes."""
    lines = ["manifest:", "  apiVersion: egx.nvidia.io/v1", "  kind: SPOTRequest", "  spec:"]
    lines += [f"    a0: &a0 ['{'x' * 1000}', {'y' * 1000}]"]
    lines += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 4)]
    text = "metadata: {name: a, projectId: '1'}\n" + "\n".join(lines) + "\n"
    found = load(tmp_path, {"a.yaml": text}).diagnostics
    assert [(one.code, one.pointer) for one in found] == [("object-too-large", "/manifest")]


@pytest.mark.parametrize("way", POSITIONS)
def test_a_finding_points_at_what_was_written(way: str, tmp_path: Path) -> None:
    """However a manifest came into the spec, the wrong value is marked where it stands."""
    files = {name: text.replace("{body}", BODY) for name, text in POSITIONS[way].items()}
    found = load(tmp_path, files).diagnostics
    assert {one.code for one in found} == {"bad-name"}
    assert {pointed_at(tmp_path, one.where) for one in found} == {"A_1"}


def test_a_finding_behind_an_alias_points_at_the_anchor(tmp_path: Path) -> None:
    """A value that is used twice was written once, and is reported there, once."""
    text = (
        "metadata: {name: a, projectId: '1'}\nmanifest:\n  apiVersion: v1\n  kind: Pod\n"
        "  metadata: {labels: &l {app: a b}}\n  spec:\n    nodeSelector: *l\n"
        "    containers: [{name: a, image: x}]\n"
    )
    (one,) = load(tmp_path, {"a.yaml": text}).diagnostics
    assert (one.code, pointed_at(tmp_path, one.where)) == ("bad-label", "a b")


def test_a_finding_in_base64_tells_the_line(tmp_path: Path) -> None:
    """It points at the field, and its message at the line of the text inside."""
    text = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {name: a}\n"
    (one,) = load(tmp_path, {"a.yaml": encoded(text)}).diagnostics
    assert one.message == ("the container 'a' has no image (line 5, column 6 of the decoded text)")
    assert pointed_at(tmp_path, one.where).startswith('"YXBp')

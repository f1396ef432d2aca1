from __future__ import annotations

from pathlib import Path

from tests.support.specs import load, told

LIMITS = 'projects: {a: "1", b: "2"}\nlimits:\n  gpus: '


def pod(name: str, project: str, gpus: int, **more: str) -> str:
    """Return a spec of a pod that asks for GPUs."""
    return (
        f'metadata: {{name: {name}, projectId: "{project}"}}\n'
        "manifest:\n  apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n"
        f"      - {{name: a, image: b, resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}\n"
        + "".join(f"{key}: {value}\n" for key, value in more.items())
    )


def test_a_budget_for_each_project(tmp_path: Path) -> None:
    """One number holds for every project by itself; the finding names who asks for the most."""
    files = {
        "reconciler.yaml": LIMITS + "4\n",
        "one.yaml": pod("one", "1", 1),
        "five.yaml": pod("five", "1", 5),
        "two.yaml": pod("two", "1", 2),
        "three.yaml": pod("three", "1", 3),
        "four.yaml": pod("four", "2", 4),
    }
    assert told(load(tmp_path, files)) == [
        (
            "reconciler.yaml:3:9-3:10 error gpu-budget: project 1 asks for 11 GPUs; its limit is 4"
            " | largest requests: 1/five 5 (five.yaml:1:1), 1/three 3 (three.yaml:1:1),"
            " 1/two 2 (two.yaml:1:1)"
        )
    ]


def test_budgets_by_project(tmp_path: Path) -> None:
    """A project is named by its id or its alias; one without a budget has no limit."""
    files = {
        "reconciler.yaml": LIMITS + '{a: 1, "2": 0.5}\n',
        "a.yaml": pod("a", "1", 2),
        "b.yaml": pod("b", "2", 1),
        "c.yaml": pod("c", "3", 99),
    }
    assert [line.partition(" | ")[0] for line in told(load(tmp_path, files))] == [
        "reconciler.yaml:3:13-3:14 error gpu-budget: project 1 asks for 2 GPUs; its limit is 1",
        "reconciler.yaml:3:21-3:24 error gpu-budget: project 2 asks for 1 GPUs; its limit is 0.5",
    ]


def test_a_budget_counts_what_a_plan_counts(tmp_path: Path) -> None:
    """A share counts as its share."""
    shares = pod("a", "1", 0).replace(
        "  spec", '  metadata: {annotations: {gpu-fraction: "0.5"}}\n  spec'
    )
    shares = shares.replace(", resources: {limits: {nvidia.com/gpu: 0}}", "")
    files = {"reconciler.yaml": LIMITS + "0.5\n", "a.yaml": shares}
    assert told(load(tmp_path, files)) == []


def test_a_budget_is_compared_with_what_can_be_counted(tmp_path: Path) -> None:
    """One pod that cannot be read hides none of the others, and the message says "at least"."""
    roles = (
        "{Launcher: {template: {spec: {resourceClaims: [{name: gpu, resourceClaimName: c}],"
        " containers: [{name: a, image: b}]}}}, Worker: {replicas: 9, template: {spec: {containers:"
        " [{name: a, image: b, resources: {limits: {nvidia.com/gpu: 8}}}]}}}}"
    )
    job = (
        'metadata: {name: job, projectId: "1"}\n'
        "manifest: {apiVersion: kubeflow.org/v1, kind: MPIJob, spec: {mpiReplicaSpecs: "
        + roles
        + "}}\n"
    )
    files = {"reconciler.yaml": LIMITS + "8\n", "a.yaml": job}
    assert [line for line in told(load(tmp_path, files)) if "gpu-budget" in line] == [
        (
            "reconciler.yaml:3:9-3:10 error gpu-budget: project 1 asks for at least 72 GPUs; its"
            " limit is 8 | largest requests: 1/job at least 72 (a.yaml:1:1)"
        )
    ]


def test_names_of_manifests(tmp_path: Path) -> None:
    """Objects of one kind and name are one object in a project, and two in two projects."""
    job = "manifest: {apiVersion: KIND, kind: TaskRun, metadata: {name: same}}\n"
    tekton = job.replace("KIND", "tekton.dev/v1")
    files = {
        "a.yaml": 'metadata: {name: a, projectId: "1"}\n' + tekton,
        "b.yaml": 'metadata: {name: b, projectId: "1"}\n' + tekton,
        "c.yaml": 'metadata: {name: c, projectId: "2"}\n' + tekton,
        "d.yaml": 'metadata: {name: d, projectId: "1"}\n'
        + tekton.replace("TaskRun", "PipelineRun"),
    }
    found = [line for line in told(load(tmp_path, files)) if "name-mismatch" not in line]
    assert found == [
        (
            "b.yaml:2:71-2:75 error duplicate-manifest-name: the manifest of 1/a (a.yaml:1:1) is a"
            " TaskRun named 'same', too | give each manifest the name of its workload"
        )
    ]


def test_who_is_needed_comes_first(tmp_path: Path) -> None:
    """A cluster that a job selects is created in an earlier wave, or the finding says which."""
    job = (
        'metadata: {name: job, projectId: "1"}\n'
        "manifest: {apiVersion: ray.io/v1, kind: RayJob,"
        " spec: {clusterSelector: {ray.io/cluster: shared}}}\n"
    )
    cluster = (
        'metadata: {name: shared, projectId: "1"}\n'
        "manifest:\n  apiVersion: ray.io/v1\n  kind: RayCluster\n  spec:\n"
        "    headGroupSpec: {template: {spec: {containers: [{name: a, image: b}]}}}\n"
    )
    late = load(tmp_path, {"job.yaml": job, "cluster.yaml": cluster + "lifecycle: {wave: 1}\n"})
    assert told(late) == [
        (
            "job.yaml:2:90-2:96 warning wave-order: it refers to the RayCluster 'shared',"
            " which is not created before it (waves 0 and 1)"
            " | give 1/job a higher lifecycle.wave than 1/shared"
        )
    ]
    early = load(tmp_path, {"cluster.yaml": cluster + "lifecycle: {wave: -1}\n"})
    assert told(early) == []
    elsewhere = load(tmp_path, {"cluster.yaml": cluster.replace('"1"', '"2"')})
    assert told(elsewhere) == []

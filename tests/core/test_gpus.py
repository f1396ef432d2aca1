from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.kinds.registry import KINDS
from tests.core.gpu_manifests import manifests
from tests.core.manifests import Json, asking, manifest, pod, template

WALKED = [
    ("Pod", template(2)["spec"], 2),
    ("Deployment", {"replicas": 3, "template": template(2)}, 6),
    ("Deployment", {"template": template(2)}, 2),
    ("Deployment", {"replicas": None, "template": template(2)}, 2),
    ("Deployment", {"replicas": 0, "template": template(2)}, 0),
    ("ReplicaSet", {"replicas": 2, "template": template()}, 2),
    ("StatefulSet", {"replicas": "4", "template": template("2")}, 8),
    ("Job", {"template": template(8)}, 8),
    ("Job", {"parallelism": 4, "completions": 16, "template": template(2)}, 8),
    ("Job", {"parallelism": 4, "completions": 3, "template": template(2)}, 6),
    ("Job", {"suspend": True, "template": template(8)}, 0),
    ("CronJob", {"jobTemplate": {"spec": {"parallelism": 2, "template": template(3)}}}, 6),
    ("CronJob", {"suspend": True, "jobTemplate": {"spec": {"template": template()}}}, 0),
    (
        "JobSet",
        {
            "replicatedJobs": [
                {"name": "driver", "template": {"spec": {"template": template(0)}}},
                {
                    "name": "workers",
                    "replicas": 2,
                    "template": {"spec": {"parallelism": 3, "template": template(4)}},
                },
            ]
        },
        24,
    ),
    (
        "LeaderWorkerSet",
        {"replicas": 2, "leaderWorkerTemplate": {"size": 4, "workerTemplate": template(8)}},
        64,
    ),
    (
        "LeaderWorkerSet",
        {
            "leaderWorkerTemplate": {
                "size": 4,
                "leaderTemplate": template(1),
                "workerTemplate": template(8),
            }
        },
        25,
    ),
    ("LeaderWorkerSet", {"leaderWorkerTemplate": {"workerTemplate": template(8)}}, 8),
    (
        "PyTorchJob",
        {
            "pytorchReplicaSpecs": {
                "Master": {"template": template(8)},
                "Worker": {"replicas": 3, "template": template(8)},
            }
        },
        32,
    ),
    (
        "PyTorchJob",
        {
            "runPolicy": {"suspend": True},
            "pytorchReplicaSpecs": {"Master": {"template": template(8)}},
        },
        0,
    ),
    ("TFJob", {"tfReplicaSpecs": {"Chief": {"template": template(2)}}}, 2),
    ("XGBoostJob", {"xgbReplicaSpecs": {"Master": {"template": template(2)}}}, 2),
    ("JAXJob", {"jaxReplicaSpecs": {"Worker": {"replicas": 2, "template": template(4)}}}, 8),
    (
        "MPIJob",
        {
            "mpiReplicaSpecs": {
                "Launcher": {"template": template(0)},
                "Worker": {"replicas": 2, "template": template(8)},
            }
        },
        16,
    ),
    ("MPIJob", {"mpiReplicaSpecs": {"Worker": {"template": template(8)}}}, 0),
    ("Notebook", {"template": template(1)}, 1),
    (
        "RayCluster",
        {
            "headGroupSpec": {"template": template(1)},
            "workerGroupSpecs": [
                {"replicas": 2, "numOfHosts": 4, "template": template(8)},
                {"minReplicas": 1, "template": template(1)},
                {"replicas": 9, "maxReplicas": 3, "template": template(1)},
                {"replicas": 5, "suspend": True, "template": template(8)},
                {"template": template(8)},
            ],
        },
        69,
    ),
    ("RayCluster", {"suspend": True, "headGroupSpec": {"template": template(1)}}, 0),
    (
        "RayJob",
        {
            "rayClusterSpec": {"headGroupSpec": {"template": template(2)}},
            "submitterPodTemplate": template(0),
        },
        2,
    ),
    ("RayJob", {"suspend": True}, 0),
    ("RayJob", {"clusterSelector": {"ray.io/cluster": "shared"}}, 0),
    ("RayService", {"rayClusterConfig": {"headGroupSpec": {"template": template(2)}}}, 2),
    ("InferenceService", {"predictor": {"minReplicas": 2, "model": asking(4)}}, 8),
    ("InferenceService", {"predictor": {"triton": asking(1)}}, 1),
    (
        "InferenceService",
        {
            "predictor": {"model": asking(4)},
            "transformer": {"minReplicas": 3, "containers": [asking(1)]},
            "explainer": {"containers": [asking(2)]},
        },
        9,
    ),
    ("InferenceService", {"predictor": {"minReplicas": 0, "model": asking(4)}}, 4),
    (
        "InferenceService",
        {
            "predictor": {
                "model": asking(8),
                "workerSpec": {"tensorParallelSize": 8, "pipelineParallelSize": 2},
            }
        },
        16,
    ),
    ("NIMService", {"replicas": 2, **asking(4)}, 8),
    ("NIMService", {"scale": {"enabled": True, "hpa": {"minReplicas": 3}}, **asking(1)}, 3),
    ("NIMService", {"multiNode": {"parallelism": {"pipeline": 2}}, **asking(8)}, 16),
    ("NIMCache", {"source": {}, "storage": {}}, 0),
    (
        "DynamoGraphDeployment",
        {
            "services": {
                "Frontend": {"replicas": 2},
                "Decode": {
                    "replicas": 2,
                    "multinode": {"nodeCount": 3},
                    "resources": {"limits": {"gpu": "4"}},
                },
                "Prefill": {"extraPodSpec": {"mainContainer": asking(2)}},
            }
        },
        26,
    ),
    (
        "SeldonDeployment",
        {
            "replicas": 2,
            "predictors": [
                {"componentSpecs": [template(1), {"replicas": 3, **template(1)}]},
                {"replicas": 1, "componentSpecs": [template(4)]},
                {
                    "componentSpecs": [{"hpaSpec": {"minReplicas": 5}, **template(1)}],
                    "explainer": {"containerSpec": asking(1)},
                },
            ],
        },
        15,
    ),
    (
        "VirtualMachineInstance",
        {"domain": {"devices": {"gpus": [{"name": "a"}, {"name": "b"}]}}},
        2,
    ),
]


@pytest.mark.parametrize(("kind", "spec", "gpus"), WALKED)
def test_every_kind_is_walked_the_way_its_controller_makes_pods(
    kind: str, spec: Json, gpus: float
) -> None:
    """Replicas, groups, hosts, leaders and defaults multiply as the controllers multiply them."""
    assert count_gpus(manifest(kind, spec)) == GpuRequest(gpus=gpus)


def knative(gpus: int, **annotations: str) -> Json:
    """Build a Knative service with autoscaling annotations."""
    scale = {f"autoscaling.knative.dev/{key}": value for key, value in annotations.items()}
    spec = {"template": template(gpus, **scale)}
    return manifest("Service", spec, version="serving.knative.dev/v1")


@pytest.mark.parametrize(
    ("annotations", "gpus"),
    [
        ({}, 2),
        ({"min-scale": "3"}, 6),
        ({"minScale": "3"}, 6),
        ({"min-scale": "0"}, 2),
        ({"min-scale": "0", "initial-scale": "0"}, 0),
        ({"initial-scale": "4"}, 8),
    ],
)
def test_a_knative_service_counts_what_it_starts_with(
    annotations: dict[str, str], gpus: float
) -> None:
    """A revision that may scale to zero still starts one pod, unless its initial scale is zero."""
    assert count_gpus(knative(2, **annotations)) == GpuRequest(gpus=gpus)


def test_the_group_tells_a_knative_service_from_a_core_service() -> None:
    """A core Service has no pods of its own and is not a kind that we walk."""
    core = {"apiVersion": "v1", "kind": "Service", "spec": {"template": template(2)}}
    assert count_gpus(core) == GpuRequest(
        unknown=("v1 Service is not a kind whose pods can be found",)
    )


@pytest.mark.parametrize(
    ("spec", "gpus"),
    [
        ({"containers": [asking(1), asking(2)]}, 3),
        ({"containers": [asking(1)], "initContainers": [asking(4)]}, 4),
        ({"containers": [asking(4)], "initContainers": [asking(1), asking(2)]}, 4),
        (
            {
                "containers": [asking(2)],
                "initContainers": [asking(1) | {"restartPolicy": "Always"}],
            },
            3,
        ),
        (
            {
                "containers": [asking(0)],
                "initContainers": [asking(1) | {"restartPolicy": "Always"}, asking(3)],
            },
            4,
        ),
        (
            {
                "containers": [asking(0)],
                "initContainers": [asking(3), asking(1) | {"restartPolicy": "Always"}],
            },
            3,
        ),
        ({"containers": [{"resources": {"requests": {"nvidia.com/gpu": 2}}}]}, 2),
        ({"containers": [{}, {"resources": None}]}, 0),
    ],
)
def test_a_pod_needs_the_larger_of_starting_and_running(spec: Json, gpus: float) -> None:
    """Init containers run one by one, sidecars stay, containers run together."""
    assert count_gpus(pod(**spec)) == GpuRequest(gpus=gpus)


@pytest.mark.parametrize(
    ("annotations", "asked"),
    [
        ({"gpu-fraction": "0.5"}, GpuRequest(gpus=1.5)),
        ({"gpu-fraction": "0.1"}, GpuRequest(gpus=0.3)),
        ({"gpu-fraction": ".25", "gpu-fraction-num-devices": "2"}, GpuRequest(gpus=1.5)),
        ({"gpu-memory": "4096"}, GpuRequest(memory_mib=12288)),
        (
            {"gpu-memory": "4096", "gpu-fraction-num-devices": "2"},
            GpuRequest(memory_mib=24576),
        ),
    ],
)
def test_shares_stand_in_the_annotations_of_the_pod_template(
    annotations: dict[str, str], asked: GpuRequest
) -> None:
    """A fraction is a number of GPUs; a share by memory is not: no manifest states the size."""
    spec = {"replicas": 3, "template": template(0, **annotations)}
    assert count_gpus(manifest("Deployment", spec)) == asked


def test_a_notebook_hands_its_own_annotations_to_its_pod() -> None:
    """The notebook controller copies them; `kubeflow-resource-stopped` scales the notebook to 0."""
    spec: Json = {"template": {"spec": {"containers": [{}]}}}
    shared = manifest("Notebook", spec, annotations={"gpu-fraction": "0.5"})
    stopped = manifest("Notebook", spec, annotations={"kubeflow-resource-stopped": "2026-11-20"})
    assert [count_gpus(shared), count_gpus(stopped)] == [GpuRequest(gpus=0.5), GpuRequest()]


def test_inference_components_add_their_annotations_to_those_of_the_service() -> None:
    """KServe merges both into the pod; its stop annotation leaves no pods."""
    spec = {"predictor": {"model": {}, "annotations": {"gpu-fraction-num-devices": "2"}}}
    shared = manifest("InferenceService", spec, annotations={"gpu-fraction": "0.5"})
    stopped = manifest("InferenceService", spec, annotations={"serving.kserve.io/stop": "true"})
    assert [count_gpus(shared), count_gpus(stopped)] == [GpuRequest(gpus=1.0), GpuRequest()]


def test_mig_instances_are_counted_apart_from_gpus() -> None:
    """A profile's name does not tell which part of a GPU it is."""
    limits = {"nvidia.com/mig-1g.24gb": 1, "nvidia.com/mig-3g.48gb": "2", "nvidia.com/gpu": 1}
    asked = count_gpus(pod(containers=[{"resources": {"limits": limits}}]))
    assert asked == GpuRequest(gpus=1, mig_instances=3)


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (GpuRequest(), True),
        (GpuRequest(gpus=8), True),
        (GpuRequest(gpus=8, memory_mib=1), False),
        (GpuRequest(mig_instances=1), False),
        (GpuRequest(unknown=("replicas is 'many', not a count",)), False),
    ],
)
def test_a_request_is_known_when_its_gpus_are_the_whole_answer(
    asked: GpuRequest, known: bool
) -> None:
    """Shares of unstated size and gaps make `gpus` a lower bound."""
    assert asked.known is known


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "the manifest is 7, not a mapping"),
        ({}, "apiVersion or kind is missing"),
        (
            {"apiVersion": "example.com/v1", "kind": "Lathe"},
            "example.com/v1 Lathe is not a kind whose pods can be found",
        ),
        (manifest("Deployment", None), "spec is missing"),
        (manifest("Deployment", {}), "template is missing"),
        (manifest("Deployment", {"template": [1]}), "template is a list, not a mapping"),
        (manifest("Deployment", {"template": {"spec": {}}}), "containers is missing"),
        (manifest("Pod", {"containers": [1]}), "containers is not a list of mappings"),
        (
            manifest("Deployment", {"replicas": "many", "template": template()}),
            "replicas is 'many', not a count",
        ),
        (
            manifest("Deployment", {"replicas": -1, "template": template()}),
            "replicas is -1, not a count",
        ),
        (
            manifest("Deployment", {"replicas": True, "template": template()}),
            "replicas is true, not a count",
        ),
        (
            manifest("Deployment", {"replicas": 2**31, "template": template()}),
            "replicas is 2147483648, not a count",
        ),
        (
            manifest("Deployment", {"replicas": 10**5000, "template": template()}),
            "replicas is a number out of range, not a count",
        ),
        (manifest("Job", {"suspend": "yes"}), "suspend is 'yes', not true or false"),
        (pod(containers=[asking("1Gi")]), "nvidia.com/gpu is '1Gi', not a count"),
        (
            pod(containers=[{"resources": {"limits": {"nvidia.com/gpu.shared": 1}}}]),
            "nvidia.com/gpu.shared is a slot of a shared GPU",
        ),
        (
            pod(resourceClaims=[{"name": "gpu"}]),
            "resourceClaims may claim GPUs that the manifest does not count",
        ),
        (
            manifest("Deployment", {"template": template(0, **{"gpu-fraction": "1e-9"})}),
            "gpu-fraction is '1e-9', not a share of one GPU",
        ),
        (
            manifest("Deployment", {"template": template(0, **{"gpu-memory": "0"})}),
            "gpu-memory is 0, not a share",
        ),
        (
            manifest("NIMService", {"replicas": 2}),
            "without nvidia.com/gpu in resources the NIM operator decides",
        ),
        (
            manifest("InferenceService", {"predictor": {"model": {}, "workerSpec": {}}}),
            "workerSpec leaves its parallel sizes to the serving runtime",
        ),
        (
            manifest("Workflow", {}, version="argoproj.io/v1alpha1"),
            "its pods come and go as its steps run",
        ),
    ],
)
def test_what_cannot_be_read_is_unknown_and_says_why(value: Json, reason: str) -> None:
    """Nothing that is unreadable counts as 0 GPUs."""
    assert count_gpus(value) == GpuRequest(unknown=(reason,))


def test_what_can_be_counted_beside_a_gap_remains_as_a_lower_bound() -> None:
    """One unreadable worker group hides neither the head nor the groups around it."""
    spec = {
        "headGroupSpec": {"template": template(1)},
        "workerGroupSpecs": [
            {"replicas": 2, "template": template(4)},
            {"replicas": "many", "template": template(4)},
            {"replicas": 3, "template": template(1)},
        ],
    }
    asked = count_gpus(manifest("RayCluster", spec))
    assert asked == GpuRequest(gpus=12, unknown=("replicas is 'many', not a count",))


CLAIMED = "resourceClaims may claim GPUs that the manifest does not count"
CLAIMING = {"spec": {"containers": [asking(1)], "resourceClaims": [{"name": "gpu"}]}}


@pytest.mark.parametrize(
    ("kind", "spec", "gpus", "reason"),
    [
        (
            "MPIJob",
            {
                "mpiReplicaSpecs": {
                    "Launcher": {"template": CLAIMING},
                    "Worker": {"replicas": 9, "template": template(8)},
                }
            },
            73,
            CLAIMED,
        ),
        (
            "JobSet",
            {
                "replicatedJobs": [
                    {"name": "a", "template": {}},
                    {"name": "b", "template": {"spec": {"template": template(8)}}},
                ]
            },
            8,
            "spec is missing",
        ),
        (
            "RayJob",
            {
                "rayClusterSpec": {
                    "headGroupSpec": {},
                    "workerGroupSpecs": [{"replicas": 2, "template": template(4)}],
                }
            },
            8,
            "template is missing",
        ),
        (
            "InferenceService",
            {
                "predictor": {"model": {}, "workerSpec": {}},
                "transformer": {"containers": [asking(2)]},
            },
            2,
            "workerSpec leaves its parallel sizes to the serving runtime",
        ),
        (
            "InferenceService",
            {"predictor": {"model": asking(2)}, "canary": {"model": {}}},
            2,
            "canary shares its replicas with the predictor as it is rolled out",
        ),
        (
            "SeldonDeployment",
            {"predictors": [{"replicas": -1}, {"componentSpecs": [template(3)]}]},
            3,
            "replicas is -1, not a count",
        ),
        (
            "DynamoGraphDeployment",
            {"services": {"a": 7, "b": {"resources": {"limits": {"gpu": 4}}}}},
            4,
            "a is 7, not a mapping",
        ),
        (
            "NIMService",
            {**asking(2), "draResources": [{}]},
            2,
            "draResources claims GPUs that the manifest does not count",
        ),
        (
            "Deployment",
            {"template": {"spec": {"containers": [asking("x"), asking(2)]}}},
            2,
            "nvidia.com/gpu is 'x', not a count",
        ),
    ],
)
def test_one_unreadable_pod_hides_none_of_the_others(
    kind: str, spec: Json, gpus: float, reason: str
) -> None:
    """What is written is the least that is asked for, and why it may be more is said."""
    assert count_gpus(manifest(kind, spec)) == GpuRequest(gpus=gpus, unknown=(reason,))


@pytest.mark.parametrize(
    ("name", "gpus", "unknown"),
    [
        ("nvidia.com/gpu", 2, False),
        ("nvidia.com/pgpu", 2, False),
        ("amd.com/gpu", 2, False),
        ("nvidia.com/GRID_T4-2Q", 0, True),
        ("nvidia.com/NVIDIA_A10-24C", 0, True),
        ("nvidia.com/GPU", 0, True),
        ("nvidia.com/gpus", 0, True),
        ("nvidia/gpu", 0, True),
        ("gpu", 0, True),
        ("gpu.intel.com/i915", 0, True),
        ("habana.ai/gaudi", 0, True),
        ("google.com/tpu", 0, True),
        ("aws.amazon.com/neurondevice", 0, True),
        ("huawei.com/Ascend910", 0, True),
        ("aliyun.com/gpu-mem", 0, True),
        ("volcano.sh/vgpu-number", 0, True),
        ("cambricon.com/vmlu", 0, True),
        ("nvidia.com/hostdev", 0, False),
        ("nvidia.com/rdma_shared_device_a", 0, False),
        ("rdma/hca_shared_devices", 0, False),
        ("vpc.amazonaws.com/efa", 0, False),
        ("example.com/dongle", 0, False),
        ("ephemeral-storage", 0, False),
        ("hugepages-2Mi", 0, False),
    ],
)
def test_a_resource_counts_as_what_it_is(name: str, gpus: float, unknown: bool) -> None:
    """Whole GPUs count; parts of them and other accelerators are unknown, never a known 0."""
    asked = count_gpus(pod(containers=[{"resources": {"limits": {name: 2}}}]))
    reasons = (f"{name} is no number of whole GPUs",) if unknown else ()
    assert asked == GpuRequest(gpus=gpus, unknown=reasons)


def test_a_device_of_which_none_is_asked_for_is_no_gap() -> None:
    """A chart writes zeros for what is switched off."""
    limits = {"nvidia.com/gpu.shared": 0, "habana.ai/gaudi": 0, "amd.com/gpu": 0}
    assert count_gpus(pod(containers=[{"resources": {"limits": limits}}])) == GpuRequest()


def test_a_pod_may_have_resources_as_a_whole() -> None:
    """They are for its containers together: what these write counts where it is more."""
    spec = {"containers": [asking(1), asking(1)], **asking(8)}
    assert count_gpus(pod(**spec)) == GpuRequest(gpus=8)
    assert count_gpus(pod(**spec | asking(1))) == GpuRequest(gpus=2)


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({"gpu": "4", "gpuType": "amd.com/gpu"}, GpuRequest(gpus=4)),
        ({"gpu": 1, "gpuType": "nvidia.com/mig-1g.24gb"}, GpuRequest(mig_instances=1)),
        (
            {"gpu": 2, "gpuType": "gpu.intel.com/xe"},
            GpuRequest(unknown=("gpu.intel.com/xe is no number of whole GPUs",)),
        ),
        ({"custom": {"nvidia.com/pgpu": "2", "rdma/ib": "1"}}, GpuRequest(gpus=2)),
    ],
)
def test_dynamo_names_the_type_of_its_gpus(limits: Json, asked: GpuRequest) -> None:
    """`gpuType` is the resource that `gpu` is a number of, and `custom` has others."""
    spec = {"services": {"Decode": {"resources": {"limits": limits}}}}
    assert count_gpus(manifest("DynamoGraphDeployment", spec)) == asked


STEPS = [{"name": "a", "computeResources": {"limits": {"nvidia.com/gpu": 2}}}, {"name": "b"}]


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ({"taskSpec": {"steps": STEPS}}, GpuRequest(gpus=2)),
        (
            {
                "taskSpec": {
                    "steps": STEPS,
                    "stepTemplate": {"computeResources": {"limits": {"nvidia.com/gpu": 1}}},
                }
            },
            GpuRequest(gpus=3),
        ),
        (
            {
                "taskSpec": {"steps": STEPS},
                "stepSpecs": [{"name": "a", "computeResources": {"limits": {"nvidia.com/gpu": 4}}}],
            },
            GpuRequest(gpus=4),
        ),
        (
            {"taskSpec": {"steps": STEPS}, "computeResources": {"limits": {"nvidia.com/gpu": 1}}},
            GpuRequest(gpus=1),
        ),
        (
            {
                "taskSpec": {
                    "steps": STEPS,
                    "sidecars": [{"computeResources": {"limits": {"nvidia.com/gpu": 1}}}],
                }
            },
            GpuRequest(gpus=3),
        ),
        (
            {"taskSpec": {"steps": [*STEPS, {"ref": {"name": "shared"}}]}},
            GpuRequest(
                gpus=2, unknown=("a step is that of a StepAction, which is another object",)
            ),
        ),
        (
            {"taskRef": {"name": "train"}},
            GpuRequest(unknown=("its steps are those of a Task, which is another object",)),
        ),
    ],
)
def test_a_task_run_is_one_pod(spec: Json, asked: GpuRequest) -> None:
    """Its steps are containers of one pod; those of other objects are not known."""
    assert count_gpus(manifest("TaskRun", spec, version="tekton.dev/v1")) == asked


def test_a_virtual_machine_may_have_a_part_of_a_gpu() -> None:
    """By its name a device is a whole card, or the profile of a vGPU."""
    names = ["nvidia.com/GA102GL_A10", "nvidia.com/GRID_T4-2Q"]
    devices = {"gpus": [{"name": name, "deviceName": name} for name in names]}
    asked = count_gpus(manifest("VirtualMachineInstance", {"domain": {"devices": devices}}))
    assert asked == GpuRequest(
        gpus=1, unknown=("nvidia.com/GRID_T4-2Q is a vGPU, a part of a GPU",)
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
junk = st.one_of(
    json_values,
    st.sampled_from(["", "1", "0.5", "-1", "٣", "1e999999999", 10**400, 1e308, float("nan"), 0.5]),
)


def places(value: Json, path: tuple[Json, ...] = ()) -> list[tuple[Json, ...]]:
    """List the path of everything below `value`."""
    inner: list[tuple[Json, Json]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [place for key, child in inner for place in [(*path, key), *places(child, (*path, key))]]


def replaced(value: Json, path: tuple[Json, ...], other: Json) -> Json:
    """Copy `value` with something else at `path`."""
    changed = copy.deepcopy(value)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = other
    return changed


walked = [manifest(kind, spec) for kind, spec, _ in WALKED] + [knative(1, **{"min-scale": "2"})]
damaged = st.sampled_from(walked).flatmap(
    lambda whole: st.builds(replaced, st.just(whole), st.sampled_from(places(whole)), junk)
)


@given(st.one_of(json_values, damaged))
def test_no_value_makes_the_count_fail(value: Json) -> None:
    """Whatever JSON stands where a manifest should, the answer is a finite, natural amount."""
    asked = count_gpus(value)
    assert 0 <= asked.gpus < float("inf")
    assert asked.memory_mib >= 0
    assert asked.mig_instances >= 0


@given(st.dictionaries(st.text(), json_values), st.sampled_from(sorted(KINDS)))
def test_no_spec_of_a_known_kind_makes_the_count_fail(spec: Json, key: tuple[str, str]) -> None:
    """A known kind with any spec is counted or unknown."""
    group, kind = key
    asked = count_gpus(manifest(kind, spec, version=f"{group}/v1" if group else "v1"))
    assert asked.gpus >= 0


@given(manifests())
def test_quoting_a_number_does_not_change_the_count(generated: Json) -> None:
    """YAML written by hand quotes numbers now and then."""
    assert count_gpus(quoted(generated)) == count_gpus(generated)


def quoted(value: Json) -> Json:
    """Turn every whole number below `value` into text."""
    if isinstance(value, dict):
        return {key: quoted(child) for key, child in value.items()}
    if isinstance(value, list):
        return [quoted(child) for child in value]
    return str(value) if type(value) is int else value

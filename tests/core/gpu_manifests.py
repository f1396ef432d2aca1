"""Manifests of every kind whose pods can be found, as its users write them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.core.manifests import Json, asking, manifest, template

MIG = "nvidia.com/mig-1g.24gb"

few = st.integers(0, 3)


def resources(names: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    """Return containers that ask for devices of a sort, as limits or as requests."""
    return st.builds(
        lambda kind, name, count: {"resources": {kind: {name: count}}},
        st.sampled_from(["limits", "requests"]),
        names,
        few,
    )


containers = resources(st.sampled_from(["nvidia.com/gpu", "nvidia.com/gpu", MIG, "cpu"]))
starters = st.builds(
    lambda ask, stays: ask | ({"restartPolicy": "Always"} if stays else {}),
    containers,
    st.booleans(),
)
shares = st.one_of(
    st.sampled_from(["0.1", "0.25", "0.333", ".5", "0.75"]).map(lambda s: {"gpu-fraction": s}),
    st.sampled_from(["512", "4096"]).map(lambda mib: {"gpu-memory": mib}),
)
shared = st.builds(
    lambda share, devices: share | ({"gpu-fraction-num-devices": str(devices)} if devices else {}),
    shares,
    few,
)
pod_specs = st.fixed_dictionaries(
    {"containers": st.lists(containers, min_size=1, max_size=3)},
    optional={"initContainers": st.lists(starters, max_size=4)},
)
templates = st.one_of(
    st.fixed_dictionaries({"spec": pod_specs}),
    shared.map(lambda chosen: template(0, **chosen)),
)
replicated = st.fixed_dictionaries({"template": templates}, optional={"replicas": few})
jobs = st.fixed_dictionaries(
    {"template": templates}, optional={"parallelism": few, "completions": few}
)
suspended = {"suspend": st.booleans()}
ray_groups = st.fixed_dictionaries(
    {"template": templates},
    optional={
        "replicas": few,
        "numOfHosts": few,
        "minReplicas": few,
        "maxReplicas": st.just(3),
        "suspend": st.booleans(),
    },
)
ray_specs = st.fixed_dictionaries(
    {
        "headGroupSpec": st.fixed_dictionaries({"template": templates}),
        "workerGroupSpecs": st.lists(ray_groups, max_size=3),
    },
    optional=suspended,
)
leader_worker = st.fixed_dictionaries(
    {"workerTemplate": templates},
    optional={"leaderTemplate": templates, "size": st.integers(1, 4)},
)
replicated_jobs = st.lists(
    st.fixed_dictionaries(
        {"template": st.fixed_dictionaries({"spec": jobs})}, optional={"replicas": few}
    ),
    max_size=3,
)
components: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries({"model": containers}, optional={"minReplicas": few}),
    st.fixed_dictionaries(
        {"containers": st.lists(containers, min_size=1, max_size=2)},
        optional={"minReplicas": few, "annotations": shared},
    ),
)
whole = st.integers(1, 3).map(asking)
nim_services = st.builds(
    lambda asked, more: asked | more,
    whole,
    st.fixed_dictionaries(
        {},
        optional={
            "replicas": few,
            "scale": st.fixed_dictionaries(
                {"enabled": st.booleans(), "hpa": st.fixed_dictionaries({"minReplicas": few})}
            ),
            "multiNode": st.fixed_dictionaries(
                {"parallelism": st.fixed_dictionaries({"pipeline": st.integers(1, 3)})}
            ),
        },
    ),
)
dynamo_services = st.one_of(
    st.fixed_dictionaries(
        {"resources": st.fixed_dictionaries({"limits": st.fixed_dictionaries({"gpu": few})})},
        optional={
            "replicas": few,
            "multinode": st.fixed_dictionaries({"nodeCount": st.integers(1, 3)}),
        },
    ),
    st.fixed_dictionaries(
        {"extraPodSpec": st.fixed_dictionaries({"mainContainer": containers})},
        optional={"replicas": few},
    ),
)
predictors = st.fixed_dictionaries(
    {
        "componentSpecs": st.lists(
            st.builds(
                lambda made, more: made | more,
                templates,
                st.fixed_dictionaries(
                    {},
                    optional={
                        "replicas": few,
                        "hpaSpec": st.fixed_dictionaries({"minReplicas": few}),
                    },
                ),
            ),
            max_size=2,
        )
    },
    optional={
        "replicas": few,
        "explainer": st.fixed_dictionaries({"containerSpec": whole}, optional={"replicas": few}),
    },
)


def roles(field: str, *names: str) -> st.SearchStrategy[Json]:
    """Return specs of a Kubeflow job, which may be suspended."""
    return st.fixed_dictionaries(
        {field: st.dictionaries(st.sampled_from(names), replicated)},
        optional={"runPolicy": st.fixed_dictionaries({}, optional=suspended)},
    )


SPECS: dict[str, st.SearchStrategy[Json]] = {
    "Pod": pod_specs,
    "Deployment": replicated,
    "ReplicaSet": replicated,
    "StatefulSet": replicated,
    "Job": jobs,
    "CronJob": st.fixed_dictionaries(
        {"jobTemplate": st.fixed_dictionaries({"spec": jobs})}, optional=suspended
    ),
    "JobSet": st.fixed_dictionaries({"replicatedJobs": replicated_jobs}, optional=suspended),
    "LeaderWorkerSet": st.fixed_dictionaries(
        {"leaderWorkerTemplate": leader_worker}, optional={"replicas": few}
    ),
    "PyTorchJob": roles("pytorchReplicaSpecs", "Master", "Worker"),
    "TFJob": roles("tfReplicaSpecs", "Chief", "PS", "Worker"),
    "XGBoostJob": roles("xgbReplicaSpecs", "Master", "Worker"),
    "JAXJob": roles("jaxReplicaSpecs", "Worker"),
    "MPIJob": roles("mpiReplicaSpecs", "Launcher", "Worker"),
    "Notebook": st.fixed_dictionaries({"template": st.fixed_dictionaries({"spec": pod_specs})}),
    "RayCluster": ray_specs,
    "RayJob": st.fixed_dictionaries(
        {"rayClusterSpec": ray_specs}, optional={"submitterPodTemplate": templates} | suspended
    ),
    "RayService": st.fixed_dictionaries({"rayClusterConfig": ray_specs}, optional=suspended),
    "InferenceService": st.fixed_dictionaries(
        {"predictor": components}, optional={"transformer": components, "explainer": components}
    ),
    "Service": replicated.map(lambda spec: {"template": spec["template"]}),
    "NIMService": nim_services,
    "NIMCache": st.fixed_dictionaries({"source": st.just({})}),
    "DynamoGraphDeployment": st.fixed_dictionaries(
        {"services": st.dictionaries(st.sampled_from(["a", "b", "c"]), dynamo_services)}
    ),
    "SeldonDeployment": st.fixed_dictionaries(
        {"predictors": st.lists(predictors, max_size=2)}, optional={"replicas": few}
    ),
    "VirtualMachineInstance": st.lists(st.just({"deviceName": "gpu"}), max_size=3).map(
        lambda gpus: {"domain": {"devices": {"gpus": gpus}}}
    ),
}
# What a controller hands down to its pods, or reads of its own object.
NOTES: dict[str, st.SearchStrategy[Json]] = {
    "Pod": shared,
    "Notebook": st.one_of(shared, st.just({"kubeflow-resource-stopped": "2026-11-20T09:00:00Z"})),
    "InferenceService": st.one_of(shared, st.just({"serving.kserve.io/stop": "true"})),
}
SCALES = st.fixed_dictionaries(
    {},
    optional={
        f"autoscaling.knative.dev/{name}": few.map(str) for name in ("min-scale", "initial-scale")
    },
)


@st.composite
def manifests(draw: st.DrawFn) -> Json:
    """Return an object of any kind that can be walked."""
    kind = draw(st.sampled_from(sorted(SPECS)))
    spec = draw(SPECS[kind])
    notes: Json = draw(st.one_of(st.just({}), NOTES[kind])) if kind in NOTES else {}
    if kind == "Service":
        metadata = spec["template"].get("metadata", {})
        scaled = metadata.get("annotations", {}) | draw(SCALES)
        spec = {"template": spec["template"] | {"metadata": {"annotations": scaled}}}
    return manifest(kind, spec, annotations=notes) if notes else manifest(kind, spec)

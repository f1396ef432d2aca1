"""What each kind says beside its pods, in variants: objects without their head, by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.support.mistakes.pods import Fields, container, pod_spec, template

Maker = Callable[[int], Fields]


def _spec(fields: Fields) -> Fields:
    return {"spec": fields}


def _pick(number: int, variants: Sequence[Fields]) -> Fields:
    return dict(variants[number % len(variants)])


def _controller(number: int, variants: Sequence[Fields]) -> Fields:
    return _spec(
        {
            "selector": {"matchLabels": {"app": "llm"}},
            "template": template(number),
            **_pick(number, variants),
        }
    )


def _deployment(number: int) -> Fields:
    return _controller(
        number,
        (
            {"replicas": 3},
            {
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
                }
            },
            {"strategy": {"type": "Recreate"}, "revisionHistoryLimit": 2, "minReadySeconds": 5},
        ),
    )


def _replica_set(number: int) -> Fields:
    return _controller(number, ({"replicas": 2}, {"minReadySeconds": 10}))


def _stateful_set(number: int) -> Fields:
    claim = {
        "metadata": {"name": "models"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "100Gi"}},
        },
    }
    return _controller(
        number,
        (
            {"serviceName": "llm", "replicas": 2},
            {"serviceName": "llm", "volumeClaimTemplates": [claim]},
            {
                "serviceName": "llm",
                "podManagementPolicy": "Parallel",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            },
        ),
    )


def _job_spec(number: int) -> Fields:
    variants = (
        {"backoffLimit": 2},
        {"parallelism": 4, "completions": 4, "completionMode": "Indexed"},
        {"ttlSecondsAfterFinished": 3600, "activeDeadlineSeconds": 86400, "suspend": False},
    )
    return {"template": template(number, restartPolicy="Never"), **_pick(number, variants)}


def _job(number: int) -> Fields:
    return _spec(_job_spec(number))


def _cron_job(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"schedule": "0 3 * * *"},
        {"schedule": "@daily", "concurrencyPolicy": "Forbid", "timeZone": "Europe/Berlin"},
        {"schedule": "*/30 * * * *", "successfulJobsHistoryLimit": 1, "suspend": True},
    )
    return _spec({"jobTemplate": {"spec": _job_spec(number)}, **_pick(number, variants)})


def _job_set(number: int) -> Fields:
    groups = [
        {"name": "leader", "replicas": 1, "template": {"spec": _job_spec(number)}},
        {"name": "workers", "replicas": 2, "template": {"spec": _job_spec(number + 1)}},
    ]
    variants: Sequence[Fields] = (
        {"network": {"enableDNSHostnames": True, "subdomain": "train"}},
        {
            "successPolicy": {"operator": "All", "targetReplicatedJobs": ["leader"]},
            "failurePolicy": {"maxRestarts": 3},
        },
        {"startupPolicy": {"startupPolicyOrder": "InOrder"}, "ttlSecondsAfterFinished": 600},
    )
    return _spec({"replicatedJobs": groups, **_pick(number, variants)})


def _leader_worker_set(number: int) -> Fields:
    group: Fields = {"size": 4, "workerTemplate": template(number)}
    if number % 2:
        group["leaderTemplate"] = template(number + 1)
    variants: Sequence[Fields] = (
        {"replicas": 2, "startupPolicy": "LeaderReady"},
        {
            "replicas": 1,
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0},
            },
        },
        {"replicas": 3, "networkConfig": {"subdomainPolicy": "Shared"}},
    )
    group["restartPolicy"] = "RecreateGroupOnPodRestart"
    return _spec({"leaderWorkerTemplate": group, **_pick(number, variants)})


_RUN_POLICIES: Sequence[Fields] = (
    {"cleanPodPolicy": "Running", "backoffLimit": 3},
    {"ttlSecondsAfterFinished": 3600, "suspend": False},
    {"activeDeadlineSeconds": 7200, "schedulingPolicy": {"minAvailable": 3, "queue": "default"}},
)


def _training(
    field: str, roles: Sequence[str], name: str, variants: Sequence[Fields] = ({},)
) -> Maker:
    def make(number: int) -> Fields:
        replicas = {
            role: {
                "replicas": 1 if position == 0 and len(roles) > 1 else 3,
                "restartPolicy": "OnFailure",
                "template": template(number + position, name),
            }
            for position, role in enumerate(roles)
        }
        policy = _pick(number, _RUN_POLICIES)
        return _spec({field: replicas, "runPolicy": policy, **_pick(number, variants)})

    return make


_ELASTIC: Sequence[Fields] = (
    {},
    {"nprocPerNode": "8"},
    {
        "elasticPolicy": {
            "minReplicas": 1,
            "maxReplicas": 4,
            "maxRestarts": 10,
            "rdzvBackend": "c10d",
            "rdzvConf": [{"key": "timeout", "value": "600"}],
        }
    },
)


def _notebook(number: int) -> Fields:
    return _spec({"template": {"spec": pod_spec(number)}})


def _ray_cluster(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"rayVersion": "2.46.0"},
        {
            "rayVersion": "2.46.0",
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"idleTimeoutSeconds": 60, "upscalingMode": "Default"},
        },
        {"suspend": False, "gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}},
    )
    return {
        "headGroupSpec": {
            "serviceType": "ClusterIP",
            "rayStartParams": {"dashboard-port": "8265", "num-cpus": "0"},
            "template": template(number, "ray-head"),
        },
        "workerGroupSpecs": [
            {
                "groupName": "gpu",
                "replicas": 2,
                "minReplicas": 1,
                "maxReplicas": 4,
                "rayStartParams": {},
                "template": template(number + 1, "ray-worker"),
            }
        ],
        **_pick(number, variants),
    }


def _ray_job(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"entrypoint": "python train.py", "shutdownAfterJobFinishes": True},
        {
            "entrypoint": "python train.py",
            "ttlSecondsAfterFinished": 60,
            "shutdownAfterJobFinishes": True,
            "runtimeEnvYAML": "pip: [torch]\n",
        },
        {"entrypoint": "python train.py", "backoffLimit": 1, "submissionMode": "K8sJobMode"},
    )
    return _spec({"rayClusterSpec": _ray_cluster(number), **_pick(number, variants)})


def _ray_service(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"serveConfigV2": "applications: []\n"},
        {"serviceUnhealthySecondThreshold": 300, "deploymentUnhealthySecondThreshold": 300},
        {"upgradeStrategy": {"type": "NewCluster"}},
    )
    return _spec({"rayClusterConfig": _ray_cluster(number), **_pick(number, variants)})


# Knative takes a part of a pod's fields only.
_KNATIVE: Sequence[Fields] = (
    {},
    {"env": [{"name": "MODEL", "value": "llama"}], "args": ["--port", "8080"]},
    {"ports": [{"name": "http1", "containerPort": 8080}]},
    {"resources": {"requests": {"cpu": "2"}, "limits": {"memory": "16Gi", "nvidia.com/gpu": "1"}}},
    {"readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 5}},
    {"imagePullPolicy": "Always", "workingDir": "/app"},
    {"securityContext": {"runAsNonRoot": True, "runAsUser": 1000}},
    {"envFrom": [{"secretRef": {"name": "keys"}}]},
    {"livenessProbe": {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 10}},
    {"command": ["serve"], "env": [{"name": "LOG", "value": "info"}]},
)


def _knative(number: int) -> Fields:
    first = {"image": f"registry.example.com/serve:{number + 1}", **_KNATIVE[number]}
    annotations = {"autoscaling.knative.dev/min-scale": "1"}
    variants: Sequence[Fields] = (
        {},
        {"traffic": [{"latestRevision": True, "percent": 100}]},
        {"traffic": [{"revisionName": "llm-00001", "percent": 100, "tag": "stable"}]},
    )
    pod = {"containers": [first], "containerConcurrency": 10, "timeoutSeconds": 300}
    made = {"template": {"metadata": {"annotations": annotations}, "spec": pod}}
    return _spec({**made, **_pick(number, variants)})


def _inference_service(number: int) -> Fields:
    model: Fields = {
        "modelFormat": {"name": "huggingface"},
        "storageUri": "pvc://models/llama",
        "args": ["--max-model-len", "4096"],
        "resources": {"limits": {"cpu": "4", "memory": "24Gi", "nvidia.com/gpu": "1"}},
    }
    predictors: Sequence[Fields] = (
        {"model": model, "minReplicas": 1, "maxReplicas": 3},
        {"model": {**model, "runtime": "vllm", "protocolVersion": "v2"}, "timeout": 600},
        pod_spec(number, "kserve-container"),
        {
            "model": model,
            "scaleTarget": 10,
            "scaleMetric": "concurrency",
        },
    )
    made: Fields = {"predictor": _pick(number, predictors)}
    if number % 5 == 4:
        made["transformer"] = {"minReplicas": 1, **pod_spec(0, "kserve-container")}
    return _spec(made)


def _seldon(number: int) -> Fields:
    predictor: Fields = {
        "name": "default",
        "replicas": 2,
        "graph": {"name": "main", "type": "MODEL", "children": []},
        "componentSpecs": [{"spec": pod_spec(number)}],
    }
    variants: Sequence[Fields] = (
        {},
        {"traffic": 100, "labels": {"version": "v1"}},
        {"annotations": {"seldon.io/no-engine": "true"}},
    )
    return _spec({"name": "llm", "predictors": [{**predictor, **_pick(number, variants)}]})


def _nim_service(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"replicas": 1, "resources": {"limits": {"nvidia.com/gpu": 1}}},
        {
            "resources": {"limits": {"nvidia.com/gpu": 2, "memory": "64Gi"}},
            "expose": {"service": {"type": "ClusterIP", "port": 8000}},
        },
        {
            "resources": {"limits": {"nvidia.com/gpu": 1}},
            "scale": {"enabled": True, "hpa": {"minReplicas": 1, "maxReplicas": 4}},
        },
        {
            "resources": {"limits": {"nvidia.com/gpu": 4}},
            "storage": {"pvc": {"create": True, "size": "200Gi"}},
            "env": [{"name": "NIM_LOG_LEVEL", "value": "INFO"}],
        },
    )
    image = {
        "repository": "nvcr.example.com/nim/llm",
        "tag": f"1.{number}",
        "pullPolicy": "IfNotPresent",
        "pullSecrets": ["ngc"],
    }
    return _spec({"authSecret": "ngc-api", "image": image, **_pick(number, variants)})


def _nim_cache(number: int) -> Fields:
    ngc: Fields = {
        "authSecret": "ngc-api",
        "modelPuller": f"nvcr.example.com/nim/llm:1.{number}",
        "pullSecret": "ngc",
    }
    pvc = {"create": True, "size": "100Gi", "volumeAccessMode": "ReadWriteMany"}
    variants: Sequence[Fields] = (
        {},
        {"resources": {"cpu": "2", "memory": "8Gi"}},
        {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
        {"nodeSelector": {"zone": "a"}, "env": [{"name": "HTTPS_PROXY", "value": "http://p:1"}]},
    )
    if number % 2:
        ngc = {**ngc, "model": {"engine": "tensorrt_llm", "tensorParallelism": "2"}}
    return _spec({"source": {"ngc": ngc}, "storage": {"pvc": pvc}, **_pick(number, variants)})


def _dynamo(number: int) -> Fields:
    worker: Fields = {
        "componentType": "worker",
        "replicas": 2,
        "resources": {"limits": {"gpu": "1", "memory": "40Gi"}},
        "extraPodSpec": {"mainContainer": {"image": f"registry.example.com/vllm:{number}"}},
    }
    variants: Sequence[Fields] = (
        {},
        {"envs": [{"name": "MODEL", "value": "llama"}], "envFromSecret": "hub"},
        {"multinode": {"nodeCount": 2}, "sharedMemory": {"size": "8Gi"}},
        {
            "livenessProbe": {"httpGet": {"path": "/live", "port": 9090}, "periodSeconds": 5},
            "labels": {"tier": "decode"},
        },
    )
    frontend = {"componentType": "frontend", "replicas": 1}
    services = {"Frontend": frontend, "Worker": {**worker, **_pick(number, variants)}}
    made: Fields = {"services": services}
    if number % 2:
        made["backendFramework"] = "vllm"
    return _spec(made)


def _workflow(number: int) -> Fields:
    step = container(number % 3)
    variants: Sequence[Fields] = (
        {"arguments": {"parameters": [{"name": "epochs", "value": "3"}]}},
        {"ttlStrategy": {"secondsAfterCompletion": 600}, "serviceAccountName": "argo"},
        {"parallelism": 2, "activeDeadlineSeconds": 3600},
    )
    templates = [
        {
            "name": "main",
            "steps": [
                [
                    {
                        "name": "train",
                        "template": "train",
                        "arguments": {"parameters": [{"name": "seed", "value": "{{item}}"}]},
                        "withItems": ["1", "2"],
                    }
                ]
            ],
        },
        {
            "name": "train",
            "inputs": {"parameters": [{"name": "seed"}]},
            "container": step,
            "retryStrategy": {"limit": "2", "retryPolicy": "OnFailure"},
        },
    ]
    return _spec({"entrypoint": "main", "templates": templates, **_pick(number, variants)})


_STEP: Fields = {"name": "train", "image": "registry.example.com/train:1", "script": "python t.py"}


def _task_run(number: int) -> Fields:
    variants: Sequence[Fields] = (
        {"taskRef": {"name": "train"}, "params": [{"name": "epochs", "value": "3"}]},
        {"taskSpec": {"steps": [_STEP]}, "timeout": "1h0m0s"},
        {
            "taskRef": {"name": "train", "kind": "Task"},
            "serviceAccountName": "builder",
            "workspaces": [{"name": "data", "persistentVolumeClaim": {"claimName": "dataset"}}],
        },
        {"taskRef": {"name": "train"}, "podTemplate": {"nodeSelector": {"zone": "a"}}},
    )
    return _spec(_pick(number, variants))


def _pipeline_run(number: int) -> Fields:
    task = {"name": "train", "taskSpec": {"steps": [_STEP]}}
    variants: Sequence[Fields] = (
        {"pipelineRef": {"name": "train"}, "params": [{"name": "epochs", "value": "3"}]},
        {"pipelineSpec": {"tasks": [task]}, "timeouts": {"pipeline": "2h0m0s"}},
        {
            "pipelineRef": {"name": "train"},
            "taskRunTemplate": {"serviceAccountName": "builder"},
            "workspaces": [{"name": "data", "emptyDir": {}}],
        },
    )
    return _spec(_pick(number, variants))


def _dev_workspace(number: int) -> Fields:
    tool: Fields = {
        "image": f"registry.example.com/tools:{number}",
        "memoryLimit": "8Gi",
        "cpuLimit": "4",
        "mountSources": True,
        "env": [{"name": "LANG", "value": "C.UTF-8"}],
        "endpoints": [{"name": "http", "targetPort": 8080, "exposure": "public"}],
    }
    components = [
        {"name": "tools", "container": tool},
        {"name": "data", "volume": {"size": "10Gi"}},
    ]
    run = {"component": "tools", "commandLine": "make", "workingDir": "/projects"}
    return _spec(
        {
            "started": bool(number % 2),
            "routingClass": "basic",
            "template": {"components": components, "commands": [{"id": "build", "exec": run}]},
        }
    )


def _machine(number: int) -> Fields:
    devices = {
        "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
        "interfaces": [{"name": "default", "masquerade": {}}],
        "gpus": [{"name": "gpu0", "deviceName": "nvidia.com/A100"}],
    }
    variants: Sequence[Fields] = (
        {"terminationGracePeriodSeconds": 30},
        {"evictionStrategy": "None", "nodeSelector": {"zone": "a"}},
        {"livenessProbe": {"tcpSocket": {"port": 22}, "initialDelaySeconds": 60}},
    )
    domain = {
        "devices": devices,
        "cpu": {"cores": 4, "sockets": 1, "threads": 1},
        "resources": {"requests": {"memory": "16Gi"}},
    }
    return _spec(
        {
            "domain": domain,
            "networks": [{"name": "default", "pod": {}}],
            "volumes": [{"name": "root", "containerDisk": {"image": f"disk:{number}"}}],
            **_pick(number, variants),
        }
    )


def _pod(number: int) -> Fields:
    return _spec(pod_spec(number, restartPolicy=("Always", "Never")[number % 2]))


OWN: Mapping[str, Maker] = {
    "v1/Pod": _pod,
    "apps/v1/Deployment": _deployment,
    "apps/v1/ReplicaSet": _replica_set,
    "apps/v1/StatefulSet": _stateful_set,
    "batch/v1/Job": _job,
    "batch/v1/CronJob": _cron_job,
    "jobset.x-k8s.io/v1alpha2/JobSet": _job_set,
    "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet": _leader_worker_set,
    "kubeflow.org/v1/PyTorchJob": _training(
        "pytorchReplicaSpecs", ("Master", "Worker"), "pytorch", _ELASTIC
    ),
    "kubeflow.org/v1/TFJob": _training(
        "tfReplicaSpecs", ("Chief", "Worker"), "tensorflow", ({}, {"successPolicy": "AllWorkers"})
    ),
    "kubeflow.org/v1/XGBoostJob": _training("xgbReplicaSpecs", ("Master", "Worker"), "xgboost"),
    "kubeflow.org/v1/JAXJob": _training("jaxReplicaSpecs", ("Worker",), "jax"),
    "kubeflow.org/v1/MPIJob": _training(
        "mpiReplicaSpecs", ("Launcher", "Worker"), "mpi", ({}, {"slotsPerWorker": 8})
    ),
    "kubeflow.org/v2beta1/MPIJob": _training(
        "mpiReplicaSpecs",
        ("Launcher", "Worker"),
        "mpi",
        ({"slotsPerWorker": 8}, {"mpiImplementation": "OpenMPI"}, {"sshAuthMountPath": "/ssh"}),
    ),
    "kubeflow.org/v1beta1/Notebook": _notebook,
    "ray.io/v1/RayCluster": lambda number: _spec(_ray_cluster(number)),
    "ray.io/v1/RayJob": _ray_job,
    "ray.io/v1/RayService": _ray_service,
    "serving.knative.dev/v1/Service": _knative,
    "serving.kserve.io/v1beta1/InferenceService": _inference_service,
    "machinelearning.seldon.io/v1/SeldonDeployment": _seldon,
    "apps.nvidia.com/v1alpha1/NIMService": _nim_service,
    "apps.nvidia.com/v1alpha1/NIMCache": _nim_cache,
    "nvidia.com/v1alpha1/DynamoGraphDeployment": _dynamo,
    "argoproj.io/v1alpha1/Workflow": _workflow,
    "tekton.dev/v1/TaskRun": _task_run,
    "tekton.dev/v1/PipelineRun": _pipeline_run,
    "workspace.devfile.io/v1alpha2/DevWorkspace": _dev_workspace,
    "kubevirt.io/v1/VirtualMachineInstance": _machine,
}
"""By apiVersion and kind."""

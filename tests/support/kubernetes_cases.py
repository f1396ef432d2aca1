"""Repositories for the codes about manifests as Kubernetes objects, and about specs together."""

from __future__ import annotations

from tests.support.specs import Case

WHO = 'metadata: {name: llm, projectId: "4501"}\n'
POD = """\
manifest:
  apiVersion: v1
  kind: Pod
  metadata: {name: llm}
"""
DEPLOYMENT = """\
manifest:
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: llm}
  spec:
    selector: {matchLabels: {app: llm}}
    template:
      metadata: {labels: {app: llm}}
      spec:
"""
JOB = """\
manifest:
  apiVersion: batch/v1
  kind: Job
  metadata: {name: llm}
  spec:
    template:
      spec:
"""


CASES: dict[str, Case] = {
    "bad-suppression": Case(
        files={
            "a.yaml": "# reconciler:ignore yaml-syntax -- it is read by people only\n"
            "# reconciler:ignore unknown-kind\n"
            + WHO
            + "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
        },
        said=(
            (
                "a.yaml:1:1-1:61 error bad-suppression:"
                " this suppression has no effect: 'yaml-syntax' cannot be suppressed"
            ),
            (
                "a.yaml:2:1-2:33 error bad-suppression:"
                " this suppression has no effect: it gives no reason"
                " | # reconciler:ignore unknown-kind -- REASON"
            ),
        ),
    ),
    "unused-suppression": Case(
        files={
            "a.yaml": "# reconciler:ignore unknown-kind -- registered by our administrators\n"
            + WHO
            + "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
        },
        said=(
            (
                "a.yaml:1:1-1:69 warning unused-suppression:"
                " there is nothing for 'unknown-kind' to suppress"
                " | remove it"
            ),
        ),
    ),
    "duplicate-manifest-name": Case(
        files={
            "a.yaml": WHO + "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n",
            "b.yaml": 'metadata: {name: other, projectId: "4501"}\n'
            "# reconciler:ignore name-mismatch -- to show what it leads to\n"
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun, metadata: {name: llm}}\n",
        },
        said=(
            (
                "b.yaml:3:71-3:74 error duplicate-manifest-name:"
                " the manifest of 4501/llm (a.yaml:1:1) is a TaskRun named 'llm', too"
                " | give each manifest the name of its workload"
            ),
        ),
    ),
    "gpu-budget": Case(
        files={
            "reconciler.yaml": 'projects: {team-a: "4501"}\nlimits: {gpus: {team-a: 8}}\n',
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n"
            + "      - {name: main, image: train:1, resources: {limits: {nvidia.com/gpu: 9}}}\n",
        },
        said=(
            (
                "reconciler.yaml:2:25-2:26 error gpu-budget:"
                " project 4501 asks for 9 GPUs; its limit is 8"
                " | largest requests: 4501/llm 9 (a.yaml:1:1)"
            ),
        ),
    ),
    "wave-order": Case(
        files={
            "a.yaml": 'metadata: {name: reranker, projectId: "4501"}\n'
            "manifest:\n  apiVersion: apps.nvidia.com/v1alpha1\n  kind: NIMService\n"
            "  spec:\n    authSecret: ngc\n"
            "    image: {repository: nvcr.example.com/rerank, tag: '1'}\n"
            "    storage: {nimCache: {name: reranker-cache}}\n"
            "---\n"
            'metadata: {name: reranker-cache, projectId: "4501"}\n'
            "manifest: {apiVersion: apps.nvidia.com/v1alpha1, kind: NIMCache}\n",
        },
        said=(
            (
                "a.yaml:8:32-8:46 warning wave-order:"
                " it refers to the NIMCache 'reranker-cache', which is not created before it"
                " (waves 0 and 0)"
                " | give 4501/reranker a higher lifecycle.wave than 4501/reranker-cache"
            ),
        ),
    ),
    "bad-kind": Case(
        files={
            "a.yaml": WHO + "manifest:\n  apiVersion: v1\n  kind: List\n  items: []\n",
            "b.yaml": WHO.replace("llm", "other")
            + "manifest: {apiVersion: apps/V1, kind: Deploy-ment}\n",
        },
        said=(
            (
                "a.yaml:4:9-4:13 error bad-kind:"
                " a manifest is one object, and a List is several"
                " | write a spec for each of its items"
            ),
            (
                "a.yaml:4:9-4:13 warning unknown-kind:"
                " v1 List is not among the kinds that the platform registers out of the box"
                " | the platform's administrator can register it"
            ),
            (
                "b.yaml:2:24-2:31 error bad-kind:"
                " apiVersion 'apps/V1' is not written as <group>/<version>, or v1 alone"
            ),
            (
                "b.yaml:2:39-2:50 error bad-kind:"
                " kind 'Deploy-ment' is not one word of letters and digits"
            ),
            (
                "b.yaml:2:39-2:50 warning unknown-kind:"
                " apps/V1 Deploy-ment is not among the kinds that the platform registers out of"
                " the box"
                " | did you mean 'Deployment'?"
            ),
        ),
    ),
    "bad-name": Case(
        files={
            "a.yaml": WHO
            + "# reconciler:ignore name-mismatch -- the name is wrong anyway\n"
            + POD.replace("name: llm", "name: LLM_1")
            + "  spec:\n    containers:\n      - {name: main, image: serve:1}\n"
            "      - {name: main, image: proxy:1}\n"
        },
        said=(
            (
                "a.yaml:6:20-6:25 error bad-name:"
                " the name 'LLM_1' may hold lower case letters, digits, '-' and '.' only, and"
                " begins and ends with neither"
            ),
            (
                "a.yaml:10:16-10:20 error bad-name:"
                " two containers of the pod are named 'main'"
                " | give each a name of its own"
            ),
        ),
    ),
    "object-too-large": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n      - {name: main, image: serve:1, args: ["
            + "x" * 1_600_000
            + "]}\n"
        },
        said=(
            (
                "a.yaml:2:1-2:9 error object-too-large:"
                " the object has 1,600,128 bytes, and Kubernetes stores 1,572,864 at most"
                " | put what is large into a volume, an image or a ConfigMap of its own"
            ),
        ),
    ),
    "bad-label": Case(
        files={
            "a.yaml": WHO
            + POD.replace("{name: llm}", "{name: llm, labels: {team: a team, gpus: 8, -x: y}}")
            + "  spec: {containers: [{name: main, image: serve:1}]}\n"
        },
        said=(
            (
                "a.yaml:5:40-5:46 error bad-label:"
                " the value 'a team' of the label 'team' may hold letters, digits, '-', '_' and"
                " '.' only, the latter three only inside"
            ),
            (
                "a.yaml:5:54-5:55 error bad-label:"
                " the label 'gpus' must be a string, not a number"
                ' | quote it: "8"'
            ),
            (
                "a.yaml:5:57-5:59 error bad-label:"
                " the label '-x' may hold letters, digits, '-', '_' and '.' only, the latter three"
                " only inside"
            ),
            (
                "a.yaml:5:61-5:62 warning ambiguous-yaml:"
                " y is the text 'y' in YAML 1.2, but true in YAML 1.1"
                " | quote it, or write it in a form that both versions read alike"
            ),
        ),
    ),
    "bad-annotation": Case(
        files={
            "a.yaml": WHO
            + POD.replace("{name: llm}", "{name: llm, annotations: {example.com/paged: true}}")
            + "  spec: {containers: [{name: main, image: serve:1}]}\n"
        },
        said=(
            (
                "a.yaml:5:58-5:62 error bad-annotation:"
                " the annotation 'example.com/paged' must be a string, not a boolean"
                ' | quote it: "true"'
            ),
        ),
    ),
    "server-field": Case(
        files={
            "a.yaml": WHO
            + "manifest:\n  apiVersion: v1\n  kind: Pod\n  metadata: {name: llm, uid: 0f6e-11}\n"
            + "  spec: {containers: [{name: main, image: serve:1}]}\n  status: {phase: Running}\n"
        },
        said=(
            (
                "a.yaml:5:25-5:28 warning server-field:"
                " 'uid' is written by the cluster, and ignored or refused when sent"
                " | remove it: it came along when the object was read from a cluster"
            ),
            (
                "a.yaml:7:3-7:9 warning server-field:"
                " 'status' is written by the cluster, and ignored or refused when sent"
                " | remove it: it came along when the object was read from a cluster"
            ),
        ),
    ),
    "no-containers": Case(
        files={
            "a.yaml": WHO + DEPLOYMENT + "        containers: []\n",
            "b.yaml": 'metadata: {name: train, projectId: "4501"}\n'
            "manifest:\n  apiVersion: kubeflow.org/v1\n  kind: PyTorchJob\n"
            "  spec: {pytorchReplicaSpecs: {Master: {replicas: 1, template: {}}}}\n",
        },
        said=(
            "a.yaml:11:9-11:19 error no-containers: the pod has no containers",
            "b.yaml:5:54-5:62 error no-containers: the pod has no containers",
        ),
    ),
    "no-image": Case(
        files={"a.yaml": WHO + POD + "  spec: {containers: [{name: main, command: [serve]}]}\n"},
        said=("a.yaml:6:24-6:28 error no-image: the container 'main' has no image",),
    ),
    "bad-restart-policy": Case(
        files={
            "a.yaml": WHO + JOB + "        containers: [{name: main, image: train:1}]\n",
            "b.yaml": WHO.replace("llm", "serve")
            + DEPLOYMENT.replace("{name: llm}", "{name: serve}")
            + "        restartPolicy: OnFailure\n"
            + "        containers: [{name: main, image: serve:1}]\n",
        },
        said=(
            (
                "a.yaml:8:7-8:11 error bad-restart-policy:"
                " a Job needs a restartPolicy: Kubernetes' default is not allowed for it"
                " | write OnFailure or Never"
            ),
            (
                "b.yaml:11:24-11:33 error bad-restart-policy:"
                " the restartPolicy 'OnFailure' is not allowed for a Deployment"
                " | write Always"
            ),
        ),
    ),
    "bad-selector": Case(
        files={
            "a.yaml": WHO
            + DEPLOYMENT.replace(
                "{matchLabels: {app: llm}}", "{matchLabels: {app: llm, tier: web}}"
            )
            + "        containers: [{name: main, image: serve:1}]\n"
        },
        said=(
            (
                "a.yaml:7:46-7:49 error bad-selector:"
                " the selector wants the label tier=web, and the template does not have it"
                " | write the same label under template.metadata.labels"
            ),
        ),
    ),
    "bad-count": Case(
        files={
            "a.yaml": WHO
            + "manifest:\n  apiVersion: leaderworkerset.x-k8s.io/v1\n  kind: LeaderWorkerSet\n"
            '  spec:\n    replicas: -1\n    leaderWorkerTemplate:\n      size: "2"\n'
            "      workerTemplate: {spec: {containers: [{name: main, image: serve:1}]}}\n"
        },
        said=(
            "a.yaml:6:15-6:17 error bad-count: 'replicas' must be a whole number from 0, not -1",
            (
                "a.yaml:8:13-8:16 error bad-count:"
                " 'size' must be a whole number from 0, not '2'"
                " | remove the quotes"
            ),
        ),
    ),
    "bad-volume": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    volumes:\n    - {name: data, emptyDir: {}, hostPath: {path: /data}}\n"
            "    containers:\n    - name: main\n      image: train:1\n      volumeMounts:\n"
            "      - {name: dat, mountPath: /data}\n",
        },
        said=(
            "a.yaml:8:34-8:42 error bad-volume: a volume has one source, not emptyDir and hostPath",
            (
                "a.yaml:13:16-13:19 error bad-volume:"
                " the pod has no volume 'dat'"
                " | did you mean 'data'?"
            ),
        ),
    ),
    "bad-port": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n    - name: main\n      image: serve:1\n      ports:\n"
            "      - {name: http, containerPort: 80}\n"
            "      - {name: http, containerPort: 8080}\n"
            "      - {name: prometheus-metrics, containerPort: 9090}\n",
        },
        said=(
            "a.yaml:12:16-12:20 error bad-port: two ports of the container are named 'http'",
            (
                "a.yaml:13:16-13:34 error bad-port:"
                " the port's name 'prometheus-metrics' is not one that Kubernetes takes"
                " | at most 15 lower case letters, digits and single '-' inside, one a letter"
            ),
        ),
    ),
    "bad-env": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n    - name: main\n      image: train:1\n      env:\n"
            "      - {name: SEED, value: '1'}\n"
            "      - {name: SEED, value: '2'}\n"
            "      - {name: TOKEN, value: none, valueFrom: {secretKeyRef: {name: hub, key: t}}}\n",
        },
        said=(
            "a.yaml:12:16-12:20 warning bad-env: 'SEED' is given twice, and the later one counts",
            "a.yaml:13:36-13:45 error bad-env: 'value' and 'valueFrom' exclude each other",
        ),
    ),
    "bad-probe": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n    - name: main\n      image: serve:1\n"
            "      readinessProbe: {periodSeconds: 5}\n",
        },
        said=(
            (
                "a.yaml:10:7-10:21 error bad-probe:"
                " the readinessProbe needs a handler"
                " | write one of exec, grpc, httpGet, tcpSocket"
            ),
        ),
    ),
    "bad-placement": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers: [{name: main, image: train:1}]\n    tolerations:\n"
            "    - {key: nvidia.com/gpu, operator: Exists, value: 'true'}\n"
            "    - {key: spot, effect: NoSchedule, tolerationSeconds: 60}\n",
        },
        said=(
            (
                "a.yaml:9:54-9:60 error bad-placement:"
                " 'Exists' takes no value"
                " | remove it, or write Equal"
            ),
            (
                "a.yaml:10:39-10:56 error bad-placement:"
                " 'tolerationSeconds' is about the effect NoExecute only"
            ),
        ),
    ),
    "bad-rollout": Case(
        files={
            "a.yaml": WHO
            + DEPLOYMENT.replace(
                "spec:\n    selector",
                "spec:\n    strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}\n    selector",
            )
            + "        containers: [{name: main, image: serve:1}]\n",
        },
        said=(
            (
                "a.yaml:7:32-7:45 error bad-rollout:"
                " 'rollingUpdate' is for the type RollingUpdate, not for 'Recreate'"
            ),
        ),
    ),
    "bad-role": Case(
        files={
            "a.yaml": WHO
            + "manifest:\n  apiVersion: kubeflow.org/v1\n  kind: PyTorchJob\n  spec:\n"
            "    pytorchReplicaSpecs:\n      Leader:\n        template:\n"
            "          spec: {containers: [{name: main, image: train:1}]}\n"
            "      Worker:\n        template:\n"
            "          spec: {containers: [{name: main, image: train:1}]}\n",
        },
        said=(
            (
                "a.yaml:7:7-7:13 error bad-role:"
                " a PyTorchJob has no role 'Leader'"
                " | known roles: Master, Worker"
            ),
            (
                "a.yaml:12:38-12:42 warning bad-role:"
                " no container is called 'pytorch', which a PyTorchJob looks for"
            ),
        ),
    ),
    "bad-schedule": Case(
        files={
            "a.yaml": WHO + "manifest:\n  apiVersion: batch/v1\n  kind: CronJob\n  spec:\n"
            '    schedule: "0 2 * * 7"\n    jobTemplate:\n      spec:\n        template:\n'
            "          spec:\n"
            "            restartPolicy: Never\n"
            "            containers: [{name: main, image: train:1}]\n"
        },
        said=(
            (
                "a.yaml:6:15-6:26 error bad-schedule:"
                " the schedule '0 2 * * 7' has a day of the week '7' that is not within 0 to 6"
            ),
        ),
    ),
    "bad-quantity": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    containers:\n      - name: main\n        image: serve:1\n"
            "        resources:\n"
            "          requests: {cpu: 4, memory: 512m}\n          limits: {cpu: 2, memory: 4GB}\n"
        },
        said=(
            "a.yaml:11:27-11:28 error bad-quantity: the request of 4 cpu is above its limit of 2",
            (
                "a.yaml:11:38-11:42 warning bad-quantity:"
                " '512m' of memory is a fraction of a byte"
                " | did you mean 512Mi?"
            ),
            (
                "a.yaml:12:36-12:39 error bad-quantity:"
                " '4GB' is no amount of memory"
                " | did you mean 4Gi or 4G?"
            ),
        ),
    ),
    "bad-gpu-request": Case(
        files={
            "a.yaml": WHO + POD + "  spec:\n    containers:\n"
            "      - {name: a, image: serve:1, resources: {limits: {nvidia.com/gpu: 0.5}}}\n"
            "      - {name: b, image: serve:1, resources: {requests: {nvidia.com/gpu: 1}}}\n"
        },
        said=(
            (
                "a.yaml:8:72-8:75 error bad-gpu-request:"
                " nvidia.com/gpu must be a whole number, not 0.5"
                " | ask for a share with the annotation gpu-fraction"
            ),
            (
                "a.yaml:9:74-9:75 error bad-gpu-request:"
                " nvidia.com/gpu is requested without a limit, which Kubernetes refuses"
                " | write it under 'limits', which is enough"
            ),
        ),
    ),
    "bad-gpu-share": Case(
        files={
            "a.yaml": WHO
            + DEPLOYMENT.replace(
                "{labels: {app: llm}}",
                "\n        labels: {app: llm}\n"
                "        annotations: {gpu-fraction: 0.5, gpu-memory: 4Gi}",
            )
            + "        containers:\n"
            "          - {name: main, image: serve:1, resources: {limits: {nvidia.com/gpu: 1}}}\n"
        },
        said=(
            (
                "a.yaml:11:23-11:35 error bad-gpu-share:"
                " gpu-fraction excludes whole GPUs, and a container asks for nvidia.com/gpu"
                " | remove one"
            ),
            (
                "a.yaml:11:37-11:40 error bad-annotation:"
                " the annotation 'gpu-fraction' must be a string, not a number"
                ' | quote it: "0.5"'
            ),
            (
                "a.yaml:11:42-11:52 error bad-gpu-share:"
                " gpu-fraction and gpu-memory exclude each other"
            ),
            (
                "a.yaml:11:54-11:57 error bad-gpu-share:"
                " gpu-memory must be a whole number of MiB above 0, not '4Gi'"
                ' | such as "4096"'
            ),
        ),
    ),
    "misplaced-gpu-share": Case(
        files={
            "a.yaml": WHO
            + DEPLOYMENT.replace(
                "metadata: {name: llm}", 'metadata: {name: llm, annotations: {gpu-fraction: "0.5"}}'
            )
            + "        containers: [{name: main, image: serve:1}]\n"
        },
        said=(
            (
                "a.yaml:5:39-5:51 warning misplaced-gpu-share:"
                " 'gpu-fraction' has no effect on a Deployment itself"
                " | write it under the annotations of the pod template"
            ),
        ),
    ),
    "kubernetes-unknown-field": Case(
        files={
            "a.yaml": WHO
            + JOB.replace("  spec:\n    template", "  spec:\n    paralelism: 4\n    template", 1)
            + "        restartPolicy: Never\n        containers: [{name: main, image: train:1}]\n"
        },
        said=(
            (
                "a.yaml:7:5-7:15 error kubernetes-unknown-field:"
                " Kubernetes 1.37.0 has no field 'paralelism' here"
                " | did you mean 'parallelism'?"
            ),
        ),
    ),
    "kubernetes-missing-field": Case(
        files={
            "a.yaml": WHO
            + DEPLOYMENT.replace("    selector: {matchLabels: {app: llm}}\n", "")
            + "        containers: [{name: main, image: serve:1}]\n"
        },
        said=(
            (
                "a.yaml:6:3-6:7 error kubernetes-missing-field:"
                " the field 'selector' is missing in 'spec'"
            ),
        ),
    ),
    "kubernetes-wrong-type": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec:\n    hostNetwork: no\n    containers:\n      - name: main\n"
            "        image: serve:1\n"
            "        env: [{name: PORT, value: 8080}]\n        args: --port 8080\n"
        },
        said=(
            (
                "a.yaml:7:18-7:20 warning ambiguous-yaml:"
                " no is the text 'no' in YAML 1.2, but false in YAML 1.1"
                " | quote it, or write it in a form that both versions read alike"
            ),
            (
                "a.yaml:7:18-7:20 error kubernetes-wrong-type:"
                " 'hostNetwork' must be true or false, not the string 'no'"
                " | write false"
            ),
            (
                "a.yaml:11:35-11:39 error kubernetes-wrong-type:"
                " 'value' must be a string, not the number 8080"
                ' | quote it: "8080"'
            ),
            (
                "a.yaml:12:15-12:26 error kubernetes-wrong-type:"
                " 'args' must be a list, not the string '--port 8080'"
            ),
        ),
    ),
    "kubernetes-invalid-value": Case(
        files={
            "a.yaml": WHO
            + POD
            + "  spec: {priority: 3000000000, containers: [{name: main, image: serve:1}]}\n"
        },
        said=(
            (
                "a.yaml:6:20-6:30 error kubernetes-invalid-value:"
                " 3000000000 is not allowed as 'priority': it is more than 2147483647"
            ),
        ),
    ),
}

"""Repositories for the codes about how the parts of a workload fit together."""

from __future__ import annotations

from tests.support.specs import Case

CASES: dict[str, Case] = {
    "bad-lifecycle": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: v1\n"
                "  kind: Pod\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    containers:\n"
                "      - name: main\n"
                "        image: serve:1\n"
                "        lifecycle: {preStop: {}}\n"
            ),
        },
        said=(
            (
                "a.yaml:10:21-10:28 error bad-lifecycle:"
                " the preStop needs a handler"
                " | write one of exec, httpGet, sleep, tcpSocket"
            ),
        ),
    ),
    "bad-security": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: v1\n"
                "  kind: Pod\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    containers:\n"
                "      - name: main\n"
                "        image: serve:1\n"
                "        securityContext: {privileged: true, allowPrivilegeEscalation: false}\n"
            ),
        },
        said=(
            (
                "a.yaml:10:71-10:76 error bad-security:"
                " a privileged container cannot do without allowPrivilegeEscalation"
                " | remove one of both"
            ),
        ),
    ),
    "bad-dns": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: v1\n"
                "  kind: Pod\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    dnsPolicy: None\n"
                "    hostAliases: [{ip: 10.0.0, hostnames: [registry]}]\n"
                "    containers: [{name: main, image: serve:1}]\n"
            ),
        },
        said=(
            (
                "a.yaml:7:16-7:20 error bad-dns:"
                " the dnsPolicy None needs name servers of the pod's own"
                " | write dnsConfig: {nameservers: [...]}"
            ),
            ("a.yaml:8:24-8:30 error bad-dns: '10.0.0' is no IP address"),
        ),
    ),
    "bad-claim": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: v1\n"
                "  kind: Pod\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    resourceClaims: [{name: gpus, resourceClaimTemplateName: two-gpus}]\n"
                "    containers:\n"
                "      - name: main\n"
                "        image: serve:1\n"
                "        resources: {claims: [{name: gpu}]}\n"
            ),
        },
        said=(
            (
                "a.yaml:11:37-11:40 error bad-claim:"
                " the pod has no claim 'gpu'"
                " | did you mean 'gpus'?"
            ),
        ),
    ),
    "bad-job": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: ray.io/v1\n"
                "  kind: RayJob\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    clusterSelector: {ray.io/cluster: shared}\n"
                "    backoffLimit: 2\n"
            ),
        },
        said=(
            (
                "a.yaml:8:19-8:20 error bad-job:"
                " a job is tried again in a cluster of its own only, and not by hand"
                " | remove it"
            ),
        ),
    ),
    "bad-group": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: leaderworkerset.x-k8s.io/v1\n"
                "  kind: LeaderWorkerSet\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    leaderWorkerTemplate:\n"
                "      size: 6\n"
                "      subGroupPolicy: {subGroupSize: 4}\n"
                "      workerTemplate: {spec: {containers: [{name: main, image: serve:1}]}}\n"
            ),
        },
        said=(("a.yaml:9:38-9:39 error bad-group: 6 or 5 pods cannot be divided into parts of 4"),),
    ),
    "bad-scale": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: serving.kserve.io/v1beta1\n"
                "  kind: InferenceService\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    predictor:\n"
                "      minReplicas: 4\n"
                "      maxReplicas: 2\n"
                "      model: {modelFormat: {name: onnx}}\n"
            ),
        },
        said=(
            (
                "a.yaml:8:20-8:21 error bad-scale:"
                " 'minReplicas' is 4, which is above the 'maxReplicas' of 2"
            ),
        ),
    ),
    "unknown-resource": Case(
        files={
            "a.yaml": (
                'metadata: {name: llm, projectId: "4501"}\n'
                "manifest:\n"
                "  apiVersion: v1\n"
                "  kind: Pod\n"
                "  metadata: {name: llm}\n"
                "  spec:\n"
                "    containers:\n"
                "      - name: main\n"
                "        image: serve:1\n"
                "        resources:\n"
                "          limits: {gpu: 8, memroy: 4Gi, nvidia.com/gpus: 1}\n"
            ),
        },
        said=(
            (
                "a.yaml:11:20-11:23 error unknown-resource:"
                " Kubernetes has no resource 'gpu'"
                " | did you mean nvidia.com/gpu?"
            ),
            (
                "a.yaml:11:28-11:34 error unknown-resource:"
                " Kubernetes has no resource 'memroy'"
                " | did you mean 'memory'?"
            ),
            (
                "a.yaml:11:41-11:56 warning unknown-resource:"
                " 'nvidia.com/gpus' is taken for a resource of its own, of which there is "
                "likely none"
                " | did you mean nvidia.com/gpu?"
            ),
        ),
    ),
}

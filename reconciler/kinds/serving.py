"""Kinds that serve models and scale by themselves: Knative, KServe, Seldon."""

from __future__ import annotations

from reconciler.kinds.devices import WHOLE_GPU
from reconciler.kinds.fields import (
    Template,
    UnreadableError,
    need,
    optional,
    read_annotations,
    read_count,
    read_items,
)
from reconciler.kinds.kind import Kind, Layout, Pods, walk_each
from reconciler.kinds.structures import COUNT, TEXT, any_of, list_of, mapping
from reconciler.kinds.updates import UNPROVEN, Surge, UpdateRules


def _knative_pods(manifest: Template) -> Pods:
    template = need(need(manifest, "spec"), "template")
    annotations = read_annotations(template)
    yield _at_least_started(annotations, _scale(annotations, "min", 0)), template


def _scale(annotations: Template, edge: str, default: int) -> int:
    # The older spelling still counts where the newer one is not there.
    older = read_count(annotations, f"autoscaling.knative.dev/{edge}Scale", default)
    return read_count(annotations, f"autoscaling.knative.dev/{edge}-scale", older)


def _at_least_started(annotations: Template, floor: int) -> int:
    # Knative starts a revision with its initial scale, and only then scales down to its floor.
    return max(floor, _scale(annotations, "initial", 1))


KSERVE_SERVERS = (
    *("model", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface"),
    *("pmml", "lightgbm", "paddle", "art"),
)


def _kserve_pods(manifest: Template) -> Pods:
    annotations, spec = read_annotations(manifest), need(manifest, "spec")
    if annotations.get("serving.kserve.io/stop") == "true":
        return
    if spec.get("canary"):
        yield UnreadableError("canary shares its replicas with the predictor as it is rolled out")

    def component_pods(name: str) -> Pods:
        component = need(spec, name)
        own = {**annotations, **optional(component, "annotations")}
        # A component is a pod's spec, with a field for each server that KServe has a container for.
        servers = [
            need(component, field) for field in KSERVE_SERVERS if component.get(field) is not None
        ]
        containers = [*read_items(component, "containers"), *servers]
        if component.get("workerSpec") is not None:
            containers = [_kserve_node_group(need(component, "workerSpec"))]
        pod = {"metadata": {"annotations": own}, "spec": {**component, "containers": containers}}
        yield _at_least_started(own, read_count(component, "minReplicas", 1)), pod

    # Only the predictor has to be there.
    others = [name for name in ("transformer", "explainer") if spec.get(name) is not None]
    yield from walk_each(("predictor", *others), component_pods)


def _kserve_node_group(worker: Template) -> Template:
    """Stand for a head and its workers: KServe spreads this total over their nodes."""
    sizes = ("tensorParallelSize", "pipelineParallelSize")
    if any(worker.get(size) is None for size in sizes):
        raise UnreadableError("workerSpec leaves its parallel sizes to the serving runtime")
    tensor, pipeline = (read_count(worker, size, 1) for size in sizes)
    return {"resources": {"limits": {WHOLE_GPU: tensor * pipeline}}}


def _seldon_pods(manifest: Template) -> Pods:
    spec = need(manifest, "spec")

    def predictor_pods(predictor: Template) -> Pods:
        replicas = read_count(predictor, "replicas", read_count(spec, "replicas", 1))

        def component_pods(component: Template) -> Pods:
            # An autoscaler decides instead of the replicas, from its own lower bound upwards.
            if component.get("kedaSpec") is not None:
                scaler = need(component, "kedaSpec")
                yield max(1, read_count(scaler, "minReplicaCount", 1)), component
            elif component.get("hpaSpec") is not None:
                yield read_count(need(component, "hpaSpec"), "minReplicas", 1), component
            else:
                yield read_count(component, "replicas", replicas), component

        yield from walk_each(read_items(predictor, "componentSpecs"), component_pods)
        explainer = optional(predictor, "explainer")
        if explainer.get("containerSpec") is not None and replicas:
            container = {"resources": need(explainer, "containerSpec").get("resources")}
            yield read_count(explainer, "replicas", 1), {"spec": {"containers": [container]}}

    yield from walk_each(read_items(spec, "predictors"), predictor_pods)


_PREDICTOR = mapping(
    {
        "minReplicas": COUNT,
        "maxReplicas": COUNT,
        "model": mapping({"modelFormat": mapping({"name": TEXT})}, ("modelFormat",)),
    },
    anyOf=any_of(
        *("model", "containers", "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx"),
        *("huggingface", "pmml", "lightgbm", "paddle", "workerSpec"),
    ),
)

# Unproven, but for this: a revision is made beside the one that serves.
_REVISIONS = UpdateRules(surge=Surge.BOTH)

KINDS = (
    Kind(
        group="serving.knative.dev",
        name="Service",
        versions=("v1",),
        find_pods=_knative_pods,
        updates=_REVISIONS,
        layout=Layout(pods=("spec/template",)),
        structure=mapping(
            {
                "template": mapping({"spec": mapping({"containerConcurrency": COUNT})}),
                "traffic": list_of(
                    mapping({"percent": {"type": "integer", "minimum": 0, "maximum": 100}})
                ),
            }
        ),
    ),
    Kind(
        group="serving.kserve.io",
        name="InferenceService",
        versions=("v1beta1",),
        find_pods=_kserve_pods,
        updates=_REVISIONS,
        layout=Layout(inherits_annotations=True, needs_pods=False),
        structure=mapping({"predictor": _PREDICTOR}),
    ),
    Kind(
        group="machinelearning.seldon.io",
        name="SeldonDeployment",
        versions=("v1",),
        find_pods=_seldon_pods,
        updates=UNPROVEN,
        layout=Layout(
            pods=("spec/predictors/*/componentSpecs/*",),
            counts=("spec/predictors/*/replicas",),
            inherits_annotations=True,
            # Its ready-made servers bring their own.
            needs_pods=False,
        ),
    ),
)

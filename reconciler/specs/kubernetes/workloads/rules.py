"""The rules of each kind, by its group and name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.kinds.registry import group_kind
from reconciler.specs.kubernetes.bodies import Body
from reconciler.specs.kubernetes.problems import Problems
from reconciler.specs.kubernetes.workloads.controllers import (
    check_claims,
    check_deadline,
    check_ordinals,
    check_rollout,
    check_template,
)
from reconciler.specs.kubernetes.workloads.groups import (
    check_job_set,
    check_leader_worker_set,
    check_service_name,
)
from reconciler.specs.kubernetes.workloads.jobs import check_jobs, check_time_zone
from reconciler.specs.kubernetes.workloads.ray import check_cluster, check_ray_job
from reconciler.specs.kubernetes.workloads.serving import (
    check_dynamo,
    check_knative,
    check_kserve,
    check_nim,
    check_seldon,
)
from reconciler.specs.kubernetes.workloads.training import (
    check_elastic,
    check_run_policy,
    check_single_role,
    check_workers,
)


class KindRule(NamedTuple):
    """A rule about a whole manifest, and the code of what it reports."""

    code: str
    check: Callable[[Body], Problems]


_ROLLOUT = KindRule("bad-rollout", check_rollout)
_TEMPLATE = KindRule("bad-rollout", check_template)
_NAME = KindRule("bad-name", check_service_name)
_JOB = KindRule("bad-rollout", check_jobs)
_SINGLE = KindRule("bad-role", check_single_role)
_LIMITS = KindRule("bad-job", check_run_policy)
_TRAINING = (_SINGLE, _LIMITS)
_CLUSTER = KindRule("bad-scale", check_cluster)

KIND_RULES: Mapping[tuple[str, str], tuple[KindRule, ...]] = {
    ("apps", "Deployment"): (_ROLLOUT, KindRule("bad-rollout", check_deadline), _TEMPLATE),
    ("apps", "ReplicaSet"): (_TEMPLATE,),
    ("apps", "StatefulSet"): (
        _ROLLOUT,
        _TEMPLATE,
        KindRule("bad-claim", check_claims),
        KindRule("bad-count", check_ordinals),
    ),
    ("apps.nvidia.com", "NIMService"): (KindRule("bad-scale", check_nim),),
    ("batch", "CronJob"): (_JOB, KindRule("bad-schedule", check_time_zone)),
    ("batch", "Job"): (_JOB,),
    ("jobset.x-k8s.io", "JobSet"): (_JOB, KindRule("bad-group", check_job_set)),
    ("kubeflow.org", "JAXJob"): _TRAINING,
    ("kubeflow.org", "MPIJob"): (*_TRAINING, KindRule("bad-role", check_workers)),
    ("kubeflow.org", "PyTorchJob"): (*_TRAINING, KindRule("bad-scale", check_elastic)),
    ("kubeflow.org", "TFJob"): _TRAINING,
    ("kubeflow.org", "XGBoostJob"): _TRAINING,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): (
        KindRule("bad-group", check_leader_worker_set),
        _NAME,
    ),
    ("machinelearning.seldon.io", "SeldonDeployment"): (KindRule("bad-scale", check_seldon),),
    ("nvidia.com", "DynamoGraphDeployment"): (KindRule("bad-scale", check_dynamo),),
    ("ray.io", "RayCluster"): (_CLUSTER, _NAME),
    ("ray.io", "RayJob"): (_CLUSTER, KindRule("bad-job", check_ray_job), _NAME),
    ("ray.io", "RayService"): (_CLUSTER, _NAME),
    ("serving.knative.dev", "Service"): (KindRule("bad-scale", check_knative),),
    ("serving.kserve.io", "InferenceService"): (KindRule("bad-scale", check_kserve),),
}


def rules_of(body: Body) -> tuple[KindRule, ...]:
    """The rules of a manifest's kind."""
    return KIND_RULES.get(group_kind(body.manifest), ())

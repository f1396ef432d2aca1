"""What we say of updates, kind by kind, against what the sandbox's clusters do with them.

Two tables that nobody has copied from each other: a mistake in one of them shows here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.core.json_pointer import join_steps, split_pointer
from reconciler.core.planning.in_place import find_obstacle
from reconciler.kinds.kind import Kind
from reconciler.kinds.registry import KINDS
from reconciler.kinds.updates import InPlace, judge_field
from reconciler.sandbox.world import mutability
from reconciler.sandbox.world.kinds import KINDS as SERVER_KINDS
from tests.sandbox.rigs import WORKLOADS, Rig

TEMPLATE = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "main", "image": "old"}]},
}
CLUSTER = {
    "headGroupSpec": {"template": TEMPLATE},
    "workerGroupSpecs": [{"groupName": "w", "replicas": 1, "template": TEMPLATE}],
}
CONTAINERS = [{"name": "main", "image": "old"}]
# What stands in a spec before it is changed, where a pointer with `*` has to lead to something.
SPECS: dict[str, dict[str, Any]] = {
    "Pod": {
        "containers": CONTAINERS,
        "initContainers": CONTAINERS,
        "tolerations": [{"key": "a"}],
    },
    "JobSet": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": TEMPLATE}}}]},
    "PyTorchJob": {"pytorchReplicaSpecs": {"Worker": {"template": TEMPLATE}}},
    "TFJob": {"tfReplicaSpecs": {"Worker": {"template": TEMPLATE}}},
    "XGBoostJob": {"xgbReplicaSpecs": {"Worker": {"template": TEMPLATE}}},
    "JAXJob": {"jaxReplicaSpecs": {"Worker": {"template": TEMPLATE}}},
    "MPIJob": {"mpiReplicaSpecs": {"Worker": {"template": TEMPLATE}}},
    "RayCluster": CLUSTER,
    "RayJob": {"rayClusterSpec": CLUSTER},
    "RayService": {"rayClusterConfig": CLUSTER},
}
# What else a spec says, before and after, that may decide about a change.
SITUATIONS: dict[str, dict[str, Any]] = {
    "running": {},
    "suspended": {"suspend": True},
    "elastic": {"completionMode": "Indexed", "completions": 2, "parallelism": 2},
    "recreating": {"upgradeStrategy": {"type": "Recreate"}},
}
# Changes of an elastic Job that name more than one field.
CHANGES: dict[str, dict[str, Any]] = {
    "/spec/completions": {"completions": 3, "parallelism": 3},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One field of a kind with another value than before."""

    kind: Kind
    pointer: str
    before: dict[str, Any]
    after: dict[str, Any]

    def planned(self) -> InPlace:
        """What we say of it, which is also what a plan goes by."""
        verdict = judge_field(self.kind.updates, self.pointer, self.before, self.after)
        running, declared = {"manifest": self.before}, {"manifest": self.after}
        obstacle = find_obstacle(f"/manifest{self.pointer}", running, declared)
        assert bool(obstacle) is (verdict.outcome is not InPlace.WORKS)
        return verdict.outcome

    def happened(self, rig: Rig) -> InPlace:
        """What the cluster behind a server makes of it."""
        body = {"metadata": {"name": "a", "projectId": "1"}, "manifest": self.before}
        workload_id = rig.ask("POST", WORKLOADS, json=body).json()["metadata"]["id"]
        answer = rig.put(workload_id, self.after)
        running = rig.sandbox.store.running(workload_id)
        rig.delete(workload_id)
        if answer.status_code == 400:
            assert (" is invalid: spec" in answer.text, running) == (True, self.before), answer.text
            return InPlace.REFUSED
        assert answer.status_code == 202
        if running == self.after:
            return InPlace.WORKS
        assert running == self.before
        return InPlace.WITHOUT_EFFECT


def cases(kind: Kind) -> Iterator[tuple[str, Case]]:
    """A field for every rule of both tables, and fields that neither speaks of."""
    row = mutability._TABLE.get(kind.name, mutability._FREE)
    ours = [pattern for rule in kind.updates.rules for pattern in rule.patterns]
    theirs = [*row.refused, *(row.allowed or ()), *row.without_effect, *row.while_suspended]
    others = ["/spec/unheardOf", "/spec/replicas", "/metadata/labels/team"]
    patterns = dict.fromkeys([*ours, *(kind.updates.only or ()), *theirs, *others])
    for situation, more in SITUATIONS.items():
        manifest = {
            "apiVersion": kind.api_versions[0],
            "kind": kind.name,
            "metadata": {"name": "a"},
            # Not by deepcopy, which would keep what two fields have in common in common.
            "spec": json.loads(json.dumps({**SPECS.get(kind.name, {}), **more})),
        }
        for pattern in patterns:
            pointer, after = change(manifest, pattern, situation)
            case = Case(kind=kind, pointer=pointer, before=manifest, after=after)
            yield f"{situation}: {pointer}", case


def change(manifest: dict[str, Any], pattern: str, situation: str) -> tuple[str, dict[str, Any]]:
    """A manifest with something else at a pattern, and the pointer that this is."""
    after, steps = deepcopy(manifest), list[str]()
    node: Any = after
    *way, last = split_pointer(pattern)
    for step in way:
        if isinstance(node, list):
            steps.append("0")
            node = node[0]
        else:
            steps.append(step if step != "*" else next(iter(node)))
            node = node.setdefault(steps[-1], {})
    old = node.get(last)
    # Something more where there is something, so that what stood there is not lost by the way.
    more = [*old, {"key": "new"}] if isinstance(old, list) else "new"
    node[last] = {**old, "new": "new"} if isinstance(old, dict) else more
    if situation == "elastic" and pattern in CHANGES:
        after["spec"] |= CHANGES[pattern]
    return join_steps([*steps, last]), after


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_an_update_does_what_the_plan_says(kind: Kind) -> None:
    """It works and is seen in what runs, is refused with 400, or is taken and changes nothing."""
    rig = Rig("refuse-immutable")
    crossed = {name: (case.planned(), case.happened(rig)) for name, case in cases(kind)}
    assert {name: both for name, both in crossed.items() if both[0] is not both[1]} == {}


def test_a_toleration_of_a_pod_that_goes() -> None:
    """They can be added, and not taken away."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": SPECS["Pod"]}
    less = {**pod, "spec": {**SPECS["Pod"], "tolerations": []}}
    case = Case(kind=KINDS["", "Pod"], pointer="/spec/tolerations", before=pod, after=less)
    assert (case.planned(), case.happened(Rig("refuse-immutable"))) == (InPlace.REFUSED,) * 2


def test_both_sides_know_the_same_kinds() -> None:
    """A kind that only one of them has would be crossed with nothing."""
    assert {(kind.group, kind.name) for kind in SERVER_KINDS} == set(KINDS)
    assert {*mutability._TABLE} <= {name for _, name in KINDS}

"""The checks of the specs of a repository against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired
from reconciler.kinds.registry import KINDS, group_kind
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.config import GpuBudget
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.source.nodes import Step

_SHOWN = 3


class CrossChecks:
    """The sound specs of a run, with the composed specs that know where each part was written."""

    def __init__(
        self, desired: Mapping[Address, Desired], composed: Mapping[Address, ComposedSpec]
    ) -> None:
        self.desired = [desired[address] for address in sorted(desired)]
        self.composed = composed
        # By project, kind with its group, and name: the identity of an object in a cluster.
        self.by_object: dict[tuple[str, str, str], Desired] = {}

    def check(self, budgets: Sequence[GpuBudget]) -> Iterator[Diagnostic]:
        """Yield what is wrong with the specs as a set."""
        for spec in self.desired:
            yield from self._check_object_name(spec)
        # Only now are all names known to which a spec may refer.
        for spec in self.desired:
            yield from self._check_order(spec)
        for budget in budgets:
            yield from self._check_budget(budget)

    def _check_object_name(self, spec: Desired) -> Iterator[Diagnostic]:
        group, kind = group_kind(spec.manifest)
        name = _follow(spec.manifest, ("metadata", "name"))
        if not isinstance(name, str):
            # An object without a name gets that of its workload.
            name = spec.address.name
        # Addresses are sorted, so the same one of two is named in every run.
        first = self.by_object.setdefault((spec.address.project, f"{kind}.{group}", name), spec)
        if first is spec:
            return
        place = self.composed[first.address].document.where
        message = f"the manifest of {first.address} ({place}) is a {kind} named '{name}', too"
        hint = "give each manifest the name of its workload"
        path = (INLINE, "metadata", "name")
        yield self._diagnostic(spec, "duplicate-manifest-name", message, path, hint)

    def _check_order(self, spec: Desired) -> Iterator[Diagnostic]:
        """An object that a field names has to exist first, or the workload starts without it."""
        group, _ = key = group_kind(spec.manifest)
        kind = KINDS.get(key)
        for path, other_kind in kind.references if kind else ():
            name = _follow(spec.manifest, path)
            other = self.by_object.get((spec.address.project, f"{other_kind}.{group}", str(name)))
            if other is None or other.lifecycle.wave < spec.lifecycle.wave:
                continue
            waves = f"{spec.lifecycle.wave} and {other.lifecycle.wave}"
            message = (
                f"it refers to the {other_kind} '{name}', which is not created before it"
                f" (waves {waves})"
            )
            hint = f"give {spec.address} a higher lifecycle.wave than {other.address}"
            yield self._diagnostic(spec, "wave-order", message, (INLINE, *path), hint)

    def _check_budget(self, budget: GpuBudget) -> Iterator[Diagnostic]:
        # Only a run with a budget pays for loading it.
        from reconciler.core.gpus import GpuRequest, count_gpus

        requests: dict[str, list[tuple[GpuRequest, Desired]]] = defaultdict(list)
        for spec in self.desired:
            if budget.project in (None, spec.address.project):
                requests[spec.address.project].append((count_gpus(spec.manifest), spec))
        for project, requested in sorted(requests.items()):
            total = sum(request.gpus for request, _ in requested)
            if total > budget.gpus:
                # What cannot be counted makes each of these numbers a lower bound.
                least = "" if all(request.known for request, _ in requested) else "at least "
                message = (
                    f"project {project} asks for {least}{total:g} GPUs; its limit is "
                    f"{budget.gpus:g}"
                )
                most = sorted(requested, key=lambda pair: (-pair[0].gpus, pair[1].address))
                listed = ", ".join(
                    f"{spec.address} {'' if request.known else 'at least '}{request.gpus:g} "
                    f"({spec.source})"
                    for request, spec in most[:_SHOWN]
                )
                hint = f"largest requests: {listed}"
                yield make_diagnostic("gpu-budget", message, budget.where, hint=hint)

    def _diagnostic(
        self, spec: Desired, code: str, message: str, path: Sequence[Step], hint: str
    ) -> Diagnostic:
        tree = self.composed[spec.address].tree()
        return diagnostic_at(tree, code, message, path, hint=hint, address=str(spec.address))


def _follow(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value

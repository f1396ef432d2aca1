"""What is checked of the specs of a repository beside each other."""

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
    """The sound specs of a run, with the composed_specs that know where each part was written."""

    def __init__(
        self, desired: Mapping[Address, Desired], composed_specs: Mapping[Address, ComposedSpec]
    ) -> None:
        self.desired = [desired[address] for address in sorted(desired)]
        self.composed_specs = composed_specs
        self.named: dict[tuple[str, str, str], Desired] = {}

    def check(self, budgets: Sequence[GpuBudget]) -> Iterator[Diagnostic]:
        """Yield what is wrong with the specs as a set."""
        for one in self.desired:
            yield from self._check_manifest_name(one)
        for one in self.desired:
            yield from self._check_order(one)
        for budget in budgets:
            yield from self._check_budget(budget)

    def _check_manifest_name(self, one: Desired) -> Iterator[Diagnostic]:
        group, kind = group_kind(one.manifest)
        name = _name_of(one)
        first = self.named.setdefault((one.address.project, f"{kind}.{group}", name), one)
        if first is one:
            return
        there = self.composed_specs[first.address].document.where
        message = f"the manifest of {first.address} ({there}) is a {kind} named '{name}', too"
        hint = "give each manifest the name of its workload"
        yield self._say(one, "duplicate-manifest-name", message, (INLINE, "metadata", "name"), hint)

    def _check_order(self, one: Desired) -> Iterator[Diagnostic]:
        """Whatever a field names must be there first, or the one that names it starts without."""
        kind = KINDS.get(group_kind(one.manifest))
        for path, needed in kind.references if kind else ():
            name = _follow(one.manifest, path)
            group = group_kind(one.manifest)[0]
            other = self.named.get((one.address.project, f"{needed}.{group}", str(name)))
            if other is None or other.lifecycle.wave < one.lifecycle.wave:
                continue
            waves = f"{one.lifecycle.wave} and {other.lifecycle.wave}"
            message = f"it needs the {needed} '{name}', which does not come first (waves {waves})"
            hint = f"give {one.address} a higher lifecycle.wave than {other.address}"
            yield self._say(one, "wave-order", message, (INLINE, *path), hint)

    def _check_budget(self, budget: GpuBudget) -> Iterator[Diagnostic]:
        for project, asked in sorted(self._gpus(budget).items()):
            total = sum(gpus for gpus, _ in asked)
            if total > budget.gpus:
                message = f"project {project} asks for {total:g} GPUs, its limit is {budget.gpus:g}"
                most = sorted(asked, key=lambda pair: (-pair[0], pair[1].address))[:_SHOWN]
                listed = ", ".join(f"{one.address} {gpus:g} ({one.source})" for gpus, one in most)
                yield make_diagnostic(
                    "gpu-budget", message, budget.where, hint=f"the most: {listed}"
                )

    def _gpus(self, budget: GpuBudget) -> Mapping[str, list[tuple[float, Desired]]]:
        from reconciler.core.gpus import count_gpus

        asked: dict[str, list[tuple[float, Desired]]] = defaultdict(list)
        for one in self.desired:
            if budget.project in (None, one.address.project):
                asked[one.address.project].append((count_gpus(one.manifest).gpus, one))
        return asked

    def _say(
        self, one: Desired, code: str, message: str, path: Sequence[Step], hint: str
    ) -> Diagnostic:
        tree = self.composed_specs[one.address].tree()
        return diagnostic_at(tree, code, message, path, hint=hint, address=str(one.address))


def _name_of(one: Desired) -> str:
    name = _follow(one.manifest, ("metadata", "name"))
    return name if isinstance(name, str) else one.address.name


def _follow(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value

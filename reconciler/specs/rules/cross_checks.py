"""The checks of the specs of a repository against each other, by what is known of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec
from reconciler.specs.config import GpuBudget
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.source.nodes import Step, follow
from reconciler.specs.verdicts import SpecFacts

_SHOWN = 3

# Reads a spec again: only one that clashes with another has to say where its parts are written.
OpenSpec = Callable[[SpecFacts], ComposedSpec]


class CrossChecks:
    """The sound specs of a run, by project and name."""

    def __init__(self, sound: Mapping[tuple[str, str], SpecFacts], open_spec: OpenSpec) -> None:
        self.specs = [sound[address] for address in sorted(sound)]
        self.open_spec = open_spec
        # By project, group, kind and name: the identity of an object in a cluster.
        self.by_object: dict[tuple[str, ...], SpecFacts] = {}

    def check(self, budgets: Sequence[GpuBudget]) -> Iterator[Diagnostic]:
        """Yield what is wrong with the specs as a set."""
        for spec in self.specs:
            key = spec.project, spec.group, spec.kind, spec.object_name
            # Addresses are sorted, so the same one of two is named in every run.
            if (first := self.by_object.setdefault(key, spec)) is not spec:
                yield self._same_object(first, spec)
        # Only now are all names known to which a spec may refer.
        for spec in self.specs:
            if spec.references:
                yield from self._check_order(spec)
        for budget in budgets:
            yield from self._check_budget(budget)

    def _same_object(self, first: SpecFacts, spec: SpecFacts) -> Diagnostic:
        message = (
            f"the manifest of {first.address} ({first.file}:{first.line}:{first.column}) "
            f"is a {spec.kind} named '{spec.object_name}', too"
        )
        hint = "give each manifest the name of its workload"
        path = (INLINE, "metadata", "name")
        return self._diagnostic(spec, "duplicate-manifest-name", message, path, hint)

    def _check_order(self, spec: SpecFacts) -> Iterator[Diagnostic]:
        """An object that a field names has to exist first, or the workload starts without it."""
        for path, kind, name in spec.references:
            other = self.by_object.get((spec.project, spec.group, kind, name))
            if other is None or other.wave < spec.wave:
                continue
            message = (
                f"it refers to the {kind} '{name}', which is not created before it"
                f" (waves {spec.wave} and {other.wave})"
            )
            hint = f"give {spec.address} a higher lifecycle.wave than {other.address}"
            yield self._diagnostic(spec, "wave-order", message, (INLINE, *path), hint)

    def _check_budget(self, budget: GpuBudget) -> Iterator[Diagnostic]:
        requests: dict[str, list[SpecFacts]] = defaultdict(list)
        for spec in self.specs:
            if budget.project in (None, spec.project):
                requests[spec.project].append(spec)
        for project, requested in sorted(requests.items()):
            total = sum(spec.gpus for spec in requested)
            if total > budget.gpus:
                # What cannot be counted makes each of these numbers a lower bound.
                least = "" if all(spec.gpus_known for spec in requested) else "at least "
                message = (
                    f"project {project} asks for {least}{total:g} GPUs; its limit is "
                    f"{budget.gpus:g}"
                )
                most = sorted(requested, key=lambda spec: (-spec.gpus, spec.name))
                listed = ", ".join(
                    f"{spec.address} {'' if spec.gpus_known else 'at least '}{spec.gpus:g} "
                    f"({spec.file}:{spec.line}:{spec.column})"
                    for spec in most[:_SHOWN]
                )
                hint = f"largest requests: {listed}"
                yield make_diagnostic("gpu-budget", message, budget.where, hint=hint)

    def _diagnostic(
        self, spec: SpecFacts, code: str, message: str, path: Sequence[Step], hint: str
    ) -> Diagnostic:
        tree = self.open_spec(spec).tree()
        return diagnostic_at(tree, code, message, path, hint=hint, address=spec.address)


def duplicate_address(first: SpecFacts, second: SpecFacts, open_spec: OpenSpec) -> Diagnostic:
    """Say that two specs declare one workload."""
    places = []
    for spec in map(open_spec, (first, second)):
        _, name = follow(spec.tree(), ["metadata", "name"])
        # A name that defaults give stands in one place for both.
        is_own = name.source.file == spec.document.source.file
        places.append(name.where if is_own else spec.document.where)
    return make_diagnostic(
        "duplicate-address",
        f"{first.address} is already declared at {places[0]}",
        places[1],
        hint="remove one of them, or give it another name",
        pointer="/metadata/name",
        address=first.address,
    )

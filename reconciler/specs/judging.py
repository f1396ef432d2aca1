"""From one document to a verdict on it: composed with what reaches it, and checked by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.kinds.registry import KINDS, group_kind
from reconciler.specs.compose.composed_spec import INLINE, ComposedSpec, compose, looks_like_spec
from reconciler.specs.compose.defaults import Defaults
from reconciler.specs.compose.patches import Patches
from reconciler.specs.config import Config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.rules.checks import check, identify, named_project
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.policychecks import PolicyChecks
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Document, Reading
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_cache import SourceCache
from reconciler.specs.verdicts import NO_FINDINGS, DocumentFindings, ObjectReference, SpecFacts
from reconciler.values import dataclass

# What any spec or manifest has, and hardly any other file.
_OURS = frozenset({"metadata", "lifecycle", "apiVersion", "kind"})


class CandidateSpec(NamedTuple):
    """A document that may be a spec, with the diagnostics of composing it."""

    file: SourceFile
    number: int
    reading: Reading
    spec: ComposedSpec | None
    diagnostics: Sequence[Diagnostic]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecComposer:
    """Lays into a document what its author wrote elsewhere."""

    config: Config
    sources: SourceCache
    defaults: Defaults
    patches: Patches

    def compose(self, file: SourceFile, reading: Reading) -> Iterator[CandidateSpec]:
        """Yield each document of a file."""
        for number, document in enumerate(reading.documents):
            value, spec = document.value, None
            diagnostics: list[Diagnostic] = []
            if not isinstance(value, dict):
                message = "a spec must be a mapping with 'metadata' and a manifest"
                diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
            elif value and not (looks_like_spec(value) or _OURS & value.keys()):
                message = "this is no spec: it has neither 'metadata' nor a manifest"
                hint = "list the file in .reconcilerignore, or give the folder that holds the specs"
                diagnostics.append(
                    make_diagnostic("not-a-spec", message, document.where, hint=hint)
                )
            elif {"apiVersion", "kind"} <= value.keys() and not looks_like_spec(value):
                message = f"this is a Kubernetes manifest ({quote(str(value['kind']))}), not a spec"
                hint = "put it under 'manifest:' of a spec, or list the file in .reconcilerignore"
                where = document.where
                diagnostics.append(make_diagnostic("not-a-spec", message, where, hint=hint))
            else:
                chain = self.defaults.reaching(document.folder)
                spec = compose(document, chain, self.sources, diagnostics)
                if len(self.patches) and not spec.broken:
                    address = identify(spec.value, self.config)
                    spec = self.patches.lay_over(spec, address, diagnostics)
            yield CandidateSpec(file, number, reading, spec, diagnostics)


def is_foreign(reading: Reading) -> bool:
    """Whether no document of a file is a spec, or a manifest that one may be made of."""
    return not any(map(_may_be_ours, reading.documents))


def _may_be_ours(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and (
        looks_like_spec(value) or "metadata" in value or {"apiVersion", "kind"} <= value.keys()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecJudge:
    """Checks composed specs, each by itself; policies are asked later, for all at once.

    A spec is checked in a context of the class `context`.
    """

    config: Config
    schemas: SpecSchemas
    objects: ObjectSchemas
    patches: Patches
    suppressions: Suppressions
    policy_checks: PolicyChecks
    context: type[CheckContext] = CheckContext

    def judge(self, candidate: CandidateSpec) -> tuple[SpecFacts | None, DocumentFindings]:
        """Check a candidate; what is no spec has no facts."""
        spec = candidate.spec
        if spec is None:
            return None, DocumentFindings(own=candidate.diagnostics)
        written = [
            (document.source.file, suppressions)
            for document in spec.documents
            if (suppressions := self.suppressions.read(document.source))
        ]
        address = identify(spec.value, self.config)
        context = self.context(spec, address, self.suppressions, self.config.rules)
        check(context, self.config, self.schemas, self.objects)
        own = context.diagnostics
        used = self.suppressions.take_used()
        is_broken = spec.broken or has_errors(own)
        # A policy is written for specs of the right shape, and would fail on others in odd ways.
        if address is not None and not is_broken:
            key = candidate.file.name, candidate.number
            self.policy_checks.add(spec, address, key)
        line, column = spec.document.source.position(spec.document.first)
        named = named_project(spec.value) if address else None
        facts = SpecFacts(
            candidate.file.name,
            candidate.number,
            line,
            column,
            project=address.project if address else "",
            name=address.name if address else "",
            named=(named.name, named.cluster) if named else (),
            patches=self.patches.numbers_of(spec.patches) if spec.patches else (),
            manifest=(spec.manifest_file, spec.manifest_path) if spec.manifest_path else (),
        )
        if address is not None and not (is_broken or candidate.reading.broken):
            facts = self._facts_of_sound(facts, spec.value)
        findings = NO_FINDINGS
        if own or candidate.diagnostics or used or written:
            findings = DocumentFindings((*candidate.diagnostics, *own), (), used, written)
        return facts, findings

    def apply_policies(
        self, deadline: Deadline
    ) -> tuple[dict[tuple[str, int], DocumentFindings], list[Diagnostic]]:
        """Ask the policies about all that was judged; also returns what is wrong with them."""
        findings: dict[tuple[str, int], DocumentFindings] = {}
        unusable: list[Diagnostic] = []
        for key, diagnostics in self.policy_checks.run(deadline):
            if key is None:
                unusable += diagnostics
                continue
            used = self.suppressions.take_used()
            if diagnostics or used:
                before = findings.get(key, NO_FINDINGS)
                findings[key] = before.joined(DocumentFindings(policy=diagnostics, used=used))
        return findings, unusable

    def _facts_of_sound(self, facts: SpecFacts, value: dict[str, Any]) -> SpecFacts:
        manifest, lifecycle = value[INLINE], value.get("lifecycle", {})
        group, name = key = group_kind(manifest)
        kind = KINDS.get(key)
        own_name = _follow(manifest, ("metadata", "name"))
        gpus, is_known = 0.0, True
        if self.config.budgets:
            # Only a run with a budget pays for loading it.
            from reconciler.core.gpus import count_gpus

            request = count_gpus(manifest)
            gpus, is_known = request.gpus, request.known
        return facts._replace(
            is_sound=True,
            group=group,
            kind=name,
            # An object without a name gets that of its workload.
            object_name=own_name if isinstance(own_name, str) else facts.name,
            wave=int(lifecycle.get("wave", 0)),
            references=tuple(
                ObjectReference(path, other, str(_follow(manifest, path)))
                for path, other in (kind.references if kind else ())
            ),
            gpus=gpus,
            gpus_known=is_known,
        )


def _follow(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value

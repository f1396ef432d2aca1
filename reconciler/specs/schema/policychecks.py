"""What policies have against specs: asked of all specs together, told of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address
from reconciler.errors import Where
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.rules.checks import effective
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.schema.policies import Policy
from reconciler.specs.schema.policyprocess import PolicyCase, PolicyJudgement, judge_policies
from reconciler.specs.source.deadline import Deadline


@dataclass(slots=True, kw_only=True)
class PolicyChecks:
    """Specs that are otherwise sound, on their way to the policies that are about them."""

    policies: Sequence[Policy]
    suppressions: Suppressions
    _cases: list[PolicyCase] = field(default_factory=list)

    def add(self, composed: ComposedSpec, address: Address) -> None:
        """Have a spec judged."""
        if not self.policies:
            return
        spec = effective(composed.value, address)
        alias = composed.value["metadata"].get("project")
        projects = {address.project, *([alias] if isinstance(alias, str) else ())}
        file = composed.document.source.file
        numbers = [
            number
            for number, policy in enumerate(self.policies)
            if policy.concerns(spec, projects, file)
        ]
        if numbers:
            self._cases.append(
                PolicyCase(composed=composed, address=address, spec=spec, policies=numbers)
            )

    def run(self, deadline: Deadline) -> Iterator[tuple[PolicyCase | None, Diagnostic]]:
        """Yield each finding with the case that it is about; one about a policy has none."""
        if not self.policies:
            return
        schemas = [policy.document.value for policy in self.policies]
        for judgement in judge_policies(schemas, self._cases, deadline):
            if judgement.trouble:
                yield None, _say_trouble(self.policies[judgement.policy], judgement)
            elif judgement.case is not None:
                context = CheckContext(
                    judgement.case.composed, judgement.case.address, self.suppressions
                )
                _say_breaches(context, self.policies[judgement.policy], judgement)
                yield from ((judgement.case, one) for one in context.diagnostics)


def _say_trouble(policy: Policy, judgement: PolicyJudgement) -> Diagnostic:
    if not judgement.path:
        where = Where(file=policy.file)
        return make_diagnostic("bad-policy", judgement.trouble, where, hint=judgement.hint)
    return diagnostic_at(
        policy.document.tree(),
        "bad-policy",
        judgement.trouble,
        judgement.path,
        hint=judgement.hint,
    )


def _say_breaches(context: CheckContext, policy: Policy, judgement: PolicyJudgement) -> None:
    for violation in judgement.violations:
        verdict = policy.word(violation)
        context.report(
            "policy",
            verdict.message,
            violation.path,
            hint=verdict.hint,
            at_key=violation.at_key,
            severity=verdict.severity,
            rule=policy.name,
        )

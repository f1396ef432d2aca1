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
from reconciler.specs.rules.codes import finding
from reconciler.specs.rules.placing import say_at
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.policies import Policy
from reconciler.specs.schema.policyprocess import PolicyCase, PolicyJudgement, judge_policies
from reconciler.specs.source.deadline import Deadline


@dataclass(slots=True, kw_only=True)
class PolicyChecks:
    """Specs that are otherwise sound, on their way to the policies that are about them."""

    policies: Sequence[Policy]
    suppressions: Suppressions
    _cases: list[PolicyCase] = field(default_factory=list)

    def add(self, draft: ComposedSpec, address: Address) -> None:
        """Have a spec judged."""
        if not self.policies:
            return
        spec = effective(draft.value, address)
        alias = draft.value["metadata"].get("project")
        projects = {address.project, *([alias] if isinstance(alias, str) else ())}
        file = draft.document.source.file
        numbers = [
            number
            for number, policy in enumerate(self.policies)
            if policy.concerns(spec, projects, file)
        ]
        if numbers:
            self._cases.append(
                PolicyCase(draft=draft, address=address, spec=spec, policies=numbers)
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
                sheet = CheckContext(
                    judgement.case.draft, judgement.case.address, self.suppressions
                )
                _say_breaches(sheet, self.policies[judgement.policy], judgement)
                yield from ((judgement.case, one) for one in sheet.found)


def _say_trouble(policy: Policy, judgement: PolicyJudgement) -> Diagnostic:
    if not judgement.path:
        where = Where(file=policy.file)
        return finding("bad-policy", judgement.trouble, where, hint=judgement.hint)
    return say_at(
        policy.document.tree(),
        "bad-policy",
        judgement.trouble,
        judgement.path,
        hint=judgement.hint,
    )


def _say_breaches(sheet: CheckContext, policy: Policy, judgement: PolicyJudgement) -> None:
    for breach in judgement.breaches:
        verdict = policy.word(breach)
        sheet.say(
            "policy",
            verdict.message,
            breach.path,
            hint=verdict.hint,
            at_key=breach.at_key,
            severity=verdict.severity,
            rule=policy.name,
        )

"""The policies' violations by specs: all specs are judged together, in another process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

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
from reconciler.specs.source.deadline import Deadline
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.specs.schema.policyprocess import CaseKey, PolicyCase


@dataclass(slots=True, kw_only=True)
class PolicyChecks:
    """Collects specs that are otherwise sound, and has the policies judge them."""

    policies: Sequence[Policy]
    suppressions: Suppressions
    _cases: list[PolicyCase] = field(default_factory=list)

    def add(self, composed: ComposedSpec, address: Address, key: CaseKey) -> None:
        """Have a spec judged; what is found is yielded with the key."""
        if not self.policies:
            return
        # Policies see the project's id only, so that one rule is enough for both spellings; their
        # `x-projects` may name the alias as well.
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
            # Most repositories have no policies, and need not load what asks a process of them.
            from reconciler.specs.schema.policyprocess import PolicyCase

            self._cases.append(
                PolicyCase(composed=composed, address=address, spec=spec, policies=numbers, key=key)
            )

    def run(self, deadline: Deadline) -> Iterator[tuple[CaseKey | None, list[Diagnostic]]]:
        """Yield what each policy says of each spec, by its key; what is about a policy has none."""
        if not self.policies:
            return
        from reconciler.specs.schema.policyprocess import judge_policies

        # All specs at once: to start a process for each would take longer than judging it.
        schemas = [policy.document.value for policy in self.policies]
        for judgement in judge_policies(schemas, self._cases, deadline):
            policy, case = self.policies[judgement.policy], judgement.case
            if message := judgement.policy_error:
                hint = judgement.hint
                if judgement.path:
                    tree = policy.document.tree()
                    diagnostic = diagnostic_at(
                        tree, "bad-policy", message, judgement.path, hint=hint
                    )
                else:
                    where = Where(file=policy.file)
                    diagnostic = make_diagnostic("bad-policy", message, where, hint=hint)
                yield None, [diagnostic]
            elif case is not None:
                context = CheckContext(case.composed, case.address, self.suppressions)
                for violation in judgement.violations:
                    verdict = policy.verdict_on(violation)
                    context.report(
                        "policy",
                        verdict.message,
                        violation.path,
                        hint=verdict.hint,
                        at_key=violation.at_key,
                        severity=verdict.severity,
                        rule=policy.name,
                    )
                yield case.key, context.diagnostics

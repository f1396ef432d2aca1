"""The checks of a repository as a whole, by what is known of each of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from itertools import chain, islice
from operator import attrgetter

from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.projects.names import ProjectName
from reconciler.errors import Where
from reconciler.specs.config import Config
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS
from reconciler.specs.rules.cross_checks import CrossChecks, OpenSpec, duplicate_address
from reconciler.specs.rules.suppressions import (
    Suppression,
    bad_suppressions,
    unused_suppressions,
)
from reconciler.specs.verdicts import NO_FINDINGS, DocumentFindings, SpecFacts
from reconciler.values import dataclass


@dataclass(slots=True, kw_only=True)
class TreeChecks:
    """Collects what is known of specs, in the order of their files.

    `declared` holds the first spec of each address, by project and name, and `sound` those of them
    that have no error.
    """

    config: Config
    open_spec: OpenSpec
    diagnostics: list[Diagnostic]
    declared: dict[tuple[str, str], SpecFacts] = field(default_factory=dict)
    sound: dict[tuple[str, str], SpecFacts] = field(default_factory=dict)
    names: dict[ProjectName, str] = field(default_factory=dict)
    _written: dict[str, Sequence[Suppression]] = field(default_factory=dict)
    _used: set[tuple[Where | str, str]] = field(default_factory=set)

    def add(self, facts: SpecFacts | None, findings: DocumentFindings) -> None:
        """Take note of one document."""
        own, policy, used, written = findings
        # Most documents have none.
        if findings is not NO_FINDINGS:
            self.diagnostics += own
            self.diagnostics += policy
            self._used |= used
            for file, suppressions in written:
                self._written.setdefault(file, suppressions)
        if facts is None or not facts.name:
            return
        if facts.named:
            name, cluster = facts.named
            self.names[ProjectName(name=name, cluster=cluster)] = facts.project
        address = facts.project, facts.name
        if (first := self.declared.setdefault(address, facts)) is not facts:
            self.diagnostics.append(duplicate_address(first, facts, self.open_spec))
        elif facts.is_sound and not (policy and has_errors(policy)):
            self.sound[address] = facts

    def finish(self, unused_patches: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Check the specs beside each other; returns all diagnostics of the run in order."""
        if not has_errors(self.diagnostics):
            self.diagnostics += unused_patches
        self.diagnostics += islice(bad_suppressions(self._suppressions()), MOST_DIAGNOSTICS)
        projects = {str(name): project for name, project in self.names.items()}
        budgets = [
            replace(budget, project=projects.get(budget.project or "", budget.project))
            for budget in self.config.budgets
        ]
        self.diagnostics += CrossChecks(self.sound, self.open_spec).check(budgets)
        if not has_errors(self.diagnostics):
            # Behind an error, rules may not have looked at all.
            self.diagnostics += unused_suppressions(self._suppressions(), self._used)
        return _distinct(self.diagnostics)

    def _suppressions(self) -> Iterator[Suppression]:
        return chain(self.config.suppressions, *self._written.values())


def _distinct(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics, and keep one of those that many specs share through defaults or a file."""
    distinct: dict[tuple[object, ...], Diagnostic] = {}
    for diagnostic in sorted(diagnostics, key=attrgetter("address", "pointer")):
        distinct.setdefault((diagnostic.where, diagnostic.code, diagnostic.message), diagnostic)
    return sort_diagnostics(distinct.values())

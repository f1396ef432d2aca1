"""What a review is given of a plan or an apply: comments, annotations and merge-request widgets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Self

from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError, OutdatedPlanError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.cli.checkout import prefix_in_checkout
from reconciler.cli.output.console import Console, explain
from reconciler.cli.output.github_files import write_step
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.file_names import under_prefix
from reconciler.core.history.events import ActionEnded, Event
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError
from reconciler.ports import EventListener
from reconciler.report.commands import Commands
from reconciler.report.machine.documents import to_text
from reconciler.report.machine.github import (
    applied_annotations,
    applied_outputs,
    failure_annotations,
    failure_outputs,
    outputs_text,
    plan_annotations,
    plan_outputs,
)
from reconciler.report.machine.gitlab import code_quality_document, plan_counts_document
from reconciler.report.markdown.markdown import (
    markdown_applied,
    markdown_failure,
    markdown_plan,
)
from reconciler.values import dataclass

if TYPE_CHECKING:
    # A plan shows no apply, and need not load what carries one out.
    from reconciler.app.applying.applying import ApplyResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CiReports:
    """Renders what was asked for of it; `prefix` makes a file's name one in the checkout.

    `doing` is `plan` or `apply`, and `limit` the bytes that a comment may have.
    """

    console: Console
    doing: str
    stack: str
    limit: int
    prefix: str = ""
    ended: list[ActionEnded] = field(default_factory=list)

    @classmethod
    def of(cls, console: Console, workspace: Workspace, limit: int, *, doing: str) -> Self:
        """The reports of a command about the specs of a workspace."""
        return cls(
            console=console,
            doing=doing,
            stack=workspace.settings.stack,
            limit=limit,
            prefix=prefix_in_checkout(workspace.settings.root, workspace.prefix),
        )

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Report an error that ends the command as well: a comment must not stay as it was."""
        try:
            yield
        except ReconcilerError as error:
            try:
                self._report_failure(error)
            except ReconcilerError as unreported:
                # A report that cannot be written must not hide what it was to report.
                explain(unreported)
            raise

    @property
    def listener(self) -> EventListener | None:
        """Told every event, where somebody wants a report of how actions ended."""
        return self._add if any(map(self.console.wants, ("markdown", "github"))) else None

    def _add(self, event: Event) -> None:
        if isinstance(event, ActionEnded):
            self.ended.append(event)

    def plan(self, plan: Plan, refusals: Sequence[Refusal], exit_code: int) -> None:
        """A plan, whether it was just made or saved before."""
        self._emit(
            lambda limit: markdown_plan(plan, refusals, limit=limit, prefix=self.prefix),
            lambda: plan_annotations(plan, refusals, prefix=self.prefix),
            lambda: plan_outputs(plan, refused=bool(refusals), exit_code=exit_code),
        )
        self._code_quality(plan.diagnostics)
        self.console.emit("gitlab-plan", lambda: to_text(plan_counts_document(plan)))

    def applied(self, applied: ApplyResult, commands: Commands) -> int:
        """The end of an apply. Returns 1 where it cannot be reported: what is done is done."""
        plan, finished, code = applied.planned.plan, applied.finished, applied.exit_code
        try:
            if finished is None:
                self.plan(plan, (), code)
                return 0
            self._emit(
                lambda limit: markdown_applied(
                    plan,
                    finished,
                    self.ended,
                    troubles=_record_problems(applied),
                    limit=limit,
                    prefix=self.prefix,
                    commands=commands,
                ),
                lambda: applied_annotations(
                    plan, finished, self.ended, prefix=self.prefix, commands=commands
                ),
                lambda: applied_outputs(plan, finished, exit_code=code),
            )
        except ReconcilerError as error:
            explain(error)
            return 1
        return 0

    def _report_failure(self, error: ReconcilerError) -> None:
        refusals = error.refusals if isinstance(error, GuardError) else ()
        if isinstance(error, GuardError) and error.planned is not None:
            self.plan(error.planned.plan, refusals, error.exit_code)
            return
        if isinstance(error, OutdatedPlanError):
            self._report_outdated(error)
            return
        diagnostics = error.diagnostics if isinstance(error, InvalidSpecsError) else ()
        about: dict[str, Any] = {
            "doing": self.doing,
            "refusals": refusals,
            "diagnostics": diagnostics,
            "prefix": self.prefix,
        }
        self._emit(
            lambda limit: markdown_failure(error, stack=self.stack, limit=limit, **about),
            lambda: failure_annotations(error, **about),
            lambda: failure_outputs(error, refused=bool(refusals)),
        )
        self._code_quality(diagnostics)

    def _report_outdated(self, error: OutdatedPlanError) -> None:
        """The plan of this moment: nobody should approve one by its digest alone."""
        planned = error.planned
        self._emit(
            lambda limit: markdown_plan(
                planned.plan,
                planned.refusals,
                limit=limit,
                prefix=self.prefix,
                outdated=error,
                differences=planned.differences,
            ),
            lambda: failure_annotations(error, doing=self.doing, prefix=self.prefix),
            lambda: failure_outputs(error, refused=False) | {"digest": planned.plan.digest},
        )

    def _emit(
        self,
        page: Callable[[int], str],
        annotations: Callable[[], str],
        outputs: Callable[[], dict[str, str]],
    ) -> None:
        self.console.emit("markdown", lambda: page(self.limit))
        self.console.emit("github", annotations)
        if self.console.wants("github"):
            notes = write_step(os.environ, summary=page, outputs=outputs_text(outputs()))
            for note in notes:
                self.console.note(note)

    def _code_quality(self, diagnostics: Sequence[Diagnostic]) -> None:
        # GitLab knows files by their path in the checkout, wherever the command was run.
        in_checkout = [
            replace(
                diagnostic,
                where=replace(
                    diagnostic.where, file=under_prefix(self.prefix, diagnostic.where.file)
                ),
            )
            for diagnostic in diagnostics
        ]
        self.console.emit("gitlab", lambda: to_text(code_quality_document(in_checkout)))


def _record_problems(applied: ApplyResult) -> list[str]:
    """What went wrong with the record of the run, and not with a workload."""
    problems = []
    if applied.trouble is not None:
        problems.append(applied.trouble.message)
    if applied.unsaved:
        problems.append(
            f"not recorded, but printed: what is known of {len(applied.unsaved)} creates"
        )
    if applied.unlogged:
        problems.append(f"the history of this run is not complete: {applied.unlogged}")
    return problems

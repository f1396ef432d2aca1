"""What a review is given of a plan or an apply: comments, annotations and merge-request widgets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from reconciler.cli.checkout import prefix_in_checkout
from reconciler.cli.output.console import Console, explain
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.app.applying.applying import ApplyResult
    from reconciler.app.planning.workspace import Workspace
    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.events import Event
    from reconciler.core.planning.guards import Refusal
    from reconciler.core.planning.plan import Plan
    from reconciler.ports import Say
    from reconciler.report.next_step import Commands

About = TypeVar("About")

APPLY_FORMATS = ("markdown", "github")
PLAN_FORMATS = (*APPLY_FORMATS, "gitlab", "gitlab-plan")
# Annotations are commands to whoever reads the log, and no result.
BESIDE = ("github",)

markdown_option = click.option(
    "--markdown-limit",
    type=click.IntRange(8_000),
    default=65_536,
    show_default=True,
    metavar="BYTES",
    envvar="RECONCILER_MARKDOWN_LIMIT",
    help="Most that '-o markdown' may be; GitLab takes 1000000.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CiReports:
    """Renders what was asked for of it; `prefix` makes a file's name one in the checkout."""

    console: Console
    doing: str
    stack: str
    limit: int
    prefix: str = ""
    outcomes: list[Event] = field(default_factory=list)

    @classmethod
    def of(
        cls, console: Console, workspace: Workspace, options: dict[str, Any], doing: str
    ) -> Self:
        """What the options of a command ask for; `doing` is `plan` or `apply`."""
        return cls(
            console=console,
            doing=doing,
            stack=workspace.settings.stack,
            limit=options["markdown_limit"],
            prefix=prefix_in_checkout(workspace.settings.root, workspace.prefix),
        )

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Report an error that ends the command as well: a comment must not stay as it was."""
        try:
            yield
        except ReconcilerError as error:
            self._trying(self._failed, error)
            raise

    def listening(self, say: Say) -> Say:
        """Pass events on, and remember those that say how a workload ended."""
        from reconciler.core.events import ActionFailed, ActionSkipped, ActionSucceeded, InDoubt

        def listen(event: Event) -> None:
            if isinstance(event, ActionFailed | ActionSkipped | ActionSucceeded | InDoubt):
                self.outcomes.append(event)
            say(event)

        return listen if any(map(self.console.wants, APPLY_FORMATS)) else say

    def plan(self, plan: Plan, refusals: Sequence[Refusal], exit_code: int) -> None:
        """A plan, whether it was just made or saved before."""
        from reconciler.report.machine.documents import to_text
        from reconciler.report.machine.github import plan_annotations, plan_outputs
        from reconciler.report.machine.gitlab import plan_counts_document
        from reconciler.report.markdown.markdown import markdown_plan

        self._emit(
            lambda limit: markdown_plan(plan, refusals, limit=limit, prefix=self.prefix),
            lambda: plan_annotations(plan, refusals, prefix=self.prefix),
            lambda: plan_outputs(plan, refused=bool(refusals), exit_code=exit_code),
        )
        self._code_quality(plan.diagnostics)
        self.console.emit("gitlab-plan", lambda: to_text(plan_counts_document(plan)))

    def applied(self, applied: ApplyResult, commands: Commands) -> int:
        """The end of an apply. Returns 1 where it cannot be reported: what is done is done."""
        return self._trying(lambda about: self._applied(about, commands), applied)

    def _applied(self, applied: ApplyResult, commands: Commands) -> None:
        from reconciler.report.machine.github import applied_annotations, applied_outputs
        from reconciler.report.markdown.markdown import markdown_applied

        plan, finished, code = applied.planned.plan, applied.finished, applied.exit_code
        if finished is None:
            self.plan(plan, (), code)
            return
        self._emit(
            lambda limit: markdown_applied(
                plan,
                finished,
                self.outcomes,
                troubles=_troubles(applied),
                limit=limit,
                prefix=self.prefix,
                commands=commands,
            ),
            lambda: applied_annotations(
                plan, finished, self.outcomes, prefix=self.prefix, commands=commands
            ),
            lambda: applied_outputs(plan, finished, exit_code=code),
        )

    def _failed(self, error: ReconcilerError) -> None:
        from reconciler.app.planning.workspace import InvalidSpecsError
        from reconciler.app.refused import GuardError
        from reconciler.report.machine.github import failure_annotations, failure_outputs
        from reconciler.report.markdown.markdown import markdown_failure

        refusals = error.refusals if isinstance(error, GuardError) else ()
        if isinstance(error, GuardError) and error.planned is not None:
            self.plan(error.planned.plan, refusals, error.exit_code)
            return
        found = error.diagnostics if isinstance(error, InvalidSpecsError) else ()
        about: dict[str, Any] = {
            "doing": self.doing,
            "refusals": refusals,
            "diagnostics": found,
            "prefix": self.prefix,
        }
        self._emit(
            lambda limit: markdown_failure(error, stack=self.stack, limit=limit, **about),
            lambda: failure_annotations(error, **about),
            lambda: failure_outputs(error, refused=bool(refusals)),
        )
        self._code_quality(found)

    def _emit(
        self,
        page: Callable[[int], str],
        annotations: Callable[[], str],
        outputs: Callable[[], dict[str, str]],
    ) -> None:
        from reconciler.cli.output.github_files import write_step
        from reconciler.report.machine.github import outputs_text

        self.console.emit("markdown", lambda: page(self.limit))
        self.console.emit("github", annotations)
        if self.console.wants("github"):
            written = outputs_text(outputs())
            for missing in write_step(os.environ, summary=page, outputs=written):
                self.console.note(missing)

    def _code_quality(self, found: Sequence[Diagnostic]) -> None:
        from reconciler.report.machine.documents import to_text
        from reconciler.report.machine.gitlab import code_quality_document

        named = [
            dataclasses.replace(
                one, where=dataclasses.replace(one.where, file=f"{self.prefix}{one.where.file}")
            )
            for one in found
        ]
        self.console.emit("gitlab", lambda: to_text(code_quality_document(named)))

    def _trying(self, report: Callable[[About], None], about: About) -> int:
        """Report, or say why that did not work, without hiding what is being reported."""
        try:
            report(about)
        except ReconcilerError as error:
            explain(error)
            return 1
        return 0


def _troubles(applied: ApplyResult) -> list[str]:
    """What went wrong with the record of the run, and not with a workload."""
    found = []
    if applied.trouble is not None:
        found.append(applied.trouble.message)
    if applied.unsaved:
        found.append(f"not recorded, but printed: what is known of {len(applied.unsaved)} creates")
    if applied.unlogged:
        found.append(f"the history of this run is not complete: {applied.unlogged}")
    return found

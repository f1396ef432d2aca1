"""`reconciler plan --explain`: what led to the decision about one workload."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from reconciler.app.planning.explaining import ExplainResult, explain_one
from reconciler.app.planning.planning import PlanRequest
from reconciler.app.planning.workspace import Workspace
from reconciler.cli.live.heartbeat import run_with_heartbeat
from reconciler.cli.options import PlanFlags
from reconciler.cli.output.console import Console
from reconciler.report.machine.documents import to_text
from reconciler.report.text.explain import ExplanationText, explanation_document

if TYPE_CHECKING:
    from reconciler.app.session import Connector


def check_explain_options(console: Console, plan_flags: PlanFlags) -> None:
    """Raise click's usage error for what does not fit: an explanation has forms of its own."""
    for flag, value in (
        ("-t", plan_flags.targets),
        ("-x", plan_flags.excludes),
        ("--project", plan_flags.project),
    ):
        if value:
            raise click.UsageError(f"--explain is about one workload; leave out {flag}")
    others = {output.format for output in console.outputs} - {"text", "json"}
    if others:
        raise click.UsageError(f"--explain has no format {min(others)}; use text or json")


def show_explanation(
    console: Console,
    workspace: Workspace,
    request: PlanRequest,
    address: str,
    *,
    connector: Connector,
) -> ExplainResult:
    """Explain one address, and the guards that its plan would meet."""
    explained = run_with_heartbeat(
        console,
        f"reading {address}",
        lambda say: explain_one(workspace, request, address, connector=connector, say=say),
    )
    explanation, refusals = explained.explanation, explained.refusals
    text = ExplanationText(paint=console.paint(), prefix=workspace.prefix, now=datetime.now(UTC))
    console.emit("json", lambda: to_text(explanation_document(explanation, refusals)))
    console.emit("text", lambda: text.text(explanation))
    if refusals:
        console.warn(console.text(err=True).refusals(refusals))
    return explained

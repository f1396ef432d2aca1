"""`reconciler plan --explain`: what led to the decision about one workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.output.console import Console

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.planning.workspace import Workspace
    from reconciler.app.session import Connector

explain_option = click.option(
    "--explain",
    metavar="ADDRESS",
    help="Show what led to the decision about this workload: its documents, what differs, "
    "which policies apply.",
)


def show_explanation(
    console: Console,
    workspace: Workspace,
    request: PlanRequest,
    options: Mapping[str, Any],
    *,
    connector: Connector,
) -> int:
    """Explain one address; the exit codes are those of its plan."""
    import asyncio
    from datetime import UTC, datetime

    from reconciler.app.planning.explaining import explain_one
    from reconciler.cli.output.progress_display import Heartbeat
    from reconciler.report.machine.documents import to_text
    from reconciler.report.text.explain import ExplanationText, explanation_document

    _check(console, options)
    address = options["explain"]
    with Heartbeat(console, f"reading {address}") as heartbeat:
        explained = asyncio.run(
            explain_one(workspace, request, address, connector=connector, say=heartbeat.say)
        )
    found, refusals = explained.explanation, explained.refusals
    text = ExplanationText(paint=console.paint(), prefix=workspace.prefix, now=datetime.now(UTC))
    console.emit("json", lambda: to_text(explanation_document(found, refusals)))
    console.emit("text", lambda: text.text(found))
    if refusals:
        console.warn(console.text(err=True).refusals(refusals))
        return 5
    return 2 if options["detailed_exitcode"] and explained.plan.has_changes else 0


def _check(console: Console, options: Mapping[str, Any]) -> None:
    """An explanation is about one workload, and has forms of its own."""
    selecting = [
        flag
        for flag, name in (("-t", "targets"), ("-x", "excludes"), ("--project", "project"))
        if options[name]
    ]
    if selecting:
        raise click.UsageError(f"--explain is about one workload; leave out {selecting[0]}")
    others = {output.format for output in console.outputs} - {"text", "json"}
    if others:
        raise click.UsageError(f"--explain has no format {min(others)}; use text or json")

"""For merge requests in GitLab: diagnostics as code quality, and the counts of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.planning.plan import Plan
from reconciler.report.machine.fingerprints import fingerprints

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def code_quality_document(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The report: GitLab takes a diagnostic with a known fingerprint for the one it knows."""
    return [
        {
            "description": diagnostic.message
            + (f" ({diagnostic.hint})" if diagnostic.hint else ""),
            "check_name": diagnostic.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[diagnostic.severity],
            "location": {
                "path": diagnostic.where.file,
                "lines": {
                    "begin": diagnostic.where.line,
                    "end": diagnostic.where.end_line or diagnostic.where.line,
                },
            },
        }
        for diagnostic, fingerprint in zip(diagnostics, fingerprints(diagnostics), strict=True)
    ]


def plan_counts_document(plan: Plan) -> dict[str, int]:
    """A plan as the widget for terraform's plans counts it: a replace is a create and a delete.

    What changes only the record is an update, so that all three are 0 just where nothing is to do.
    """
    replaced = plan.count("replace")
    created, deleted = plan.count("create") + replaced, plan.count("delete") + replaced
    # The widget has no other word for what is neither, an adoption for instance.
    updated = len(plan.changes) - plan.count("create") - replaced - plan.count("delete")
    return {"create": created, "update": updated, "delete": deleted}

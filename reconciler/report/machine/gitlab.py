"""What GitLab shows in a merge request: findings as code quality, and the counts of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.planning.plan import Plan
from reconciler.report.machine.fingerprints import fingerprints

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def code_quality_document(found: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The report: GitLab takes a finding with a known fingerprint for the one it knows."""
    return [
        {
            "description": finding.message + (f" ({finding.hint})" if finding.hint else ""),
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[finding.severity],
            "location": {
                "path": finding.where.file,
                "lines": {
                    "begin": finding.where.line,
                    "end": finding.where.end_line or finding.where.line,
                },
            },
        }
        for finding, fingerprint in zip(found, fingerprints(found), strict=True)
    ]


def plan_counts_document(plan: Plan) -> dict[str, int]:
    """A plan as the widget for terraform's plans counts it: a replace is a create and a delete.

    What changes only the record is an update, so that all three are 0 just where nothing is to do.
    """
    replaced = plan.count("replace")
    created, deleted = plan.count("create") + replaced, plan.count("delete") + replaced
    rest = len(plan.changes) - plan.count("create") - replaced - plan.count("delete")
    return {"create": created, "update": rest, "delete": deleted}

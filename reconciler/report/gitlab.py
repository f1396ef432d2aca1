"""Findings as GitLab's code quality report, which a merge request compares with its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.fingerprints import fingerprints

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

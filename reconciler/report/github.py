"""Findings as workflow commands, which GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.report.escape import escape_terminal


def annotations_text(found: Sequence[Diagnostic], verdict: str) -> str:
    """One workflow command a line, and the verdict for whoever reads the log."""
    return "\n".join([*map(_annotation, found), verdict])


def _annotation(finding: Diagnostic) -> str:
    properties = {"file": finding.where.file, **_range(finding.where), "title": finding.code}
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    hint = f"\nhint: {escape_terminal(finding.hint)}" if finding.hint else ""
    message = f"{escape_terminal(finding.message)}{hint}"
    return f"::{finding.severity.value} {written}::{_data(message)}"


def _range(where: Where) -> dict[str, int]:
    """Columns only within one line: GitHub drops an annotation that has them across several."""
    if where.end_line is None or where.end_column is None:
        return {"line": where.line, "col": where.column}
    if where.end_line != where.line:
        return {"line": where.line, "endLine": where.end_line}
    return {
        "line": where.line,
        "col": where.column,
        "endLine": where.end_line,
        "endColumn": where.end_column,
    }


def _property(value: str) -> str:
    return _data(escape_terminal(value)).replace(":", "%3A").replace(",", "%2C")


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

from __future__ import annotations

import dataclasses
import re

from hypothesis import given

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.report.escape import escape_terminal
from reconciler.report.github import annotations_text
from tests.report.findings import BARE, UNKNOWN, reports


def as_the_runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """Take a workflow command apart as GitHub's runner does: command, properties, message."""
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    command, _, rest = head.partition(" ")
    pairs = (pair.split("=", 1) for pair in rest.split(","))
    return command, {name: _unescape(value, ",:") for name, value in pairs}, _unescape(message)


def _unescape(text: str, more: str = "") -> str:
    for char in f"\r\n{more}":
        text = text.replace(f"%{ord(char):02X}", char)
    return text.replace("%25", "%")


def test_findings_as_annotations() -> None:
    """Each is a command of one line; the verdict is the last line of the log."""
    assert annotations_text([UNKNOWN, BARE], "1 error, 1 warning.") == (
        "::error file=team-a/finetune.yaml,line=4,col=3,endLine=4,endColumn=10,"
        "title=unknown-field::unknown field 'priorty'%0Ahint: did you mean 'priority'?\n"
        "::warning file=team b/100%25.yaml,line=1,col=1,title=nested-config::not read\n"
        "1 error, 1 warning."
    )


def test_several_lines_have_no_columns() -> None:
    """GitHub takes columns only for a range within one line."""
    where = Where(file="a.yaml", line=2, column=5, end_line=4, end_column=1)
    several = dataclasses.replace(UNKNOWN, where=where, hint="")
    assert annotations_text([several], "").startswith(
        "::error file=a.yaml,line=2,endLine=4,title=unknown-field::"
    )


@given(reports)
def test_nothing_breaks_out_of_an_annotation(found: list[Diagnostic]) -> None:
    """Whatever stands in a name or a message, the runner reads as many commands, and just that."""
    *lines, verdict = annotations_text(found, "done").split("\n")
    assert (len(lines), verdict) == (len(found), "done")
    for line, finding in zip(lines, found, strict=True):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
        command, properties, message = as_the_runner_reads(line)
        assert command == finding.severity
        assert properties["file"] == escape_terminal(finding.where.file)
        assert properties["title"] == finding.code
        assert int(properties["line"]) == finding.where.line
        assert properties.keys() <= {"file", "line", "col", "endLine", "endColumn", "title"}
        hint = f"\nhint: {escape_terminal(finding.hint)}" if finding.hint else ""
        assert message == escape_terminal(finding.message) + hint

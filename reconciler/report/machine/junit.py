"""Findings as a JUnit report, which most CI servers show as tests that failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.text.escape import escape_terminal

# Characters that escape_terminal leaves alone, and XML 1.0 does not allow however they are written.
_FORBIDDEN = re.compile("[\ufffe\uffff]")


def junit_text(
    found: Sequence[Diagnostic], files: Iterable[str], failing: Severity = Severity.ERROR
) -> str:
    """A suite for each file, a failed test for each finding, and a passed one where there is none.

    What is less severe than `failing` passes, with the finding as its output.
    """
    by_file: dict[str, list[Diagnostic]] = {file: [] for file in files}
    for finding in found:
        by_file.setdefault(finding.where.file, []).append(finding)
    failures = sum(_fails(finding, failing) for finding in found)
    tests = sum(len(findings) or 1 for findings in by_file.values())
    suites = [_suite(file, findings, failing) for file, findings in sorted(by_file.items())]
    head = f'<testsuites name="reconciler" tests="{tests}" failures="{failures}" errors="0">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]
    return "\n".join(lines)


def _suite(file: str, found: Sequence[Diagnostic], failing: Severity) -> str:
    name = _attribute(file)
    failures = sum(_fails(finding, failing) for finding in found)
    cases = [_case(finding, name, failing) for finding in found]
    passed = [f'    <testcase name="valid" classname={name}/>']
    counts = f'tests="{len(found) or 1}" failures="{failures}" errors="0"'
    return "\n".join(
        [f"  <testsuite name={name} {counts}>", *(cases or passed), "  </testsuite>"],
    )


def _case(finding: Diagnostic, classname: str, failing: Severity) -> str:
    name = _attribute(f"{finding.code} {finding.pointer}".rstrip())
    hint = f"\nhint: {_harmless(finding.hint)}" if finding.hint else ""
    place = f"{_harmless(str(finding.where))}: {finding.severity.value}"
    told = escape(f"{place}: {_harmless(finding.message)}{hint}")
    if _fails(finding, failing):
        message, kind = _attribute(finding.message), _attribute(finding.code)
        inside = f"<failure message={message} type={kind}>{told}</failure>"
    else:
        inside = f"<system-out>{told}</system-out>"
    return f"    <testcase name={name} classname={classname}>{inside}</testcase>"


def _fails(finding: Diagnostic, failing: Severity) -> bool:
    return finding.severity is Severity.ERROR or failing is Severity.WARNING


def _attribute(text: str) -> str:
    return quoteattr(_harmless(text))


def _harmless(text: str) -> str:
    return _FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", escape_terminal(text))

"""Diagnostics as a JUnit report, which most CI servers show as tests that failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.text.escape import escape_terminal

# Characters that escape_terminal leaves alone, and XML 1.0 does not allow however they are written.
_FORBIDDEN = re.compile("[\ufffe\uffff]")


def junit_text(
    diagnostics: Sequence[Diagnostic], files: Iterable[str], failing: Severity = Severity.ERROR
) -> str:
    """A suite for each file, a failed test for each diagnostic, a passed one where there is none.

    What is less severe than `failing` passes, with the diagnostic as its output.
    """

    def count_failures(counted: Sequence[Diagnostic]) -> int:
        return sum(_fails(diagnostic, failing) for diagnostic in counted)

    by_file: dict[str, list[Diagnostic]] = {file: [] for file in files}
    for diagnostic in diagnostics:
        by_file.setdefault(diagnostic.where.file, []).append(diagnostic)
    tests = sum(len(of_file) or 1 for of_file in by_file.values())
    counts = f'tests="{tests}" failures="{count_failures(diagnostics)}" errors="0"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="reconciler" {counts}>']
    for file, of_file in sorted(by_file.items()):
        name = _attribute(file)
        counts = f'tests="{len(of_file) or 1}" failures="{count_failures(of_file)}" errors="0"'
        lines.append(f"  <testsuite name={name} {counts}>")
        lines += [_test_case(diagnostic, name, failing) for diagnostic in of_file]
        # Jenkins fails a build whose report holds no test at all.
        if not of_file:
            lines.append(f'    <testcase name="valid" classname={name}/>')
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"])


def _test_case(diagnostic: Diagnostic, classname: str, failing: Severity) -> str:
    # Without the line: a test that moves is the same test to whoever keeps a history of them.
    name = _attribute(f"{diagnostic.code} {diagnostic.pointer}".rstrip())
    hint = f"\nhint: {_harmless(diagnostic.hint)}" if diagnostic.hint else ""
    place = f"{_harmless(str(diagnostic.where))}: {diagnostic.severity.value}"
    output = escape(f"{place}: {_harmless(diagnostic.message)}{hint}")
    if _fails(diagnostic, failing):
        message, kind = _attribute(diagnostic.message), _attribute(diagnostic.code)
        body = f"<failure message={message} type={kind}>{output}</failure>"
    else:
        body = f"<system-out>{output}</system-out>"
    return f"    <testcase name={name} classname={classname}>{body}</testcase>"


def _fails(diagnostic: Diagnostic, failing: Severity) -> bool:
    return diagnostic.severity is Severity.ERROR or failing is Severity.WARNING


def _attribute(text: str) -> str:
    # quoteattr() chooses quotes that the text does not hold.
    return quoteattr(_harmless(text))


def _harmless(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", escape_terminal(text))

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.machine.junit import junit_text
from tests.report.diagnostics import BARE, UNKNOWN, reports

PUBLISHED = xmlschema.XMLSchema(Path(__file__).parent / "published" / "junit-10.xsd")


def test_the_report() -> None:
    """A suite for each file, a failed test for an error, a passed one for all else."""
    text = junit_text([UNKNOWN, BARE], ["team-a/ok.yaml", "team-a/finetune.yaml"])
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuites name="reconciler" tests="3" failures="1" errors="0">\n'
        '  <testsuite name="team b/100%.yaml" tests="1" failures="0" errors="0">\n'
        '    <testcase name="nested-config" classname="team b/100%.yaml">'
        "<system-out>team b/100%.yaml:1:1: warning: not read</system-out></testcase>\n"
        "  </testsuite>\n"
        '  <testsuite name="team-a/finetune.yaml" tests="1" failures="1" errors="0">\n'
        '    <testcase name="unknown-field /metadata/priorty" classname="team-a/finetune.yaml">'
        '<failure message="unknown field \'priorty\'" type="unknown-field">'
        "team-a/finetune.yaml:4:3: error: unknown field 'priorty'\n"
        "hint: did you mean 'priority'?</failure></testcase>\n"
        "  </testsuite>\n"
        '  <testsuite name="team-a/ok.yaml" tests="1" failures="0" errors="0">\n'
        '    <testcase name="valid" classname="team-a/ok.yaml"/>\n'
        "  </testsuite>\n"
        "</testsuites>"
    )
    PUBLISHED.validate(text)


def test_the_published_schema_is_strict() -> None:
    """It notices a suite that lacks its counts."""
    assert not PUBLISHED.is_valid('<testsuites><testsuite name="a"/></testsuites>')


@given(reports, st.lists(st.sampled_from(["a.yaml", "c.yaml"])), st.sampled_from(Severity))
def test_every_report_is_valid(
    found: list[Diagnostic], files: list[str], failing: Severity
) -> None:
    """Whatever stands in findings: the published schema holds, and all counts are true."""
    text = junit_text(found, files, failing)
    PUBLISHED.validate(text)
    root = ET.fromstring(text)  # noqa: S314 - it was written just above
    failed = [one for one in found if failing in ("warning", one.severity)]
    assert len(root.findall(".//failure")) == len(failed)
    assert len(root.findall(".//system-out")) == len(found) - len(failed)
    for part in (root, *root):
        assert part.get("tests") == str(len(part.findall(".//testcase")))
        assert part.get("failures") == str(len(part.findall(".//failure")))
    clean = {*files} - {one.where.file for one in found}
    assert [case.get("classname") for case in root.iter("testcase") if len(case) == 0] == [
        *sorted(clean)
    ]

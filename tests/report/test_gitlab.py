from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.planner import make_plan
from reconciler.errors import Where
from reconciler.report.machine.fingerprints import fingerprints
from reconciler.report.machine.gitlab import code_quality_document, plan_counts_document
from tests.report.diagnostics import BARE, UNKNOWN, reports
from tests.support.factories import LINEAGE, PLAN_TARGET, plan_for
from tests.support.plans import busy_plan
from tests.support.strategies import World, plan_options, worlds


def moved(finding: Diagnostic, lines: int) -> Diagnostic:
    """The same finding, some lines below and as many columns to the right."""
    where = finding.where
    end = (where.end_line, where.end_column)
    return dataclasses.replace(
        finding,
        where=dataclasses.replace(
            where,
            line=where.line + lines,
            column=where.column + lines,
            end_line=end[0] and end[0] + lines,
            end_column=end[1] and end[1] + lines,
        ),
    )


def test_the_report() -> None:
    """Every finding has what GitLab asks for, and a severity of GitLab's."""
    first, second = code_quality_document([UNKNOWN, BARE])
    names = [first.pop("fingerprint"), second.pop("fingerprint")]
    assert names == fingerprints([UNKNOWN, BARE])
    assert first == {
        "description": "unknown field 'priorty' (did you mean 'priority'?)",
        "check_name": "unknown-field",
        "severity": "major",
        "location": {"path": "team-a/finetune.yaml", "lines": {"begin": 4, "end": 4}},
    }
    assert second == {
        "description": "not read",
        "check_name": "nested-config",
        "severity": "minor",
        "location": {"path": "team b/100%.yaml", "lines": {"begin": 1, "end": 1}},
    }


@given(reports, st.integers(0, 50))
def test_fingerprints_stay_when_lines_move(found: list[Diagnostic], lines: int) -> None:
    """And no two findings of a report share one, however alike they are."""
    names = fingerprints(found)
    assert fingerprints([moved(finding, lines) for finding in found]) == names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in names)


@given(reports)
def test_alike_findings_are_told_apart(found: list[Diagnostic]) -> None:
    """A second one does not change the first's name, and has one of its own."""
    names = fingerprints([*found, *found])
    assert names[: len(found)] == fingerprints(found)
    assert len(set(names)) == 2 * len(found)


def test_what_a_finding_says_makes_its_fingerprint() -> None:
    """Another code, message, place in the document, workload or file is another finding."""
    others = [
        dataclasses.replace(UNKNOWN, code="other"),
        dataclasses.replace(UNKNOWN, message="other"),
        dataclasses.replace(UNKNOWN, pointer="other"),
        dataclasses.replace(UNKNOWN, address="other"),
        dataclasses.replace(UNKNOWN, where=Where(file="other")),
    ]
    alone = {name for one in (UNKNOWN, *others) for name in fingerprints([one])}
    assert len(alone) == 6


def test_how_bad_a_finding_is_does_not_count() -> None:
    """Nor does the way out: a better hint makes no new finding."""
    other = dataclasses.replace(UNKNOWN, severity=Severity.WARNING, hint="other")
    assert fingerprints([other]) == fingerprints([UNKNOWN])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("already given in line 3, column 1", "already given in line 14, column 7", True),
        ("(line 3, column 4 of the decoded text)", "(line 4, column 5 of the decoded text)", True),
        ("begins in line 3", "begins in line 4", True),
        ("already declared at a.yaml:1:18", "already declared at a.yaml:7:18", True),
        ("already declared at a.yaml:1:18", "already declared at b.yaml:1:18", False),
        ("the image train:1", "the image train:2", False),
        ("3 GPUs", "4 GPUs", False),
    ],
)
def test_positions_in_messages_do_not_count(before: str, after: str, same: bool) -> None:
    """Where a message names a second place, that may move as well; other numbers are content."""
    one, other = (dataclasses.replace(UNKNOWN, message=text) for text in (before, after))
    assert (fingerprints([one]) == fingerprints([other])) is same


def test_a_plan_as_counts() -> None:
    """A replace deletes and creates; what only changes the record is an update."""
    assert plan_counts_document(busy_plan()) == {"create": 4, "update": 3, "delete": 3}
    assert plan_counts_document(plan_for()) == {"create": 0, "update": 0, "delete": 0}


@given(worlds(), plan_options)
def test_the_counts_are_0_where_nothing_is_to_do(world: World, options: PlanOptions) -> None:
    """And only there."""
    plan = make_plan(
        world.desired,
        world.recorded,
        world.live,
        target=PLAN_TARGET,
        lineage=LINEAGE,
        options=options,
    )
    assert any(plan_counts_document(plan).values()) is bool(plan.changes)

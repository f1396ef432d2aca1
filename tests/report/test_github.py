from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError, Where
from reconciler.report.machine.github import (
    annotations_text,
    applied_annotations,
    applied_outputs,
    failure_annotations,
    failure_outputs,
    outputs_text,
    plan_annotations,
    plan_outputs,
)
from reconciler.report.text.escape import escape_terminal
from tests.report.diagnostics import BARE, UNKNOWN, breaking, reports
from tests.report.pages import make_outcomes, make_plan_with, make_refusal
from tests.support.factories import make_desired, make_recorded, make_remote, plan_for
from tests.support.plans import busy_plan


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


def with_diagnostics(*found: Diagnostic) -> Plan:
    """Return a plan that creates one workload."""
    return dataclasses.replace(plan_for([make_desired()]), diagnostics=found)


def test_a_plan_as_annotations() -> None:
    """The sum comes first, then what refuses it, then findings where they are in the checkout."""
    assert plan_annotations(
        with_diagnostics(UNKNOWN, BARE), [make_refusal("68 % of all", "fewer")], prefix="w/"
    ).split("\n") == [
        (
            "::error title=reconciler plan::Refused. Plan: 1 to create, 0 to update, "
            "0 to replace, 0 to delete; "
            "0 unchanged. GPUs 0 → 1 (peak 1)."
        ),
        "::error title=refused by mass-delete::68 %25 of all%0Ahint: fewer",
        (
            "::error file=w/team-a/finetune.yaml,line=4,col=3,endLine=4,endColumn=10,"
            "title=unknown-field::unknown field 'priorty'%0Ahint: did you mean 'priority'?"
        ),
        "::warning file=w/team b/100%25.yaml,line=1,col=1,title=nested-config::not read",
    ]


def test_the_sum_is_as_bad_as_the_worst() -> None:
    """Nothing to say is a notice, a warning a warning."""
    assert plan_annotations(with_diagnostics(), ()).startswith(
        "::notice title=reconciler plan::Plan:"
    )
    assert plan_annotations(with_diagnostics(BARE), ()).startswith(
        "::warning title=reconciler plan::"
    )
    assert "::warning title=incomplete::" in plan_annotations(busy_plan(), ())


@pytest.mark.parametrize("lints", [0, 1, 12])
@pytest.mark.parametrize("change", ["delete", "replace"])
def test_a_lint_does_not_hide_what_ends(change: str, lints: int) -> None:
    """The numbers stand in the first of all annotations, which is a warning in any case."""
    row = make_recorded()
    desired = [] if change == "delete" else [dataclasses.replace(make_desired(), manifest={})]
    ends = plan_for(desired, [row], {str(row.id): make_remote(row)})
    assert ends.count(change) == 1
    plan = dataclasses.replace(ends, diagnostics=(BARE,) * lints)
    first, *others = plan_annotations(plan, ()).split("\n")
    assert first.startswith("::warning title=reconciler plan::Plan: ")
    assert f"1 to {change}" in first
    assert [line.partition(" ")[0] for line in others] == ["::warning"] * lints


def test_what_is_not_shown_is_counted() -> None:
    """From the tenth finding on, the sum is not all that GitHub leaves out otherwise."""
    for count, more in ((9, ""), (10, " 10 warnings in all, GitHub shows fewer.")):
        first = plan_annotations(with_diagnostics(*[BARE] * count), ()).split("\n")[0]
        assert first.endswith(f"(peak 1).{more}")


def test_the_end_of_an_apply_as_annotations() -> None:
    """What failed and what is in doubt stands at the line of its spec."""
    summary = Summary(created=1, failed=1, in_doubt=1, skipped=1)
    finished = RunFinished(at="now", run="r", took=1, summary=summary, stopped_by=StopReason.SIGINT)
    assert applied_annotations(
        make_plan_with("x"), finished, make_outcomes("x"), prefix="w/"
    ).split("\n") == [
        (
            "::error title=reconciler apply::Applied: 1 created, 0 updated, 0 replaced, 0 deleted; "
            "1 failed, 0 down, 1 in doubt, 1 skipped (1.0 s)."
        ),
        "::error title=stopped::the run was stopped: SIGINT",
        "::error file=w/fx,line=3,col=1,title=create failed::px/nx: x%0Ahint: hx",
        "::error file=w/fx,line=3,col=1,title=create in doubt::px/nx: x%0Ahint: hx",
    ]


def test_an_error_before_the_beginning_as_annotations() -> None:
    """Refusals and findings say it better than the error that they came with."""
    error = ReconcilerError("no login", where=Where(file="a.yaml", line=2), hint="log in")
    assert failure_annotations(error, doing="apply", prefix="w/").split("\n") == [
        "::error title=reconciler apply::Nothing was applied: no login",
        "::error file=w/a.yaml,line=2,col=1,title=apply::no login%0Ahint: log in",
    ]
    assert failure_annotations(
        error, doing="plan", refusals=[make_refusal()], diagnostics=[BARE]
    ).split("\n") == [
        "::error title=reconciler plan::No plan: no login",
        "::error title=refused by mass-delete::too many%0Ahint: fewer",
        "::warning file=team b/100%25.yaml,line=1,col=1,title=nested-config::not read",
    ]


def test_a_plan_as_outputs_of_a_step() -> None:
    """Every count has a name of its own."""
    plan = busy_plan()
    assert outputs_text(plan_outputs(plan, refused=True, exit_code=5)).splitlines() == [
        *("outcome=refused", "exit_code=5", "has_changes=true", "refused=true", "complete=false"),
        f"digest={plan.digest}",
        *("create=2", "update=0", "replace=2", "delete=1", "adopt=0", "forget=1", "resolve=1"),
        *("record=1", "hold=2"),
        *("unchanged=2", "drifted=2", "gpus_before=8", "gpus_after=12", "gpus_peak=13"),
    ]
    changes = plan_outputs(plan, refused=False, exit_code=0)
    nothing = plan_outputs(plan_for(), refused=False, exit_code=0)
    assert (changes["outcome"], nothing["outcome"]) == ("changes", "nothing")
    assert nothing["has_changes"] == "false"


def test_the_end_of_an_apply_as_outputs_of_a_step() -> None:
    """And one that did not begin."""
    plan = plan_for()
    summary = Summary(created=1, in_doubt=2)
    finished = RunFinished(at="now", run="r", took=1, summary=summary)
    assert outputs_text(applied_outputs(plan, finished, exit_code=8)).splitlines() == [
        *("outcome=incomplete", "exit_code=8", f"digest={plan.digest}", "created=1"),
        *("updated=0", "replaced=0", "deleted=0", "settled=0", "forgotten=0", "recorded=0"),
        *("finished=0", "expired=0"),
        *("failed=0", "down=0", "in_doubt=2", "skipped=0"),
    ]
    assert applied_outputs(plan, finished, exit_code=0)["outcome"] == "applied"
    error = ReconcilerError("x")
    assert failure_outputs(error, refused=False) == {"outcome": "failed", "exit_code": "1"}
    assert failure_outputs(error, refused=True)["outcome"] == "refused"


@pytest.mark.parametrize("char", ["\n", "\r"])
def test_an_output_has_one_line(char: str) -> None:
    """A value of several could set others."""
    with pytest.raises(ValueError, match="several lines"):
        outputs_text({"digest": f"a{char}b=c"})


@given(breaking)
def test_nothing_breaks_out_of_any_annotation(word: str) -> None:
    """Of a plan, of an apply, of a failure: as many commands as with an ordinary word."""
    for text, plain in zip(every_text(word), every_text("word"), strict=True):
        lines = text.split("\n")
        assert len(lines) == plain.count("\n") + 1
        for line, harmless in zip(lines, plain.split("\n"), strict=True):
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]", line)
            command, properties, _ = as_the_runner_reads(line)
            assert (command, properties.keys()) == (
                as_the_runner_reads(harmless)[0],
                as_the_runner_reads(harmless)[1].keys(),
            )


def every_text(word: str) -> list[str]:
    """Annotate everything, with one word in every place that is not ours."""
    plan, refusals = make_plan_with(word), [make_refusal(word, word)]
    finished = RunFinished(at="now", run=word, took=1, summary=Summary())
    error = ReconcilerError(word, where=Where(file=f"f{word}"), hint=f"h{word}")
    return [
        plan_annotations(plan, refusals, prefix=word),
        applied_annotations(plan, finished, make_outcomes(word), prefix=word),
        failure_annotations(error, doing="plan", prefix=word),
    ]

"""One way out of each kind of problem, in every format."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest

from reconciler.core.history.events import ActionEnded, RunFinished, RunStarted, Summary
from reconciler.core.history.outcome import (
    Cause,
    Failed,
    InDoubt,
    Skipped,
    Unsuccessful,
    cause_of_refusal,
)
from reconciler.core.history.timeline import Timeline
from reconciler.report.commands import Commands
from reconciler.report.html import apply_page
from reconciler.report.machine.documents import event_document
from reconciler.report.machine.github import applied_annotations
from reconciler.report.markdown.markdown import markdown_applied
from reconciler.report.text.conclusion import Conclusion
from tests.report.pagetree import at
from tests.support.factories import make_address, make_desired, plan_for

COMMANDS = Commands(again="reconciler apply w", state=" --state s.db")
ADDRESS = make_address("1/one")
PLAN = plan_for([make_desired("1/one")])


def failed(cause: Cause, hint: str = "") -> Failed:
    """It was refused, for this cause."""
    return Failed(message="no", cause=cause, hint=hint)


def ended(outcome: Unsuccessful) -> ActionEnded:
    """It ended like this."""
    return ActionEnded(at=at(1), address=ADDRESS, action="create", outcome=outcome)


WAYS_OUT: list[tuple[Unsuccessful, str]] = [
    (failed(Cause.SERVER), "fix the spec, then reconciler apply w"),
    (
        failed(Cause.DENIED),
        "let the login change workloads in project 1, then reconciler apply w",
    ),
    (
        failed(Cause.CLUSTER),
        "fix the spec and apply; to try it unchanged: reconciler apply w --replace 1/one",
    ),
    (
        failed(Cause.HELD),
        "set lifecycle.onMissing: recreate, or remove the spec, then reconciler apply w",
    ),
    (
        failed(Cause.GIVEN_UP),
        "once the workload is gone: reconciler state resolve 1/one --recheck --state s.db",
    ),
    (
        failed(Cause.UNPROVEN),
        "once you know that it is gone: reconciler state rm 1/one --state s.db",
    ),
    (failed(Cause.OUTDATED), "plan again, and have the new plan approved"),
    (
        failed(Cause.QUOTA),
        "free GPUs in project 1 or have its quota raised, then reconciler apply w",
    ),
    (failed(Cause.NAME_TAKEN), "choose another name, or adopt what has it"),
    (failed(Cause.OTHER), "reconciler apply w  (what was done stays done)"),
    (
        InDoubt(message="lost"),
        (
            "reconciler apply w  (looks for the proof once more), or by hand: "
            "reconciler state resolve 1/one --id ID --state s.db (or --abandon)"
        ),
    ),
    (
        Skipped(message="late"),
        "reconciler apply w",
    ),
]


def plain(text: str) -> str:
    """A page without its marks."""
    return re.sub(r"[\\`]", "", html.unescape(re.sub(r"</?(code|strong)>", "", text)))


@pytest.mark.parametrize(("outcome", "way_out"), WAYS_OUT)
def test_every_format_names_the_same_way_out(outcome: Unsuccessful, way_out: str) -> None:
    """People, programs and reviewers are told to do the same."""
    problem = ended(outcome)
    finished = RunFinished(at=at(2), run="r", took=1.0, summary=Summary())
    timeline = Timeline()
    for event in (RunStarted(at=at(0), run="r", actions=1), problem):
        timeline.add(event)
    text = Conclusion(PLAN, run="r", commands=COMMANDS).text([problem])
    assert text.splitlines()[-1] == f"  next: {way_out}"
    assert f" | {way_out} |" in plain(
        markdown_applied(PLAN, finished, [problem], commands=COMMANDS)
    )
    assert f"Next: {way_out}<" in plain(apply_page(PLAN, finished, timeline, commands=COMMANDS))
    if not isinstance(outcome, Skipped):
        assert event_document(problem, COMMANDS)["hint"] == way_out
        notes = applied_annotations(PLAN, finished, [problem], commands=COMMANDS)
        assert notes.endswith(f"%0Ahint: {way_out}")


def test_a_hint_of_its_own_goes_first() -> None:
    """It knows this very workload, so it stands instead of the next step of its kind."""
    hint = "reconciler state resolve 1/one --abandon"
    problem = ended(failed(Cause.OTHER, hint))
    assert event_document(problem, COMMANDS)["hint"] == hint
    text = Conclusion(PLAN, run="r", commands=COMMANDS).text([problem])
    assert text == (
        f"Failed (1):\n  llm.yaml:1:1: error: create failed: no (1/one)\n    hint: {hint}"
    )
    timeline = Timeline()
    for event in (RunStarted(at=at(0), run="r", actions=1), problem):
        timeline.add(event)
    finished = RunFinished(at=at(2), run="r", took=1.0, summary=Summary())
    page = plain(apply_page(PLAN, finished, timeline, commands=COMMANDS))
    assert f"Way out: {hint}<" in page
    assert "Next: " not in page


def test_many_that_the_cluster_refused_have_one_way_out() -> None:
    """Not a flag for each of them."""
    problems = [
        dataclasses.replace(ended(failed(Cause.CLUSTER)), address=make_address(f"1/w{number}"))
        for number in range(3)
    ]
    text = Conclusion(PLAN, run="r", commands=COMMANDS).text(problems)
    assert [line for line in text.splitlines() if "next:" in line] == [
        "  next: fix the spec and apply; to try them unchanged: reconciler apply w --retry-failed"
    ]


@pytest.mark.parametrize(
    ("stopped_by", "way_out"),
    [
        ("lock", "once the other run has ended: reconciler apply w"),
        ("unauthorised", "once the login is accepted ('reconciler doctor'): reconciler apply w"),
        ("unreachable", "once the server answers ('reconciler doctor'): reconciler apply w"),
        ("state", "once the state can be written ('reconciler state check'): reconciler apply w"),
        ("SIGTERM", "reconciler apply w"),
    ],
)
def test_what_stopped_the_run_is_mended_first(stopped_by: str, way_out: str) -> None:
    """Applying again at once would stop for the same reason."""
    problem = ended(Skipped(message="late"))
    text = Conclusion(PLAN, run="r", stopped_by=stopped_by, commands=COMMANDS).text([problem])
    assert text.splitlines()[-1] == f"  next: {way_out}"


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Project quota exceeded", Cause.QUOTA),
        ("exceeded quotas: gpu", Cause.QUOTA),
        ("quotation marks are missing", Cause.SERVER),
    ],
)
def test_a_quota_is_known_by_the_word(message: str, cause: Cause) -> None:
    """No other field of an answer says it."""
    assert cause_of_refusal(message) is cause

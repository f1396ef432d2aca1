from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.model import Address
from reconciler.errors import Where
from reconciler.report.commands import Commands
from reconciler.report.error_field import Locate, find_field
from reconciler.report.text.conclusion import FEW, MOST, Conclusion
from reconciler.report.text.escape import escape_terminal
from tests.support.factories import (
    NOW,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    plan_for,
)
from tests.support.strategies import hostile

RUN = "5e0d6c0e-3f0a-4d51-9a52-0c6f6f9d2f11"
COMMANDS = Commands(again="reconciler apply w", state=" --state w/.reconciler/state.db")


def failed(
    address: str,
    message: str,
    action: str = "create",
    hint: str = "",
    cause: Cause = Cause.OTHER,
) -> ActionEnded:
    """Return a failure."""
    return ended(address, Failed(message=message, hint=hint, cause=cause), action)


def ended(address: str, outcome: Outcome, action: str = "create") -> ActionEnded:
    """Return the end of an action."""
    return ActionEnded(at=NOW, address=make_address(address), action=action, outcome=outcome)


def told(*problems: ActionEnded, locate: Locate | None = None) -> str:
    """Conclude an apply of three specs."""
    plan = plan_for(
        [
            make_desired("1/a", file="team/a.yaml", line=3, metadata={"priority": "high"}),
            make_desired("1/b", file="team/b.yaml"),
            make_desired("1/c", file="team/c.yaml"),
        ]
    )
    conclusion = Conclusion(plan, run=RUN, commands=COMMANDS, prefix="w/", locate=locate)
    return conclusion.text(problems)


def test_every_kind_of_problem_has_its_place_and_its_way_on() -> None:
    """As diagnostics, by address; each group ends with the command for it."""
    doubt = ended("1/b", InDoubt(message="no answer"))
    skipped = [ended(f"2/{name}", Skipped(message="stopped")) for name in "hgfedcba"]
    assert told(
        failed("9/gone", "still there 900 s after DELETE", "delete"),
        failed("1/a", "no\nquota", hint="ask for more"),
        failed("1/c", "the cluster refused it: no image", cause=Cause.CLUSTER),
        failed("3/lost", "no longer on the server; onMissing: fail", "hold", cause=Cause.HELD),
        failed("3/odd", "category 'x' is unknown", cause=Cause.SERVER),
        failed("3/old", "its spec has changed since", "hold", cause=Cause.OUTDATED),
        doubt,
        *skipped,
    ) == (
        "Refused by the server (1):\n"
        "  3/odd: error: the server refused it: category 'x' is unknown\n"
        "  next: fix the spec, then reconciler apply w\n"
        "\n"
        "Not as it was approved (1):\n"
        "  3/old: error: its spec has changed since\n"
        "  next: plan again, and have the new plan approved\n"
        "\n"
        "Failed (2):\n"
        "  w/team/a.yaml:3:1: error: create failed: no\\x0aquota (1/a)\n"
        "    hint: ask for more\n"
        "  9/gone: error: delete failed: still there 900 s after DELETE\n"
        "  next: reconciler apply w  (what was done stays done)\n"
        "\n"
        "Refused by the cluster (1):\n"
        "  w/team/c.yaml:1:1: error: the cluster refused it: no image (1/c)\n"
        "  next: fix the spec and apply; to try it unchanged: "
        "reconciler apply w --replace 1/c\n"
        "\n"
        "Missing on the server (1):\n"
        "  3/lost: error: no longer on the server; onMissing: fail\n"
        "  next: set lifecycle.onMissing: recreate, or remove the spec, then reconciler apply w\n"
        "\n"
        "In doubt (1):\n"
        "  w/team/b.yaml:1:1: in doubt: no answer (1/b)\n"
        "  next: reconciler apply w  (looks for the proof once more), or by hand: "
        "reconciler state resolve 1/b --id ID --state w/.reconciler/state.db (or --abandon)\n"
        "\n"
        "Skipped (8):\n"
        "  stopped: 2/a, 2/b, 2/c, 2/d, 2/e, … and 3 more\n"
        "  next: reconciler apply w"
    )


def test_a_field_that_the_server_names_is_pointed_at() -> None:
    """Where it was written, in whichever file; a place that nobody knows is the spec's first."""

    def locate(address: Address, pointer: str) -> Where:
        if str(address) != "1/a":
            raise KeyError(address)
        return Where(file="team/_defaults.yaml", line=7, column=len(pointer))

    words = "priority 'high' is not available in this cluster"
    first = told(failed("1/a", words), locate=locate).splitlines()[1]
    assert first == f"  w/team/_defaults.yaml:7:18: error: create failed: {words} (1/a)"
    other = told(failed("1/b", "metadata.name is taken"), locate=locate).splitlines()[1]
    assert other == "  w/team/b.yaml:1:1: error: create failed: metadata.name is taken (1/b)"


def test_many_problems_are_cut_and_counted() -> None:
    """The rest is a command away."""
    lines = told(*(failed(f"7/w{i:03}", "no") for i in range(200))).splitlines()
    assert lines[0] == "Failed (200):"
    assert len(lines) == MOST + 3
    assert lines[-2] == (
        "  … and 180 more: reconciler runs show 5e0d6c0e --state w/.reconciler/state.db"
    )


def test_no_problem_is_nothing_to_say() -> None:
    """What succeeded is not listed again."""
    done = ended("1/a", Succeeded())
    assert told() == told(done) == ""


def test_the_same_hint_is_given_once() -> None:
    """A fleet that fails for one reason has one way out."""
    problems = [failed(f"1/{name}", "no", hint="check the quota") for name in "abc"]
    assert told(*problems).count("hint:") == 1


@given(hostile, st.integers(1, FEW + 1))
def test_nobody_else_breaks_lines(word: str, count: int) -> None:
    """However many problems there are and whatever a server says, each is a line."""
    plain = told(*(failed(f"1/x{i}", "word", hint="hint") for i in range(count)))
    odd = told(*(failed(f"1/x{i}", word, hint=word or "hint") for i in range(count)))
    assert len(odd.splitlines()) == len(plain.splitlines())
    assert escape_terminal(odd, keep="\n") == odd


SPEC = make_desired(
    metadata={"priority": "high", "category": "Train"}, manifest=make_manifest()
).spec


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ("priority 'high' is not available in this cluster", "/metadata/priority"),
        ("category 'Train' is not available in this cluster", "/metadata/category"),
        ("metadata.priority must be a string or null", "/metadata/priority"),
        ("metadata.labels must be a map", None),
        ("invalid value at /metadata/category", "/metadata/category"),
        ("spec.replicas: must be positive", "/manifest/spec/replicas"),
        (
            "spec.template.spec.containers[0].image: cannot be pulled",
            "/manifest/spec/template/spec/containers/0/image",
        ),
        ("spec.template.spec.containers[1].image: cannot be pulled", None),
        ("manifest.spec.replicas and metadata.priority disagree", None),
        ("metadata.priority, that is metadata.priority", "/metadata/priority"),
        ("workload with name 'llm' already exists in this project", None),
        ("see https://docs.example/spec.html for e.g. this", None),
        ("HTTP 400: no message", None),
        ("", None),
    ],
)
def test_a_field_is_found_where_the_words_leave_no_doubt(message: str, pointer: str | None) -> None:
    """A path all of which is in the spec, and only one of them."""
    assert find_field(message, SPEC) == pointer


@given(st.text(max_size=200))
def test_no_message_makes_the_search_fail(message: str) -> None:
    """A server may say anything."""
    find_field(message, SPEC)


def test_each_doubt_has_its_own_way_out() -> None:
    """A command that settles one of several is no way out of the others."""
    doubts = [ended(f"1/{name}", InDoubt(message="no answer")) for name in ("b", "a")]
    lines = told(*doubts).splitlines()
    assert [line.rpartition("state resolve ")[2] for line in lines if "next: " in line] == [
        f"1/{name} --id ID --state w/.reconciler/state.db (or --abandon)" for name in ("a", "b")
    ]


def test_what_only_was_waited_for_has_the_line_of_its_spec() -> None:
    """An unchanged workload is no change of the plan, and its author looks for it all the same."""
    desired = make_desired("1/a", file="team/a.yaml", line=3)
    plan = plan_for([desired], [make_recorded(desired)])
    assert [action.kind for action in plan.actions] == ["keep"]
    problem = failed("1/a", "accepted, but not running: still Pending after 600 s", "hold")
    text = Conclusion(plan, run=RUN, commands=COMMANDS, prefix="w/").text([problem])
    assert text.splitlines()[1] == (
        "  w/team/a.yaml:3:1: error: accepted, but not running: still Pending after 600 s (1/a)"
    )


def test_a_create_that_was_accepted_did_not_fail() -> None:
    """The workload is there: only what came after its create has not succeeded."""
    outcome = Failed(id="id-1", message="accepted, but still Applying after 60 s", hint="look")
    assert told(ended("1/a", outcome)) == (
        "Failed (1):\n"
        "  w/team/a.yaml:3:1: error: accepted, but still Applying after 60 s (1/a)\n"
        "    hint: look"
    )

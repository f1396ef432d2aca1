from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import ABSENT, FieldChange
from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestRetried,
    RunFinished,
    RunStarted,
    StateAwaited,
    Summary,
    Throttled,
)
from reconciler.core.history.outcome import Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.model import Own, Purpose
from reconciler.core.planning.actions import GpuEffect, Reason, Replace
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError, Where
from reconciler.report.text.formatting import gpu_number
from reconciler.report.text.text import Text
from tests.support.factories import (
    LINEAGE,
    NOW,
    PLAN_TARGET,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.plans import busy_plan

BUSY = """\
  ± replace  4501/changed    Deployment  1 → 2 GPUs  team-a/changed.yaml:1
             spec-changed: /manifest/spec/replicas and 1 more changed; \
API 2.23 can only delete and create
             releases 1 GPU, requested since 2026-11-20 09:00 UTC
             ~ /manifest/spec/replicas: 1 → 2
             ~ /manifest/spec/template/spec/containers/0/image: "nvcr.io/llm:1" → "nvcr.io/llm:2"
  ? resolve  4501/doubt      Deployment  0 → 1 GPU  team-a/doubt.yaml:7
             in-doubt: a create of 2026-11-20 09:00:00 UTC was cut short; \
the same request is sent again
             + image nvcr.io/llm:1
  . forget   4501/lost       Deployment  last declared in team-a/lost.yaml
             missing-on-server: gone from the server and from the specs
  = record   4501/protected  Deployment  team-a/protected.yaml:8
             lifecycle-changed: protect false → true; nothing is sent
  - delete   4501/removed    Deployment  1 → 0 GPUs  last declared in team-a/removed.yaml
             removed-from-specs: no spec declares it any more, created by run run-1
             releases 1 GPU, requested since 2026-11-20 09:00 UTC
  ± replace  4501/undone     Deployment  1 → 3 GPUs  team-a/undone.yaml:10
             spec-changed: /manifest/spec/replicas changed; API 2.23 can only delete and create
             releases 1 GPU, requested since 2026-11-20 09:00 UTC
             ~ /manifest/spec/replicas: 1 → 3
             ~ /manifest/spec/template/spec/containers/0/image: "somebody/else:1" → "nvcr.io/llm:1"
  + create   7/new           Deployment  0 → 1 GPU  new.yaml:9
             + image nvcr.io/llm:1
  + create   7/odd           Odd  GPUs that cannot be counted  llm.yaml:1
  ! hold     4501/failed     Deployment  team-a/failed.yaml:3
             sync-failed: the cluster refused it: no image
  ! hold     4501/job        Deployment  team-a/job.yaml:4
             in-doubt: could not be read: 503

Changed on the server, and not undone (--on-drift update or replace does):
  4501/drifted
    ~ /manifest/spec/template/spec/containers/0/image: "nvcr.io/llm:1" → "somebody/else:1"

Changed on the server, and overwritten by this plan:
  4501/undone
    ~ /manifest/spec/template/spec/containers/0/image: "somebody/else:1" → "nvcr.io/llm:1"

1 workload held back here will fail the apply.

Not everything was read from the server.

Stack team-a on https://app.run.ai, state of lineage 5e0d6c0e-3f0a-4d51-9a52-0c6f6f9d2f11.
Plan: 2 to create, 0 to update, 2 to replace, 1 to delete, 1 to forget, 1 to resolve, 1 to record; \
2 unchanged, 2 held, 2 drifted. GPUs 8 → 12 (peak 13, 1 not countable)."""


def test_a_plan_with_everything_in_it() -> None:
    """What happens, why, from which line, with which effect on the GPUs; the verdict last."""
    assert Text().plan(busy_plan()) == BUSY


def test_drift_that_came_back_has_another_way_out() -> None:
    """A replace has undone it once: --on-drift replace does not undo it again."""
    plan = busy_plan()
    returned = tuple(dataclasses.replace(drift, returned=True) for drift in plan.drift)
    text = Text().plan(dataclasses.replace(plan, drift=returned))
    assert "--on-drift replace does" not in text
    assert (
        "Changed on the server again after an apply had undone it, and not undone "
        "(--replace ADDRESS does):\n  4501/drifted\n"
    ) in text


def test_a_plan_in_short() -> None:
    """Without details the fields that changed are left out, the drift is not."""
    lines = [
        line for line in BUSY.splitlines() if not line.startswith((" " * 13 + "~", " " * 13 + "+"))
    ]
    assert Text().plan(busy_plan(), details=False).splitlines() == lines


def test_a_plan_seen_from_elsewhere() -> None:
    """Paths can be opened from where the command was typed."""
    assert Text(prefix="../ws/").plan(plan_for([make_desired(file="a.yaml", line=3)])) == (
        "  + create   4501/llm  Deployment  0 → 1 GPU  ../ws/a.yaml:3\n"
        "             + image nvcr.io/llm:1\n\n"
        f"Stack team-a on https://app.run.ai, state of lineage {LINEAGE}.\n"
        "Plan: 1 to create, 0 to update, 0 to replace, 0 to delete; "
        "0 unchanged. GPUs 0 → 1 (peak 1)."
    )


def test_a_plan_without_changes() -> None:
    """It says so, and of what is due and held back that an apply is no success."""
    desired, row = make_desired(), make_recorded()
    assert Text().plan(plan_for([desired], [row], {row.id or "": make_remote(row)})) == (
        "Nothing to do.\n\n"
        f"Stack team-a on https://app.run.ai, state of lineage {LINEAGE}.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; "
        "1 unchanged. GPUs 1 → 1 (peak 1)."
    )
    assert Text().plan(plan_for([desired], no_create=True)) == (
        "  ! hold     4501/llm  llm.yaml:1\n"
        "             new: not created yet; held by --no-create\n\n"
        "Nothing to do, but 1 workload held back here will fail the apply.\n\n"
        f"Stack team-a on https://app.run.ai, state of lineage {LINEAGE}.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; "
        "0 unchanged, 1 held. GPUs 0 → 0 (peak 0)."
    )


def test_a_plan_in_colour() -> None:
    """Each kind of action has its colour, addresses and the verdict stand out, places do not."""
    row = make_recorded()
    desired = make_desired(manifest=make_manifest(replicas=2))
    assert Text(colour=True).plan(plan_for([desired], [row])) == (
        "  \x1b[33m± replace\x1b[0m  \x1b[1m4501/llm\x1b[0m  "
        "\x1b[2mDeployment  1 → 2 GPUs  llm.yaml:1\x1b[0m\n"
        "             spec-changed: /manifest/spec/replicas changed; "
        "API 2.23 can only delete and create\n"
        "             releases 1 GPU, requested since 2026-11-20 09:00 UTC\n"
        "             \x1b[33m~ /manifest/spec/replicas: 1 → 2\x1b[0m\n\n"
        f"\x1b[2mStack team-a on https://app.run.ai, state of lineage {LINEAGE}.\x1b[0m\n"
        "\x1b[1mPlan: 0 to create, 0 to update, 1 to replace, 0 to delete; 0 unchanged. "
        "GPUs 1 → 2 (peak 2).\x1b[0m"
    )


def test_the_colours_change_nothing_but_the_colour() -> None:
    """Without its escape sequences a coloured plan is the plain one."""
    import click

    assert click.unstyle(Text(colour=True).plan(busy_plan())) == BUSY


SINCE = "requested since 2026-11-20 09:00 UTC, 61 h"


def changed(
    *changes: FieldChange,
    gpus: GpuEffect | None = None,
    now: datetime | None = None,
    since: str | None = NOW,
) -> str:
    """Return what a plan with one replace says below its head."""
    action = Replace(
        address=make_address(),
        reason=Reason.SPEC_CHANGED,
        detail="d",
        source=Where(file="llm.yaml"),
        recorded=make_recorded(),
        desired=make_desired(),
        changes=changes,
        gpus=dataclasses.replace(gpus or GpuEffect(), since=since),
    )
    plan = Plan(target=PLAN_TARGET, lineage=LINEAGE, serial=0, actions=(action,))
    return Text(now=now).plan(plan).split("\n\n", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (1, 2, "~ /a: 1 → 2"),
        (ABSENT, {"k": "ü"}, '+ /a: {"k": "ü"}'),
        ([1], ABSENT, "- /a: [1]"),
        (None, True, "~ /a: null → true"),
        (
            "(sensitive 0123456789abcdef)",
            "(sensitive 0)",
            '~ /a: (sensitive) → "(sensitive 0)"',
        ),
        (
            "(sensitive 0123456789abcdef)",
            "(sensitive fedcba9876543210)",
            "~ /a: (sensitive, changed)",
        ),
        ("(sensitive\x1b[2J", "", '~ /a: "(sensitive\\u001b[2J" → ""'),
        ("a\nb", "é\u202e", '~ /a: "a\\nb" → "é\\u202e"'),
        ("x" * 80, 1, f'~ /a: "{"x" * 80}" → 1'),
    ],
)
def test_a_field_that_changed(before: Any, after: Any, line: str) -> None:
    """One line each: values as JSON, long ones without their middle, secrets never."""
    text = changed(FieldChange(pointer="/a", before=before, after=after))
    assert text.splitlines()[2:] == [f"             {line}"]


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (GpuEffect(), ""),
        (GpuEffect(before=1, after=1), "  1 → 1 GPU"),
        (GpuEffect(before=0.5, after=8), "  0.5 → 8 GPUs"),
        (GpuEffect(known=False), "  GPUs that cannot be counted"),
        (GpuEffect(after=8, known=False), "  0 → at least 8 GPUs"),
    ],
)
def test_the_effect_on_the_gpus(effect: GpuEffect, words: str) -> None:
    """What is unknown is never shown as nothing."""
    assert changed(gpus=effect).splitlines()[0] == (
        f"  ± replace  4501/llm  Deployment{words}  llm.yaml:1"
    )


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (GpuEffect(), []),
        (GpuEffect(after=8), []),
        (GpuEffect(before=1), [f"releases 1 GPU, {SINCE}"]),
        (
            GpuEffect(before=0.5, after=8),
            [f"releases 0.5 GPUs, {SINCE}"],
        ),
        (
            GpuEffect(known=False),
            [f"releases GPUs that cannot be counted, {SINCE}"],
        ),
        (
            GpuEffect(before=8, known=False),
            [f"releases at least 8 GPUs, {SINCE}"],
        ),
    ],
)
def test_what_a_replace_gives_back(effect: GpuEffect, words: list[str]) -> None:
    """How many GPUs, since when they are asked for, and how long that is; not whether they ran."""
    now = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)
    told = [line.strip() for line in changed(gpus=effect, now=now).splitlines()[2:]]
    assert told == words
    unknown = [line.strip() for line in changed(gpus=effect, since=None).splitlines()[2:]]
    assert unknown == [line.removesuffix(SINCE).rstrip(" ,") for line in words]


def test_what_a_delete_gives_back() -> None:
    """A plan says it of what it takes away, at the moment at which it is read."""
    row = make_recorded()
    for now, since in (
        ("2026-11-20T09:00:30+00:00", "requested for less than a minute"),
        ("2026-11-20T10:59:00+00:00", "requested since 2026-11-20 09:00 UTC, 119 min"),
        ("2026-11-20T08:00:00+00:00", "requested since 2026-11-20 09:00 UTC"),
    ):
        text = Text(now=datetime.fromisoformat(now)).plan(plan_for([], [row]))
        assert text.splitlines()[2] == f"             releases 1 GPU, {since}"
    found = dataclasses.replace(row, first_sent_at=None)
    assert Text().plan(plan_for([], [found])).splitlines()[2] == "             releases 1 GPU"


def test_numbers_of_gpus() -> None:
    """Fractions as they are, whole numbers without a point, however many."""
    assert [gpu_number(n) for n in (0.0, 0.25, 8.0, 2_000_000.0)] == ["0", "0.25", "8", "2000000"]


def test_the_last_line_of_an_apply() -> None:
    """The counts that are always there, and the others where they are not zero."""
    text = Text()
    assert text.applied(Summary(created=3, replaced=1), 4.2) == (
        "Applied: 3 created, 0 updated, 1 replaced, 0 deleted; "
        "0 failed, 0 down, 0 in doubt (4.2 s)."
    )
    everything = Summary(
        created=1, deleted=2, replaced=3, adopted=4, forgotten=5, recorded=6, failed=7
    )
    everything = dataclasses.replace(everything, skipped=8, in_doubt=9)
    assert text.applied(everything, 0.04) == (
        "Applied: 1 created, 0 updated, 3 replaced, 2 deleted, 4 settled, 5 forgotten, 6 recorded; "
        "7 failed, 0 down, 9 in doubt, 8 skipped (0.0 s)."
    )


def at(kind: Callable[..., Event], **fields: Any) -> Event:
    """Return an event about the usual workload."""
    return kind(at=NOW, address=make_address(), **fields)


def ended(action: str, outcome: Outcome) -> Event:
    """Return the end of an action."""
    return at(ActionEnded, action=action, outcome=outcome, took=1.0)


EVENTS = [
    (
        ended("create", Succeeded(id="id-1")),
        "created   4501/llm  id-1",
    ),
    (
        ended("resolve", Succeeded(id="id-1", detail="adopted by its marker")),
        "settled   4501/llm  id-1; adopted by its marker",
    ),
    (ended("record", Succeeded()), "recorded  4501/llm"),
    (
        ended("create", Failed(message="no\nquota", hint="ask for more")),
        "failed    4501/llm  no\\x0aquota\n  hint: ask for more",
    ),
    (
        ended("create", InDoubt(message="no answer", hint="run apply again")),
        "in doubt  4501/llm  no answer\n  hint: run apply again",
    ),
    (
        at(Throttled, delay=2.4, reason="429"),
        "429: pausing for 2 s",
    ),
    (StateAwaited(at=NOW), "waiting for the state's database"),
]
VERBOSE = [
    (ended("delete", Skipped(message="stopped")), "skipped   4501/llm  stopped"),
    (at(ActionStarted, action="create"), "begun     4501/llm  create"),
    (
        at(RequestRetried, method="POST", attempt=2, delay=0.51, reason="503"),
        "retry     4501/llm  POST sent 2 times, again in 0.5 s: 503",
    ),
    (
        at(RequestRetried, method="DELETE", attempt=1, delay=0.0, reason="409"),
        "retry     4501/llm  DELETE sent once, again at once: 409",
    ),
]
SILENT = [
    RunStarted(at=NOW, run="r", actions=1),
    RunFinished(at=NOW, run="r", took=1.0),
]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_what_happened_in_a_line(event: Event, line: str) -> None:
    """Verbose or not."""
    assert Text().event(event) == line
    assert Text().event(event, verbose=True) == line


@pytest.mark.parametrize(("event", "line"), VERBOSE)
def test_what_is_only_told_at_length(event: Event, line: str) -> None:
    """Beginnings and retries are for those who ask."""
    assert Text().event(event) is None
    assert Text().event(event, verbose=True) == line


@pytest.mark.parametrize("event", SILENT)
def test_what_is_told_otherwise(event: Event) -> None:
    """The begin and the end of a run have lines of their own."""
    assert Text().event(event, verbose=True) is None


def test_events_in_colour() -> None:
    """The first word says how it went, in the colour of its action."""
    text = Text(colour=True)
    assert text.event(ended("delete", Succeeded(id="i"))) == (
        "\x1b[31mdeleted  \x1b[0m 4501/llm  i"
    )
    assert text.event(ended("create", Failed(message="no"))) == (
        "\x1b[31mfailed   \x1b[0m 4501/llm  no"
    )


FINDINGS = (
    Diagnostic(
        severity=Severity.ERROR,
        code="unknown-field",
        message="unknown field 'priorty'",
        hint="did you mean 'priority'?",
        where=Where(file="team-a/finetune.yaml", line=4, column=3),
    ),
    Diagnostic(
        severity=Severity.WARNING,
        code="unknown-kind",
        message="nobody knows this kind",
        where=Where(file="b.yaml", line=2),
    ),
)


def test_findings_and_their_verdict() -> None:
    """As compilers write them; every finding, then the counts."""
    assert Text(prefix="ws/").validation(FINDINGS, workloads=2, files=1) == (
        "ws/team-a/finetune.yaml:4:3: error: unknown field 'priorty' (unknown-field)\n"
        "  hint: did you mean 'priority'?\n"
        "ws/b.yaml:2:1: warning: nobody knows this kind (unknown-kind)\n"
        "1 error, 1 warning."
    )
    assert Text().validation(FINDINGS[1:], workloads=2, files=1).splitlines()[-1] == (
        "2 workloads in 1 file: valid, 1 warning."
    )
    assert Text().validation((), workloads=1, files=2) == "1 workload in 2 files: valid."


def test_refusals_each_with_a_way_out() -> None:
    """One after the other."""
    refusals = (
        Refusal(guard="a", message="too\x1bmany", hint="add --allow-deletes 4"),
        Refusal(guard="b", message="empty", hint=""),
    )
    assert Text().refusals(refusals) == (
        "refused: too\\x1bmany\n  hint: add --allow-deletes 4\nrefused: empty"
    )


def test_an_error_with_and_without_a_place() -> None:
    """Its own line breaks stay: they are the program's."""
    assert Text().error(ReconcilerError("one\ntwo\x07", hint="go")) == (
        "error: one\ntwo\\x07\n  hint: go"
    )
    where = Where(file="a.yaml", line=2, column=3)
    assert Text(colour=True).error(ReconcilerError("no", where=where)) == (
        "a.yaml:2:3: \x1b[31merror:\x1b[0m no"
    )


def test_records_as_a_table() -> None:
    """A line each; protection is worth a word."""
    rows = [
        make_recorded(make_desired("1/a", protect=True)),
        make_recorded(make_desired("1/longer-name"), own=Own.CREATING),
        make_recorded(make_desired("1/r"), own=Own.DELETING, purpose=Purpose.REPLACE),
    ]
    assert Text().records(rows) == (
        "ADDRESS        STATE     ID         NOTE\n"
        "1/a            accepted  id-op-1-a  protected\n"
        "1/longer-name  creating  -\n"
        "1/r            deleting  id-op-1-r  "
        "it is deleted to be replaced, and nothing replaces it yet"
    )
    assert Text().records([]) == "The state records no workloads."


def test_what_is_left_of_older_creates_is_no_other_workload() -> None:
    """A workload has one line, whatever may still come true; the last moment for it is named."""
    one, two = make_desired("1/a"), make_desired("1/b")
    rows = [
        make_recorded(one, op="op-1", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True),
        make_recorded(one, op="op-2", protected=True),
        make_recorded(two, op="op-3", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True),
        make_recorded(two, op="op-4", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True),
    ]
    assert Text().records(rows) == (
        "ADDRESS  STATE                 ID       NOTE\n"
        "1/a      accepted              id-op-2  protected; "
        "an earlier create may still take effect until 2026-11-20 09:06:02 UTC\n"
        "1/b      late create possible  -        "
        "gone; a lost create may still take effect until 2026-11-20 09:06:02 UTC"
    )

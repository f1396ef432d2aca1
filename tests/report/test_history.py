"""What people read about a state's runs, its soundness, and what it could not take."""

from __future__ import annotations

import dataclasses

from reconciler.core.model import Own
from reconciler.core.states.inspection import Inspection, StateFlaw
from reconciler.ports import ActionEntry, RunEntry
from reconciler.report.machine.documents import inspection_document, run_document, unsaved_document
from reconciler.report.text.history import (
    find_running,
    inspection_text,
    run_text,
    runs_text,
    unsaved_text,
)
from tests.support.factories import LINEAGE, NOW, make_recorded

BEGUN = RunEntry(
    id="5e0d6c0e-3f0a-4d51-9a52-0c6f6f9d2f11",
    command="reconciler apply",
    user="anna",
    host="ci-7",
    started="2026-11-20T09:00:00.123+00:00",
)
ENDED = dataclasses.replace(
    BEGUN,
    id="77777777-3f0a-4d51-9a52-0c6f6f9d2f11",
    started="2026-11-20T10:00:00.000+00:00",
    finished="2026-11-20T10:00:04.250+00:00",
    took=4.25,
    stopped_by="SIGINT",
    exit_code=130,
    counts={"created": 3, "in_doubt": 1},
)
IDLE = dataclasses.replace(
    ENDED, id="88888888-0000-4000-8000-000000000000", stopped_by="", exit_code=0, counts={}
)
ACTIONS = [
    ActionEntry(
        address="4501/llm", action="create", outcome="done", reason="new", id="id-1", seconds=1.25
    ),
    ActionEntry(
        address="4501/\x1b[31m", action="delete", outcome="failed", message="no\nroom", id=None
    ),
]


def test_runs_are_a_table() -> None:
    """The beginning of an id, when, who, what, how long, and how it ended."""
    assert runs_text([IDLE, ENDED, BEGUN]) == (
        "RUN       STARTED            BY         COMMAND  TOOK   RESULT\n"
        "88888888  2026-11-20 10:00Z  anna@ci-7  apply    4.2 s  nothing to do\n"
        "77777777  2026-11-20 10:00Z  anna@ci-7  apply    4.2 s  "
        "3 created, 1 in doubt; stopped by SIGINT\n"
        "5e0d6c0e  2026-11-20 09:00Z  anna@ci-7  apply           never finished"
    )
    assert runs_text([]) == "The state remembers no runs."


def test_a_run_of_a_pipeline_leads_to_its_job() -> None:
    """Behind what people read, where it is never cut."""
    link = f"https://gitlab.example.com/{'group/' * 9}project/-/jobs/881"
    job = dataclasses.replace(IDLE, link=link)
    head, first, second = runs_text([job, ENDED]).split("\n")
    without = runs_text([IDLE, ENDED]).split("\n")
    assert (head[100:], first[100:], second) == ("  JOB", f"  {link}", without[2])
    assert [head[:100].rstrip(), first[:100].rstrip()] == without[:2]
    assert f"\njob       {link}\n" in run_text(job, [])
    assert run_document(job)["link"] == link


def test_the_history_fits_beside_a_prompt() -> None:
    """Authors lose their middle first, then commands and results, and it is said where all is."""
    long = dataclasses.replace(
        ENDED,
        user="a-user-with-a-name",
        host="runner-7f9c6d5b4-abcde.ci.example.com",
        command="reconciler state resolve 4501/llm-finetune-with-a-long-name --id id-1",
        counts={"created": 1203, "replaced": 17, "deleted": 4, "adopted": 3, "in_doubt": 1},
    )
    lines = runs_text([long, ENDED]).splitlines()
    assert max(map(len, lines)) == 100
    assert lines[1] == (
        "77777777  2026-11-20 10:00Z  a- … com  "
        "state resol … me --id id-1  4.2 s  1203 create … ed by SIGINT"
    )
    assert lines[3:] == ["A result with … in it is cut; to see all of it: reconciler runs show RUN"]


def test_a_run_is_told_with_what_it_did() -> None:
    """A reason stands where there is no message, and nothing moves the cursor."""
    assert run_text(ENDED, ACTIONS) == (
        "run       77777777-3f0a-4d51-9a52-0c6f6f9d2f11\n"
        "command   reconciler apply\n"
        "by        anna@ci-7\n"
        "started   2026-11-20 10:00:00Z\n"
        "finished  2026-11-20 10:00:04Z (4.2 s)\n"
        "result    3 created, 1 in doubt; stopped by SIGINT; exit 130\n"
        "\n"
        "ADDRESS        ACTION  OUTCOME  TOOK   ID    MESSAGE\n"
        "4501/llm       create  done     1.2 s  id-1  new\n"
        "4501/\\x1b[31m  delete  failed          -     no\\x0aroom"
    )


def test_a_run_that_never_ended_says_so() -> None:
    """It was killed, or goes on."""
    assert run_text(BEGUN, []).splitlines()[4:] == [
        "finished  never",
        "result    never finished",
    ]


def test_a_run_is_a_document() -> None:
    """As a line of a list, or whole with its actions."""
    listed = run_document(ENDED)
    assert listed == {
        "id": ENDED.id,
        "command": "reconciler apply",
        "user": "anna",
        "host": "ci-7",
        "started": ENDED.started,
        "finished": ENDED.finished,
        "took": 4.25,
        "stopped_by": "SIGINT",
        "exit_code": 130,
        "counts": {"created": 3, "in_doubt": 1},
        "plan": "",
        "link": "",
        "commit": "",
    }
    assert run_document(ENDED, ACTIONS[:1]) == listed | {
        "actions": [
            {
                "address": "4501/llm",
                "action": "create",
                "outcome": "done",
                "reason": "new",
                "message": "",
                "id": "id-1",
                "seconds": 1.25,
            }
        ]
    }


SOUND = Inspection(
    path="state.db", format=2, lineage=LINEAGE, records=12, in_doubt=1, runs=3, backups=1
)
FLAWED = dataclasses.replace(
    SOUND, flaws=(StateFlaw(message="torn", hint="mend it"), StateFlaw(message="a\tb", hint="x"))
)


def test_an_inspection_ends_with_its_verdict() -> None:
    """Each flaw has its way out below it."""
    assert inspection_text(SOUND) == (
        "state.db: sound; 12 records (1 in doubt), 3 runs, 1 backup, format 2."
    )
    assert inspection_text(FLAWED) == (
        "flaw: torn\n  hint: mend it\nflaw: a\\x09b\n  hint: x\n"
        "state.db: 2 flaws; 12 records (1 in doubt), 3 runs, 1 backup, format 2."
    )


def test_what_is_under_way_is_no_doubt() -> None:
    """Another run is at work on it."""
    beside = dataclasses.replace(SOUND, in_doubt=0, under_way=3)
    assert "12 records (0 in doubt, 3 under way), 3 runs" in inspection_text(beside)


def test_a_run_that_is_at_work_is_no_run_that_never_finished() -> None:
    """The newest without an end, if it is the writer's command; an older one was killed."""
    older, newest = (
        RunEntry(
            id=f"{number}e0d6c0e", command="reconciler apply w", user="u", host="h", started=NOW
        )
        for number in (1, 2)
    )
    writer = "u@h, process 7, since 2026-03-02T12:00:00Z (reconciler apply w)"
    beside, alone = (runs_text([newest, older], who).splitlines()[1:] for who in (writer, ""))
    assert [line.split("  ")[-1] for line in beside] == ["at work", "never finished"]
    assert [line.split("  ")[-1] for line in alone] == ["never finished", "never finished"]
    assert find_running([newest, older], writer) is newest
    assert find_running([newest, older], writer.replace("apply", "state rm")) is None
    assert "finished  not yet\nresult    at work" in run_text(newest, (), is_running=True)


def test_an_inspection_is_a_document() -> None:
    """For a monitor that reads it."""
    assert inspection_document(FLAWED) == {
        "path": "state.db",
        "format": 2,
        "lineage": LINEAGE,
        "records": 12,
        "in_doubt": 1,
        "runs": 3,
        "backups": 1,
        "under_way": 0,
        "flaws": [{"message": "torn", "hint": "mend it"}, {"message": "a\tb", "hint": "x"}],
        "sound": False,
    }


def test_what_could_not_be_saved_can_be_settled_by_hand() -> None:
    """A line of JSON each, and what they are for."""
    known = make_recorded(address="4501/llm", op="op-1", run="run-1")
    assert unsaved_document(known) == {
        "unsaved": "4501/llm",
        "op": "op-1",
        "id": "id-op-1",
        "own": "ACCEPTED",
        "seen": "Synced",
        "purpose": None,
        "ambiguous": False,
        "last_sent_at": NOW,
        "marker": f"{LINEAGE}/op-1",
        "run": "run-1",
    }
    doubtful = make_recorded(address="4501/x", own=Own.CREATING)
    count, plan, example = unsaved_text([doubtful, known]).splitlines()
    assert count == (
        "2 records could not be written to the state; the lines above hold what is known."
    )
    assert plan == (
        "Apply again once it can be written. The state announces every request before it is sent, "
        "so the next apply finds each workload by its marker and finishes each delete."
    )
    assert example == (
        "If the server cannot list its workloads, record one by its id, for example: "
        "reconciler state resolve 4501/llm --id id-op-1"
    )
    assert len(unsaved_text([doubtful]).splitlines()) == 2


def test_a_run_tells_how_it_left_workloads() -> None:
    """Down and refused as it left them; expired and finished where it ended them."""

    def entry(name: str, action: str, outcome: str, reason: str) -> ActionEntry:
        return ActionEntry(address=name, action=action, outcome=outcome, reason=reason)

    entries = [
        entry("4501/a", "replace", "failed", "down"),
        entry("4501/b", "create", "failed", "sync-failed"),
        entry("4501/c", "delete", "done", "expired"),
        entry("4501/d", "delete", "failed", "finished"),
        entry("4501/e", "create", "done", "down"),
    ]
    head = run_text(ENDED, entries).partition("\n\n")[0]
    assert head.splitlines()[6:] == [
        "down      4501/a",
        "refused   4501/b",
        "expired   4501/c",
    ]
    many = [entry(f"4501/{number:02}", "replace", "failed", "down") for number in range(12)]
    assert ", 4501/09 and 2 more\n" in run_text(ENDED, many)

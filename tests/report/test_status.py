from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lifecycle import (
    Lifecycle,
    OnFailed,
)
from reconciler.core.model import (
    LastSeen,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Unread,
)
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.report.status.status import Status, status_document
from reconciler.report.status.table import age_text, change_text, statuses_text, total_text
from reconciler.report.text.color import ColorWriter
from tests.support.factories import make_desired, make_recorded, make_remote

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PLAIN = ColorWriter()
ID = "0ae9b56f-831f-47a4-a997-23b9e3658202"


def made(row: Recorded, **ago: float) -> Live:
    """A workload that the server made so long ago."""
    remote = make_remote(row)
    at = (NOW - timedelta(**ago)).isoformat()
    return dataclasses.replace(remote, metadata={**remote.metadata, "createdAt": at})


def status(name: str = "llm", live: Live | None = None, **fields: Any) -> Status:
    """A workload as it was just read, by default an hour old and synced."""
    late = fields.pop("late", False)
    row = make_recorded(make_desired(f"4501/{name}"), **({"id": ID} | fields))
    said = live or (made(row, hours=1) if row.own is Own.ACCEPTED else None)
    return Status(row=row, live=said, at=NOW, late=late)


def troubled(seen: LastSeen, message: str = "") -> Status:
    """A workload that is not synced."""
    row = make_recorded(make_desired("4501/train"), id=ID)
    remote = made(row, days=3)
    assert not isinstance(remote, Missing | Unread)
    return Status(row=row, live=dataclasses.replace(remote, seen=seen, message=message), at=NOW)


def everything() -> list[Status]:
    """One of each sort."""
    return [
        status("chat"),
        troubled(LastSeen.FAILED, "no quota"),
        status("gone", Missing()),
        status("unread", Unread(reason="HTTP 500")),
        status("lost", own=Own.UNCONFIRMED, id=None, message="the connection broke"),
        status("late", late=True),
    ]


def test_the_table_and_its_total() -> None:
    """What the server says, how old it is, and how many need somebody."""
    assert statuses_text(everything(), PLAIN) == (
        "ADDRESS      PHASE     SYNC    AGE  GPUS   MESSAGE\n"
        "4501/chat    -         Synced  1h   1/-/-\n"
        "4501/train   -         Failed  3d   1/-/-  no quota\n"
        "4501/gone    missing   -       -    1/-/-\n"
        "4501/unread  unread    -       -    1/-/-  HTTP 500\n"
        "4501/lost    in doubt  -       -    1/-/-  the connection broke\n"
        "4501/late    -         Synced  1h   1/-/-  "
        "an earlier create of it may still take effect\n"
        "6 workloads, 4 GPUs requested; 1 failed, 1 missing, 1 in doubt, 1 unread."
    )


def in_phase(name: str, phase: WorkloadPhase, message: str = "", **fields: Any) -> Status:
    """A synced workload of which the list tells the phase."""
    one = status(name)
    workload = LiveWorkload(
        id=ID,
        address=one.row.address,
        is_v2=True,
        phase=phase,
        phase_message=message,
        **({"gpus_allocated": 1.0, "gpus_idle": 0.0} | fields),
    )
    return dataclasses.replace(one, listed=workload)


def test_what_became_of_what_the_cluster_took() -> None:
    """Synced is not running: phases, GPUs and the messages of both; unlisted projects are named."""
    unlisted = dataclasses.replace(status("hid"), unlisted="HTTP 403: no rights")
    statuses = [
        in_phase("chat", WorkloadPhase.RUNNING, gpus_idle=0.5),
        in_phase("done", WorkloadPhase.COMPLETED, gpus_allocated=0.0),
        in_phase("ill", WorkloadPhase.DEGRADED, "1 of 2 pods ready"),
        in_phase("nan", WorkloadPhase.FAILED, "main: exit code 1"),
        in_phase("wait", WorkloadPhase.PENDING, "no node has 1 GPU", gpus_allocated=None),
        unlisted,
    ]
    assert statuses_text(statuses, PLAIN) == (
        "ADDRESS    PHASE      SYNC    AGE  GPUS     MESSAGE\n"
        "4501/chat  Running    Synced  1h   1/1/0.5\n"
        "4501/done  Completed  Synced  1h   1/0/0\n"
        "4501/ill   Degraded   Synced  1h   1/1/0    1 of 2 pods ready\n"
        "4501/nan   Failed     Synced  1h   1/1/0    main: exit code 1\n"
        "4501/wait  Pending    Synced  1h   1/-/0    no node has 1 GPU\n"
        "4501/hid   -          Synced  1h   1/-/-\n"
        "Phases of project 4501 could not be looked at: HTTP 403: no rights\n"
        "6 workloads, 6 GPUs requested; 1 failed, 0 missing, 0 in doubt, 1 degraded, 1 pending."
    )
    assert [one.is_wrong for one in statuses] == [False, False, True, True, False, False]
    assert [one.is_quiet for one in statuses] == [True, True, False, False, False, True]
    assert [one.is_unseen for one in statuses] == [False, False, False, False, False, True]
    unread = dataclasses.replace(status("lost"), live=Unread(reason="HTTP 403"))
    assert unread.is_unseen


def test_a_refusal_that_its_author_ignores_is_not_wrong() -> None:
    """onFailed: ignore is about what the cluster refuses, not about what fails in it."""
    refused = troubled(LastSeen.FAILED)
    ignored = dataclasses.replace(refused.row, lifecycle=Lifecycle(on_failed=OnFailed.IGNORE))
    assert refused.is_wrong
    assert not dataclasses.replace(refused, row=ignored).is_wrong
    assert dataclasses.replace(in_phase("nan", WorkloadPhase.FAILED), row=ignored).is_wrong
    listed = in_phase("nan", WorkloadPhase.FAILED).listed
    assert not dataclasses.replace(refused, row=ignored, listed=listed).is_wrong


def test_nothing_recorded() -> None:
    """It is said in words."""
    assert statuses_text([], PLAIN) == "The state records no workloads."


def test_a_narrow_terminal_cuts_messages() -> None:
    """Addresses are never cut: commands take them."""
    assert statuses_text(everything(), PLAIN, width=60).splitlines()[5:7] == [
        "4501/lost    in doubt  -       -    1/-/-  the connection b…",
        "4501/late    -         Synced  1h   1/-/-  an earlier creat…",
    ]


@given(width=st.integers(50, 200), message=st.text(max_size=100))
def test_no_line_is_wider_than_the_terminal(width: int, message: str) -> None:
    """Whatever the server says, as long as the addresses leave room; below stand whole messages."""
    statuses = [status("chat"), troubled(LastSeen.FAILED, message)]
    head, *rows = statuses_text(statuses, PLAIN, width=width).splitlines()[: 1 + len(statuses)]
    assert head.startswith("ADDRESS")
    assert all(len(line) <= width for line in (head, *rows))


@given(height=st.integers(4, 12))
def test_a_low_terminal_keeps_what_needs_somebody(height: int) -> None:
    """The table fits, and those that are well are the first to be left out."""
    found = [status(f"w{n}") for n in range(9)] + [troubled(LastSeen.FAILED)]
    lines = statuses_text(found, PLAIN, height=height).splitlines()
    assert len(lines) <= height
    assert any(line.startswith("4501/train") for line in lines)
    if len(found) + 2 > height:
        assert f"… {len(found) - (len(lines) - 3)} more workloads" in lines


def test_a_colour_is_not_counted_as_width() -> None:
    """With and without colours the columns are the same."""
    coloured = statuses_text(everything(), ColorWriter(colour=True))
    assert "\x1b[32mSynced\x1b[0m" in coloured
    assert "\x1b[31mFailed\x1b[0m" in coloured
    assert "\x1b[33min doubt\x1b[0m" in coloured
    assert click.unstyle(coloured) == statuses_text(everything(), PLAIN)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=40.9), "40s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=5), "5h"),
        (timedelta(hours=47), "47h"),
        (timedelta(hours=48), "2d"),
        (timedelta(days=400), "400d"),
        (None, "-"),
    ],
)
def test_an_age_in_one_unit(age: timedelta | None, words: str) -> None:
    """The largest that says enough."""
    assert age_text(age) == words


@pytest.mark.parametrize("created", ["", "yesterday", None, 5, "2026-03-02T11:00:00"])
def test_a_moment_that_cannot_be_read_is_no_age(created: object) -> None:
    """Nor one without a zone: it could be anybody's."""
    row = make_recorded()
    remote = make_remote(row)
    live = dataclasses.replace(remote, metadata={**remote.metadata, "createdAt": created})
    assert Status(row=row, live=live, at=NOW).age is None


def test_a_clock_that_is_behind_makes_nobody_younger_than_new() -> None:
    """A Date has no fractions: what was made in this second has the age 0."""
    row = make_recorded()
    assert Status(row=row, live=made(row, seconds=-0.5), at=NOW).age == timedelta()


def test_the_document() -> None:
    """Everything that the table shows, for programs."""
    assert status_document(troubled(LastSeen.FAILED, "no quota")) == {
        "address": "4501/train",
        "project_name": None,
        "id": ID,
        "recorded": "ACCEPTED",
        "status_from": "server",
        "status": "Failed",
        "phase": None,
        "phase_since": None,
        "phase_unknown_because": None,
        "message": "no quota",
        "down": False,
        "deleted": None,
        "gpus": 1.0,
        "gpus_known": True,
        "gpus_allocated": None,
        "gpus_idle": None,
        "created_at": "2026-02-27T12:00:00+00:00",
        "age_seconds": 259200,
    }
    lost = status_document(status("lost", own=Own.CREATING, id=None))
    assert (lost["status"], lost["created_at"], lost["age_seconds"]) == ("in doubt", None, None)


def test_what_is_gone_asks_for_no_gpus() -> None:
    """The total is what the server has been asked for."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 2}}}]},
    }
    row = make_recorded(make_desired("4501/a", manifest=manifest))
    here = Status(row=row, live=made(row, hours=1), at=NOW)
    gone = Status(row=row, live=Missing(), at=NOW)
    deleted = Status(row=row, live=make_remote(row, seen=LastSeen.DELETED), at=NOW)
    assert total_text([here, gone, deleted], PLAIN) == (
        "3 workloads, 2 GPUs requested; 0 failed, 2 missing, 0 in doubt."
    )


def test_gpus_that_cannot_be_counted_are_a_lower_bound() -> None:
    """Beside the workload and in the total."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"gpu-memory": "4000"}},
        "spec": {"containers": [{"name": "a"}]},
    }
    row = make_recorded(make_desired("4501/a", manifest=manifest))
    text = statuses_text([Status(row=row, live=made(row, hours=1), at=NOW)], PLAIN)
    assert text.splitlines()[1].split()[4] == "0+/-/-"
    assert "1 workload, 0+ GPUs requested;" in text


def test_a_change_is_a_line() -> None:
    """With its time, and harmless for a log."""
    at = "2026-03-02T12:00:00Z"
    evil = troubled(LastSeen.FAILED, "no\nquota \x1b[31m")
    assert change_text(evil, "", at, PLAIN) == (
        r"2026-03-02T12:00:00Z  4501/train  Failed  no\x0aquota \x1b[31m"
    )
    assert change_text(status("chat"), "", at, PLAIN) == f"{at}  4501/chat  Synced"
    assert change_text(None, "4501/x\n", at, PLAIN) == rf"{at}  4501/x\x0a  no longer recorded"


def test_a_delete_that_failed_is_told_once() -> None:
    """What was recorded of it holds what the server says of it."""
    words = "the server could not delete it: stuck finalizer"
    row = make_recorded(own=Own.DELETING, message=words)
    live = dataclasses.replace(make_remote(row, seen=LastSeen.FAILED), message="stuck finalizer")
    assert Status(row=row, live=live, at=NOW).message == words


def test_what_was_given_up_is_wrong() -> None:
    """Nobody waits for it any more, so somebody has to look at it."""
    row = make_recorded(own=Own.DELETING, purpose=Purpose.GIVEN_UP)
    live = make_remote(row, seen=LastSeen.DELETING)
    assert Status(row=row, live=live, at=NOW).is_wrong
    assert not Status(row=make_recorded(own=Own.DELETING), live=live, at=NOW).is_wrong


def test_a_replace_that_was_cut_off_after_its_delete_is_down() -> None:
    """Nobody has seen yet that the delete is through: this look does, and says what is not there.

    One that the server still has is only being deleted.
    """
    cut_short: dict[str, Any] = {"own": Own.DELETING, "purpose": Purpose.REPLACE}
    down, leaving = status("a", Missing(), **cut_short), status("b", **cut_short)
    row = make_recorded(make_desired("4501/b"), id=ID)
    leaving = dataclasses.replace(leaving, live=made(row, hours=1))

    assert (down.word, down.is_down, down.deleted, down.is_wrong) == ("down", True, ID, True)
    assert (
        down.message == f"workload {ID} was deleted to be replaced; nothing of ours runs there now"
    )
    assert total_text([down], PLAIN) == (
        "1 workload, 0 GPUs requested; 0 failed, 0 missing, 0 in doubt, 1 down."
    )
    assert (leaving.word, leaving.is_down, leaving.deleted) == ("Synced", False, None)


@pytest.mark.parametrize("purpose", [Purpose.FINISHED, Purpose.EXPIRED])
def test_what_its_lifecycle_has_ended_needs_nobody(purpose: Purpose) -> None:
    """It is over by its author's wish: shown by its word, and counted, and nothing is wrong."""
    row = make_recorded(own=Own.ENDED, purpose=purpose)
    over = Status(row=row, live=None, at=NOW)
    assert (over.phase_word, over.sync_word) == (purpose.value, "-")
    assert (over.is_wrong, over.is_quiet) == (False, True)
    assert f", 1 {purpose.value}." in statuses_text([over], PLAIN)

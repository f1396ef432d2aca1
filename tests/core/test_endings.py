"""When a workload is over, by what the server says of it and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.durations import parse_duration
from reconciler.core.ending.lifetime import find_ending, find_finished
from reconciler.core.lifecycle import (
    AfterCompletion,
    Lifecycle,
)
from reconciler.core.model import (
    Purpose,
)
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from tests.support.factories import make_address, make_desired, make_recorded

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def listed(phase: WorkloadPhase = WorkloadPhase.COMPLETED, **fields: Any) -> LiveWorkload:
    """What a list says of a workload."""
    return LiveWorkload(
        id="id-1", address=make_address("4501/llm"), is_v2=True, phase=phase, **fields
    )


def before(**ago: float) -> str:
    """A time stamp of so long ago."""
    return (NOW - timedelta(**ago)).isoformat()


def ending(lifecycle: Lifecycle, of: LiveWorkload, **known: Any) -> str:
    """What becomes of it, in a word."""
    found = find_ending(lifecycle, of, **{"now": NOW, "updated_at": None} | known)
    if found is None:
        return "goes on"
    return "forgotten" if found.forgets else found.purpose.value


@given(
    phase=st.sampled_from(WorkloadPhase) | st.none(),
    completed=st.sampled_from([None, "", "soon", "2026-11-29T01:00:00", before(hours=3)]),
    ttl=st.sampled_from([None, "1h", "4h"]),
    after=st.sampled_from(AfterCompletion),
)
def test_only_a_completion_whose_time_can_be_read_ends_a_workload(
    phase: WorkloadPhase | None, completed: str | None, ttl: str | None, after: AfterCompletion
) -> None:
    """And only one that is as long ago as the spec says; a ttl deletes, whatever else is said."""
    workload = replace(listed(completed_at=completed), phase=phase)
    found = ending(Lifecycle(ttl=ttl, after_completion=after), workload)
    is_over = phase is WorkloadPhase.COMPLETED and completed == before(hours=3)
    if not is_over or ttl == "4h":
        assert found == "goes on"
    elif ttl == "1h":
        assert found == "finished"
    else:
        expected = {"keep": "goes on", "delete": "finished", "forget": "forgotten"}
        assert found == expected[after.value]


@given(
    phase=st.sampled_from(WorkloadPhase),
    seconds=st.none() | st.integers(0, 40_000),
    since=st.none() | st.integers(0, 40_000),
    allowed=st.sampled_from(["1h", "3h"]),
)
def test_only_what_runs_for_longer_than_it_may_expires(
    phase: WorkloadPhase, seconds: int | None, since: int | None, allowed: str
) -> None:
    """By the time that the server has counted, or since it says that it runs."""
    stamp = None if since is None else before(seconds=since)
    workload = listed(phase, running_seconds=seconds, phase_updated_at=stamp)
    limit = parse_duration(allowed).total_seconds()
    is_running = phase is WorkloadPhase.RUNNING
    runs = is_running or phase in (WorkloadPhase.DEGRADED, WorkloadPhase.UPDATING)
    longest = max(seconds or 0, (since or 0) if is_running else 0)
    expected = "expired" if runs and longest >= limit else "goes on"
    assert ending(Lifecycle(max_runtime=allowed), workload) == expected


def test_what_completed_before_an_update_was_another_content() -> None:
    """The same word about the content after it counts."""
    done, lifecycle = listed(completed_at=before(hours=2)), Lifecycle(ttl="1h")
    updated = NOW - timedelta(hours=2)
    assert ending(lifecycle, done, updated_at=updated) == "goes on"
    assert ending(lifecycle, done, updated_at=updated - timedelta(minutes=1)) == "finished"


def test_a_reason_names_no_age() -> None:
    """A plan that is made again a minute later says the same."""
    done = listed(completed_at=before(hours=30))
    texts = [
        find_ending(lifecycle, done, now=NOW + later, updated_at=None)
        for lifecycle in (Lifecycle(ttl="24h"),)
        for later in (timedelta(), timedelta(minutes=1))
    ]
    assert texts[0] == texts[1]
    assert texts[0] is not None
    assert texts[0].detail == "it completed at 2026-11-28 06:00:00 UTC; ttl 24h is over"
    assert texts[0].purpose is Purpose.FINISHED


@pytest.mark.parametrize(
    ("kind", "phase", "deleted_at", "is_finished"),
    [
        ("Job", WorkloadPhase.COMPLETED, before(hours=1), True),
        ("Job", WorkloadPhase.FAILED, before(hours=1), True),
        ("Job", WorkloadPhase.TERMINATING, before(hours=1), False),
        ("Job", WorkloadPhase.COMPLETED, None, False),
        ("Job", None, before(hours=1), False),
        ("Deployment", WorkloadPhase.COMPLETED, before(hours=1), False),
    ],
)
def test_finished_is_a_job_that_had_ended_when_it_was_deleted(
    kind: str, phase: WorkloadPhase | None, deleted_at: str | None, is_finished: bool
) -> None:
    """By the entry of its own id in the list of what was deleted."""
    group = "batch/v1" if kind == "Job" else "apps/v1"
    spec = make_desired("4501/llm", manifest={"apiVersion": group, "kind": kind})
    row = make_recorded(spec, id="id-1")
    entry = replace(listed(deleted_at=deleted_at), phase=phase)
    assert find_finished([row], {"id-1": entry}) == ({"id-1"} if is_finished else set())
    assert find_finished([row], {"id-2": entry}) == set()

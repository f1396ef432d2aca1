from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff.diff import FieldChange
from reconciler.core.history.events import RunFinished, Summary
from reconciler.core.planning.actions import Delete, GpuEffect, Reason, Replace
from reconciler.core.planning.plan import Plan
from reconciler.report.markdown.markdown import (
    COMMENT_LIMIT,
    markdown_applied,
    markdown_plan,
)
from reconciler.report.markdown.size_limit import (
    LEAST,
    MarkdownPart,
    MarkdownSection,
    fit_into_page,
    share,
    size,
)
from tests.report.pages import (
    fences,
    make_outcomes,
    make_refusal,
)
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    make_address,
    make_desired,
    make_recorded,
)


def many(count: int, lines: int = 1) -> Plan:
    """Return a plan that replaces workloads, each in its own project, and deletes every third."""
    return Plan(
        target=PLAN_TARGET, lineage=LINEAGE, serial=0, actions=tuple(_actions(count, lines))
    )


def _actions(count: int, lines: int) -> Iterator[Replace | Delete]:
    changes = tuple(FieldChange(pointer=f"/a{n}", before=n, after="ä" * 60) for n in range(lines))
    for n in range(count):
        known: dict[str, Any] = {
            "address": make_address(f"{n}/w"),
            "recorded": ROW,
            "gpus": GpuEffect(before=1),
        }
        if n % 3:
            reason = Reason.SPEC_CHANGED
            yield Replace(reason=reason, desired=DESIRED, changes=changes, **known)
        else:
            yield Delete(reason=Reason.REMOVED_FROM_SPECS, **known)


ROW, DESIRED = make_recorded(), make_desired()
counts = st.integers(0, 60)


@given(count=counts, lines=st.sampled_from([1, 20, 250]), limit=st.integers(LEAST, 100_000))
def test_a_page_is_never_longer_than_its_limit(count: int, lines: int, limit: int) -> None:
    """With its verdict and its totals, and every workload is shown or counted as left out."""
    plan = many(count, lines)
    refusals = [make_refusal("x " * 3000) for _ in range(count)]
    page = markdown_plan(plan, refusals, limit=limit)
    assert size(page) < limit
    head, *_ = page.split("\n\n> [!CAUTION]", maxsplit=1)
    assert "Plan: 0 to create, " in head
    assert f"| {plan.count('create')} | {plan.count('replace')} | {plan.count('delete')} |" in page
    total = plan.gpus
    assert (
        f"| **total** | **{total.before:g}** | **{total.after:g}** | **{total.peak:g}** |" in page
    )
    left_out = sum(map(int, re.findall(r"… (\d+) workloads? left out", page)))
    shown = len(re.findall(r"^<(?:details|p)><?(?:summary>)?[±-] ", page, re.MULTILINE))
    assert shown + left_out == count
    assert plan.digest in page


@given(counts, st.integers(LEAST, 30_000))
def test_the_end_of_an_apply_fits_as_well(count: int, limit: int) -> None:
    """Its tables lose rows in the middle, and say how many."""
    plan = many(1)
    outcomes = [one for _ in range(count) for one in make_outcomes("y" * 90)]
    finished = RunFinished(at="now", run="r", took=1, summary=Summary(failed=count))
    page = markdown_applied(plan, finished, outcomes, limit=limit)
    assert size(page) < limit
    assert f" {count} failed" in page.split("\n")[2]
    rows = len(re.findall(r"^\| `py+/ny+` \|", page, re.MULTILINE))
    more = sum(map(int, re.findall(r"^\| … (\d+) more \|", page, re.MULTILINE)))
    assert rows + more == 3 * count


def test_the_middle_goes_first() -> None:
    """Both ends stay, in full as far as there is room, and the reader is told what is missing."""
    plan = many(400)
    page = markdown_plan(plan, ())
    assert size(page) < COMMENT_LIMIT
    first, last = plan.changes[0].address, plan.changes[-1].address
    assert f"<code>{first}</code>" in page
    assert f"<code>{last}</code>" in page
    [note] = [line for line in page.split("\n") if line.startswith("**…")]
    assert re.fullmatch(
        r"\*\*… (\d+ workloads left out here: \d+ delete, \d+ replace; )?"
        r"\d+ workloads shown without details\. All of it is in the plan as JSON\.\*\*",
        note,
    )


def test_a_workload_with_very_many_changes_is_shown_whole_or_not() -> None:
    """What is left out of its middle could be what matters; that it is left out is said."""
    page = markdown_plan(many(2, 300), ())
    assert [len(block.splitlines()) for block in fences(page)] == [300]
    assert fences(markdown_plan(many(2, 5000), ())) == []
    assert "1 workload shown without details" in markdown_plan(many(2, 5000), ())


@given(st.lists(st.integers(0, 500), max_size=8), st.integers(0, 2000))
def test_room_is_shared_fairly(needs: list[int], room: int) -> None:
    """Nobody gets more than is needed, nothing is given twice, and none is kept while one asks."""
    given_out = share(needs, room)
    assert all(0 <= got <= need for got, need in zip(given_out, needs, strict=True))
    assert sum(given_out) == min(sum(needs), room) or room - sum(given_out) < max(len(needs), 1)
    short = [got for got, need in zip(given_out, needs, strict=True) if got < need]
    assert not short or max(given_out) <= max(short) + len(needs)


def test_too_small_a_page_is_refused() -> None:
    """Nothing that matters would fit."""
    with pytest.raises(ValueError, match="a page needs room for 8000 bytes, not 7999"):
        fit_into_page(
            [MarkdownSection(head="x", parts=[MarkdownPart(full="y", brief="y")])], LEAST - 1
        )

"""The table of what evidence does to a record, whole and law by law."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Own, Recorded
from reconciler.core.protocol.transitions import (
    TRANSITIONS,
    Evidence,
    TransitionError,
    absence,
    advance,
    comes_true_until,
    may_come_true,
    outlived_by,
    succession,
    vacancy,
)
from tests.support.factories import make_desired, make_recorded

SENT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
# Own, evidence: what becomes of a certain record / of an ambiguous one. `?` marks the bit.
TABLE = """
CREATING             CREATE_INTENDED     CREATING              / CREATING?
CREATING             RESUMED             CREATING?             / CREATING?
CREATING             CREATE_UNANSWERED   CREATING?             / CREATING?
CREATING             CREATE_REJECTED     GONE                  / CREATING?
CREATING             FOUND               ACCEPTED              / ACCEPTED?
CREATING             MATCHED_ONLY_SEND   ACCEPTED              / ACCEPTED
CREATING             UNPROVEN            UNCONFIRMED?          / UNCONFIRMED?
CREATING             ABSENT              UNCONFIRMED?          / UNCONFIRMED?
CREATING             NAME_TAKEN          UNCONFIRMED           / UNCONFIRMED
CREATING             CONFIRMED_GONE      GONE                  / GONE?
CREATING             DELETED_FOR_REPLACE LATE_CREATE_POSSIBLE  / LATE_CREATE_POSSIBLE
CREATING             SUPERSEDED          LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
CREATING             RELEASED            GONE                  / GONE?
UNCONFIRMED          RESUMED             CREATING?             / CREATING?
UNCONFIRMED          FOUND               ACCEPTED              / ACCEPTED?
UNCONFIRMED          MATCHED_ONLY_SEND   ACCEPTED              / ACCEPTED
UNCONFIRMED          UNPROVEN            UNCONFIRMED?          / UNCONFIRMED?
UNCONFIRMED          ABSENT              UNCONFIRMED?          / UNCONFIRMED?
UNCONFIRMED          CONFIRMED_GONE      GONE                  / GONE?
UNCONFIRMED          DELETED_FOR_REPLACE LATE_CREATE_POSSIBLE  / LATE_CREATE_POSSIBLE
UNCONFIRMED          SUPERSEDED          LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
UNCONFIRMED          RELEASED            GONE                  / GONE?
ACCEPTED             FOUND               ACCEPTED              / ACCEPTED?
ACCEPTED             DELETE_INTENDED     DELETING              / DELETING?
ACCEPTED             END_INTENDED        DELETING              / DELETING
ACCEPTED             ENDED               ENDED                 / ENDED
ACCEPTED             ABSENT              LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
ACCEPTED             CONFIRMED_GONE      GONE                  / GONE?
ACCEPTED             DELETED_FOR_REPLACE LATE_CREATE_POSSIBLE  / LATE_CREATE_POSSIBLE?
ACCEPTED             SUPERSEDED          LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
ACCEPTED             RELEASED            GONE                  / GONE?
DELETING             DELETE_INTENDED     DELETING              / DELETING?
DELETING             DELETE_REJECTED     ACCEPTED              / ACCEPTED?
DELETING             ENDED               ENDED                 / ENDED?
DELETING             ABSENT              LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
DELETING             CONFIRMED_GONE      GONE                  / GONE?
DELETING             DELETED_FOR_REPLACE LATE_CREATE_POSSIBLE  / LATE_CREATE_POSSIBLE?
LATE_CREATE_POSSIBLE RESUMED             LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
LATE_CREATE_POSSIBLE FOUND               ACCEPTED              / ACCEPTED?
LATE_CREATE_POSSIBLE MATCHED_ONLY_SEND   ACCEPTED              / ACCEPTED
LATE_CREATE_POSSIBLE UNPROVEN            UNCONFIRMED?          / UNCONFIRMED?
LATE_CREATE_POSSIBLE ABSENT              LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
LATE_CREATE_POSSIBLE CONFIRMED_GONE      GONE                  / GONE?
LATE_CREATE_POSSIBLE DELETED_FOR_REPLACE LATE_CREATE_POSSIBLE  / LATE_CREATE_POSSIBLE
LATE_CREATE_POSSIBLE SUPERSEDED          LATE_CREATE_POSSIBLE? / LATE_CREATE_POSSIBLE?
LATE_CREATE_POSSIBLE RELEASED            GONE                  / GONE?
ENDED                FOUND               ACCEPTED              / ACCEPTED?
ENDED                CONFIRMED_GONE      GONE                  / GONE?
ENDED                RELEASED            GONE                  / GONE?
"""


def _row(own: Own, *, ambiguous: bool, sent: datetime | None = SENT) -> Recorded:
    known = own in (Own.ACCEPTED, Own.DELETING)
    return replace(
        make_recorded(make_desired(), own=own, id="id-1" if known else None),
        ambiguous=ambiguous,
        last_sent_at=sent.isoformat() if sent else None,
    )


def _after(own: Own, evidence: Evidence, *, ambiguous: bool) -> str:
    facts = {"id": "id-1"} if evidence in (Evidence.FOUND, Evidence.MATCHED_ONLY_SEND) else {}
    row = advance(_row(own, ambiguous=ambiguous), evidence, **facts)
    return row.own.name + ("?" if row.ambiguous else "")


def test_every_step_leads_where_the_table_says() -> None:
    """Each state, each piece of evidence, with and without a create that may come true."""
    told = [
        f"{own.name:20} {evidence.name:19} "
        f"{_after(own, evidence, ambiguous=False):21} / {_after(own, evidence, ambiguous=True)}"
        for own, evidence in TRANSITIONS
    ]
    assert told == TABLE.strip().splitlines()


@pytest.mark.parametrize("own", Own)
@pytest.mark.parametrize("evidence", Evidence)
def test_what_the_table_does_not_name_is_a_defect(own: Own, evidence: Evidence) -> None:
    """Evidence that a state cannot meet is never taken for something else."""
    if (own, evidence) in TRANSITIONS:
        return
    with pytest.raises(TransitionError):
        advance(_row(own, ambiguous=True), evidence, id="id-1")


def test_nothing_leads_out_of_the_end() -> None:
    """What is GONE stays gone: its operation is never used again."""
    assert not [evidence for own, evidence in TRANSITIONS if own is Own.GONE]


STEPS = st.lists(st.sampled_from(Evidence), max_size=12)


@given(start=st.sampled_from(Own), ambiguous=st.booleans(), steps=STEPS)
def test_an_id_is_never_overwritten_and_lost_only_with_its_workload(
    start: Own, ambiguous: bool, steps: list[Evidence]
) -> None:
    """Whatever happens to a record: ACCEPTED and DELETING have an id, a ghost has none (I5, I6)."""
    row = _row(start, ambiguous=ambiguous)
    for number, evidence in enumerate(steps):
        try:
            after = advance(row, evidence, id=f"id-{number}")
        except TransitionError:
            continue
        if row.id is not None and after.id != row.id:
            assert after.id is None
            assert evidence in (
                Evidence.ABSENT,
                Evidence.DELETED_FOR_REPLACE,
                Evidence.SUPERSEDED,
            )
        assert (after.id is not None) or after.own not in (Own.ACCEPTED, Own.DELETING)
        assert after.own is not Own.LATE_CREATE_POSSIBLE or after.id is None
        row = after


@given(start=st.sampled_from(Own), steps=STEPS)
def test_a_doubt_ends_only_by_evidence(start: Own, steps: list[Evidence]) -> None:
    """An ambiguous create is dropped only for a proof of its absence, or by somebody's decision."""
    row = _row(start, ambiguous=True)
    for evidence in steps:
        try:
            after = advance(row, evidence, id=row.id or "id-1")
        except TransitionError:
            continue
        if row.ambiguous and after.own is Own.GONE:
            assert evidence in (Evidence.CONFIRMED_GONE, Evidence.RELEASED)
        if row.ambiguous and not after.ambiguous:
            assert evidence in (
                Evidence.MATCHED_ONLY_SEND,
                Evidence.NAME_TAKEN,
                Evidence.DELETED_FOR_REPLACE,
                # Only where no create of it can come true any more.
                Evidence.END_INTENDED,
                Evidence.ENDED,
            )
        row = after


def test_a_second_id_is_refused() -> None:
    """Two workloads for one operation are not one record."""
    with pytest.raises(TransitionError, match="is id-1, and cannot be id-2 as well"):
        advance(_row(Own.ACCEPTED, ambiguous=False), Evidence.FOUND, id="id-2")


@pytest.mark.parametrize(
    ("own", "ambiguous", "sent", "seconds", "late"),
    [
        (Own.CREATING, True, SENT, 0, True),
        (Own.CREATING, True, SENT, 362, True),
        (Own.CREATING, True, SENT, 363, False),
        (Own.CREATING, True, None, 0, False),
        (Own.CREATING, False, SENT, 0, False),
        (Own.ACCEPTED, True, SENT, 10, True),
    ],
)
def test_an_unanswered_create_may_come_true_for_six_minutes(
    own: Own, ambiguous: bool, sent: datetime | None, seconds: int, late: bool
) -> None:
    """Five until nothing is carried out any more (A4), one until it can be read (A3)."""
    row, now = _row(own, ambiguous=ambiguous, sent=sent), SENT + timedelta(seconds=seconds)
    assert may_come_true(row, now) is late
    assert absence(row, now) is (Evidence.ABSENT if late else Evidence.CONFIRMED_GONE)
    assert vacancy(row, now) is (Evidence.ABSENT if late else Evidence.CONFIRMED_GONE)
    assert absence(row, None) is (Evidence.ABSENT if ambiguous else Evidence.CONFIRMED_GONE)
    assert succession(row, now) is (Evidence.SUPERSEDED if late else Evidence.CONFIRMED_GONE)
    assert (now <= comes_true_until(row)) is late


@pytest.mark.parametrize(
    ("own", "seconds", "left"),
    [
        (Own.UNCONFIRMED, 0, Own.LATE_CREATE_POSSIBLE),
        (Own.UNCONFIRMED, 363, Own.GONE),
        (Own.ACCEPTED, 0, Own.LATE_CREATE_POSSIBLE),
        (Own.ACCEPTED, 363, Own.GONE),
    ],
)
def test_what_has_a_name_ends_every_other_record_under_it(
    own: Own, seconds: int, left: Own
) -> None:
    """Also one in doubt, of which no run would speak once its address has what is wanted."""
    lives = replace(make_recorded(), op="op-that-lives")
    other = replace(_row(own, ambiguous=True, sent=SENT), op="op-that-does-not")
    [ended] = outlived_by(lives, [lives, other], SENT + timedelta(seconds=seconds))
    assert (ended.op, ended.own) == (other.op, left)

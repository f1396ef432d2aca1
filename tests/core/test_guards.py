from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.lifecycle import (
    OnMissing,
)
from reconciler.core.model import (
    Desired,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
)
from reconciler.core.planning.guards import (
    GuardOptions,
    Refusal,
    check_plan,
    check_target,
    find_emptied,
)
from reconciler.core.protocol.capabilities import CanUpdate
from tests.support.factories import (
    URL,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    make_target,
    plan_for,
)


def check(
    desired: Sequence[Desired] = (),
    recorded: Sequence[Recorded] = (),
    live: Mapping[str, Live] | None = None,
    *,
    declared: int | None = None,
    emptied: Sequence[str] = (),
    **options: Any,
) -> tuple[Refusal, ...]:
    """Plan, and ask the guards; the specs are all that the repository has."""
    live = live or {}
    return check_plan(
        plan_for(list(desired), list(recorded), live),
        declared=len(desired) if declared is None else declared,
        recorded=recorded,
        live=live,
        options=GuardOptions(**options),
        emptied=emptied,
    )


def fleet(count: int, project: str = "1", **lifecycle: Any) -> list[Desired]:
    """Return some specs of one project."""
    return [make_desired(f"{project}/w{i:03}", **lifecycle) for i in range(count)]


def recorded(fleet: Sequence[Desired], **fields: Any) -> list[Recorded]:
    """Return the records of a fleet."""
    return [make_recorded(one, **fields) for one in fleet]


def edited(fleet: Sequence[Desired]) -> list[Desired]:
    """Return a fleet whose every spec has changed."""
    return [dataclasses.replace(one, manifest=make_manifest(replicas=9)) for one in fleet]


def guards(refusals: Sequence[Refusal]) -> list[str]:
    """Return which guards refuse."""
    return [refusal.guard for refusal in refusals]


def test_an_ordinary_plan_passes() -> None:
    """Creating and keeping is never refused."""
    known = fleet(5)
    live = {row.id or "": make_remote(row) for row in recorded(known)}
    assert check([*known, make_desired("1/new")], recorded(known), live) == ()


def test_a_mass_delete_is_refused_with_numbers_and_a_way_out() -> None:
    """Deletes and replaces together, against what the state records."""
    known = fleet(20)
    assert check([*known[5:10], *edited(known[10:12]), *known[12:]], recorded(known)) == (
        Refusal(
            guard="mass-delete",
            message="would delete or replace 7 of 20 workloads in total (35 %), limit 30 %",
            hint="read the plan; if this is meant, re-run with --allow-deletes 7",
        ),
    )


def test_a_mass_delete_in_one_project_is_refused_although_the_whole_is_large() -> None:
    """Each project has the limit for itself."""
    ones, twos = fleet(10, "1"), fleet(90, "2")
    assert check([*ones[4:], *twos], recorded([*ones, *twos])) == (
        Refusal(
            guard="mass-delete",
            message="would delete or replace 4 of 10 workloads in project 1 (40 %), limit 30 %",
            hint="read the plan; if this is meant, re-run with --allow-deletes 4",
        ),
    )


def test_where_the_whole_is_too_much_its_parts_are_not_told() -> None:
    """One sentence says enough."""
    ones, twos = fleet(6, "1"), fleet(6, "2")
    [refusal] = check(ones[:1], recorded([*ones, *twos]))
    assert refusal.message == (
        "would delete or replace 11 of 12 workloads in total (92 %), limit 30 %"
    )


def test_every_project_that_loses_too_much_is_told() -> None:
    """In their order, each with the limit for its size."""
    ones, twos, threes = fleet(5, "1"), fleet(10, "2"), fleet(90, "3")
    [refusal] = check([*ones[4:], *twos[4:], *threes], recorded([*ones, *twos, *threes]))
    assert refusal.message == (
        "would delete or replace 4 of 5 workloads in project 1 (80 %), "
        "limit 3 while fewer than 10 are recorded; "
        "would delete or replace 4 of 10 workloads in project 2 (40 %), limit 30 %"
    )


@pytest.mark.parametrize(
    ("size", "going", "limit", "refused"),
    [
        (9, 3, "30%", False),
        (9, 4, "30%", True),
        (10, 3, "30%", False),
        (10, 4, "30%", True),
        (13, 3, "30%", False),
        (13, 4, "30%", True),
        (20, 6, "30%", False),
        (20, 7, "30%", True),
        (5, 4, "100%", False),
        (5, 1, "0%", True),
        (20, 1, "0%", True),
        (20, 19, "100%", False),
        (20, 5, "5", False),
        (20, 6, "5", True),
        (3, 1, "0", True),
        (4, 3, "1", True),
    ],
)
def test_the_limit_is_exact(size: int, going: int, limit: str, refused: bool) -> None:
    """A share counts from ten workloads on; below that three may go; a number is a number."""
    known = fleet(size)
    found = check(known[going:], recorded(known), max_delete=WorkloadLimit.parse(limit))
    assert guards(found) == (["mass-delete"] if refused else [])


def test_a_mass_delete_can_be_allowed_by_its_number() -> None:
    """The number that is stated must cover the plan."""
    known = fleet(20)
    assert check(known[7:], recorded(known), allow_deletes=7) == ()
    assert guards(check(known[7:], recorded(known), allow_deletes=6)) == ["mass-delete"]


def test_updates_are_limited_where_somebody_limits_them() -> None:
    """They end nothing, so that no limit is the default; and they are no deletes."""
    known = fleet(20)
    changed = [*edited(known[:8]), *known[8:]]
    rows, updating = recorded(known), CanUpdate.YES

    def refusals(limit: str | None) -> tuple[Refusal, ...]:
        options = GuardOptions()
        if limit is not None:
            options = GuardOptions(max_update=WorkloadLimit.parse(limit))
        return check_plan(
            plan_for(changed, rows, can_update=updating),
            declared=20,
            recorded=rows,
            live={},
            options=options,
        )

    assert refusals(None) == refusals("8") == refusals("40%") == ()
    assert refusals("30%") == (
        Refusal(
            guard="mass-update",
            message="would update 8 of 20 workloads in total (40 %), limit 30 %",
            hint="read the plan; if this is meant, re-run with --max-update 8",
        ),
    )


def test_updates_of_what_is_protected_pass() -> None:
    """Protection forbids the end of a workload."""
    known = fleet(3, protect=True)
    changed = [dataclasses.replace(e, lifecycle=known[0].lifecycle) for e in edited(known)]
    rows = recorded(known)
    plan = plan_for(changed, rows, can_update=CanUpdate.YES)
    assert plan.count("update") == 3
    assert check_plan(plan, declared=3, recorded=rows, live={}, options=GuardOptions()) == ()


def test_deletions_that_have_begun_are_not_counted_again() -> None:
    """They were counted when they were planned; refusing them now would stop every run."""
    known = fleet(20)
    rows = [
        *recorded(known[:10], own=Own.DELETING, purpose=Purpose.REMOVED),
        *recorded(known[10:]),
    ]
    assert check(known[10:], rows) == ()
    assert guards(check(known[17:], rows)) == ["mass-delete"]


def test_an_empty_set_is_refused() -> None:
    """No specs where something is recorded looks like the wrong directory."""
    rows = recorded(fleet(2))
    assert check([], rows) == (
        Refusal(
            guard="empty-set",
            message="no specs were found, but 2 workloads are recorded: all would be deleted",
            hint="check the directory; if this is meant, add --allow-empty",
        ),
    )
    late = recorded(fleet(1), op="op-late", own=Own.LATE_CREATE_POSSIBLE)
    assert check([], [*rows, *late])[0].message == check([], rows)[0].message
    assert check([], rows[:1])[0].message == (
        "no specs were found, but 1 workload is recorded: all would be deleted"
    )
    assert check([], recorded(fleet(1), own=Own.UNCONFIRMED))[0].guard == "empty-set"
    assert check([], rows, allow_empty=True) == ()
    assert check([], rows, destroying=True) == ()
    assert check([], rows, declared=1) == ()
    assert check([], []) == ()


def test_the_folders_that_lost_their_specs() -> None:
    """The topmost that had some and have none; a moved spec is not lost with its old folder."""
    sources = ["a/b/1.yaml", "a/b/2.yaml", "a/3.yaml", "c/4.yaml", "d/e/5.yaml", "6.yaml", ""]
    rows = [make_recorded(address=f"1/w{i}", source=file) for i, file in enumerate(sources)]
    assert find_emptied(rows, []) == ("a", "c", "d")
    assert find_emptied(rows, ["a/7.yaml", "d/8.yaml"]) == ("a/b", "c", "d/e")
    assert find_emptied(rows, sources) == ()
    assert find_emptied([], sources) == ()


def test_a_folder_that_stands_without_its_specs_is_refused() -> None:
    """It counts what would be deleted of it; the way out is the number of all that would end."""
    team = [make_desired(f"1/w{i}", file=f"team-a/{i}.yaml") for i in range(2)]
    others = [make_desired(f"1/x{i}", file=f"team-b/{i}.yaml") for i in range(9)]
    rows = [make_recorded(one, source=one.source.file) for one in (*team, *others)]
    refusal = Refusal(
        guard="emptied-folder",
        message="the folder team-a is there, but has none of its specs any more: "
        "2 workloads are to be deleted",
        hint="check that the folder is complete (checkout, mount, rendering); if this is meant, "
        "re-run with --allow-deletes 3",
    )
    assert check(others[1:], rows, emptied=["team-a"]) == (refusal,)
    assert check(others[1:], rows) == ()
    assert check(others[1:], rows, emptied=["team-a"], allow_deletes=3) == ()
    assert guards(check(others[1:], rows, emptied=["team-a"], allow_deletes=2)) == [
        "emptied-folder"
    ]
    assert guards(check([], rows, emptied=["team-a"], destroying=True)) == ["mass-delete"]
    assert guards(check([], rows, emptied=["team-a"])) == ["empty-set", "mass-delete"]
    moved = [dataclasses.replace(one, source=others[0].source) for one in team]
    assert check([*others, *moved], rows, emptied=["team-a"]) == ()


def test_a_protected_workload_is_neither_deleted_nor_replaced() -> None:
    """The refusal names each, and how to leave it out or lift the protection."""
    known = fleet(3, protect=True)
    assert check([known[0], *edited(known[1:2])], recorded(known)) == (
        Refusal(
            guard="protection",
            message="2 of the planned changes would end a protected workload: "
            "replace 1/w001, delete 1/w002",
            hint="leave it out with -x 1/w001, or lift the protection: "
            "reconciler state unprotect 1/w001 (and lifecycle.protect: false in its spec)",
        ),
    )


@pytest.mark.parametrize(
    ("was", "is_now", "refused"),
    [
        (True, True, True),
        (False, True, True),
        (True, False, False),
        (False, False, False),
        (True, None, True),
        (False, None, False),
    ],
)
def test_who_decides_about_protection(was: bool, is_now: bool | None, refused: bool) -> None:
    """A spec has the last word while it is there; the state remembers it afterwards."""
    row = make_recorded(make_desired("1/a", protect=was))
    desired = [] if is_now is None else edited([make_desired("1/a", protect=is_now)])
    found = check(desired, [row], declared=1)
    assert guards(found) == (["protection"] if refused else [])


@pytest.mark.parametrize("declared", [True, False])
def test_a_person_has_the_last_word_about_protection(declared: bool) -> None:
    """What somebody protected by hand is not replaced because its spec says nothing of it."""
    row = dataclasses.replace(make_recorded(make_desired("1/a")), protected=True)
    desired = edited([make_desired("1/a")]) if declared else []
    assert guards(check(desired, [row], declared=1)) == ["protection"]


def test_a_protected_workload_may_be_missing_forgotten_or_on_its_way_out() -> None:
    """Protection is against what this tool would end."""
    one = make_desired("1/a", protect=True)
    row = make_recorded(one)
    lost: dict[str, Live] = {row.id or "": Missing()}
    assert check([one], [row], lost, target_confirmed=True) == ()
    leaving = make_recorded(one, own=Own.DELETING, purpose=Purpose.REMOVED)
    assert check([], [leaving], declared=1) == ()


def mass(missing: int, there: int, unread: int = 0) -> tuple[list[Desired], dict[str, Live]]:
    """Return a fleet of which so many are missing, there and unread."""
    known = fleet(missing + there + unread)
    answers: list[Live] = [Missing()] * missing
    rows = recorded(known)
    answers += [make_remote(row) for row in rows[missing : missing + there]]
    answers += [Unread(reason="503")] * unread
    return known, {row.id or "": answer for row, answer in zip(rows, answers, strict=True)}


@pytest.mark.parametrize(
    ("missing", "there", "unread", "refused"),
    [
        (3, 3, 0, True),
        (3, 4, 0, False),
        (3, 0, 0, True),
        (2, 1, 0, False),
        (1, 1, 0, False),
        (10, 10, 0, True),
        # What could not be read is no evidence of a right server.
        (3, 2, 10, True),
        (3, 4, 10, False),
    ],
)
def test_many_missing_at_once_look_like_a_wrong_server(
    missing: int, there: int, unread: int, refused: bool
) -> None:
    """Three or more, and at least half of those that were read."""
    known, live = mass(missing, there, unread)
    found = check(known, recorded(known), live, target_confirmed=True)
    assert guards(found) == (["mass-missing"] if refused else [])


def test_a_project_of_which_everything_is_missing_is_refused() -> None:
    """Two of two in one project are news, however many live elsewhere; one of one is not."""
    elsewhere = fleet(12)
    for count, expected in ((1, []), (2, ["mass-missing"])):
        emptied = [make_desired(f"9/{number}") for number in range(count)]
        known = recorded([*elsewhere, *emptied])
        live: dict[str, Live] = {
            row.id or "": Missing() if row.address.project == "9" else make_remote(row)
            for row in known
        }
        found = check([*elsewhere, *emptied], known, live, target_confirmed=True)
        assert guards(found) == expected
        if found:
            assert found[0].message.startswith(
                "all recorded workloads of a project are missing on the server (2 in project 9): "
            )
            assert found[0].hint.endswith("add --allow-missing 2")
        allowed = check([*elsewhere, *emptied], known, live, allow_missing=count)
        assert allowed == ()


def test_mass_missing_speaks_in_numbers_and_can_be_allowed_by_them() -> None:
    """The hint names the server, and the number that must be stated."""
    known, live = mass(4, 2, 5)
    assert check(known, recorded(known), live) == (
        Refusal(
            guard="mass-missing",
            message="4 of 6 workloads that were read are missing on the server: "
            "this looks like a wrong URL, tenant or login",
            hint=f"if they are really gone from {URL}, add --allow-missing 4",
        ),
    )
    assert check(known, recorded(known), live, allow_missing=4) == ()
    assert guards(check(known, recorded(known), live, allow_missing=3)) == ["mass-missing"]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (1, "1 workload is missing and none could be read: "),
        (2, "2 workloads are missing and none could be read: "),
    ],
)
def test_recreating_needs_evidence_of_the_server(missing: int, message: str) -> None:
    """Where nothing was read and the login is not known, nothing is made again."""
    known, live = mass(missing, 0)
    rows = recorded(known)
    [refusal] = check(known, rows, live)
    assert refusal == Refusal(
        guard="mass-missing",
        message=f"{message}nothing shows that this is the right server",
        hint=f"if they are really gone from {URL}, add --allow-missing {missing}",
    )
    # Two that are all of their project are news for another reason, whatever is known of the login.
    emptied = ["mass-missing"] if missing > 1 else []
    assert guards(check(known, rows, live, target_confirmed=True)) == emptied
    assert check(known, rows, live, allow_missing=missing) == ()
    held = [dataclasses.replace(one, lifecycle=_hold()) for one in known]
    assert guards(check(held, rows, live)) == emptied


def _hold() -> Any:
    return make_desired(on_missing=OnMissing.HOLD).lifecycle


def test_what_we_are_deleting_ourselves_is_not_missing() -> None:
    """Absence that we caused is no sign of anything."""
    known, live = mass(5, 0)
    rows = recorded(known, own=Own.DELETING, purpose=Purpose.REMOVED)
    assert check([], rows, live, declared=1) == ()


def test_projects_outside_the_allowed_ones_are_not_touched() -> None:
    """limits.allowed_projects is a list of what this repository may change."""
    desired = [make_desired("2/a"), make_desired("1/a"), make_desired("3/a")]
    assert check(desired, allowed_projects=["1"]) == (
        Refusal(
            guard="allowed-projects",
            message="the plan changes project 2, 3, which limits.allowed_projects leaves out",
            hint="add 2, 3 to limits.allowed_projects, or keep to others with --project",
        ),
    )
    assert check(desired, allowed_projects=["1", "2", "3"]) == ()
    assert check(desired, allowed_projects=[]) == ()
    kept = recorded(desired)
    assert check(desired, kept, allowed_projects=["1"]) == ()


def test_every_guard_speaks() -> None:
    """A reader sees all that is wrong, not the first of it."""
    known = fleet(20, protect=True)
    rows = recorded(known)
    live: dict[str, Live] = {row.id or "": Missing() for row in rows[:9]}
    found = check([], rows, live, allowed_projects=["2"])
    assert guards(found) == [
        *("allowed-projects", "empty-set", "protection", "mass-missing", "mass-delete")
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"url": "https://b"},
            "this state belongs to server https://app.run.ai, and this run is for https://b",
        ),
        ({"stack": "b"}, "this state belongs to stack team-a, and this run is for b"),
        ({"issuer": "j"}, "this state belongs to token issuer i, and this run is for j"),
        ({"tenant_id": 2}, "this state belongs to tenant 1, and this run is for 2"),
        ({"tenant_id": 0}, "this state belongs to tenant 1, and this run is for 0"),
    ],
)
def test_a_state_is_used_with_its_own_target_only(fields: dict[str, Any], message: str) -> None:
    """Server, owner, login and tenant each refuse by name."""
    pinned = make_target(issuer="i", tenant_id=1)
    hint = "give the right --url, --stack or login; another target needs another --state"
    assert check_target(pinned, dataclasses.replace(pinned, **fields)) == (
        Refusal(guard="wrong-target", message=message, hint=hint),
    )
    assert check_target(pinned, pinned) == ()


def test_what_is_not_known_is_no_contradiction() -> None:
    """An opaque token has no issuer, and a state that was never applied has no tenant."""
    known, unknown = make_target(issuer="i", tenant_id=1), make_target()
    assert check_target(known, unknown) == ()
    assert check_target(unknown, known) == ()


def test_all_that_is_wrong_about_a_target_is_told() -> None:
    """One refusal each."""
    pinned = make_target(issuer="i", tenant_id=1)
    met = make_target(url="https://b", stack="b", issuer="j", tenant_id=2)
    assert len(check_target(pinned, met)) == 4


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("30%", WorkloadLimit(), "30 %"),
        (" 30% ", WorkloadLimit(), "30 %"),
        ("12.5%", WorkloadLimit(percent=12.5), "12.5 %"),
        ("0%", WorkloadLimit(percent=0.0), "0 %"),
        ("100%", WorkloadLimit(percent=100.0), "100 %"),
        ("12", WorkloadLimit(percent=None, count=12), "12"),
        ("0", WorkloadLimit(percent=None, count=0), "0"),
    ],
)
def test_limits_that_can_be_read(text: str, limit: WorkloadLimit, shown: str) -> None:
    """A share in percent, or a number."""
    assert WorkloadLimit.parse(text) == limit
    assert str(limit) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "is neither a number nor a percentage such as 30%") for text in ("", "%", "x")),
        *((text, "is neither a number nor a percentage such as 30%") for text in ("-1", "1.5")),
        *((text, "is neither a number nor a percentage such as 30%") for text in ("1e9", "3 %")),
        ("1" * 10, "is neither a number nor a percentage such as 30%"),
        ("101%", "is more than 100%"),
        ("100.1%", "is more than 100%"),
    ],
)
def test_limits_that_cannot(text: str, message: str) -> None:
    """What is no limit is never taken for one."""
    with pytest.raises(ValueError, match=message):
        WorkloadLimit.parse(text)


@given(st.text(max_size=6))
def test_reading_a_limit_ends_in_a_limit_or_a_value_error(text: str) -> None:
    """Whatever stands there."""
    try:
        limit = WorkloadLimit.parse(text)
    except ValueError:
        return
    assert (limit.percent is None) is not (limit.count is None)


@given(st.integers(0, 10_000), st.integers(0, 100_00).map(lambda n: Fraction(n, 100)))
def test_a_share_is_rounded_down_exactly(size: int, percent: Fraction) -> None:
    """Never one more than the share says, never one less, and never more for fewer workloads."""
    limit = WorkloadLimit.parse(f"{float(percent)}%")
    allowed = limit.allowed(size)
    if size >= 10 or percent == 100:
        assert allowed == size * percent // 100
    else:
        assert allowed == (3 if percent else 0)


@given(st.integers(0, 10**9 - 1))
def test_a_number_is_the_limit_whatever_is_recorded(count: int) -> None:
    """It does not depend on the size of the fleet, and reads back."""
    limit = WorkloadLimit.parse(str(count))
    assert limit.allowed(5) == limit.allowed(10**6) == count
    assert WorkloadLimit.parse(str(limit)) == limit


def test_a_remote_that_is_gone_was_read() -> None:
    """A soft-deleted workload is an answer of the right server."""
    known = fleet(1)
    [row] = recorded(known)
    gone: Remote = make_remote(row, deleted_at="2026-11-20T09:00:00Z", seen="unknown")
    assert check(known, [row], {row.id or "": gone}) == ()

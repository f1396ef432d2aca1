"""Whether a plan fits into the quotas of its projects."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Desired
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.planning.selection import Selection
from reconciler.core.protocol.live import PoolQuota, ServerProject
from reconciler.core.quotas.fit import (
    NEVER_FITS,
    OVER_QUOTA,
    check_quota,
    find_excesses,
    measure_quotas,
)
from reconciler.core.quotas.project_quota import ProjectQuota
from reconciler.core.quotas.quota_policy import QuotaPolicy
from reconciler.core.review.approval import Approval, bind
from reconciler.core.review.saved_plan import read_saved
from reconciler.errors import Where
from reconciler.report.machine.documents import plan_document
from reconciler.report.machine.saved import saved_document
from reconciler.report.markdown.markdown import markdown_plan
from reconciler.report.text.text import Text
from reconciler.resources import load_schema
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NON_PREEMPTIBLE = {"preemptibility": "non-preemptible"}
IN_POOL = PoolQuota(
    pool="default", deserved=8.0, limit=16.0, allocated=4.0, allocated_non_preemptible=0.0
)


def server_project(*pools: PoolQuota, **fields: Any) -> ServerProject:
    """Project 4501 as the server tells of it."""
    return ServerProject(id="4501", name="team-a", quotas=pools or (IN_POOL,), **fields)


def asking(name: str, gpus: int, kind: str = "Job", **metadata: str) -> Desired:
    """A new workload that asks for so many GPUs, with more metadata."""
    manifest = make_manifest(kind, gpus=gpus)
    desired = make_desired(f"4501/{name}", manifest=manifest, file=f"{name}.yaml", line=3)
    return dataclasses.replace(desired, metadata={**desired.metadata, **metadata})


def look(plan: Plan, project: ServerProject) -> Plan:
    """A plan with the quotas and warnings of a project."""
    quotas = measure_quotas(plan, [project])
    return dataclasses.replace(plan, quotas=quotas, diagnostics=tuple(find_excesses(plan, quotas)))


def warn(project: ServerProject, *specs: Desired) -> list[tuple[str, str, str]]:
    """Each warning about new workloads: its code, its address and what it says."""
    return [
        (d.code, d.address, d.message) for d in look(plan_for([*specs], []), project).diagnostics
    ]


def test_what_is_beyond_deserved_is_borrowed() -> None:
    """At the line of the workload that goes beyond; exactly what is deserved is not beyond."""
    assert warn(server_project(), asking("a", 4)) == []
    plan = look(plan_for([asking("a", 4), asking("b", 1), asking("c", 3)], []), server_project())
    [warning] = plan.diagnostics
    assert warning == Diagnostic(
        severity=warning.severity,
        code=OVER_QUOTA,
        message="project 4501 (team-a) would ask for 12 GPUs, 4 more than it deserves (8): "
        "what is beyond is borrowed, and may be taken back",
        where=Where(file="b.yaml", line=3),
        hint="ask for fewer GPUs, or have the project's quota raised",
        address="4501/b",
    )
    assert warning.severity.value == "warning"


def test_what_is_beyond_the_limit_waits() -> None:
    """Together too large, and each of them small enough."""
    [(code, _, message)] = warn(server_project(), asking("a", 8), asking("b", 8))
    assert code == OVER_QUOTA
    assert message.endswith("may be taken back; beyond the limit of 16 it waits")


def test_a_workload_above_the_limit_never_fits() -> None:
    """It is told at its own line, and takes nothing from what does fit."""
    assert warn(server_project(), asking("huge", 32), asking("small", 4)) == [
        (
            NEVER_FITS,
            "4501/huge",
            "asks for 32 GPUs, and the limit of project 4501 (team-a) is 16: it never starts",
        )
    ]
    unlimited = dataclasses.replace(IN_POOL, limit=None)
    assert [code for code, *_ in warn(server_project(unlimited), asking("huge", 32))] == [
        OVER_QUOTA
    ]


def test_non_preemptible_work_has_to_fit_into_what_is_deserved() -> None:
    """Alone, and together with what runs; nobody guesses what no author says."""
    assert warn(server_project(), asking("a", 9, **NON_PREEMPTIBLE)) == [
        (
            NEVER_FITS,
            "4501/a",
            (
                "asks for 9 GPUs and is non-preemptible, and project 4501 (team-a) deserves 8: "
                "it never starts"
            ),
        )
    ]
    busy = dataclasses.replace(IN_POOL, deserved=64.0, limit=None, allocated_non_preemptible=60.0)
    assert warn(server_project(busy), asking("a", 4), asking("b", 6, **NON_PREEMPTIBLE)) == [
        (
            NEVER_FITS,
            "4501/b",
            (
                "with it the non-preemptible work of project 4501 (team-a) asks for 66 GPUs, and "
                "the project deserves 64: it does not start while the rest runs"
            ),
        )
    ]
    assert warn(server_project(busy), asking("b", 6)) == []
    labelled = asking("b", 6)
    labels = {"kai.scheduler/preemptibility": "non-preemptible"}
    manifest = {**labelled.manifest, "metadata": {"labels": labels}}
    [(code, *_)] = warn(server_project(busy), dataclasses.replace(labelled, manifest=manifest))
    assert code == NEVER_FITS


def test_what_is_given_back_makes_room() -> None:
    """A plan that does not add to a full project is not what is too large."""
    full = server_project(dataclasses.replace(IN_POOL, allocated=12.0))
    old = make_recorded(asking("old", 8, "Deployment"))
    live = {old.id or "": make_remote(old)}
    swapped = look(plan_for([asking("new", 8)], [old], live), full)
    assert swapped.diagnostics == ()
    assert [quota.change for quota in swapped.quotas] == [0.0]
    [grown] = look(plan_for([asking("new", 9)], [old], live), full).diagnostics
    assert (grown.code, grown.address) == (OVER_QUOTA, "4501/new")


def test_what_waits_asks_as_well() -> None:
    """Where the server counts what is requested; one that is not told is not made up."""
    waiting = server_project(dataclasses.replace(IN_POOL, requested=8.0))
    assert [code for code, *_ in warn(waiting, asking("a", 1))] == [OVER_QUOTA]
    untold = server_project(dataclasses.replace(IN_POOL, allocated=None))
    assert warn(untold, asking("a", 8)) == []
    assert [code for code, *_ in warn(untold, asking("a", 9))] == [OVER_QUOTA]


def test_several_node_pools_bound_a_workload_together() -> None:
    """No manifest says for sure which it may use, so only what exceeds all of them is told."""
    second = dataclasses.replace(IN_POOL, pool="h100")
    assert [c for c, *_ in warn(server_project(IN_POOL, second), asking("a", 32))] == [OVER_QUOTA]
    assert [c for c, *_ in warn(server_project(IN_POOL, second), asking("a", 33))] == [NEVER_FITS]
    open_ended = dataclasses.replace(second, limit=None)
    assert [c for c, *_ in warn(server_project(IN_POOL, open_ended), asking("a", 99))] == [
        OVER_QUOTA
    ]
    unknown = dataclasses.replace(second, deserved=None)
    assert warn(server_project(IN_POOL, unknown), asking("a", 20)) == []


@pytest.mark.parametrize("policy", QuotaPolicy)
def test_only_refuse_refuses(policy: QuotaPolicy) -> None:
    """With what does not fit, and the ways out; a plan that fits is never refused."""
    plan = look(plan_for([asking("huge", 32), asking("b", 12)], []), server_project())
    refusals = list(check_quota(plan, policy))
    if policy is not QuotaPolicy.REFUSE:
        assert refusals == []
        return
    [refusal] = refusals
    assert (refusal.guard, refusal.message, refusal.hint) == (
        "quota",
        (
            "the plan does not fit into the GPU quota: 4501/huge: asks for 32 GPUs, and the limit "
            "of project 4501 (team-a) is 16: it never starts; 4501/b: project 4501 (team-a) would "
            "ask for 16 GPUs, 8 more than it deserves (8): what is beyond is borrowed, and may be "
            "taken back"
        ),
        (
            "leave them out with -x 4501/huge -x 4501/b, have the quota raised, or set "
            "limits.quota: warn in reconciler.yaml"
        ),
    )
    fitting = look(plan_for([asking("a", 4)], []), server_project())
    assert list(check_quota(fitting, policy)) == []


def test_every_view_shows_the_quota() -> None:
    """What is deserved, the limit, what is allocated now and what the plan adds; also read back."""
    second = PoolQuota(pool="h100", deserved=4.0, limit=None)
    plan = look(plan_for([asking("a", 4)], []), server_project(IN_POOL, second))
    alone = look(plan_for([asking("a", 4)], []), server_project())
    document = plan_document(plan, NOW)
    assert document["quota"] == {
        "projects": [
            {
                "project": "4501",
                "name": "team-a",
                "deserved": 12.0,
                "limit": None,
                "allocated": None,
                "change": 4.0,
                "node_pools": [
                    {"node_pool": "default", "deserved": 8.0, "limit": 16.0, "allocated": 4.0},
                    {"node_pool": "h100", "deserved": 4.0, "limit": None, "allocated": None},
                ],
            }
        ]
    }
    read = map(ProjectQuota.from_json, document["quota"]["projects"])
    assert [quota.to_json() for quota in read] == document["quota"]["projects"]
    assert (
        "GPU quotas:\n"
        "  4501 (team-a): deserved 12, no limit, allocated unknown; this plan +4\n"
        "    default: deserved 8, limit 16, allocated 4\n"
        "    h100: deserved 4, no limit, allocated unknown\n"
    ) in Text().plan(plan)
    assert (
        "GPU quotas:\n  4501 (team-a), default: deserved 8, limit 16, allocated 4; this plan +4\n"
    ) in Text().plan(alone)
    assert (
        "| `4501` team-a | all | 12 | none | unknown | +4 |\n"
        "|  | `default` | 8 | 16 | 4 |  |\n"
        "|  | `h100` | 4 | none | unknown |  |\n"
    ) in markdown_plan(plan, ())
    assert "| `4501` team-a | `default` | 8 | 16 | 4 | +4 |\n" in markdown_plan(alone, ())


def test_every_view_says_why_there_is_no_quota() -> None:
    """In the words of the server, with nothing in them that a terminal would obey."""
    plan = dataclasses.replace(plan_for([asking("a", 4)], []), quota_note="HTTP 403: \x1b[31m<b>")
    assert plan_document(plan, NOW)["quota"] == {"projects": [], "note": plan.quota_note}
    assert "GPU quotas were not looked at: HTTP 403: \\x1b[31m<b>" in Text().plan(plan)
    assert "GPU quotas were not looked at: HTTP 403:" in markdown_plan(plan, ())


@pytest.mark.parametrize("is_told", [True, False])
def test_a_saved_plan_keeps_what_was_told(*, is_told: bool) -> None:
    """Its document has the published form, and is shown again as it was."""
    second = PoolQuota(pool=None, deserved=None, limit=4.0)
    plan = look(plan_for([asking("a", 4)], []), server_project(IN_POOL, second))
    if not is_told:
        plan = dataclasses.replace(plan, quotas=(), quota_note="discovery is off")
    approval = Approval(
        id="7f4f2f7e-1c5a-4f0e-9d39-5f2d6d2a9c11",
        plan=plan,
        bindings=bind(plan, refreshed=True),
        options=PlanOptions(),
        selection=Selection(),
    )
    document = saved_document(approval, NOW)
    Draft202012Validator(load_schema("plan")).validate(document)
    again = read_saved(json.loads(json.dumps(document)))
    assert saved_document(again, NOW) == document
    assert Text().plan(again.plan) == Text().plan(plan)

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox import Project
from tests.sandbox.rigs import DEPLOYMENT, Rig, request

LIST = "/api/v1/workloads"
DEFAULT_POOL = "bd7a0a4b-552d-4165-8907-7fa95c28ab45"
NOTHING_USED = {
    "allocated": {"gpu": 0},
    "allocatedNonPreemptible": {"gpu": 0},
    "requested": {"gpu": 0},
}
TEAMS = (Project(id="1", name="team-a"), Project(id="2", name="team-b"))


def names(answer: Any) -> list[str]:
    """The names on a page."""
    return [item["name"] for item in answer.json()["workloads"]]


@pytest.fixture
def rig() -> Rig:
    """Three jobs in project 1, and a deployment of the same name as one of them in project 2."""
    rig = Rig(projects=TEAMS)
    for name in ("a", "ab", "b"):
        rig.create(name, project="1")
    rig.sandbox.store.plant({**request("a", project="2"), "manifest": DEPLOYMENT})
    return rig


def test_an_item_says_what_a_workload_is_and_carries_no_manifest(rig: Rig) -> None:
    """The v1 list words workloads its own way, and marks what came through v2."""
    answer = rig.ask("GET", f"{LIST}?filterBy=projectId==1,name==a")
    assert answer.json() == {
        "workloads": [
            {
                "id": rig.sandbox.store.live()[0].id,
                "name": "a",
                "type": "Job",
                "projectId": "1",
                "projectName": "team-a",
                "departmentId": "1",
                "departmentName": "default",
                "clusterId": "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10",
                "tenantId": 1,
                "namespace": "runai-team-a",
                "phase": "Running",
                "phaseUpdatedAt": "2027-01-15T08:00:00.000Z",
                "phaseMessage": "",
                "phaseReason": None,
                "k8sPhase": "Running",
                "k8sPhaseUpdatedAt": "2027-01-15T08:00:00.000Z",
                "conditions": [],
                "runningPods": 1,
                "requestedPods": {"number": 1},
                "workloadRequestedResources": {
                    "gpuRequestType": "portion",
                    "gpu": {"request": 0.0, "limit": 0.0},
                },
                "allocatedResources": {"gpu": 0.0},
                "idleGpus": 0,
                "idleAllocatedGpus": 0.0,
                "requestedNodePools": ["default"],
                "currentNodePools": ["default"],
                "totalPendingTimeSeconds": 0,
                "totalRunningTimeSeconds": 0,
                "category": "Build",
                "priority": 125,
                "priorityClassName": "high",
                "preemptible": False,
                "source": "Control-plane",
                "sourceApi": "WorkloadsV2",
                "actionsSupport": {"delete": True, "suspend": False},
                "submittedBy": "demo",
                "createdAt": "2027-01-15T08:00:00.000Z",
                "updatedAt": "2027-01-15T08:00:00.000Z",
                "completedAt": None,
                "deletedAt": None,
            }
        ]
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a", "ab", "b", "a"]),
        ("filterBy=name==a", ["a", "a"]),
        ("filterBy=name!=a", ["ab", "b"]),
        ("filterBy=name=@b", ["ab", "b"]),
        ("filterBy=name!@b", ["a", "a"]),
        ("filterBy=name=^a", ["a", "ab", "a"]),
        ("filterBy=name=$b", ["ab", "b"]),
        ("filterBy=name>=ab,name<=b", ["ab", "b"]),
        ("filterBy=type==Deployment", ["a"]),
        ("filterBy=projectId==1,type==Job,name=@b", ["ab", "b"]),
        ("filterBy=projectId==2,name==b", []),
        ("filterBy=projectName==team-b", ["a"]),
        ("search=b", ["ab", "b"]),
        ("sortBy=name&sortOrder=desc", ["b", "ab", "a", "a"]),
        ("deleted=true", []),
    ],
)
def test_a_list_is_filtered_and_sorted(rig: Rig, query: str, expected: list[str]) -> None:
    """Conditions are joined by and; there is no order unless one is asked for."""
    found = names(rig.ask("GET", f"{LIST}?{query}"))
    assert (found if "sortBy" in query else sorted(found)) == (
        expected if "sortBy" in query else sorted(expected)
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit must be between 1 and 500"),
        ("limit=501", "limit must be between 1 and 500"),
        ("limit=x", "limit must be between 1 and 500"),
        ("offset=-1", "offset must be at least 0"),
        ("deleted=maybe", "deleted must be true or false"),
        ("sortOrder=up", "sortOrder must be asc or desc"),
        ("sortBy=size", "'size' is not a field of this list"),
        ("filterBy=size==1", "'size' is not a field of this list"),
        ("filterBy=name", "filterBy item 'name' is not <field><operator><value>"),
        ("filterBy=name==a,", "filterBy item '' is not <field><operator><value>"),
        ("offset=2147483648", "offset must be at least 0"),
    ],
)
def test_a_list_refuses_what_it_does_not_understand(rig: Rig, query: str, message: str) -> None:
    """A filter that were ignored would show too much."""
    assert rig.ask("GET", f"{LIST}?{query}").json() == {"code": 400, "message": message}


def test_pages_join_to_the_whole() -> None:
    """`next` leads from page to page and is absent on the last; the default page holds 50."""
    rig = Rig()
    everything = [f"w{number}" for number in range(120)]
    for name in everything:
        rig.sandbox.store.plant(request(name))
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = rig.ask("GET", f"{LIST}?sortBy=createdAt&offset={offset}").json()
        seen += [item["name"] for item in page["workloads"]]
        offset = page.get("next")
    assert seen == everything
    assert len(names(rig.ask("GET", LIST))) == 50
    assert "next" not in rig.ask("GET", f"{LIST}?limit=120").json()


def test_pages_without_an_order_do_not_join() -> None:
    """Each request is answered in an order of its own, so some come twice and others never."""
    rig = Rig()
    for number in range(120):
        rig.sandbox.store.plant(request(f"w{number}"))
    seen = [
        item["name"]
        for offset in (0, 50, 100)
        for item in rig.ask("GET", f"{LIST}?offset={offset}").json()["workloads"]
    ]
    assert (len(seen), len(set(seen)) < 120) == (120, True)


def test_a_count_counts_what_a_list_would_show(rig: Rig) -> None:
    """The same filters, without pages."""
    for query, expected in (("", 4), ("filterBy=name==a", 2), ("deleted=true", 0)):
        assert rig.ask("GET", f"{LIST}/count?{query}").json() == {"count": expected}
    assert rig.ask("GET", f"{LIST}/count?filterBy=odd==1").status_code == 400


def test_what_was_deleted_is_listed_only_when_asked_for(rig: Rig) -> None:
    """`deleted=true` lists the dead and nobody else."""
    rig.delete(rig.sandbox.store.live()[0].id)
    assert sorted(names(rig.ask("GET", LIST))) == ["a", "ab", "b"]
    gone = rig.ask("GET", f"{LIST}?deleted=true").json()["workloads"]
    assert [(item["name"], item["deletedAt"]) for item in gone] == [
        ("a", "2027-01-15T08:00:00.000Z")
    ]


def test_the_list_can_be_missing() -> None:
    """Some installations have no list: then the path is a 404."""
    assert Rig(listing=False).ask("GET", LIST).status_code == 404


def test_types_show_kinds_with_their_defaults() -> None:
    """Every registered kind is listed with its versions; filters pick by name and group."""
    rig = Rig()
    everything = rig.ask("GET", "/api/v1/workload-types").json()["types"]
    picked = rig.ask("GET", "/api/v1/workload-types?filterBy=name==MPIJob").json()["types"]
    assert len(everything) == 31
    assert [
        (kind["name"], kind["group"], kind["categoryName"], kind["priorityName"]) for kind in picked
    ] == [("MPIJob", "kubeflow.org", "Train", "low")]
    assert [entry["version"] for entry in picked[0]["resourceInterfaces"]] == ["v2beta1", "v1"]


def test_projects_are_those_given() -> None:
    """Projects are listed with their namespace and filtered by name."""
    rig = Rig(projects=TEAMS)
    answer = rig.ask("GET", "/api/v1/org-unit/projects?filterBy=name==team-b")
    assert answer.json() == {
        "projects": [
            {
                "id": "2",
                "name": "team-b",
                "description": "",
                "clusterId": "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10",
                "parentId": "1",
                "requestedNamespace": None,
                "enforceRunaiScheduler": True,
                "defaultNodePools": ["default"],
                "createdAt": "1970-01-01T00:00:00.000Z",
                "updatedAt": "1970-01-01T00:00:00.000Z",
                "resources": [
                    {
                        "nodePool": {"id": DEFAULT_POOL, "name": "default"},
                        "gpu": {"deserved": 1000.0, "limit": None},
                    }
                ],
                "totalResources": {"gpuQuota": 1000.0},
                "effective": {"defaultNodePools": ["default"]},
                "status": {
                    "namespace": "runai-team-b",
                    "phase": "Ready",
                    "quotaStatus": NOTHING_USED,
                    "nodePoolQuotaStatuses": [
                        {"nodePoolId": DEFAULT_POOL, "nodePoolName": "default", **NOTHING_USED}
                    ],
                },
            }
        ]
    }

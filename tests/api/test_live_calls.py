from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.core.model import Address
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    ClusterList,
    Described,
    NotShown,
    Occurrences,
    ProjectPage,
    TooManyRequests,
    TypeList,
    Unauthorised,
    Unavailable,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.core.protocol.live import (
    LiveWorkload,
    Occurrence,
    PendingReason,
    PoolQuota,
    ServerCluster,
    ServerProject,
    WorkloadPhase,
    WorkloadType,
)
from tests.api.factories import ID, URL, ask, error, reply, stamped

Call = Callable[[HttpWorkloadApi], Awaitable[ApiResult]]
LIST = f"{URL}/api/v1/workloads"
PROJECTS = f"{URL}/api/v1/org-unit/projects"
CALLS: dict[str, Call] = {
    "list_page": lambda api: api.live.list_page("4501"),
    "count": lambda api: api.live.count("4501"),
    "describe": lambda api: api.live.describe(ID),
    "read_history": lambda api: api.live.read_history(ID),
    "read_events": lambda api: api.live.read_events(ID),
    "list_projects": lambda api: api.live.list_projects(),
    "read_project": lambda api: api.live.read_project("4501"),
    "list_clusters": lambda api: api.live.list_clusters(),
    "list_types": lambda api: api.live.list_types(),
}
ROW: dict[str, Any] = {
    "id": ID,
    "name": "finetune",
    "type": "PyTorchJob",
    "projectId": 4501,
    "projectName": "team-a",
    "clusterId": "c-1",
    "namespace": "runai-team-a",
    "sourceApi": "WorkloadsV2",
    "phase": "Pending",
    "phaseMessage": "waits for GPUs",
    "phaseReason": "OverLimit",
    "phaseUpdatedAt": "2026-03-03T09:00:00Z",
    "createdAt": "2026-03-03T08:00:00Z",
    "completedAt": None,
    "deletedAt": None,
    "workloadRequestedResources": {
        "gpuRequestType": "portion",
        "gpu": {"request": 16, "limit": 16},
    },
    "allocatedResources": {"gpu": 1.5},
    "idleAllocatedGpus": 0.5,
    "runningPods": 1,
    "requestedPods": {"number": 2},
    "requestedNodePools": ["a100", "default"],
    "preemptible": True,
    "priorityClassName": "low",
    "category": "Train",
    "totalPendingTimeSeconds": 60,
    "totalRunningTimeSeconds": 0,
    "submittedBy": "ann",
}
WORKLOAD = LiveWorkload(
    id=ID,
    address=Address(project="4501", name="finetune"),
    is_v2=True,
    kind="PyTorchJob",
    project_name="team-a",
    namespace="runai-team-a",
    phase=WorkloadPhase.PENDING,
    phase_message="waits for GPUs",
    phase_updated_at="2026-03-03T09:00:00Z",
    created_at="2026-03-03T08:00:00Z",
    gpus_requested=16.0,
    gpus_allocated=1.5,
    gpus_idle=0.5,
    running_seconds=0,
    submitted_by="ann",
)


def test_the_requests_are_the_documented_ones() -> None:
    """Method, path and query of each call; a list is asked for 500 rows in an order."""
    seen: list[tuple[str, str, dict[str, str]]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        path = str(request.url.copy_with(query=None))
        seen.append((request.method, path, dict(request.url.params)))
        return reply(503, error(503))(request)

    for call in CALLS.values():
        ask(handler, call)
    ask(handler, lambda api: api.live.list_page("4501", offset=500, name="a", deleted=True))
    ask(handler, lambda api: api.live.list_projects(offset=500))
    order = {"limit": "500", "sortBy": "name", "sortOrder": "asc"}
    assert seen == [
        ("GET", LIST, {"filterBy": "projectId==4501", **order}),
        ("GET", f"{LIST}/count", {"filterBy": "projectId==4501"}),
        ("GET", f"{LIST}/{ID}", {}),
        ("GET", f"{LIST}/{ID}/history", {"limit": "100"}),
        ("GET", f"{LIST}/{ID}/events", {"limit": "100", "sortOrder": "desc"}),
        ("GET", PROJECTS, order),
        ("GET", f"{PROJECTS}/4501", {}),
        ("GET", f"{URL}/api/v1/clusters/minimal", {}),
        ("GET", f"{URL}/api/v1/workload-types", {}),
        (
            "GET",
            LIST,
            {
                "filterBy": "projectId==4501,name==a",
                **order,
                "deleted": "true",
                "offset": "500",
            },
        ),
        ("GET", PROJECTS, {**order, "offset": "500"}),
    ]


def test_a_page_has_what_a_status_needs() -> None:
    """What anybody reads of a row as values, and the offset of the next page."""
    answer = ask(reply(200, {"workloads": [ROW], "next": 500}), CALLS["list_page"])
    assert answer == stamped(WorkloadPage(workloads=(WORKLOAD,), next=500))


def test_what_a_row_leaves_out_or_garbles_is_none() -> None:
    """Only what identifies a workload is required; nothing is guessed from a strange value."""
    bare = {"id": ID, "name": "finetune", "projectId": "4501"}
    odd: dict[str, Any] = {
        **bare,
        "type": 7,
        "phase": "Dreaming",
        "phaseMessage": None,
        "phaseUpdatedAt": "yesterday",
        "createdAt": "0001-01-01T00:00:00Z",
        "workloadRequestedResources": None,
        "allocatedResources": {"gpu": "8"},
        "idleAllocatedGpus": -1,
        "totalRunningTimeSeconds": True,
        "pendingSchedulingMessages": None,
    }
    address = Address(project="4501", name="finetune")
    nothing = LiveWorkload(id=ID, address=address, is_v2=False)
    answer = ask(reply(200, {"workloads": [bare, odd]}), CALLS["list_page"])
    assert answer == stamped(WorkloadPage(workloads=(nothing, nothing)))


@pytest.mark.parametrize("phase", list(WorkloadPhase))
def test_every_phase_of_the_documents_is_known(phase: WorkloadPhase) -> None:
    """By its name; two of them are an end."""
    answer = ask(reply(200, {"workloads": [{**ROW, "phase": phase.value}]}), CALLS["list_page"])
    assert isinstance(answer, WorkloadPage)
    assert answer.workloads[0].phase is phase
    assert phase.is_over == (phase.value in ("Completed", "Failed"))


def test_one_workload_says_why_it_is_pending() -> None:
    """A reason for each node pool; the text for people is preferred to the technical one."""
    messages = [
        {
            "nodePool": "a100",
            "phaseReason": "OverLimit",
            "reason": "limit",
            "orgType": "PROJECT",
            "userMessage": "the project has 16 GPUs at most",
        },
        {"nodePool": "default", "phaseReason": "NonPreemptibleOverQuota", "reason": "quota"},
    ]
    answer = ask(reply(200, {**ROW, "pendingSchedulingMessages": messages}), CALLS["describe"])
    assert isinstance(answer, Described)
    assert answer.workload.pending == (
        PendingReason(
            node_pool="a100",
            code="OverLimit",
            message="the project has 16 GPUs at most",
        ),
        PendingReason(node_pool="default", code="NonPreemptibleOverQuota", message="quota"),
    )


def test_a_history_is_read_newest_first() -> None:
    """Changes of the phase and events in one list, in the order of their times."""
    records = [
        {
            "meta": {"creationTimestamp": "2026-03-03T08:00:00Z", "type": "PhaseUpdate"},
            "spec": {"phaseUpdate": {"phase": "Pending", "phaseMessage": "waits"}},
        },
        {
            "meta": {"creationTimestamp": "2026-03-03T09:00:00Z", "type": "Event"},
            "spec": {
                "event": {
                    "createdAt": "2026-03-03T09:00:00Z",
                    "type": "Warning",
                    "clusterId": "c-1",
                    "message": "no node",
                    "reason": "FailedScheduling",
                    "involvedObject": {"kind": "Pod", "name": "finetune-0"},
                }
            },
        },
        {"meta": {"creationTimestamp": "2026-03-03T07:00:00Z", "type": "Event"}, "spec": {}},
    ]
    answer = ask(reply(200, {"records": records}), CALLS["read_history"])
    event = Occurrence(
        at="2026-03-03T09:00:00Z",
        message="no node",
        severity="Warning",
        reason="FailedScheduling",
        subject="Pod/finetune-0",
    )
    update = Occurrence(at="2026-03-03T08:00:00Z", message="waits", phase=WorkloadPhase.PENDING)
    assert answer == stamped(Occurrences(occurrences=(event, update)))


def test_events_keep_the_order_of_the_server() -> None:
    """It was asked for the newest first."""
    events = [
        {"createdAt": "2026-03-03T09:00:00Z", "type": "Normal", "clusterId": "c", "message": "b"},
        {"createdAt": "2026-03-03T08:00:00Z", "type": "Normal", "clusterId": "c", "message": "a"},
    ]
    answer = ask(reply(200, {"events": events}), CALLS["read_events"])
    assert answer == stamped(
        Occurrences(
            occurrences=(
                Occurrence(at="2026-03-03T09:00:00Z", message="b", severity="Normal"),
                Occurrence(at="2026-03-03T08:00:00Z", message="a", severity="Normal"),
            )
        )
    )


PROJECT = {
    "id": "4501",
    "name": "team-a",
    "clusterId": "c-1",
    "createdAt": "2026-03-03T08:00:00Z",
    "defaultNodePools": ["a100"],
    "resources": [
        {"nodePool": {"id": "1", "name": "a100"}, "gpu": {"deserved": 8, "limit": 16}},
        {"nodePool": {"id": "2", "name": "default"}, "gpu": {"deserved": 0, "limit": None}},
        {"nodePool": None, "gpu": {}},
    ],
    "totalResources": {"gpuQuota": 8},
    "status": {
        "namespace": "runai-team-a",
        "phase": "Ready",
        "quotaStatus": {"allocated": {"gpu": 6}, "allocatedNonPreemptible": {"gpu": 2}},
        "nodePoolQuotaStatuses": [
            {
                "nodePoolId": "1",
                "nodePoolName": "a100",
                "allocated": {"gpu": 6},
                "allocatedNonPreemptible": {"gpu": 2},
                "requested": {"gpu": 9.5},
            }
        ],
    },
}


def test_a_project_has_its_quotas_per_node_pool() -> None:
    """Deserved, limit and what is allocated now; what the server leaves out is None."""
    project = ServerProject(
        id="4501",
        name="team-a",
        cluster_id="c-1",
        namespace="runai-team-a",
        phase="Ready",
        quotas=(
            PoolQuota(
                pool="a100",
                deserved=8.0,
                limit=16.0,
                allocated=6.0,
                allocated_non_preemptible=2.0,
                requested=9.5,
            ),
            PoolQuota(pool="default", deserved=0.0, limit=None),
            PoolQuota(pool=None, deserved=None, limit=None),
        ),
        gpus_allocated=6.0,
        gpus_allocated_non_preemptible=2.0,
    )
    page = reply(200, {"projects": [PROJECT], "next": 1})
    assert ask(page, CALLS["list_projects"]) == stamped(ProjectPage(projects=(project,), next=1))
    one = ask(reply(200, PROJECT), CALLS["read_project"])
    assert one == stamped(ProjectPage(projects=(project,)))


def test_clusters_have_names() -> None:
    """A bare array; one that has never connected has no version."""
    rows = [{"uuid": "c-1", "name": "east", "version": "2.25.1"}, {"uuid": "c-2", "name": "west"}]
    east = ServerCluster(id="c-1", name="east", version="2.25.1")
    west = ServerCluster(id="c-2", name="west")
    answer = ask(reply(200, rows), CALLS["list_clusters"])
    assert answer == stamped(ClusterList(clusters=(east, west)))


def test_types_tell_what_the_server_fills_in() -> None:
    """A kind without a default has none; the group of a Pod is empty."""
    rows = [
        {"name": "Job", "group": "batch", "categoryName": "Build", "priorityName": "high"},
        {"name": "Pod", "categoryName": None},
    ]
    job = WorkloadType(kind="Job", group="batch", category="Build", priority="high")
    answer = ask(reply(200, {"types": rows}), CALLS["list_types"])
    assert answer == stamped(TypeList(types=(job, WorkloadType(kind="Pod", group=""))))


def test_a_count_is_a_number() -> None:
    """Of what the list would show."""
    answer = ask(reply(200, {"count": 3}), CALLS["count"])
    assert answer == stamped(WorkloadCount(count=3))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 405])
def test_a_page_in_place_of_an_answer_says_only_that_we_cannot_look(name: str, status: int) -> None:
    """A login page or a filter on the way; asking again would show it again."""
    page = reply(status, b"<title>Sign in</title>", media="text/html")
    assert ask(page, CALLS[name]) == stamped(
        NotShown(
            status=status, message=f'HTTP {status}: an HTML page titled "Sign in" instead of JSON'
        )
    )


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 501])
def test_a_refusal_says_only_that_we_cannot_look(name: str, status: int) -> None:
    """No rights, no such call; nobody concludes that a workload is gone."""
    answer = ask(reply(status, error(status, "no rights")), CALLS[name])
    assert answer == stamped(NotShown(status=status, message="no rights"))
    assert isinstance(answer, NotShown)
    assert answer.is_forbidden == (status == 403)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("status", "media", "kind"),
    [
        (401, "application/json", Unauthorised),
        (429, "application/json", TooManyRequests),
        (500, "application/json", Ambiguous),
        (500, "text/html", Ambiguous),
        (503, "text/html", Unavailable),
        (429, "text/html", Unavailable),
    ],
)
def test_a_failure_that_passes_is_a_failure_as_of_any_call(
    name: str, status: int, media: str, kind: type[ApiResult]
) -> None:
    """The dispatcher asks again for these."""
    content = error(status) if media == "application/json" else b"<p>busy</p>"
    assert type(ask(reply(status, content, media=media), CALLS[name])) is kind


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("list_page", {}, "workloads: is missing"),
        ("list_page", {"workloads": [{}]}, "workloads[0].id: is missing"),
        ("list_page", {"workloads": 7}, "workloads: is not a list"),
        ("list_page", {"workloads": [], "next": 0}, "its next offset does not increase"),
        ("count", {}, "count: is missing"),
        ("describe", {"id": ".."}, "id: is not a workload id"),
        ("read_history", {}, "records: is missing"),
        ("read_events", {"events": ["x"]}, "events[0]: is not an object"),
        ("list_projects", {"projects": [{"id": "1"}]}, "projects[0].name: is missing"),
        ("read_project", {}, "id: is missing"),
        ("list_clusters", {}, "it is not a list of clusters"),
        ("list_clusters", [{"uuid": "c-1"}], "name: is missing"),
        ("list_types", {"types": [{}]}, "types[0].name: is missing"),
        ("list_page", [], "is not an object"),
    ],
)
def test_an_answer_of_another_form_says_that_we_cannot_look(
    name: str, content: Any, problem: str
) -> None:
    """Another form is no failure that passes, and half a list is no list."""
    assert ask(reply(200, content), CALLS[name]) == stamped(
        NotShown(status=200, message=f"HTTP 200 with an unusable body: {problem}")
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda api: api.live.describe(".."), "'..' is not a workload id"),
        (lambda api: api.live.read_history("a/b"), "'a/b' is not a workload id"),
        (lambda api: api.live.read_project(".."), "'..' is not a project id"),
        (
            lambda api: api.live.list_page("1,name=~"),
            "'1,name=~' cannot be written as a list filter",
        ),
        (
            lambda api: api.live.list_page("1", name="a,b"),
            "'a,b' cannot be written as a list filter",
        ),
    ],
)
def test_what_would_change_the_request_is_not_sent(call: Call, message: str) -> None:
    """A comma would begin another filter, dots would lead to another path."""

    def handler(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    assert ask(handler, call) == NotShown(message=message)


def test_a_message_of_the_cluster_shows_no_secret() -> None:
    """It may quote the container that it could not run, with its environment."""
    text = "cannot run: env API_TOKEN=s3cr3t-value-of-mine, image busybox"
    pending = [{"nodePool": "a", "phaseReason": "OverLimit", "reason": text}]
    described = {**ROW, "phaseMessage": text, "pendingSchedulingMessages": pending}
    event = {"createdAt": "2026-03-03T09:00:00Z", "type": "Warning", "message": text}
    update = {"phaseUpdate": {"phase": "Failed", "phaseMessage": text}}
    answers = [
        ask(reply(200, content), CALLS[name])
        for name, content in (
            ("list_page", {"workloads": [described]}),
            ("describe", described),
            ("read_events", {"events": [event]}),
            ("read_history", {"records": [{"meta": {}, "spec": update}]}),
        )
    ]
    for answer in answers:
        assert "busybox" in repr(answer)
        assert "s3cr3t-value-of-mine" not in repr(answer)

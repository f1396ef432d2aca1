"""What runs, from the sandbox to the client's values: a row means the same on both sides."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.login.credentials import ClientCredentials
from reconciler.api.secret import Secret
from reconciler.core.model import Address
from reconciler.core.protocol.api_results import (
    ApiResult,
    Described,
    Method,
    NotShown,
    Occurrences,
    ProjectPage,
)
from reconciler.core.protocol.live import (
    LiveWorkload,
    Occurrence,
    PendingReason,
    PoolQuota,
    ServerProject,
    WorkloadPhase,
)
from reconciler.engine.requests.dispatcher import Dispatcher, StopSignal
from reconciler.engine.requests.live_list import LiveList, list_live
from reconciler.sandbox import DEMO, NodePool, Project, Sandbox, Settings
from reconciler.sandbox.faults.plan import read_life
from tests.support.timing import Timeline, VirtualClock, run
from tests.support.transports import SandboxTransport

Look = Callable[[Dispatcher, HttpWorkloadApi], Awaitable[Any]]
TEAM = Project(id="1", name="team-a", pools=(NodePool(name="a100", deserved=8.0, limit=16.0),))
CLUSTER = "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10"


class Scene:
    """A sandbox on a timeline, and a client that looks at it through a dispatcher."""

    def __init__(self, *faults: str) -> None:
        self.timeline = Timeline()
        self.sandbox = Sandbox(
            Settings(faults=faults, projects=(TEAM,)), clock=self.timeline.epoch_seconds
        )

    def plant(self, name: str, *life: str, **options: Any) -> str:
        """A training of 8 GPUs that began two hours ago."""
        limits = {"limits": {"nvidia.com/gpu": 8}}
        manifest = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": {"containers": [{"name": "a", "resources": limits}]}}},
        }
        request = {
            "metadata": {"name": name, "projectId": "1", "category": "Train", "priority": "low"},
            "manifest": manifest,
        }
        planted = self.sandbox.store.plant(
            request, by="ann", age=7200.0, faults=read_life(life), **options
        )
        return planted.id

    def look(self, look: Look) -> Any:
        """What a look finds."""

        async def main() -> Any:
            dispatcher = Dispatcher(
                clock=VirtualClock(self.timeline),
                ceiling=8,
                rng=random.Random(1),  # noqa: S311 - jitter needs no secrecy
                halt=StopSignal(),
                deadline=self.timeline.now + 600.0,
            )
            login = ClientCredentials(
                client_id=DEMO.client_id, client_secret=Secret(value=DEMO.client_secret)
            )
            settings = ApiSettings(url="https://sandbox.example", credentials=login)
            try:
                async with HttpWorkloadApi(
                    settings, transport=SandboxTransport(self.sandbox)
                ) as api:
                    return await look(dispatcher, api)
            finally:
                dispatcher.close()

        return run(main(), self.timeline)

    def requests(self, part: str = "/api/v1/") -> list[str]:
        """The paths of the requests below a part of the API."""
        return [
            e.path for e in self.sandbox.ledger.entries if part in e.path and "token" not in e.path
        ]


def everything(dispatcher: Dispatcher, api: HttpWorkloadApi) -> Awaitable[Any]:
    """All workloads of the project."""
    return list_live(dispatcher, api.live, "1")


def test_a_row_of_the_sandbox_is_read_in_full() -> None:
    """Every value of a workload that has ended, of one that idles, and of a native one."""
    scene = Scene()
    done = scene.plant("done", "completes=30m")
    idle = scene.plant("idle", "idle=25%")
    native = scene.plant("native", "pending message='16 GPUs at most'", native="Training")
    common: dict[str, Any] = {
        "project_name": "team-a",
        "namespace": "runai-team-a",
        "created_at": "2026-03-02T07:00:00.000Z",
        "updated_at": "2026-03-02T07:00:00.000Z",
        "tenant_id": 1,
        "phase_updated_at": "2026-03-02T07:00:00.000Z",
        "gpus_requested": 8.0,
        "gpus_allocated": 0.0,
        "gpus_idle": 0.0,
        "running_seconds": 0,
        "submitted_by": "ann",
    }
    expected = [
        LiveWorkload(
            **common
            | {
                "id": done,
                "address": Address(project="1", name="done"),
                "is_v2": True,
                "kind": "Job",
                "phase": WorkloadPhase.COMPLETED,
                "phase_updated_at": "2026-03-02T07:30:00.000Z",
                "completed_at": "2026-03-02T07:30:00.000Z",
                "running_seconds": 1800,
            }
        ),
        LiveWorkload(
            **common
            | {
                "id": idle,
                "address": Address(project="1", name="idle"),
                "is_v2": True,
                "kind": "Job",
                "phase": WorkloadPhase.RUNNING,
                "gpus_allocated": 8.0,
                "gpus_idle": 2.0,
                "running_seconds": 7200,
            }
        ),
        LiveWorkload(
            **common
            | {
                "id": native,
                "address": Address(project="1", name="native"),
                "is_v2": False,
                "kind": "Training",
                "phase": WorkloadPhase.PENDING,
                "phase_message": "16 GPUs at most",
            }
        ),
    ]
    listed = scene.look(everything)
    assert listed == LiveList(workloads=tuple(expected), is_whole=True, date="2026-03-02T09:00:00Z")
    assert scene.requests() == ["/api/v1/workloads"]


def test_one_workload_is_explained() -> None:
    """Why it waits, and what has happened to it, the newest first."""
    scene = Scene()
    workload_id = scene.plant("a", "pending pool=a100 message=wait reason=NonPreemptibleOverQuota")

    async def explain(_: Dispatcher, api: HttpWorkloadApi) -> list[ApiResult]:
        return [
            await api.live.describe(workload_id),
            await api.live.read_history(workload_id),
            await api.live.read_events(workload_id),
        ]

    described, history, events = scene.look(explain)
    assert isinstance(described, Described)
    assert described.workload.pending == (
        PendingReason(node_pool="a100", code="NonPreemptibleOverQuota", message="wait"),
    )
    began = "2026-03-02T07:00:00.000Z"
    assert isinstance(history, Occurrences)
    assert isinstance(events, Occurrences)
    assert set(history.occurrences) == {
        Occurrence(at=began, message="", phase=WorkloadPhase.CREATING),
        Occurrence(at=began, message="wait", phase=WorkloadPhase.PENDING),
    }
    assert events.occurrences[0] == Occurrence(
        at=began, message="wait", severity="Normal", reason="Pending", subject="Job/a"
    )


def test_a_project_tells_its_quota_and_what_is_allocated() -> None:
    """For each node pool, as the plan needs it; in the list and by its id."""
    scene = Scene()
    scene.plant("runs")
    scene.plant("waits", "pending")
    project = ServerProject(
        id="1",
        name="team-a",
        cluster_id=CLUSTER,
        namespace="runai-team-a",
        phase="Ready",
        quotas=(
            PoolQuota(
                pool="a100",
                deserved=8.0,
                limit=16.0,
                allocated=8.0,
                allocated_non_preemptible=0.0,
                requested=16.0,
            ),
        ),
        gpus_allocated=8.0,
        gpus_allocated_non_preemptible=0.0,
    )

    async def look(_: Dispatcher, api: HttpWorkloadApi) -> list[ApiResult]:
        return [
            await api.live.list_projects(),
            await api.live.read_project("1"),
        ]

    for page in scene.look(look):
        assert isinstance(page, ProjectPage)
        assert page.projects == (project,)


def test_what_was_deleted_is_found_by_its_name() -> None:
    """With the phase in which it ended, so that it is known not to be missing."""
    scene = Scene()
    workload_id = scene.plant("done", "completes=30m")
    scene.sandbox.store.vanish(workload_id)

    async def look(dispatcher: Dispatcher, api: HttpWorkloadApi) -> Any:
        return await list_live(dispatcher, api.live, "1", name="done", deleted=True)

    listed = scene.look(look)
    assert [(w.id, w.phase, w.deleted_at) for w in listed.workloads] == [
        (workload_id, WorkloadPhase.COMPLETED, "2026-03-02T09:00:00.000Z")
    ]
    assert scene.look(everything).workloads == ()


def test_a_long_list_is_one_request_a_page_and_a_count() -> None:
    """1,200 workloads are three pages of 500."""
    scene = Scene()
    ids = {scene.plant(f"w{number}") for number in range(1200)}
    listed = scene.look(everything)
    assert ({w.id for w in listed.workloads}, len(listed.workloads)) == (ids, 1200)
    assert listed.is_whole
    assert scene.requests() == [
        "/api/v1/workloads",
        "/api/v1/workloads/count",
        *["/api/v1/workloads"] * 2,
    ]


def test_a_page_that_fails_once_is_asked_for_again_by_itself() -> None:
    """The pages before it are kept: a busy server would never let a whole walk pass."""
    scene = Scene("503 at=list nth=3")
    for number in range(1200):
        scene.plant(f"w{number}")
    assert len(scene.look(everything).workloads) == 1200
    assert scene.requests() == [
        "/api/v1/workloads",
        "/api/v1/workloads/count",
        *["/api/v1/workloads"] * 3,
    ]


@pytest.mark.parametrize(
    ("rule", "status", "message"),
    [
        ("403", 403, "injected by a fault rule"),
        ("404", 404, "injected by a fault rule"),
        ("404 page=html", 404, 'HTTP 404: an HTML page titled "404" instead of JSON'),
        ("200 page=html", 200, 'HTTP 200: an HTML page titled "200" instead of JSON'),
    ],
)
def test_a_server_that_does_not_let_us_look_is_asked_once(
    rule: str, status: int, message: str
) -> None:
    """The result says why, and no attempt follows."""
    scene = Scene(f"{rule} at=list,details,projects")
    workload_id = scene.plant("a")

    async def look(dispatcher: Dispatcher, api: HttpWorkloadApi) -> list[Any]:
        return [
            await list_live(dispatcher, api.live, "1"),
            await dispatcher.send(Method.GET, lambda _: api.live.describe(workload_id)),
            await dispatcher.send(Method.GET, lambda _: api.live.read_history(workload_id)),
            await dispatcher.send(Method.GET, lambda _: api.live.list_projects()),
        ]

    for result in scene.look(look):
        assert isinstance(result, NotShown)
        assert result.status == status
        assert result.message.startswith(message)
    assert len(scene.requests()) == 4

"""A repository whose specs give their projects by name, in front of a server that has projects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from reconciler.app.applying.applying import ApplyRequest, ApplyResult, carry_out
from reconciler.app.planning.planning import PlanRequest, PlanResult, make
from reconciler.app.planning.saved_plans import load_plan, save_plan
from reconciler.app.planning.workspace import Workspace, open_workspace
from reconciler.app.session import Connector
from reconciler.app.settings import Flags
from reconciler.engine.run import ApplyOptions
from reconciler.sandbox.settings import Cluster, Project
from reconciler.state.sqlite import open_state
from tests.support.specs import write
from tests.support.timing import run
from tests.support.worlds import URL, World

T = TypeVar("T")

LIST = "/api/v1/org-unit/projects"
EAST = Cluster(id="0b1c7b64-5a0e-4a61-8d5e-2f0f6a3f8b10", name="east")
WEST = Cluster(id="1c2c7b64-5a0e-4a61-8d5e-2f0f6a3f8b10", name="west")
ML = Project(id="4501", name="ml")


def spec(name: str = "chat", metadata: str = "project: ml", manifest: str = "") -> str:
    """A spec whose project is given as its metadata says."""
    return (
        f"metadata: {{name: {name}, {metadata}}}\n"
        f"manifest: {{apiVersion: v1, kind: Pod{manifest}, spec: {{containers: "
        "[{name: main, image: nginx}]}}\n"
    )


class Team:
    """A repository on disk with its state, in front of a server; each command is a new process."""

    def __init__(self, folder: Path, *faults: str, **sandbox: Any) -> None:
        self.root = folder / "w"
        self.state = folder / "state.db"
        self.plan_file = folder / "plan.json"
        self.world = World(*faults, **{"projects": (ML,), **sandbox})

    def write(self, **files: str) -> None:
        """Write files of the repository; `_` in a name stands for a dot."""
        write(self.root, {name.replace("_yaml", ".yaml"): text for name, text in files.items()})

    @property
    def workspace(self) -> Workspace:
        """The repository as a command opens it."""
        flags = Flags(state=str(self.state), url=URL, stack="blue")
        return open_workspace([self.root], flags, self.world.environ)

    def plan(self, request: PlanRequest | None = None) -> PlanResult:
        """`reconciler plan`."""
        return run(
            make(
                self.workspace,
                request or PlanRequest(),
                connector=self.world.connector(),
                say=lambda _: None,
            ),
            self.world.timeline,
        )

    def apply(self, request: PlanRequest | None = None, **accepted: str) -> ApplyResult:
        """`reconciler apply --yes --init`; `accepted` are the names of --accept-project."""
        plan = dataclasses.replace(request or PlanRequest(), accept_projects=accepted)
        return run(
            carry_out(
                self.workspace,
                ApplyRequest(
                    plan=plan if request is None or request.approval is None else request,
                    options=ApplyOptions(),
                    command="reconciler apply",
                    init=True,
                ),
                connector=self.world.connector(),
                confirm=lambda _: True,
                say=lambda _: None,
            ),
            self.world.timeline,
        )

    def save(self, **accepted: str) -> None:
        """`reconciler plan --save`."""
        request = PlanRequest(accept_projects=accepted)
        planned = self.plan(request)
        save_plan(self.plan_file, planned, planned.request or request, self.world.clock.now())

    def apply_saved(self) -> ApplyResult:
        """`reconciler apply --plan`."""
        approval, _ = load_plan(self.plan_file)
        return self.apply(
            PlanRequest(
                selection=approval.selection,
                options=approval.options,
                accept_projects=approval.accept_projects,
                approval=approval,
            )
        )

    def run(self, work: Callable[[Connector], Coroutine[Any, Any, T]]) -> T:
        """Another command, which is given its way to the server."""
        return run(work(self.world.connector()), self.world.timeline)

    def pins(self) -> dict[str, str]:
        """What the state knows of names."""
        store = open_state(self.state)
        try:
            return dict(store.header.target.pins)
        finally:
            store.close()

    def live(self) -> list[str]:
        """What runs, by address."""
        return sorted(f"{w.project_id}/{w.name}" for w in self.world.sandbox.store.live())

    def asked(self) -> list[str]:
        """The requests for projects and clusters that have reached the server."""
        paths = [entry.path for entry in self.world.entries()]
        return [path for path in paths if path.startswith((LIST, "/api/v1/clusters"))]

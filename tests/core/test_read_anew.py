from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.lifecycle import (
    Lifecycle,
    OnFailed,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Missing,
)
from reconciler.core.planning.actions import Hold, Keep, Reason, Replace, Update
from reconciler.core.protocol.capabilities import CanUpdate
from tests.support.decisions import decide, plan_of, told
from tests.support.factories import make_desired, make_manifest, make_recorded, make_remote

MODE = "/manifest/spec/template/spec/volumes/0/secret/defaultMode"
HELD = (
    f"{MODE} is read otherwise than when it was applied, as Kubernetes reads it; held until the "
    "number is written in decimal, or --replace 4501/llm"
)


def mounting(
    mode: int, *, kind: str = "Deployment", earlier: int | None = None, **more: Any
) -> Desired:
    """A workload with a secret of this mode; `earlier` is what its text once meant."""
    manifest = make_manifest(kind, **more)
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "keys", "secret": {"secretName": "keys", "defaultMode": mode}}]
    readings = {} if earlier is None else {MODE: earlier}
    return dataclasses.replace(make_desired(manifest=manifest), older_readings=readings)


ROW = make_recorded(mounting(400))
READ_ANEW = mounting(256, earlier=400)


@pytest.mark.parametrize("can_update", [CanUpdate.YES, CanUpdate.NO])
def test_an_upgrade_moves_nothing(can_update: CanUpdate) -> None:
    """A record that says 400 where the spec now says 256 is held, and its line told of both."""
    plan = plan_of(READ_ANEW, ROW, make_remote(ROW), can_update=can_update)
    (action,) = plan.actions
    assert told(action) == (Hold, Reason.SPEC_CHANGED, HELD)
    assert isinstance(action, Hold)
    assert not action.is_due
    assert plan.diagnostics == (
        Diagnostic(
            severity=Severity.WARNING,
            code="number-read-anew",
            message=f"{MODE} was applied as 400, and is read as 256 now, as Kubernetes reads it",
            where=READ_ANEW.source,
            hint="write 256 to have it changed, or 400 to keep it",
            pointer=MODE,
            address="4501/llm",
        ),
    )


@pytest.mark.parametrize(
    ("desired", "options", "kind"),
    [
        pytest.param(READ_ANEW, {"replace": ("4501/llm",)}, Replace, id="--replace"),
        pytest.param(mounting(256), {}, Update, id="written in decimal"),
        pytest.param(mounting(400), {}, Keep, id="written as it was read"),
        pytest.param(mounting(384, earlier=600), {}, Update, id="another number"),
        pytest.param(
            mounting(256, earlier=400, image="llm:2"), {}, Update, id="a change beside it"
        ),
    ],
)
def test_what_is_asked_for_moves(desired: Desired, options: dict[str, Any], kind: type) -> None:
    """The address, the number in decimal and any change by its author ask for it."""
    assert type(decide(desired, ROW, make_remote(ROW), can_update=CanUpdate.YES, **options)) is kind


def test_a_number_that_another_version_applied_as_kubernetes_does_is_kept() -> None:
    """Once 256 is recorded, the same text is no change and no finding."""
    row = make_recorded(READ_ANEW)
    plan = plan_of(READ_ANEW, row, make_remote(row))
    assert [type(action) for action in plan.actions] == [Keep]
    assert plan.diagnostics == ()


def test_a_finished_job_is_not_run_again_for_it() -> None:
    """A job that is read anew is the same job as the one that ended."""
    row = make_recorded(mounting(400, kind="Job"))
    action = decide(mounting(256, kind="Job", earlier=400), row, Missing())
    assert (type(action), action.reason) == (Hold, Reason.RUN_TO_COMPLETION)


def test_a_refusal_is_told_before_it() -> None:
    """What the cluster refused fails an apply, whatever is held beside it."""
    row = dataclasses.replace(ROW, seen=LastSeen.FAILED)
    desired = dataclasses.replace(READ_ANEW, lifecycle=Lifecycle(on_failed=OnFailed.REPORT))
    action = decide(desired, row, make_remote(row, seen=LastSeen.FAILED))
    assert (type(action), action.reason) == (Hold, Reason.SYNC_FAILED)

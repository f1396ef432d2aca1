"""Nearly every workload is as it was recorded, and is kept without a look at a single rule."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.core.diff.comparison import compare
from reconciler.core.lifecycle import AfterCompletion
from reconciler.core.model import (
    NO_CHANGE,
    ChangeRecord,
    Desired,
    LastSeen,
    Live,
    OpenChange,
    Recorded,
    Remote,
    SentRev,
)
from reconciler.core.planning import planner
from reconciler.core.planning.actions import Keep
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.core.protocol.marker import OP, REV
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import RedactionRules
from reconciler.core.stored_json import StoredJson
from tests.support.factories import (
    LINEAGE,
    NOW,
    PLAN_TARGET,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
)
from tests.support.strategies import lifecycles, plan_options

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
RULES = RedactionRules(reveal=("DB_PASSWORD",))
ENV = [{"name": "HF_TOKEN", "value": "hunter2-hunter2"}, {"name": "DB_PASSWORD", "value": "pw"}]


def _now_and_then(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual value nine times in ten."""
    rare = st.sampled_from(others)
    return st.integers(0, 9).flatmap(lambda drawn: st.just(usual) if drawn else rare)


def _with_env(manifest: Mapping[str, Any], env: list[Any]) -> dict[str, Any]:
    edited = copy.deepcopy(dict(manifest))
    edited["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return edited


def _without_replicas(manifest: Mapping[str, Any]) -> dict[str, Any]:
    edited = copy.deepcopy(dict(manifest))
    del edited["spec"]["replicas"]
    return edited


_manifests = st.sampled_from(
    [
        make_manifest(gpus=2),
        _without_replicas(make_manifest(gpus=2)),
        make_manifest("Job", gpus=1),
        _with_env(make_manifest(), ENV),
        _with_env(make_manifest(), [{"name": "SORT_KEY", "value": "a"}]),
    ]
)


def _open(desired: Desired) -> OpenChange:
    spec = desired.spec
    return OpenChange(
        rev="r2", base="", body_digest="b", digest="d", spec=spec, body=spec, last_sent_at=NOW
    )


@st.composite
def _rows(draw: st.DrawFn, desired: Desired, redactor: Redactor) -> Recorded:
    applied = draw(_now_and_then(desired, dataclasses.replace(desired, manifest=make_manifest())))
    row = make_recorded(applied, redactor=redactor)
    late = SentRev(rev="r3", last_sent_at=NOW, spec=applied.spec, body=applied.spec)
    changes = (
        ChangeRecord(confirmed="r1", proven_at=NOW),
        ChangeRecord(confirmed="r1", base="r0", superseded=(late,)),
        ChangeRecord(open=_open(applied)),
        ChangeRecord(former_markers=(row.marker, "other/op")),
    )
    return dataclasses.replace(
        row,
        change=draw(_now_and_then(NO_CHANGE, *changes)),
        marker=draw(_now_and_then(row.marker, "", "other/op")),
        digest=draw(_now_and_then(row.digest, "", "sha256:0")),
        lifecycle=draw(st.just(desired.lifecycle) | lifecycles),
        seen=draw(st.sampled_from(LastSeen)),
        # Under other rules of what is a secret.
        echo=draw(_now_and_then(row.echo, applied.spec)),
        protected=draw(st.booleans()),
    )


@st.composite
def _remotes(draw: st.DrawFn, row: Recorded, desired: Desired) -> Remote:
    # What an earlier spec declared runs on, or what this one declares runs already.
    remote = make_remote(row, draw(_now_and_then(None, desired)))
    manifest = copy.deepcopy(dict(remote.raw_manifest))
    own = manifest["metadata"]["annotations"]
    own |= draw(_now_and_then({}, {REV: "r1"}, {REV: "r2"}, {REV: "r3"}, {REV: "foreign"}))
    if draw(_now_and_then(False, True)):
        own[OP] = "other/op"
    elif draw(_now_and_then(False, True)):
        del own[OP]
    edits: Mapping[str, Any] = draw(
        _now_and_then({}, {"replicas": 7}, {"paused": False}, {"replicas": 1.0})
    )
    manifest["spec"] |= edits
    return dataclasses.replace(
        remote,
        raw_manifest=manifest,
        metadata={**remote.metadata, **draw(_now_and_then({}, {"priority": "low"}))},
        seen=draw(_now_and_then(LastSeen.SYNCED, *LastSeen)),
        desired_phase=draw(_now_and_then("Running", "Deleted")),
        deleted_at=draw(_now_and_then(None, NOW)),
    )


def _as_stored(row: Recorded) -> Recorded:
    echo = None if row.echo is None else StoredJson.of(row.echo)
    return dataclasses.replace(row, spec=StoredJson.of(row.spec), echo=echo)


@given(
    st.builds(
        dataclasses.replace, st.just(make_desired()), manifest=_manifests, lifecycle=lifecycles
    ),
    _now_and_then(RedactionRules(), RULES),
    plan_options,
    st.data(),
)
def test_what_is_kept_at_once_is_what_the_rules_would_keep(
    desired: Desired, rules: RedactionRules, options: PlanOptions, data: st.DataObject
) -> None:
    """What was compared when it was read is decided as what goes through every rule."""
    redactor = Redactor(LINEAGE, rules)
    completed = dataclasses.replace(
        desired.lifecycle, after_completion=AfterCompletion.DELETE, on_missing=None
    )
    desired = dataclasses.replace(
        desired, lifecycle=data.draw(_now_and_then(desired.lifecycle, completed))
    )
    options = dataclasses.replace(
        options, replace=data.draw(_now_and_then((), ("4501/*",), ("1/a",)))
    )
    row = _as_stored(data.draw(_rows(desired, redactor)))
    remote = data.draw(_remotes(row, desired))
    now = data.draw(st.sampled_from([None, AT]))
    over = LiveWorkload(
        id=row.id or "",
        address=row.address,
        is_v2=True,
        phase=WorkloadPhase.COMPLETED,
        completed_at=NOW,
    )

    def plan_of(live: Live, listed: Mapping[str, LiveWorkload]) -> Plan:
        return planner.make_plan(
            [desired],
            [row],
            {row.id or "": live},
            target=PLAN_TARGET,
            lineage=LINEAGE,
            options=options,
            listed=listed,
            now=now,
            rules=rules,
        )

    listed: Mapping[str, LiveWorkload] = data.draw(_now_and_then({}, {over.id: over}))
    compared = compare(row, remote, redactor, desired=desired)
    plan = plan_of(compared, listed)
    assert plan == plan_of(remote, listed)
    event(type(plan.actions[0]).__name__)


def test_no_rule_is_asked_about_what_has_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its spec stays a text as well: the GPUs were counted in the answer."""
    desired = make_desired(manifest=make_manifest(gpus=3, replicas=2))
    row = _as_stored(make_recorded(desired))
    desired = dataclasses.replace(
        desired,
        metadata=StoredJson.of(desired.metadata),
        manifest=StoredJson.of(desired.manifest),
    )
    compared = compare(row, make_remote(row), Redactor(LINEAGE), desired=desired)

    def fail(*_: Any) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(planner, "gather_inputs", fail)
    monkeypatch.setattr(StoredJson, "value", property(fail))
    plan = planner.make_plan(
        [desired], [row], {row.id or "": compared}, target=PLAN_TARGET, lineage=LINEAGE
    )
    assert [type(action) for action in plan.actions] == [Keep]
    assert (plan.gpus.before, plan.gpus.after) == (6.0, 6.0)

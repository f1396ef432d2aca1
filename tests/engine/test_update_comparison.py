"""What an update sends where its plan has merged it already."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.core.diff.comparison import read_content
from reconciler.core.model import Desired, Remote
from reconciler.core.planning.actions import Update
from reconciler.core.planning.case import OnDrift
from reconciler.engine.update_comparison import UpdateComparison
from tests.support.factories import REDACTOR, make_recorded, make_remote
from tests.support.updates import ROW, SCALED, WANTED, decide, with_spec

_SECRET = "hf_abcdefghijklmnopqrstuvwxyz"


def _show(desired: Desired, **more: Any) -> Remote:
    """Return what the server says of the ordinary record, with more fields in the manifest."""
    return make_remote(ROW, desired, raw_manifest={**desired.manifest, **more})


@pytest.mark.parametrize("value", ["set by somebody", _SECRET])
@pytest.mark.parametrize("is_planned", [True, False])
def test_what_others_have_set_is_sent_with_the_spec(value: str, is_planned: bool) -> None:
    """In plain, whether the plan has seen it or it was set after that."""
    metadata = {"name": "llm", "labels": {"other": value}}
    live = _show(WANTED, metadata=metadata)
    action = decide(SCALED, ROW, live if is_planned else _show(WANTED))
    assert isinstance(action, Update)
    content = UpdateComparison(action, REDACTOR).compose(ROW, read_content(live, REDACTOR))
    assert content.manifest == {**SCALED.manifest, "metadata": metadata}


_VARIABLES = st.lists(
    st.builds(
        lambda name, value: {"name": name, "value": value},
        st.sampled_from("ABC"),
        st.sampled_from(["x", "y", "z", "", _SECRET]),
    ),
    max_size=2,
    unique_by=lambda variable: variable["name"],
)
_CONTAINERS = st.fixed_dictionaries(
    {"name": st.just("main"), "image": st.sampled_from("ab")},
    optional={"env": _VARIABLES, "args": st.lists(st.sampled_from(["--x", "1"]))},
)
_SPECS = st.fixed_dictionaries(
    {"template": _CONTAINERS.map(lambda container: {"spec": {"containers": [container]}})},
    optional={
        "replicas": st.integers(0, 2),
        "paused": st.booleans(),
        "strategy": st.fixed_dictionaries({}, optional={"type": st.sampled_from("xy")}),
    },
)
_PRIORITIES = st.fixed_dictionaries({}, optional={"priority": st.sampled_from(["low", "high"])})
_WORKLOADS = st.builds(
    lambda spec, priority: with_spec("apps/v1/Deployment", spec, **priority), _SPECS, _PRIORITIES
)
_STATUS = st.fixed_dictionaries({}, optional={"status": st.just({"ready": 1})})


@given(
    st.lists(_WORKLOADS, min_size=3, max_size=3), st.booleans(), _STATUS, st.sampled_from(OnDrift)
)
def test_what_was_planned_is_what_would_be_merged(
    workloads: list[Desired], is_drifted: bool, status: dict[str, Any], on_drift: OnDrift
) -> None:
    """Whoever has changed what: on what the plan has seen, to merge anew gives the same."""
    before, wanted, drifted = workloads
    row, shown = make_recorded(before), drifted if is_drifted else before
    live = make_remote(row, shown, raw_manifest={**shown.manifest, **status})
    action = decide(wanted, row, live, on_drift=on_drift)
    if not (isinstance(action, Update) and action.merged_with):
        event("nothing to be used again")
        return
    content = read_content(live, REDACTOR)
    anew = UpdateComparison(dataclasses.replace(action, merged_with=""), REDACTOR)
    assert content.digest == action.merged_with
    assert UpdateComparison(action, REDACTOR).compose(row, content) == anew.compose(row, content)

"""What an update sends, where a plan has merged it already."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.core.diff.comparison import read_content
from reconciler.core.planning.actions import Update
from reconciler.core.planning.case import OnDrift
from reconciler.engine.update_comparison import UpdateComparison
from tests.support.factories import REDACTOR, make_recorded, make_remote
from tests.support.updates import decide, pods, with_spec

_ENV = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["A", "B", "HF_TOKEN"])},
        optional={"value": st.sampled_from(["", "x", "hf_abcdefghijklmnopqrstuvwxyz"])},
    ),
    max_size=3,
    unique_by=lambda variable: variable["name"],
)
_PODS = st.builds(
    lambda image, env, args: (
        pods(image)
        | {
            "spec": {
                "containers": [
                    {"name": "main", "image": image, **({"env": env} if env else {}), **args}
                ]
            }
        }
    ),
    st.sampled_from("ab"),
    _ENV,
    st.fixed_dictionaries({}, optional={"args": st.lists(st.sampled_from(["--x", "1"]))}),
)
_SPECS = st.fixed_dictionaries(
    {"template": _PODS},
    optional={
        "replicas": st.integers(0, 2),
        "paused": st.booleans(),
        "strategy": st.fixed_dictionaries({}, optional={"type": st.sampled_from("xy")}),
        "status": st.integers(0, 1),
    },
)
_PRIORITIES = st.fixed_dictionaries({}, optional={"priority": st.sampled_from(["low", "high"])})
_STATUS = st.fixed_dictionaries({}, optional={"status": st.just({"ready": 1})})


@given(
    st.lists(st.tuples(_SPECS, _PRIORITIES), min_size=3, max_size=3),
    st.booleans(),
    _STATUS,
    st.sampled_from(OnDrift),
)
def test_what_was_planned_is_what_would_be_merged(
    contents: list[tuple[dict[str, Any], dict[str, Any]]],
    is_touched: bool,
    status: dict[str, Any],
    on_drift: OnDrift,
) -> None:
    """Whoever has changed what: on what the plan has seen, to merge again gives the same."""
    before, wanted, drifted = (
        with_spec("apps/v1/Deployment", spec, **priority) for spec, priority in contents
    )
    row = make_recorded(before)
    shown = drifted if is_touched else before
    manifest = {**shown.manifest, **status}
    live = make_remote(row, shown, raw_manifest=manifest)
    action = decide(wanted, row, live, on_drift=on_drift)
    if not (isinstance(action, Update) and action.merged_with):
        event("nothing to be used again")
        return
    merged = UpdateComparison(dataclasses.replace(action, merged_with=""), REDACTOR)
    planned = UpdateComparison(action, REDACTOR)
    content = read_content(live, REDACTOR)
    event("used again" if content.digest == action.merged_with else "of another content")
    assert planned.compose(row, content) == merged.compose(row, content)

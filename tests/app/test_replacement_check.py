"""A plan ends nothing for a successor whose body could not be sent."""

from __future__ import annotations

import dataclasses

from reconciler.app.planning.replacement_check import hold_invalid
from reconciler.core.planning.actions import Hold, Replace
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.worlds import World

PRIORITY = "/metadata/priority"


def test_a_kept_value_that_no_spec_may_have_holds_the_replace() -> None:
    """It comes from the server, after the specs were checked; a valid one is kept."""
    settings = World().settings
    wanted = make_desired(ignore_changes=(PRIORITY,))
    wanted = dataclasses.replace(wanted, metadata={**wanted.metadata, "priority": "high"})
    row = make_recorded(wanted)
    changed = dataclasses.replace(wanted, manifest=make_manifest(image="b"))
    for runs, kind in ((7, Hold), ("low", Replace)):
        remote = make_remote(row, metadata={**wanted.metadata, "priority": runs})
        plan = plan_for([changed], [row], {row.id or "": remote})
        [action] = hold_invalid(plan, settings).actions
        assert type(action) is kind
        if isinstance(action, Hold):
            assert action.fails
            assert f"; its replacement would keep an invalid value: {PRIORITY}: " in action.detail
            assert action.detail.endswith(", so nothing is deleted for it")
            assert (action.gpus.before, action.gpus.after) == (1.0, 1.0)

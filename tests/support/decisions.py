"""The decision about one workload: its plan, its only action, and the action in a few words."""

from __future__ import annotations

import dataclasses
from typing import Any

from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Desired,
    Live,
    Recorded,
)
from reconciler.core.planning.actions import AnyAction, Reason
from reconciler.core.planning.plan import Plan
from tests.support.factories import plan_for


def plan_of(
    desired: Desired | None, row: Recorded | None, live: Live | None = None, **options: Any
) -> Plan:
    """Plan for one workload, on a server that cannot update unless told otherwise."""
    answers = {row.id: live} if live and row and row.id else {}
    return plan_for([desired] if desired else [], [row] if row else [], answers, **options)


def decide(
    desired: Desired | None, row: Recorded | None, live: Live | None = None, **options: Any
) -> AnyAction:
    """Return the only action of a plan for one workload."""
    [action] = plan_of(desired, row, live, **options).actions
    return action


def told(action: AnyAction) -> tuple[type[AnyAction], Reason, str]:
    """Return what an action is and why."""
    return type(action), action.reason, action.detail


def with_lifecycle(desired: Desired, **settings: Any) -> Desired:
    """Return the same spec under other settings."""
    return dataclasses.replace(desired, lifecycle=Lifecycle(**settings))

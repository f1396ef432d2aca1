"""What an action does to the GPUs that its workload asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.model import Desired, Recorded
from reconciler.core.planning.actions import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Record,
    Replace,
    Resolve,
    Update,
)


def with_gpus(action: AnyAction, row: Recorded | None, desired: Desired | None) -> AnyAction:
    """An action with its effect: `row` is what runs now, if anything, `desired` what is wanted."""
    before = count_gpus(row.spec.get("manifest", {})) if row else GpuRequest()
    after = _gpus_after(action, before, desired)
    known = before.known and after.known
    effect = GpuEffect(before=before.gpus, after=after.gpus, known=known, since=_since(action))
    return replace(action, gpus=effect)


def _since(action: AnyAction) -> str | None:
    """When what is given back was asked for; of a workload that was found, nobody knows."""
    if not isinstance(action, Delete | Replace) or action.recorded.first_sent_at is None:
        return None
    return action.recorded.last_sent_at


def _gpus_after(action: AnyAction, before: GpuRequest, desired: Desired | None) -> GpuRequest:
    match action:
        case (
            Create(desired=sent)
            | Replace(desired=sent)
            | Update(desired=sent)
            | Resolve(desired=sent)
        ):
            # What is sent may keep a number of replicas that runs.
            body = sent or desired
            return count_gpus(body.manifest) if body else GpuRequest()
        case Delete():
            return GpuRequest()
        case Adopt() | Forget() | Record() | Hold() | Keep():
            return before
        case _:
            assert_never(action)

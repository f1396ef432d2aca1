"""What an action does to the GPUs that its workload asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import assert_never

from reconciler.core.ending.lifetime import has_ended
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.model import Desired, Json
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
    recorded_of,
)
from reconciler.core.planning.in_place import update_rules
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.stored_json import decoded
from reconciler.kinds.updates import Surge, count_surge, covers, spec_of


def with_gpus(action: AnyAction, running: Json | None, desired: Desired | None) -> AnyAction:
    """An action with its effect: `running` runs now, if anything does, and `desired` is wanted."""
    running = decoded(running)
    before = count_gpus(running.get("manifest", {})) if running is not None else GpuRequest()
    after = _gpus_after(action, before, desired)
    since = None
    # Of a workload that was found, nobody knows when its GPUs were asked for.
    if isinstance(action, Delete | Replace) and action.recorded.first_sent_at is not None:
        since = action.recorded.last_sent_at
    effect = GpuEffect(
        before=before.gpus, after=after.gpus, known=before.known and after.known, since=since
    )
    if isinstance(action, Update) and running is not None:
        effect = replace(effect, peak=_peak(action, running, effect))
    return replace(action, gpus=effect)


# Of thousands that stay as they are, most ask for the same.
@lru_cache(maxsize=256)
def lasting(request: GpuRequest) -> GpuEffect:
    """The effect of what leaves a workload as it is."""
    return GpuEffect(before=request.gpus, after=request.gpus, known=request.known)


def without_ended(action: AnyAction, listed: Mapping[str, LiveWorkload]) -> AnyAction:
    """The same action, with no GPUs asked for by what is listed as over; unknown counts as asking.

    What changes no pod keeps its figures: it adds nothing, and an approval of it still holds when
    the workload has ended meanwhile.
    """
    row = recorded_of(action)
    if row is None or not has_ended(row, listed.get(row.id or "")):
        return action
    match action:
        case Delete() | Replace() | Keep() | Hold():
            return with_gpus(action, None, None)
        case Update() if _exchanges_pods(action):
            return with_gpus(action, None, None)
        case _:
            return action


def _gpus_after(action: AnyAction, before: GpuRequest, desired: Desired | None) -> GpuRequest:
    match action:
        case Update(document=document):
            # Others may keep fields of it, and may have set what nobody declares.
            return count_gpus({} if document is None else document.get("manifest", {}))
        case Create(desired=sent) | Replace(desired=sent) | Resolve(desired=sent):
            # What is sent may keep a number of replicas that runs.
            body = sent or desired
            return count_gpus(body.manifest) if body else GpuRequest()
        case Delete():
            return GpuRequest()
        case Adopt() | Forget() | Record() | Hold() | Keep():
            return before
        case _:
            assert_never(action)


def _peak(action: Update, running: Json, effect: GpuEffect) -> float | None:
    """What an update takes while old and new pods run side by side, if that is more than either."""
    if not _exchanges_pods(action):
        return None
    before, after = running.get("manifest", {}), (action.document or {}).get("manifest", {})
    rules = update_rules(after)
    if rules.surge is Surge.BOTH:
        return effect.before + effect.after if effect.before and effect.after else None
    if rules.surge is Surge.LARGER:
        return None
    # Without a number of replicas Kubernetes makes one.
    old, new = (spec_of(manifest).get("replicas", 1) for manifest in (before, after))
    if not all(isinstance(count, int) and count > 0 for count in (old, new)):
        return None
    # Which pods are exchanged first is the controller's affair: the larger ones may be all there.
    largest = max(effect.before / old, effect.after / new)
    peak = round((new + count_surge(rules, after, new)) * largest, 6)
    return peak if peak > max(effect.before, effect.after) else None


def _exchanges_pods(action: Update) -> bool:
    """Another number of replicas, or a label of the object, exchanges none."""
    changed = [change.pointer for change in (*action.changes, *action.overwrites)]
    return any(covers("/manifest/spec", p) and p != "/manifest/spec/replicas" for p in changed)

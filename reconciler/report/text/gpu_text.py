"""The GPUs of an action as text: requested before and after it, and released by it.

No answer of the base API says that a workload runs (`desiredPhase` is a wish, `Synced` says that
the cluster has the object), so nothing here says it either.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.core.planning.actions import AnyAction, Delete, Hold, Record, Replace
from reconciler.report.text.formatting import age, gpu_number, moment

_JUST_NOW = "less than a minute"


def gpu_effect(action: AnyAction) -> str:
    """GPUs that one workload asks for before and after; empty where that is nothing at all."""
    before, after = gpu_number(action.gpus.before), gpu_number(action.gpus.after)
    if not action.gpus.known:
        counted = f"{before} → {after} and more" if (before, after) != ("0", "0") else "GPUs"
        return f"{counted} that cannot be counted"
    # A hold or a record changes nothing that runs; of a replace it is news that they stay.
    if before == after and (before == "0" or isinstance(action, Hold | Record)):
        return ""
    peak = f", up to {gpu_number(action.gpus.peak)} meanwhile" if action.gpus.peak else ""
    return f"{before} → {after} GPUs{peak}"


def given_back(action: AnyAction, now: datetime | None = None) -> str:
    """What a delete or replace releases, and since when it was requested; empty for the others.

    A workload that was found on the server has no such time.
    """
    if not isinstance(action, Delete | Replace):
        return ""
    effect, begun = action.gpus, action.gpus.since
    if effect.before:
        noun = "GPU" if effect.before == 1 else "GPUs"
        unknown = "" if effect.known else " and more that cannot be counted"
        amount = f"{gpu_number(effect.before)} {noun}{unknown}"
    else:
        amount = "" if effect.known else "GPUs that cannot be counted"
    if not amount or begun is None:
        return f"releases {amount}" if amount else ""
    long = age(begun, now) if now else ""
    if long == _JUST_NOW:
        return f"releases {amount}, requested for {long}"
    since = f"releases {amount}, requested since {moment(begun)} UTC"
    return f"{since}, {long}" if long else since

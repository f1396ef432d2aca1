"""Finishes a delete that was begun, with what takes the place of what it ends."""

from __future__ import annotations

from reconciler.core.diff.comparison import compare_spec
from reconciler.core.ending.ended import is_another
from reconciler.core.model import ENDS, Desired, Purpose, Recorded, ended_text, join_reasons
from reconciler.core.planning.actions import AnyAction, Delete, Hold, Reason, Replace
from reconciler.core.planning.decisions import is_lost
from reconciler.core.planning.examining import World, bare_case, compared_case
from reconciler.core.planning.submission import Submission, lifecycle_changes, submit


def succeed(row: Recorded, desired: Desired, world: World) -> Submission:
    """What takes the place of a workload whose deletion has begun.

    What ran was read before its delete; what of it was to be kept was written down with that.
    """
    since = compare_spec(row, desired, world.redactor)
    runs = since.row.spec if row.kept is None else row.kept
    return submit(desired, since, runs, world.redactor, keeps=row.kept is not None)


def is_found_lost(row: Recorded, world: World) -> bool:
    """Whether the workload of a record was looked for, and is not there."""
    return row.id is not None and is_lost(world.live.get(row.id))


def finish_delete(row: Recorded, desired: Desired | None, world: World) -> AnyAction:
    """A delete that was begun is always finished: a late one would kill what we decided to keep."""
    case = bare_case(row, desired, world)
    if row.purpose is Purpose.GIVEN_UP and not is_found_lost(row, world):
        remedy = f". Once it is gone: reconciler state resolve {row.address} --recheck"
        detail = (
            f"{row.message}; workload {row.id} may still be there, and its name is not free{remedy}"
        )
        common = case.common(Reason.GIVEN_UP, detail)
        return Hold(**common, recorded=row, fails=True, remedy=remedy)
    compared = compared_case(row, desired, world)
    if row.purpose in ENDS and desired is not None and not is_another(compared):
        detail = f"{ended_text(row)}; its deletion has begun and is finished first"
        reason = Reason(row.purpose.value)
        return Delete(**case.common(reason, detail), recorded=row, purpose=row.purpose)
    if desired is None or world.options.no_create:
        detail = "its deletion has begun and is finished first"
        return Delete(**case.common(Reason.REMOVED_FROM_SPECS, detail), recorded=row)
    submission = succeed(row, desired, world)
    reason, detail = Reason.SPEC_CHANGED, "its replacement was cut short and is finished"
    if row.purpose is Purpose.GIVEN_UP:
        reason = Reason.SPEC_CHANGED if submission.changes else Reason.GIVEN_UP
        detail = "its deletion was given up by hand, and is through now; it is made as declared"
    elif row.purpose in ENDS:
        detail = "its lifecycle has ended it, and its spec has changed since"
    elif row.purpose is not Purpose.REPLACE:
        reason = Reason.REMOVED_FROM_SPECS
        detail = "its deletion has begun and is finished first; a spec declares it again"
    elif is_found_lost(row, world):
        end = f"workload {row.id} was deleted to be replaced, and nothing of ours runs there now"
        detail = join_reasons(end, detail)
    forcing = case.mark(submission.changes)
    changes = (*forcing, *lifecycle_changes(row.lifecycle, desired.lifecycle))
    return Replace(
        **case.common(reason, join_reasons(detail, submission.exposed_text), changes=changes),
        recorded=row,
        desired=submission.desired,
        kept=row.kept,
        undone=row.undone,
    )

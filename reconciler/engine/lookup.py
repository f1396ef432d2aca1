"""Finds out whose workload lives under a name: by id, by list, and proven by its marker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.core.model import Own, Recorded, Remote
from reconciler.core.protocol.api_results import Accepted, Listed, NotFound
from reconciler.core.protocol.marker import Marker, read_marker
from reconciler.values import dataclass

if TYPE_CHECKING:
    # A plan looks at names as well, and need not load what a run is made of.
    from reconciler.engine.run import ActionContext

# So many workloads may be missing from a list before it is not believed.
CONTROLS = 3
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWorkload:
    """A live workload under this name carries our lineage and stack."""

    remote: Remote
    marker: Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTaken:
    """A live workload under this name was made by somebody else; `hint` where that may be us."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFree:
    """Nothing lives under this name, and the list that says so can be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupUnclear:
    """The evidence does not settle it; `listed` says whether the server's list could be asked."""

    message: str
    listed: bool


Verdict = OwnWorkload | NameTaken | NameFree | LookupUnclear


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidates:
    """Ids that may hold the name; `message` says why the list is no help, if it is none.

    `recorded` are those that the state itself has for other operations under this name, `hinted`
    those that only the text of a message names.
    """

    ids: tuple[str, ...]
    recorded: frozenset[str]
    hinted: frozenset[str]
    listed: bool
    message: str = ""


async def look_up(work: ActionContext, hint: str = "") -> Verdict:
    """Ask for the name of this action; an id in a 409's message is a hint, never a proof."""
    # Before the first question: what comes true while they are asked is in no answer.
    work.asked_at = work.run.server_time()
    candidates = await _find_candidates(work, hint)
    theirs: NameTaken | None = None
    for workload_id in candidates.ids:
        answer = await work.read(workload_id)
        if workload_id in candidates.recorded and isinstance(answer, NotFound) and answer.trusted:
            # Nothing but the record points to it, and the server says that it is not there.
            continue
        if workload_id in candidates.hinted and not isinstance(answer, Accepted):
            # Any text may hold the id of anything, such as of the request.
            continue
        if not isinstance(answer, Accepted):
            # It may be ours, so neither its absence nor another owner can be concluded.
            reason = answer.description
            message = f"workload {workload_id} may have this name and cannot be read ({reason})"
            return LookupUnclear(message=message, listed=candidates.listed)
        remote = answer.remote
        if remote.address != work.address or remote.is_gone:
            continue
        marker = read_marker(remote.raw_manifest)
        if marker and work.run.owns(marker):
            # One of ours goes before any stranger that was read: both cannot live (A1), and what
            # we made must not be lost.
            return OwnWorkload(remote=remote, marker=marker)
        # The first stranger is told, and the candidates behind it are still read.
        theirs = theirs or tell_owner(remote, marker, work.run.stack)
    if theirs:
        return theirs
    if not candidates.listed:
        return LookupUnclear(message=candidates.message, listed=False)
    controls = _controls(work)
    if await _is_believable(work, controls):
        return NameFree()
    message = (
        "the server's list shows neither it nor what is known to run in its project"
        if controls
        else "the server's list does not show it, and nothing else is recorded in its project that "
        "would show whether the list is whole"
    )
    return LookupUnclear(message=message, listed=True)


async def _find_candidates(work: ActionContext, hint: str) -> _Candidates:
    hinted: list[str] = _UUID.findall(hint)
    ids, listed, message = tuple[str, ...](), False, "the server's list is switched off"
    if work.run.options.discovery:
        answer = await work.find(work.address)
        ids = answer.ids if isinstance(answer, Listed) else ()
        listed = isinstance(answer, Listed) and answer.trusted
        message = "" if listed else f"the server's list cannot be used ({answer.message})"
    recorded = {
        row.id for row in work.run.rows_at(work.address) if row.own is Own.ACCEPTED and row.id
    }
    # An id that a message names is read first: it spares the others. What the list and the record
    # have is no mere hint, so an absence of it counts.
    return _Candidates(
        ids=tuple(dict.fromkeys((*hinted, *ids, *sorted(recorded)))),
        recorded=frozenset(recorded - set(ids)),
        hinted=frozenset(hinted) - set(ids) - recorded,
        listed=listed,
        message=message,
    )


def tell_owner(remote: Remote, marker: Marker | None, stack: str) -> NameTaken:
    """Whose a workload is that this state of this stack has not made, and what to do about it."""
    if marker is None:
        return NameTaken(
            message=f"workload {remote.id} has this name and was not made by this tool",
            hint=f"to take it over: reconciler state adopt {remote.address} --id {remote.id}",
        )
    if marker.stack == stack:
        return NameTaken(
            message=f"workload {remote.id} has this name and was made by another state of this "
            f"stack (lineage {marker.lineage})",
            hint="if that state is lost: move the new state away, then run 'reconciler state "
            "recover'",
        )
    return NameTaken(
        message=f"workload {remote.id} has this name and belongs to stack {marker.stack!r} "
        f"(state {marker.lineage})",
        hint="choose another name, or ask its owner for it",
    )


async def _is_believable(work: ActionContext, controls: Sequence[Recorded]) -> bool:
    """An empty list proves absence only if the same list shows something that we know lives."""
    # The rights of a login may filter a list (A5), so each is asked for in the same way.
    for control in controls:
        answer = await work.find(control.address)
        if isinstance(answer, Listed) and answer.trusted and control.id in answer.ids:
            return True
    return False


def _controls(work: ActionContext) -> list[Recorded]:
    """A few workloads of the same project that should be listed; first those read in this run."""
    rows = [
        row
        for row in work.run.known.values()
        if row.own is Own.ACCEPTED
        and row.address.project == work.address.project
        and row.address != work.address
    ]
    return sorted(rows, key=lambda row: row.id not in work.run.alive)[:CONTROLS]

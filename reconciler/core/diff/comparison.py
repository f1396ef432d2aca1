"""What differs: a spec from its record, and what the server says now from what it said then.

Two bases, never compared crosswise: what an author changed shows against the record's spec, what
somebody changed on the server shows against the record's echo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from reconciler.core.diff.diff import ABSENT, FieldChange, Origin, find_changes, is_same, project
from reconciler.core.diff.equality import (
    ROOT,
    Spot,
    is_equal,
    is_nothing,
    keys_of,
    reword,
    step_into,
)
from reconciler.core.digest import digest
from reconciler.core.model import Desired, Json, Recorded, Remote
from reconciler.core.planning.renewal import renew, renew_row
from reconciler.core.protocol.changes import as_shown
from reconciler.core.protocol.marker import read_marker, read_rev, unmark
from reconciler.core.redact import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Remote):
    """What the server says of a workload, already compared with its record: the body is let go.

    `drift` holds the declared fields that differ from the server's echo of our own create, and
    `renewed` that echo as today's rules of what is a secret write it, where they changed it.
    `answer` is all that the server says now, redacted, where that is not what it said then, and
    `filled_in` what the platform has put where the submitted manifest says nothing, as far as the
    spec declares it now. `unmarked` says that it has lost the marker that its record knows.
    `marker` and `rev` are those that it shows, empty for none.
    """

    drift: tuple[FieldChange, ...]
    renewed: Json | None = None
    answer: Json | None = None
    filled_in: Json | None = None
    unmarked: bool = False
    marker: str = ""
    rev: str = ""


def compare(
    row: Recorded, remote: Remote, redactor: Redactor, *, desired: Desired | None = None
) -> Compared:
    """Compare what the server says now with its echo of our last request.

    That is the one which the workload shows: also an update that the record has not as proven.
    """
    marker, rev = read_marker(remote.raw_manifest), read_rev(remote.raw_manifest)
    compared = Compared(
        id=remote.id,
        address=remote.address,
        metadata={},
        raw_manifest={},
        desired_phase=remote.desired_phase,
        seen=remote.seen,
        message=remote.message,
        tenant_id=remote.tenant_id,
        deleted_at=remote.deleted_at,
        drift=(),
        unmarked=bool(row.marker) and marker is None,
        marker=str(marker) if marker else "",
        rev=rev,
    )
    if remote.is_gone:
        return compared
    row = as_shown(row, rev)
    redactor = redactor.strict
    # What was filled in decides only about what somebody declares anew.
    if desired is not None and desired.spec != row.spec:
        compared = replace(compared, filled_in=_filled_in(desired, remote, redactor))
    plain = echo_of(remote)
    now, named = redactor.redact_and_digest(plain)
    recorded = row.echo if row.echo is not None else row.spec
    if named == digest(recorded):
        return compared
    before = renew(recorded, redactor, plain=plain)
    then = reword(before, like=row.spec)
    since = reword(now, like=then)
    drift = _find_differences(project(then, row.spec), project(since, row.spec), Origin.REMOTE)
    renewed = before if row.echo is not None and before != row.echo else None
    return replace(compared, drift=drift, renewed=renewed, answer=now)


def echo_of(remote: Remote) -> dict[str, Any]:
    """What the server says of a workload, without the marker that we put there."""
    return {**remote.echo, "manifest": unmark(remote.raw_manifest)}


def _filled_in(desired: Desired, remote: Remote, redactor: Redactor) -> Json | None:
    """What the platform has put where the submitted manifest says nothing, if that is declared."""
    raw, dressed = remote.raw_manifest, remote.workload_manifest
    if _put_in(desired.manifest, raw, dressed, ROOT) is ABSENT:
        return None
    # Redacted as a whole: what stands beside a value says whether it is a secret.
    return {"manifest": _put_in(desired.manifest, raw, redactor.redact(dressed), ROOT)}


def _put_in(wanted: Any, raw: Any, dressed: Any, spot: Spot) -> Any:
    """The part of a dressed manifest that is wanted, and that the raw one leaves open."""
    if dressed is ABSENT or raw == dressed:
        return ABSENT
    if _leaves_open(raw, spot):
        return project(dressed, wanted)
    if all(isinstance(value, Mapping) for value in (wanted, raw, dressed)):
        parts = {
            key: _put_in(
                wanted[key],
                raw.get(key, ABSENT),
                dressed.get(key, ABSENT),
                step_into(wanted, key, spot),
            )
            for key in wanted
        }
        return {key: part for key, part in parts.items() if part is not ABSENT} or ABSENT
    if isinstance(raw, list) and isinstance(dressed, list):
        part = project(dressed, wanted)
        return ABSENT if part == project(raw, wanted) else part
    return ABSENT


def _leaves_open(value: Any, spot: Spot) -> bool:
    """Whether a submitted value leaves it to the platform; whoever wrote `false` decided."""
    return value is ABSENT or (value is not False and is_nothing(value, spot))


def body_digest(desired: Desired, redactor: Redactor) -> str:
    """Names the content of a spec; secrets enter it only as keyed digests."""
    return redactor.redact_and_digest(desired.spec)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecChanges:
    """How a spec differs from its record: by meaning, and otherwise only by its text.

    `row` is the record as today's rules of what is a secret write it, `spec` the redacted spec.
    """

    row: Recorded
    spec: Json
    changes: tuple[FieldChange, ...] = ()
    restated: tuple[FieldChange, ...] = ()


def compare_spec(row: Recorded, desired: Desired, redactor: Redactor) -> SpecChanges:
    """What the author has changed since the record was made; equal digests settle it."""
    spec, named = redactor.redact_and_digest(desired.spec)
    if named == row.digest:
        return SpecChanges(row=row, spec=spec)
    row = renew_row(row, redactor, plain=desired.spec)
    before = row.spec if row.is_declared else project(row.spec, spec)
    by_text = tuple(find_changes(before, spec))
    if not by_text:
        return SpecChanges(row=row, spec=spec)
    changes = _find_differences(before, spec, Origin.SPEC)
    return SpecChanges(row=row, spec=spec, changes=changes, restated=() if changes else by_text)


def _find_differences(before: Any, after: Any, origin: Origin) -> tuple[FieldChange, ...]:
    """The fields that differ to Kubernetes, and not only in their text."""
    if is_equal(before, after):
        return ()
    return tuple(find_changes(reword(before, like=after), after, origin=origin))


def what_runs(row: Recorded, live: Compared | None, wanted: Json, redactor: Redactor) -> Json:
    """What is on the server as far as anybody declares it, redacted.

    `live` is what the server says now; without an answer in it, that is what it said when the
    workload was made. A field that the record declares runs as it was sent, unless the server's
    answer has changed since: a server may write a value differently, or not repeat it at all. A
    field that only `wanted` declares runs as the server says, or else as the platform filled it in.
    """
    shape = redactor.redact(row.spec)
    spec = shape if row.is_declared else project(shape, wanted)
    echo = row.echo if row.echo is not None else row.spec
    then = reword(redactor.strict.redact(echo), like=shape)
    now = then if live is None or live.answer is None else reword(live.answer, like=then)
    filled_in = ABSENT if live is None or live.filled_in is None else live.filled_in
    runs = _overlay(_Sides(spec, then, now, wanted, filled_in), ROOT)
    return runs if isinstance(runs, Mapping) else {}


class _Sides(NamedTuple):
    """One value as it is declared, was echoed then, is echoed now, is wanted, was filled in."""

    spec: Any
    then: Any
    now: Any
    wanted: Any
    filled_in: Any


def _overlay(sides: _Sides, spot: Spot) -> Any:
    spec, then, now, wanted, filled_in = sides
    if spec == wanted and then == now:
        return spec
    if _is_asked_anew(sides, spot):
        runs = _complete(now, filled_in, spot)
        return ABSENT if runs is ABSENT else project(runs, wanted)
    if now is ABSENT:
        return spec if then is ABSENT else ABSENT
    if isinstance(spec, Mapping) and isinstance(now, Mapping):
        return _overlay_map(sides, spot)
    if isinstance(spec, list) and isinstance(now, list):
        return _overlay_list(sides, spot)
    return spec if is_same(then, now) else now


def _is_asked_anew(sides: _Sides, spot: Spot) -> bool:
    """Whether somebody declares now what was left to the server; an empty list or map is a list."""
    if sides.wanted is ABSENT or sides.spec is ABSENT:
        return sides.wanted is not ABSENT
    open_before = is_nothing(sides.spec, spot) and not isinstance(sides.now, Mapping | list)
    return open_before and not is_nothing(sides.wanted, spot)


def _complete(now: Any, filled_in: Any, spot: Spot) -> Any:
    """What the server says, and what the platform filled in where that says nothing."""
    if filled_in is ABSENT:
        return now
    if _leaves_open(now, spot):
        return filled_in
    if isinstance(now, Mapping) and isinstance(filled_in, Mapping):
        parts = {
            key: _complete(now.get(key, ABSENT), filled_in[key], step_into(now, key, spot))
            for key in filled_in
        }
        return {**now, **parts}
    return now


def _overlay_map(sides: _Sides, spot: Spot) -> dict[str, Any]:
    documents = [side if isinstance(side, Mapping) else {} for side in sides]
    spec, _, _, wanted, _ = documents
    runs = {
        key: _overlay(
            _Sides(*(document.get(key, ABSENT) for document in documents)),
            step_into(spec, key, spot),
        )
        for key in {**spec, **wanted}
    }
    return {key: value for key, value in runs.items() if value is not ABSENT}


def _overlay_list(sides: _Sides, spot: Spot) -> list[Any]:
    """Item by item where they can be told apart and nobody has changed their order."""
    by_key = [_by_key(side if isinstance(side, list) else [], spot) for side in sides]
    sides_by_key = [items or {} for items in by_key]
    ours, old, new, asked, _ = sides_by_key
    kept_order = [key for key in old if key in new] == [key for key in new if key in old]
    if None in by_key[:3] or not kept_order:
        same = is_same(sides.then, sides.now)
        return list(sides.spec if same else project(sides.now, sides.spec))
    runs = [
        _overlay(_Sides(*(items.get(key, ABSENT) for items in sides_by_key)), spot)
        for key in {**ours, **asked}
    ]
    # What was added to the list since is there as well; what the server added at first is its own.
    drifted = [new[key] for key in new if key not in (ours | asked | old)]
    return [item for item in runs if item is not ABSENT] + drifted


def _by_key(items: Sequence[Any], spot: Spot) -> dict[str, Any] | None:
    """The items of a list by what tells them apart: Kubernetes' own key, or else their names."""
    keys: Sequence[Any] | None = keys_of(items, spot)
    if keys is None:
        keys = [item.get("name") if isinstance(item, Mapping) else None for item in items]
        if not all(isinstance(key, str) for key in keys) or len({*keys}) < len(keys):
            return None
    return dict(zip(keys, items, strict=True))

"""Three-way merge: what an update sends, made of a spec, its record and what the server has now.

The merge decides on redacted copies, since the record holds no secrets, and takes its values from
the spec and from the server's answer, which do. Both bases are kept apart: whether the author has
changed a field shows against the record's spec, whether somebody else has, against its echo.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from reconciler.core.diff.diff import (
    ABSENT,
    FieldChange,
    Origin,
    is_ignored,
    is_same,
    with_value,
)
from reconciler.core.diff.equality import (
    ROOT,
    SETS,
    Spot,
    keys_of,
    means_same,
    reword,
    spots_below,
)
from reconciler.core.json_pointer import escape_step
from reconciler.core.model import Json
from reconciler.core.named_items import items_by_name, names_of
from reconciler.core.secrets.marks import is_redacted
from reconciler.core.stored_json import MAPS, decoded
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDrift:
    """A field that somebody else has changed and that an update leaves so.

    `pointer` leads into the merged document. `echo` is the server's earlier value there, with which
    later comparisons go on, so that the drift is still seen after the update.
    """

    pointer: str
    echo: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """An update's content (unredacted), the drift that it overwrites, and the drift that it leaves.

    `overwritten` are redacted: `before` is the value of somebody else.
    """

    document: Json
    overwritten: tuple[FieldChange, ...] = ()
    kept: tuple[KeptDrift, ...] = ()


class Value(NamedTuple):
    """A value and its redacted copy, which has the same structure."""

    plain: Any
    redacted: Any

    def at(self, key: Any) -> Value:
        """The value below a key of a map, or at an index of a list."""
        if isinstance(self.plain, MAPS):
            return Value(self.plain.get(key, ABSENT), self.redacted.get(key, ABSENT))
        return Value(self.plain[key], self.redacted[key])


_ABSENT = Value(ABSENT, ABSENT)


class _Sides(NamedTuple):
    """One field four times: as recorded, as desired, as the server said then, as it says now."""

    before: Any
    desired: Value
    echo: Any
    live: Value

    def are_same(self) -> bool:
        """Whether nobody has changed anything, as in nearly all of a document that is updated."""
        before, desired, echo, live = self
        # Where the author has put true in the place of 1, it is sent as it is in either case.
        return (
            bool(before == desired.redacted)
            and is_same(desired.plain, live.plain)
            and is_same(echo, live.redacted)
        )


def merge_three_way(
    desired: Value,
    live: Value,
    *,
    before: Json,
    echo: Json,
    ignored: Sequence[str] = (),
    undo_drift: bool = False,
) -> Merge:
    """The content to send, where `live` is on the server now and `desired` is declared.

    `before` is the recorded spec and `echo` the recorded response, both redacted. A field that the
    author changed is the author's, one that was removed from the spec goes, one that nobody ever
    declared or that matches `ignored` is the server's. A declared field that only somebody else
    has changed stays so, unless `undo_drift` or it holds a secret.
    """
    merger = _Merger(ignored=ignored, undo_drift=undo_drift)
    desired, live = Value(*map(decoded, desired)), Value(*map(decoded, live))
    sides = _Sides(decoded(before), desired, decoded(echo), live)
    document = merger.merge(sides, ROOT, "", "")
    return Merge(
        document=document if isinstance(document, MAPS) else {},
        overwritten=tuple(merger.overwritten),
        kept=tuple(merger.kept),
    )


@dataclass(slots=True, kw_only=True)
class _Merger:
    """One merge. `pointer` leads into the spec, for people and patterns; `path` into the result."""

    ignored: Sequence[str]
    undo_drift: bool
    overwritten: list[FieldChange] = field(default_factory=list)
    kept: list[KeptDrift] = field(default_factory=list)

    def merge(self, sides: _Sides, spot: Spot, pointer: str, path: str) -> Any:
        """The merged value, ABSENT where there is to be none."""
        before, desired, _, live = sides
        if desired.plain is ABSENT and before is ABSENT:
            return live.plain
        if sides.are_same():
            # What the plan holds already, and not the same once more.
            return desired.plain
        if pointer and is_ignored(pointer, self.ignored):
            return live.plain
        declared = (value for value in (before, desired.plain) if value is not ABSENT)
        if isinstance(live.plain, MAPS) and all(isinstance(v, MAPS) for v in declared):
            return self._merge_map(sides, spot, pointer, path)
        if desired.plain is ABSENT:
            self._note_overwritten(sides, spot, pointer)
            return ABSENT
        matched = _match_items(sides, spot)
        if matched is not None:
            return self._merge_items(matched, spot, pointer, path)
        return self._choose(sides, spot, pointer, path)

    def _merge_map(self, sides: _Sides, spot: Spot, pointer: str, path: str) -> Any:
        before, echo = (
            side if isinstance(side, MAPS) else {} for side in (sides.before, sides.echo)
        )
        desired = sides.desired if isinstance(sides.desired.plain, MAPS) else Value({}, {})
        live = sides.live
        merged, spot_of = {}, spots_below(live.plain, spot)
        for key in {**desired.plain, **live.plain, **before}:
            below = _Sides(
                before.get(key, ABSENT), desired.at(key), echo.get(key, ABSENT), live.at(key)
            )
            # Nearly all of a document is as it was, and needs no pointer.
            if below.are_same():
                value = below.desired.plain
            else:
                step = f"/{escape_step(key)}"
                value = self.merge(below, spot_of(key), pointer + step, path + step)
            if value is not ABSENT:
                merged[key] = value
        # A map that the author has removed stays only for the fields of others in it.
        return merged if merged or sides.desired.plain is not ABSENT else ABSENT

    def _merge_items(
        self, matched: _MatchedItems, spot: Spot, pointer: str, path: str
    ) -> list[Any]:
        """The spec's items in its order, then those that only the server has."""
        merged: list[Any] = []
        for index, sides in enumerate(matched.values()):
            if sides.desired.plain is ABSENT and sides.before is not ABSENT:
                # An item of the author's goes with the fields that the server has put into it.
                self._note_overwritten(sides, spot, pointer)
                continue
            value = self.merge(sides, spot, f"{pointer}/{index}", f"{path}/{len(merged)}")
            if value is not ABSENT:
                merged.append(value)
        return merged

    def _choose(self, sides: _Sides, spot: Spot, pointer: str, path: str) -> Any:
        """One field as a whole: a scalar, a list in which order counts, or another type."""
        before, desired, echo, live = sides
        drifted = not means_same(echo, live.redacted, spot)
        if before is ABSENT or not means_same(before, desired.redacted, spot):
            if drifted and not means_same(desired.redacted, live.redacted, spot):
                self._note_overwritten(sides, spot, pointer)
            return desired.plain
        if not drifted:
            # In the server's spelling: what it changed at the create, it need not change again.
            return desired.plain if live.plain is ABSENT else live.plain
        # A secret never stays: we would send a value that nobody has reviewed.
        values = (desired.redacted, echo, live.redacted)
        texts = (v if isinstance(v, str) else json.dumps(v, default=str) for v in values)
        if self.undo_drift or any(map(is_redacted, texts)):
            self._note_overwritten(sides, spot, pointer)
            return desired.plain
        self.kept.append(KeptDrift(pointer=path, echo=echo))
        return live.plain

    def _note_overwritten(self, sides: _Sides, spot: Spot, pointer: str) -> None:
        if not means_same(sides.echo, sides.live.redacted, spot):
            change = FieldChange(
                pointer=pointer,
                before=sides.live.redacted,
                after=sides.desired.redacted,
                origin=Origin.REMOTE,
            )
            self.overwritten.append(change)


_MatchedItems = Mapping[str, _Sides]


def _match_items(sides: _Sides, spot: Spot) -> _MatchedItems | None:
    """The items of four lists by their keys; None where the lists are compared as a whole."""
    if not (isinstance(sides.desired.plain, list) and isinstance(sides.live.plain, list)):
        return None
    # The key of a set's item is all of it, so there is nothing to merge within one.
    if spot.name in SETS:
        return None
    # By Kubernetes' own keys; in a list without one, or in which order counts, by names.
    for read_keys in (lambda items: keys_of(items, spot), names_of):
        desired_keys = read_keys(sides.desired.redacted)
        live_keys = read_keys(sides.live.redacted)
        if desired_keys is None or live_keys is None:
            continue
        before, echo = (
            dict(zip(keys, side, strict=True))
            if isinstance(side, list) and (keys := read_keys(side)) is not None
            else {}
            for side in (sides.before, sides.echo)
        )
        desired = {key: sides.desired.at(index) for index, key in enumerate(desired_keys)}
        live = {key: sides.live.at(index) for index, key in enumerate(live_keys)}
        return {
            key: _Sides(
                before.get(key, ABSENT),
                desired.get(key, _ABSENT),
                echo.get(key, ABSENT),
                live.get(key, _ABSENT),
            )
            for key in {**desired, **live, **before}
        }
    return None


def find_remaining(before: Any, desired: Any, live: Any) -> list[str]:
    """The pointers of removed fields that the server still shows, because it merges updates.

    All three are redacted; pointers lead into `before`. Only the recorded value counts: another one
    is somebody else's by now.
    """
    return list(_find_remaining(decoded(before), decoded(desired), live, ROOT, ""))


def _find_remaining(
    before: Any, desired: Any, live: Any, spot: Spot, pointer: str
) -> Iterator[str]:
    # Of what is still declared as it was, nothing was removed.
    if live is ABSENT or before is ABSENT or before == desired:
        return
    if isinstance(before, MAPS) and isinstance(live, MAPS):
        if isinstance(desired, MAPS) or desired is ABSENT:
            declared = {} if desired is ABSENT else desired
            spot_of = spots_below(live, spot)
            for key, item in before.items():
                step = f"{pointer}/{escape_step(key)}"
                yield from _find_remaining(
                    item, declared.get(key, ABSENT), live.get(key, ABSENT), spot_of(key), step
                )
    elif desired is ABSENT:
        if means_same(before, live, spot):
            yield pointer
    elif isinstance(before, list) and isinstance(desired, list) and isinstance(live, list):
        old, new, now = (items_by_name(items) or {} for items in (before, desired, live))
        # An item that the spec no longer names is removed as a whole. In a spec's list without
        # names no item can be recognised, so none counts as removed.
        for index, name in enumerate(old if new or not desired else ()):
            step = f"{pointer}/{index}"
            if name in new:
                item = now.get(name, ABSENT)
                yield from _find_remaining(old[name], new[name], item, spot, step)
            elif name in now:
                yield step


def rebase_echo(echo: Json, sent: Json, kept: Sequence[KeptDrift]) -> Json:
    """The echo to record after an update: the server's response, without the drift that was left.

    `sent` is the merged document, redacted.
    """
    # In the order of `sent`, since the pointers of `kept` lead into that.
    rebased: Json = reword(echo, like=sent)
    for drift in kept:
        rebased = with_value(rebased, drift.pointer, drift.echo)
    return rebased

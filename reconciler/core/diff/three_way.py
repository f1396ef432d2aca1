"""Three-way merge: what an update sends, made of a spec, its record and what the server has now.

The merge decides on redacted copies, since the record holds no secrets, and takes its values from
the spec and from the server's answer, which do. Both bases are kept apart: whether the author has
changed a field shows against the record's spec, whether somebody else has, against its echo.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.core.diff.diff import ABSENT, FieldChange, Origin, is_ignored, with_value
from reconciler.core.diff.equality import ROOT, SETS, Spot, keys_of, means_same, reword, step_into
from reconciler.core.json_pointer import escape_step
from reconciler.core.model import Json
from reconciler.core.redact import Redactor, is_redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDrift:
    """A field that somebody else has changed and that an update leaves so.

    `pointer` leads into the merged document, `echo` is what the server said there before: it stays
    the base of the comparison, so that the drift is still seen after the update.
    """

    pointer: str
    echo: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """An update's content (unredacted), what it takes back of others, and what it leaves to them.

    `overwritten` are redacted: `before` is what somebody else had put there.
    """

    document: Json
    overwritten: tuple[FieldChange, ...] = ()
    kept: tuple[KeptDrift, ...] = ()


class _Value(NamedTuple):
    """A value and its redacted copy, which has the same structure."""

    plain: Any
    redacted: Any

    def at(self, key: Any) -> _Value:
        """The value below a key of a map, or at an index of a list."""
        if isinstance(self.plain, Mapping):
            return _Value(self.plain.get(key, ABSENT), self.redacted.get(key, ABSENT))
        return _Value(self.plain[key], self.redacted[key])


_ABSENT = _Value(ABSENT, ABSENT)


class _Sides(NamedTuple):
    """One field four times: as recorded, as wanted, as the server said then, as it says now."""

    before: Any
    wanted: _Value
    echo: Any
    live: _Value


def merge(
    wanted: Json,
    live: Json,
    *,
    before: Json,
    echo: Json,
    redactor: Redactor,
    ignored: Sequence[str] = (),
    undo_drift: bool = False,
) -> Merge:
    """What is to be on the server, where `live` is now and `wanted` is declared.

    `before` is the recorded spec and `echo` the recorded answer, both redacted. A field that the
    author changed is the author's, one that was removed from the spec goes, one that nobody ever
    declared or that matches `ignored` is the server's. Where only somebody else has changed a
    declared field, it stays as it is unless `undo_drift`; a secret never stays, for it would be
    sent from a source that nobody reviewed.
    """
    strict = redactor.strict
    merger = _Merger(ignored=ignored, undo_drift=undo_drift)
    sides = _Sides(
        before=before,
        wanted=_Value(wanted, redactor.redact(wanted)),
        echo=echo,
        live=_Value(live, strict.redact(live)),
    )
    document = merger.merge(sides, ROOT, "", "")
    return Merge(
        document=document if isinstance(document, Mapping) else {},
        overwritten=tuple(merger.overwritten),
        kept=tuple(merger.kept),
    )


@dataclass(slots=True, kw_only=True)
class _Merger:
    """One merge. Pointers come twice: in the spec, for people and patterns, and in the result."""

    ignored: Sequence[str]
    undo_drift: bool
    overwritten: list[FieldChange] = field(default_factory=list)
    kept: list[KeptDrift] = field(default_factory=list)

    def merge(self, sides: _Sides, spot: Spot, pointer: str, place: str) -> Any:
        """The merged value, ABSENT where there is to be none."""
        before, wanted, _, live = sides
        if wanted.plain is ABSENT and before is ABSENT:
            return live.plain
        if pointer and is_ignored(pointer, self.ignored):
            return live.plain
        if isinstance(live.plain, Mapping) and _is_map_or_absent(before, wanted.plain):
            return self._merge_map(sides, spot, pointer, place)
        if wanted.plain is ABSENT:
            self._note_overwritten(sides, spot, pointer)
            return ABSENT
        keyed = _match_items(sides, spot)
        if keyed is not None:
            return self._merge_items(keyed, spot, pointer, place)
        return self._choose(sides, spot, pointer, place)

    def _merge_map(self, sides: _Sides, spot: Spot, pointer: str, place: str) -> Any:
        before, echo = (
            side if isinstance(side, Mapping) else {} for side in (sides.before, sides.echo)
        )
        wanted = sides.wanted if isinstance(sides.wanted.plain, Mapping) else _Value({}, {})
        live = sides.live
        merged = {}
        for key in {**wanted.plain, **live.plain, **before}:
            below = _Sides(
                before.get(key, ABSENT), wanted.at(key), echo.get(key, ABSENT), live.at(key)
            )
            step = f"/{escape_step(key)}"
            spot_below = step_into(live.plain, key, spot)
            value = self.merge(below, spot_below, pointer + step, place + step)
            if value is not ABSENT:
                merged[key] = value
        # A map that the author has taken out stays only for what others keep in it.
        return merged if merged or sides.wanted.plain is not ABSENT else ABSENT

    def _merge_items(self, keyed: _KeyedItems, spot: Spot, pointer: str, place: str) -> list[Any]:
        """The spec's items in its order, then those that only the server has."""
        merged: list[Any] = []
        for index, sides in enumerate(keyed.values()):
            if sides.wanted.plain is ABSENT and sides.before is not ABSENT:
                # Whatever else the server has put into an item of the author's goes with it.
                self._note_overwritten(sides, spot, pointer)
                continue
            value = self.merge(sides, spot, f"{pointer}/{index}", f"{place}/{len(merged)}")
            if value is not ABSENT:
                merged.append(value)
        return merged

    def _choose(self, sides: _Sides, spot: Spot, pointer: str, place: str) -> Any:
        """One field as a whole: a scalar, a list in which order counts, or another type."""
        before, wanted, echo, live = sides
        drifted = not means_same(echo, live.redacted, spot)
        if before is ABSENT or not means_same(before, wanted.redacted, spot):
            if drifted and not means_same(wanted.redacted, live.redacted, spot):
                self._note_overwritten(sides, spot, pointer)
            return wanted.plain
        if not drifted:
            # As the server writes it: what it changed at the create, it need not change again.
            return wanted.plain if live.plain is ABSENT else live.plain
        if self.undo_drift or any(map(_holds_secret, (wanted.redacted, echo, live.redacted))):
            self._note_overwritten(sides, spot, pointer)
            return wanted.plain
        self.kept.append(KeptDrift(pointer=place, echo=echo))
        return live.plain

    def _note_overwritten(self, sides: _Sides, spot: Spot, pointer: str) -> None:
        if not means_same(sides.echo, sides.live.redacted, spot):
            change = FieldChange(
                pointer=pointer,
                before=sides.live.redacted,
                after=sides.wanted.redacted,
                origin=Origin.REMOTE,
            )
            self.overwritten.append(change)


_KeyedItems = Mapping[str, _Sides]


def _match_items(sides: _Sides, spot: Spot) -> _KeyedItems | None:
    """The items of four lists by what tells them apart; None where a list is one value."""
    if not (isinstance(sides.wanted.plain, list) and isinstance(sides.live.plain, list)):
        return None
    if spot.name in SETS:
        return None
    for keys_in in (keys_of, _names_of):
        wanted = keys_in(sides.wanted.redacted, spot)
        live = keys_in(sides.live.redacted, spot)
        if wanted is None or live is None:
            continue
        before, echo = (
            _by_key(side, keys_in(side, spot) if isinstance(side, list) else None)
            for side in (sides.before, sides.echo)
        )
        wanted_at = {key: sides.wanted.at(index) for index, key in enumerate(wanted)}
        live_at = {key: sides.live.at(index) for index, key in enumerate(live)}
        return {
            key: _Sides(
                before.get(key, ABSENT),
                wanted_at.get(key, _ABSENT),
                echo.get(key, ABSENT),
                live_at.get(key, _ABSENT),
            )
            for key in {**wanted_at, **live_at, **before}
        }
    return None


def _names_of(items: Sequence[Any], _: Spot) -> list[str] | None:
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    texts = [name for name in names if isinstance(name, str)]
    return texts if len({*texts}) == len(items) else None


def _by_key(items: Any, keys: Sequence[str] | None) -> dict[str, Any]:
    return dict(zip(keys, items, strict=True)) if keys is not None else {}


def _is_map_or_absent(*values: Any) -> bool:
    return all(value is ABSENT or isinstance(value, Mapping) for value in values)


def _holds_secret(value: Any) -> bool:
    return is_redacted(value if isinstance(value, str) else json.dumps(value, default=str))


def find_remaining(before: Any, wanted: Any, live: Any) -> list[str]:
    """The pointers of what a spec has no more and a server that merges still shows.

    All three are redacted; pointers lead into `before`. Only the recorded value counts: another one
    is somebody else's by now.
    """
    return list(_find_remaining(before, wanted, live, ROOT, ""))


def _find_remaining(before: Any, wanted: Any, live: Any, spot: Spot, pointer: str) -> Iterator[str]:
    if live is ABSENT or before is ABSENT:
        return
    if isinstance(before, Mapping) and isinstance(live, Mapping):
        if isinstance(wanted, Mapping) or wanted is ABSENT:
            known = {} if wanted is ABSENT else wanted
            for key, item in before.items():
                below, step = step_into(live, key, spot), f"{pointer}/{escape_step(key)}"
                yield from _find_remaining(
                    item, known.get(key, ABSENT), live.get(key, ABSENT), below, step
                )
    elif wanted is ABSENT:
        if means_same(before, live, spot):
            yield pointer
    elif isinstance(before, list) and isinstance(wanted, list) and isinstance(live, list):
        old, new, now = (_by_key(items, _names_of(items, spot)) for items in (before, wanted, live))
        # An item without its like in the spec is gone as a whole; without names nobody can tell.
        for index, name in enumerate(old if new or not wanted else ()):
            step = f"{pointer}/{index}"
            if name in new:
                item = now.get(name, ABSENT)
                yield from _find_remaining(old[name], new[name], item, spot, step)
            elif name in now:
                yield step


def rebase_echo(echo: Json, sent: Json, kept: Sequence[KeptDrift]) -> Json:
    """The echo to record after an update: the server's answer, but for the drift that was left.

    `sent` is the merged document, redacted; the answer is taken in its order, in which the
    pointers of `kept` lead.
    """
    rebased: Json = reword(echo, like=sent)
    for drift in kept:
        rebased = with_value(rebased, drift.pointer, drift.echo)
    return rebased

"""Generated values of the domain: JSON and edits of it, repositories, states and servers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reconciler.core.lifecycle import (
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
)
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import Marker
from tests.support.factories import (
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
)

names = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
texts = st.text(max_size=20)
"""Any characters but halves of some."""
hostile = st.text(
    st.one_of(
        st.sampled_from("\x00\x07\x1b\n\r\t\x7f\x9b\u200b\u202e\u2028\u2029\u2066\ufeff\ud800é"),
        st.characters(),
    ),
    max_size=20,
)
"""Control, bidirectional and half characters, as a spec or a server may send them."""

_keys = st.one_of(
    st.sampled_from(["name", "a", "b", "spec", "~", "/", "0", ""]), st.text(max_size=5)
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "b", "a\nb", "x" * 90]),
    texts,
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_keys, inner, max_size=4),
        st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"x": inner}),
            max_size=4,
        ),
    ),
    max_leaves=12,
)
json_objects = st.dictionaries(_keys, json_values, max_size=4)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Any, Any]:
    """A JSON value and an edited copy of it, often alike in most places."""
    before = draw(json_values)
    return before, draw(_edited(before))


@st.composite
def _edited(draw: st.DrawFn, value: Any) -> Any:
    if draw(st.integers(0, 4)) == 0:
        return draw(json_values)
    if isinstance(value, dict):
        edited = {key: draw(_edited(item)) for key, item in value.items() if draw(_mostly)}
        return edited | draw(st.dictionaries(_keys, json_values, max_size=1))
    if isinstance(value, list):
        items = [draw(_edited(item)) for item in value if draw(_mostly)]
        at = draw(st.integers(0, len(items)))
        return items[:at] + draw(st.lists(json_values, max_size=1)) + items[at:]
    return value


_mostly = st.integers(0, 5).map(bool)


@st.composite
def shuffles(draw: st.DrawFn, value: Any) -> Any:
    """A copy of a JSON value with the keys of its maps in another order."""

    def shuffle(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: shuffle(value[key]) for key in draw(st.permutations(list(value)))}
        return [shuffle(item) for item in value] if isinstance(value, list) else value

    return shuffle(value)


lifecycles = st.builds(
    Lifecycle,
    protect=st.booleans(),
    on_remove=st.sampled_from(OnRemove),
    on_missing=st.one_of(st.none(), st.sampled_from(OnMissing)),
    on_change=st.sampled_from(OnChange),
    on_failed=st.sampled_from(OnFailed),
    wave=st.integers(-1, 2),
    ignore_changes=st.sampled_from([(), ("/manifest/spec/replicas",), ("/manifest/spec/*",)]),
)
manifests = st.builds(
    make_manifest,
    st.sampled_from(["Deployment", "Job"]),
    gpus=st.integers(0, 8),
    replicas=st.integers(0, 3),
    image=st.sampled_from(["nvcr.io/a:1", "nvcr.io/b:2"]),
)
plan_options = st.builds(
    PlanOptions,
    on_drift=st.sampled_from(OnDrift),
    no_delete=st.booleans(),
    no_create=st.booleans(),
    no_update=st.booleans(),
    can_update=st.sampled_from(CanUpdate),
    replace=st.lists(st.sampled_from(["1/a", "1/b", "2/a"]), max_size=2).map(tuple),
    refreshed=st.just(True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a plan is made from."""

    desired: list[Desired]
    recorded: list[Recorded]
    live: Mapping[str, Live]


_ADDRESSES = ("1/a", "1/b", "1/c", "2/a", "2/b", "30/a")
_SETTLED = st.just(Own.ACCEPTED)
_ANY = st.sampled_from(
    [Own.ACCEPTED] * 5 + [Own.CREATING, Own.UNCONFIRMED, Own.DELETING, Own.LATE_CREATE_POSSIBLE]
)


@st.composite
def worlds(draw: st.DrawFn, *, settled: bool = False) -> World:
    """A repository, a state and a server that know of each other; `settled`: nothing is begun."""
    chosen = draw(st.lists(st.sampled_from(_ADDRESSES), unique=True, max_size=len(_ADDRESSES)))
    desired: list[Desired] = []
    recorded: list[Recorded] = []
    live: dict[str, Live] = {}
    for address in chosen:
        wanted, known = draw(st.sampled_from([(1, 0), (0, 1), (1, 1), (1, 1)]))
        one = draw(_desireds(address))
        if wanted:
            desired.append(one)
        if known:
            row = draw(_rows(one, _SETTLED if settled else _ANY))
            recorded.append(row)
            if row.own in (Own.ACCEPTED, Own.DELETING) and draw(_mostly):
                live[row.id or ""] = draw(_answers(row))
    return World(desired=desired, recorded=recorded, live=live)


_METADATA: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"priority": "high"}, {"priority": None}]
)


@st.composite
def _desireds(draw: st.DrawFn, address: str) -> Desired:
    one = make_desired(
        address,
        manifest=draw(manifests),
        metadata=draw(_METADATA),
        file=draw(st.sampled_from(["a/one.yaml", "b/two.yaml", "root.yaml"])),
        line=draw(st.integers(1, 9)),
    )
    return dataclasses.replace(one, lifecycle=draw(lifecycles))


@st.composite
def _rows(draw: st.DrawFn, desired: Desired, own: st.SearchStrategy[Own]) -> Recorded:
    applied = desired
    if draw(st.booleans()):
        applied = dataclasses.replace(desired, manifest=draw(manifests))
    if draw(st.booleans()):
        applied = dataclasses.replace(applied, lifecycle=draw(lifecycles))
    state = draw(own)
    row = make_recorded(applied, own=state)
    if state is Own.DELETING:
        row = dataclasses.replace(row, purpose=draw(st.sampled_from(Purpose)))
    return row


@st.composite
def _answers(draw: st.DrawFn, row: Recorded) -> Live:
    answers: list[Live] = [
        make_remote(row),
        make_remote(row, seen=LastSeen.FAILED, message="no such image"),
        make_remote(row, seen=LastSeen.DELETING),
        make_remote(row, seen=LastSeen.DELETED, desired_phase="Deleted"),
        _drifted(row),
        Missing(message="not found"),
        Unread(reason="503"),
    ]
    return draw(st.sampled_from(answers))


def _drifted(row: Recorded) -> Remote:
    remote = make_remote(row)
    manifest = copy.deepcopy(dict(remote.raw_manifest))
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "somebody/else:1"
    return dataclasses.replace(remote, raw_manifest=manifest)


# No half characters and no zero bytes: those are spelt out, and do not come back as they were.
stored_texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
records = st.builds(
    Recorded,
    op=st.uuids().map(str),
    address=st.builds(make_address, st.builds("{}/{}".format, st.integers(1, 99), names)),
    own=st.sampled_from([own for own in Own if own is not Own.GONE]),
    digest=stored_texts,
    spec=json_objects,
    lifecycle=lifecycles,
    seen=st.sampled_from(LastSeen),
    id=st.none() | stored_texts,
    ambiguous=st.booleans(),
    attempts=st.integers(0, 2**62),
    first_sent_at=st.none() | stored_texts,
    last_sent_at=st.none() | stored_texts,
    purpose=st.none() | st.sampled_from(Purpose),
    echo=st.none() | json_objects,
    message=stored_texts,
    marker=stored_texts,
    source=stored_texts,
    run=stored_texts,
    epoch=st.integers(-(2**62), 2**62),
    kept=st.none() | json_objects,
    undone=st.lists(stored_texts, max_size=2).map(tuple),
)
"""Any record that may be stored."""

markers = st.builds(Marker, lineage=names, op=texts.filter(bool), stack=texts)

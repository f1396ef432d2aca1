"""The search for secrets: it must see them in every form that programs give them."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from proof.attacks import NAMED
from proof.canaries import Canaries
from proof.malice import COMMENTS, MALICE
from tests.support.ways import WAYS


@given(before=st.binary(max_size=8), after=st.binary(max_size=8))
def test_a_secret_is_seen_inside_base64(before: bytes, after: bytes) -> None:
    """Wherever it begins within the encoded text."""
    canaries = Canaries({})
    text = base64.b64encode(before + canaries["a place"].encode() + after)
    assert list(canaries.hits(b"manifest: " + text)) == ["a place (base64)"]


def test_a_secret_is_seen_by_its_place() -> None:
    """Every place has a value of its own; a clean text has none."""
    canaries = Canaries({"known": "canary-that-was-given"})
    text = f"a {canaries['one']} b {canaries['two'].encode().hex()} canary-that-was-given"
    assert list(canaries.hits(text.encode())) == [
        "known (plain)",
        "one (plain)",
        "two (hexadecimal)",
    ]
    assert list(canaries.hits(b"(sensitive 0123456789abcdef)")) == []


def test_an_access_token_is_seen_by_its_looks() -> None:
    """Nobody knows its value beforehand."""
    token = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl"
    assert list(Canaries({}).hits(b"Authorization: Bearer " + token)) == ["an access token (plain)"]


def test_there_are_many_ways_into_a_repository() -> None:
    """Each has a name of its own, by which a leak is told."""
    names = [*WAYS, *NAMED, *MALICE, *COMMENTS]
    assert len(names) == len(set(names)) >= 50
    for noun in ("pipe", "device", "address", "state", "lock", "policy", "plan", "comment", "tag"):
        assert any(noun in name for name in names)

from __future__ import annotations

from random import Random

from tests.support.mistakes.judging import ROWS, mistakes, refused, table
from tests.support.mistakes.manifests import EACH, manifests
from tests.support.mistakes.own import OWN
from tests.support.mistakes.ways import WAYS

SEED = 0
LEAST = 0.97


def test_right_manifests_have_no_error() -> None:
    """Ten of every registered kind, written as their operators take them."""
    assert EACH >= 10
    assert refused() == (EACH * len(OWN), [])


def test_mistakes_are_caught_where_they_stand() -> None:
    """One in every other manifest: of each row, nearly all at the right line and column.

    `tools/mistakes.py` prints the table for more of them, and for seeds that nobody has looked at.
    """
    rows, missed = table(mistakes(SEED, 1)[::2])
    assert list(rows) == list(ROWS)
    assert all(row.caught >= LEAST * row.mistakes for row in rows.values()), missed


def test_each_way_to_err_can_be_gone() -> None:
    """There are sixty, and each of them fits some manifest."""
    right = [manifest for _, _, manifest in manifests()]
    random = Random(SEED)  # noqa: S311 - drawn by seed, to be drawn again
    assert len(WAYS) >= 60
    assert [
        name
        for name, way in WAYS.items()
        if not any(way.plant(manifest, random) for manifest in right)
    ] == []

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.places import ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
HEAD = re.compile(r"# (\d{4}): .+\n\n\d{4}-\d\d-\d\d\. (Accepted|Proposed|Replaced by \[\d{4}\])\b")
PARTS = ["Context", "Decision", "Consequences", "What would change our mind"]
MOST_LINES = 40
# Written before there was a form.
FREE = 3


def test_decisions_are_numbered_without_gaps() -> None:
    """A number is never used again, so that a reference to it stays right."""
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_its_date_and_its_state(path: Path) -> None:
    """In its first lines, and its place in the index."""
    head = HEAD.match(path.read_text("utf-8"))
    assert head is not None
    assert path.name.startswith(head[1])
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert f"- [{head[1]}](decisions/{path.name}): " in index


@pytest.mark.parametrize("path", DECISIONS[FREE:], ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_what_would_change_it(path: Path) -> None:
    """Four parts in one order, which a reader takes in at once."""
    text = path.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert len(text.splitlines()) <= MOST_LINES

from __future__ import annotations

import re

import pytest

from tools.generate_docs import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| Threat", "| ---"))
]


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0][:40])
def test_every_threat_names_what_tests_it(row: list[str]) -> None:
    """A measure that nothing tests is a hope; what is named is there, and is a test or a proof."""
    threat, measure, tested = row
    assert threat
    assert measure
    named = re.findall(r"`([^`]+)`", tested)
    assert named
    assert [path for path in named if not path.startswith(("tests/", "proof/"))] == []
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_table_was_found() -> None:
    """A table in another form would be checked by nothing."""
    assert len(THREATS) >= 20

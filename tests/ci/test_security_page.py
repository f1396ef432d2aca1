from __future__ import annotations

import re

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """The rows of the table in a section, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ATTACKERS = [name for name, _ in rows_below("Attackers")]
THREATS = rows_below("Threats")


@pytest.mark.parametrize("row", THREATS, ids=lambda row: f"{row[0]} {row[1][:40]}")
def test_every_threat_names_what_tests_it(row: list[str]) -> None:
    """A defence that nothing tests is a hope; what is named is there, and is a test or a proof."""
    attacker, way, defence, tested = row
    assert attacker in ATTACKERS
    assert way
    assert defence
    named = re.findall(r"`([^`]+)`", tested)
    assert ", ".join(f"`{path}`" for path in named) == tested
    assert len(set(named)) == len(named)
    assert [path for path in named if not path.startswith(("tests/", "proof/"))] == []
    assert [path for path in named if not (ROOT / path).exists()] == []
    for path in named:
        text = (ROOT / path).read_text("utf-8") if path.startswith("tests/") else ""
        # A machine of states is a test case without a function of that name.
        assert not text or "def test_" in text or ".TestCase" in text, f"{path} tests nothing"


def test_every_attacker_has_a_way() -> None:
    """Who is named and never met again was forgotten; rows stand in the order of their names."""
    met = [row[0] for row in THREATS]
    assert set(met) == set(ATTACKERS)
    assert met == sorted(met, key=ATTACKERS.index)


def test_no_way_is_named_twice() -> None:
    """Two rows about one way would say two things about it."""
    ways = [row[1] for row in THREATS]
    assert len(set(ways)) == len(ways)


def test_the_tables_were_found() -> None:
    """A table in another form would be checked by nothing."""
    assert len(ATTACKERS) >= 7
    assert len(THREATS) >= 35
    assert all(len(row) == 4 for row in THREATS)

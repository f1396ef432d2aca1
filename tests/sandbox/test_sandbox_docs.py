from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.sandbox import Fault, find_scenario, read_rule

GUIDE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
# Those on a command line, and those in the table of faults.
EXAMPLES = [
    *(text for _, text in re.findall(r"""--fault (['"])(.+?)\1(?: |`|$)""", GUIDE, re.MULTILINE)),
    *re.findall(r"^\| `.*\| `([^`]+)` \|$", GUIDE, re.MULTILINE),
]


def test_every_fault_is_described() -> None:
    """A fault that the guide does not name is found by nobody; each has an example."""
    rows = set(re.findall(r"^\| `([a-z-]+)", GUIDE, re.MULTILINE))
    assert {fault.value for fault in Fault if fault is not Fault.STATUS} <= rows
    assert {read_rule(text).fault for text in EXAMPLES} == set(Fault)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_rule_in_the_guide_can_be_read(text: str) -> None:
    """What is there to be copied works."""
    assert read_rule(text).text == text


def test_every_scenario_in_the_guide_exists() -> None:
    """So do the named ones."""
    listed = re.findall(r"^([a-z]+): .*\n    --fault", GUIDE, re.MULTILINE)
    names = {*re.findall(r"--scenario ([a-z]+)", GUIDE), *listed}
    assert {find_scenario(name).name for name in names} >= {"storm", "outage"}

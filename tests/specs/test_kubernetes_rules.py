from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from reconciler.core.diagnostics import Diagnostic
from tests.support.kubernetes_rules import Rule, kind_rules, pod_rules, spec_text
from tests.support.specs import load, tell

RULES = [*pod_rules(), *kind_rules()]


def load_all(root: Path, side: str) -> dict[int, list[Diagnostic]]:
    """Load one side of every row at once; returns the diagnostics by the number of the row."""
    loaded = load(
        root,
        {
            f"{number:03}.yaml": spec_text(f"row-{number}", getattr(rule, side))
            for number, rule in enumerate(RULES)
        },
    )
    diagnostics: dict[int, list[Diagnostic]] = defaultdict(list)
    for diagnostic in loaded.diagnostics:
        if diagnostic.code != "name-mismatch":
            diagnostics[int(diagnostic.where.file.partition(".")[0])].append(diagnostic)
    return diagnostics


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Diagnostic]]:
    """What is said of the manifests that pass."""
    return load_all(tmp_path_factory.mktemp("passing"), "passes")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Diagnostic]]:
    """What is said of the manifests that fail."""
    return load_all(tmp_path_factory.mktemp("failing"), "fails")


ROWS = [
    pytest.param(number, rule, id=f"{rule.kind}: {rule.rule}") for number, rule in enumerate(RULES)
]


@pytest.mark.parametrize(("number", "rule"), ROWS)
def test_what_the_server_takes_and_refuses(
    number: int,
    rule: Rule,
    passing: dict[int, list[Diagnostic]],
    failing: dict[int, list[Diagnostic]],
) -> None:
    """The one manifest has no finding, the other exactly this one, at the right place."""
    assert [tell(one) for one in passing[number]] == []
    assert [(one.code, one.pointer) for one in failing[number]] == [(rule.code, rule.pointer)], [
        tell(one) for one in failing[number]
    ]

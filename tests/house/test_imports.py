"""Who may import whom outside of the product; the product's own floors are in pyproject.toml."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

HARNESSES = ("benchmarks", "proof", "tools")
FOLDERS = ("ci", "tests", *HARNESSES)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, with the lines where it does."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from tests.cli import test_help` names the module second.
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def our_imports(*folders: str) -> list[tuple[str, str]]:
    """Each import of ours below these folders, with its place."""
    return [
        (module, f"{path.relative_to(ROOT)}:{line}: {module}")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for module, line in imports(path)
        if module.partition(".")[0] in FOLDERS
    ]


def test_no_test_is_imported() -> None:
    """What two files need stands in a helper, so that a test can be changed for its own sake."""
    modules = [
        place
        for module, place in our_imports(*FOLDERS)
        if any(part.startswith("test_") for part in module.split("."))
    ]
    assert modules == []


def test_support_knows_nobody() -> None:
    """What everybody uses imports the product and itself, and no harness and no room of tests."""
    places = [
        place
        for module, place in our_imports("tests/support")
        if not module.startswith("tests.support.")
    ]
    assert places == []


@pytest.mark.parametrize("folder", HARNESSES)
def test_harnesses_need_no_room_of_tests(folder: str) -> None:
    """Of the tests they import what is made to be shared."""
    places = [
        place
        for module, place in our_imports(folder)
        if module.startswith("tests.") and not module.startswith("tests.support.")
    ]
    assert places == []


def test_tests_need_a_harness_only_to_test_it() -> None:
    """`tests/proof` is about the proofs, and one test about the simulated requests."""
    places = [
        place
        for module, place in our_imports("tests")
        if module.startswith(("benchmarks.", "proof."))
        and not place.startswith(("tests/proof/", "tests/engine/test_pacing.py:"))
    ]
    assert places == []


def test_values_are_made_by_our_decorator() -> None:
    """The standard one takes four times as long for each class, in every command that loads it."""
    standard = {
        str(path.relative_to(ROOT / "reconciler"))
        for path in (ROOT / "reconciler").rglob("*.py")
        if "dataclasses.dataclass" in (module for module, _ in imports(path))
        and path.relative_to(ROOT / "reconciler").parts[0] != "sandbox"
    }
    # A place is compared too often for it; the other loads with the sandbox, and nothing else.
    assert standard == {"errors.py", "cli/commands/sandbox.py"}

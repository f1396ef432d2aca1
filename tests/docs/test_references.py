from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reconciler.core.model import Own
from tests.support.places import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
NAMED = re.compile(
    r"(?<![\w./-])(?:reconciler|tests|tools|schemas|examples|requirements|benchmarks|docs|proof)"
    r"/[\w./-]*\w/?"
)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
SPAN = re.compile(r"`[^`\n]*`")
# A name and the file that it is said to be in.
PLACED = re.compile(
    r"`(?:\w+\.)*(\w+)`\s+\(?(?:in\s+)?`((?:reconciler|tests|tools|proof)/[\w/]+\.py)`"
)
QUOTED = re.compile(r"`(tests/[\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


@each_document
def test_every_path_exists(document: Path) -> None:
    """A file or folder of the repository that a page names is there."""
    named = set(NAMED.findall(document.read_text("utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    """A relative link names a file that exists."""
    links = set(LINK.findall(SPAN.sub("", document.read_text("utf-8"))))
    assert [link for link in sorted(links) if not (document.parent / link).exists()] == []


@each_document
def test_every_name_is_in_its_file(document: Path) -> None:
    """A name that a page finds in a file of the repository is defined there."""
    lost = [
        f"{name} in {path}"
        for name, path in PLACED.findall(document.read_text("utf-8"))
        if not re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8"))
    ]
    assert lost == []


def test_the_map_leads_to_every_module() -> None:
    """Each module is named on the page from concepts to modules, or a folder that it is in."""
    named = set(NAMED.findall((ROOT / "docs/development/map.md").read_text("utf-8")))
    lost = []
    for module in ROOT.glob("reconciler/**/*.py"):
        path = module.relative_to(ROOT)
        # The package itself leads nowhere: a folder has to be one within it.
        folders = {f"{folder.as_posix()}/" for folder in path.parents[:-2]}
        if module.name != "__init__.py" and not named & {path.as_posix(), *folders}:
            lost.append(path.as_posix())
    assert sorted(lost) == []


def test_the_exemplary_test_is_a_real_one() -> None:
    """The test shown in CONTRIBUTING.md stands, word for word, in the file that it is said to."""
    quoted = QUOTED.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(quoted) == 1
    [(name, code)] = quoted
    assert f"\n\n\n{code}" in (ROOT / name).read_text("utf-8")


def test_the_floors_are_those_that_are_enforced() -> None:
    """The page about the architecture draws the layers that import-linter checks."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    floors = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = "```\n" + "\n".join(floors) + "\n```"
    assert drawn in (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_room_is_described() -> None:
    """The table of rooms has each folder of the package, and no other."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {path.parent.name for path in ROOT.glob("reconciler/*/__init__.py")}
    assert set(re.findall(r"^\| `reconciler/(\w+)/` \|", page, re.MULTILINE)) == rooms


def test_every_wing_is_described() -> None:
    """The table of wings has each folder inside a room, written in full or after its neighbour."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `reconciler/(\w+)/(\w+)/`((?:, `\w+/`)*) \|", page, re.MULTILINE)
    described = {
        f"{room}/{wing}"
        for room, first, others in rows
        for wing in (first, *re.findall(r"\w+", others))
    }
    wings = {"/".join(path.parent.parts[-2:]) for path in ROOT.glob("reconciler/*/*/__init__.py")}
    assert described == wings


def test_every_class_that_the_architecture_names_exists() -> None:
    """A page that speaks of a class which was renamed sends its reader in circles."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    code = "\n".join(path.read_text("utf-8") for path in ROOT.glob("reconciler/**/*.py"))
    named = set(re.findall(r"`((?:[A-Z][a-z]+)+)`", page))
    assert {name for name in named if not re.search(rf"^class {name}\b", code, re.MULTILINE)} == {
        # A header of a response, and a sync status of the server.
        "Date",
        "Deleted",
    }


def test_every_state_of_a_record_is_described() -> None:
    """The table of a create's life has a row for each value of `own`."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == {own.value for own in Own}

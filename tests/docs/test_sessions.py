"""Every command that the documentation shows is run as its reader would run it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.docs.sessions import (
    NOT_RUN,
    BadPageError,
    File,
    Page,
    Step,
    Unrun,
    matches,
    read_page,
    words_of,
)
from tests.docs.shell import ROOT, Shell
from tests.support.object_server import ObjectServer
from tests.support.postgres import PostgresServer

# Written by the program: the forms of its commands, and what tests make of bad specs.
GENERATED = {"docs/cli.md", "docs/diagnostics.md"}

# The page that needs a database, which it calls db.example.com.
DATABASE_PAGE = "docs/how-to/postgresql.md"

# The page that needs a bucket; its cloud is where the environment says.
BUCKET_PAGE = "docs/how-to/bucket.md"

# Blocks that nobody runs here, by the reason that stands above each of them.
UNRUN = {
    "CONTRIBUTING.md": {"make": 2},
    "README.md": {"make": 1, "server": 1},
    "docs/api-versions.md": {"server": 2},
    "docs/ci.md": {"forge": 2},
    "docs/development/extending.md": {"make": 1},
    "docs/development/schemas.md": {"make": 2},
    "docs/guarantees.md": {"forms": 1},
    "docs/how-to/air-gapped.md": {"install": 3, "server": 1},
    "docs/how-to/credentials.md": {"server": 1},
    BUCKET_PAGE: {"forms": 2, "install": 1},
    DATABASE_PAGE: {"forms": 1, "install": 1},
    "docs/how-to/project-names.md": {"forms": 2, "server": 1},
    "docs/how-to/runbook.md": {"forms": 3},
    "docs/sandbox.md": {"install": 1, "make": 2},
    "docs/tutorial.md": {"install": 1},
    "docs/validation.md": {"server": 1},
    "docs/versioning.md": {"forge": 1},
}


def page_names() -> list[str]:
    """Every page that people read, by its name below the repository's root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*.md")]
    return sorted({path.relative_to(ROOT).as_posix() for path in found} - GENERATED)


@pytest.mark.parametrize("name", page_names())
def test_a_page_does_what_it_says(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its commands, in order, print what stands below them and end as it says."""
    page = read_page(ROOT / name, name)
    if not page.runs:
        return
    with Shell.opened(tmp_path) as shell:
        if name == DATABASE_PAGE:
            server: PostgresServer = request.getfixturevalue("postgres")
            server.query("CREATE DATABASE reconciler")
            server.query("CREATE ROLE dba LOGIN SUPERUSER")
            shell.stand_in("db.example.com", server.address, server.programs)
        if name == BUCKET_PAGE:
            objects: ObjectServer = request.getfixturevalue("objects")
            shell.export(objects.environment())
        for step in page.setup:
            assert shell.run(step.command, hidden=True)[0] == 0, step.command
        for part in page.parts:
            match part:
                case Step():
                    _insist(shell, part, name)
                case File():
                    shell.write(part.name, part.content)
                case Unrun():
                    pass


def _insist(shell: Shell, step: Step, name: str) -> None:
    code, said = shell.run(step.command)
    place = f"{name}:{step.line}: {step.command}"
    assert code == step.code, f"{place}\nended with {code} and said\n{said}"
    if step.expected and not matches(step.expected, said):
        pytest.fail(f"{place}\nsaid\n{said}\nand the page says\n" + "\n".join(step.expected))


def test_what_is_not_run_is_counted() -> None:
    """A block that is not run is known to this table, and has a reason that still holds."""
    pages = (read_page(ROOT / name, name) for name in page_names())
    found = {page.name: dict(Counter(page.reasons)) for page in pages if page.reasons}
    assert found == UNRUN
    assert {reason for reasons in found.values() for reason in reasons} == set(NOT_RUN)


def test_nearly_all_commands_are_run() -> None:
    """A search that finds nothing would let everything pass."""
    pages = [read_page(ROOT / name, name) for name in page_names()]
    assert sum(isinstance(part, Step) for page in pages for part in page.parts) > 150


def read(text: str, tmp_path: Path) -> Page:
    """A page with this text."""
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    return read_page(tmp_path / "page.md", "page.md")


def test_a_page_is_read_in_order(tmp_path: Path) -> None:
    """Files, commands with what they print, and blocks that are not run."""
    page = read(
        "<!-- setup\n$ mkdir w\n-->\n# Title\n\n<!-- file: w/a.yaml -->\n```yaml\na: 1\n```\n\n"
        "```console\n$ one \\\n    two\nout\n\nmore\n$ three\n$ echo $?\n5\n```\n"
        "<!-- not run: forge -->\n```sh\ngh pr list\n```\n```python\nprint()\n```\n",
        tmp_path,
    )
    assert page == Page(
        name="page.md",
        setup=(Step(line=2, command="mkdir w"),),
        parts=(
            File(line=7, name="w/a.yaml", content="a: 1\n"),
            Step(line=12, command="one \\\n    two", expected=("out", "", "more")),
            Step(line=17, command="three", code=5),
            Unrun(line=22, reason="forge"),
        ),
        reasons=("forge",),
    )


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("```sh\nreconciler plan\n```\n", "neither console nor marked"),
        ("```\n$ ls\n```\n", "neither console nor marked"),
        ("<!-- not run: lazy -->\n```sh\nls\n```\n", "'lazy' is no reason"),
        ("<!-- file: a -->\n\nWords.\n\n```yaml\na: 1\n```\n", "no block follows"),
        ("Words.\n<!-- file: a -->\n", "stands before no block"),
        ("- item\n\n  ```console\n  $ ls\n  ```\n", "begins where its line begins"),
        ("```console\nls\n```\n", "a session begins with a command"),
    ],
)
def test_nothing_is_passed_over(text: str, trouble: str, tmp_path: Path) -> None:
    """A block that would not be run without anybody noticing is an error."""
    with pytest.raises(BadPageError, match=trouble):
        read(text, tmp_path)


@pytest.mark.parametrize(
    ("expected", "said", "fits"),
    [
        (["a"], "a\n", True),
        (["a"], "a\nb\n", False),
        (["a", "b"], "a\n", False),
        (["a … c"], "a b c\n", True),
        (["a … c"], "a b\n c\n", False),
        (["…", "c"], "a\nb\nc\n", True),
        (["…", "c"], "c\n", True),
        (["a", "…"], "b\n", False),
        (["a.c"], "abc\n", False),
        (["", "a  ", ""], "\na\n\n", True),
    ],
)
def test_only_what_varies_may_vary(expected: list[str], said: str, fits: bool) -> None:
    """`…` stands for any lines, or for anything in a line, and all else is compared."""
    assert matches(expected, said) is fits


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reconciler plan -t '4501/*'  # why", ["reconciler", "plan", "-t", "4501/*"]),
        ("reconciler plan \\\n  -q", ["reconciler", "plan", "-q"]),
        ("reconciler plan > plan.txt", None),
        ("cat *.yaml", None),
        ("echo $HOME", None),
    ],
)
def test_what_needs_a_shell_gets_one(command: str, words: list[str] | None) -> None:
    """Everything else is run in this process, which is quicker."""
    assert words_of(command) == words


def test_a_wrong_page_is_found(tmp_path: Path) -> None:
    """Another output and another exit code are failures, also of the product itself."""
    with Shell.opened(tmp_path) as shell:
        _insist(shell, Step(line=1, command="reconciler --version", expected=("… 0.…",)), "p")
        for wrong in (
            Step(line=1, command="reconciler --version", expected=("something else",)),
            Step(line=1, command="reconciler plan nowhere"),
            Step(line=1, command="true", code=1),
        ):
            with pytest.raises((AssertionError, pytest.fail.Exception)):
                _insist(shell, wrong, "p")

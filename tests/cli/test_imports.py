"""Imports stand at the top of a file, except where a usual run would pay for them in vain."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import reconciler
from tests.cli.imports import HEAVY, LOADED
from tests.support.places import ROOT
from tests.support.sandboxes import Sandbox
from tests.support.specs import spec, write

PACKAGE = Path(reconciler.__file__).parent
COMMANDS, SECRETS = "reconciler.cli.commands.", "reconciler.core.secrets."
# Only a terminal needs rich, and a pipeline is not made to wait for it.
TERMINAL_ONLY = {
    ("reconciler.cli.live.apply_reporter", "reconciler.cli.live.live_view"),
    ("reconciler.cli.live.watch_views", "reconciler.cli.live.table_view"),
}


def late_imports() -> Iterator[tuple[str, str]]:
    """Every import below the top of a module of the command line and its use cases."""
    for room in ("cli", "app"):
        for path in sorted((PACKAGE / room).rglob("*.py")):
            module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for inner in ast.walk(node):
                    if isinstance(inner, ast.ImportFrom):
                        yield module, inner.module or ""
                    elif isinstance(inner, ast.Import):
                        yield from ((module, alias.name) for alias in inner.names)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """What each command line has loaded when it ends: those that people and hooks wait for."""
    folder = tmp_path_factory.mktemp("specs")
    write(folder, {"a.yaml": spec()})
    line = {
        "_RECONCILER_COMPLETE": "zsh_complete",
        "COMP_WORDS": "reconciler status 4501/",
        "COMP_CWORD": "2",
    }
    program = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from reconciler.cli.main import main\n"
        "sys.argv[:] = ['reconciler']\n"
        "main()\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=folder,
        env=os.environ | line,
        text=True,
    )
    found = {"completion": set(json.loads(completed.stderr.splitlines()[-1]))}
    with Sandbox.running("--sync-delay", "0s") as server:
        apply = ("apply", "--yes", "--init", "--no-wait")
        found["apply"] = ends_with_zero(folder, server.variables, *apply)
        save = ("plan", "--save", str(tmp_path_factory.mktemp("saved") / "plan.json"))
        found["plan --save"] = ends_with_zero(folder, server.variables, *save)
        for words in (("--help",), ("validate",), ("plan",), ("state", "list")):
            found[" ".join(words)] = ends_with_zero(folder, server.variables, *words)
    # What the helps of all commands load, which is what stands above their bodies.
    program = (
        "import json, sys\n"
        "from reconciler.cli.main import cli\n"
        "list(cli.commands.values())\n"
        "print(json.dumps(list(sys.modules)))\n"
    )
    found["every help"] = set(printed_by(program, folder))
    return found


def printed_by(program: str, folder: Path, **variables: str) -> Any:
    """The JSON that a program of Python prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=folder,
        env=os.environ | variables,
        text=True,
    )
    return json.loads(done.stdout)


def ends_with_zero(folder: Path, variables: Mapping[str, str], *words: str) -> set[str]:
    """What a command line that succeeds has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        capture_output=True,
        check=True,
        cwd=folder,
        env=os.environ | variables | {"XDG_CACHE_HOME": str(folder / "cache")},
        text=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


def test_help_loads_no_command(loaded: Mapping[str, set[str]]) -> None:
    """The list of all commands is known without them, and each loads when it is called."""
    called = {
        name: {module.split(".")[3] for module in modules if module.startswith(COMMANDS)}
        for name, modules in loaded.items()
    }
    assert called == {
        "--help": set(),
        "apply": {"apply"},
        "completion": {"status"},
        "every help": {path.stem for path in (PACKAGE / "cli/commands").glob("[!_]*.py")},
        "plan": {"plan"},
        "plan --save": {"plan"},
        "state list": {"claims", "state"},
        "validate": {"validate"},
    }


def test_completion_loads_nothing_heavy_but_the_state(loaded: Mapping[str, set[str]]) -> None:
    """A person waits for it in the middle of a line."""
    assert "reconciler.state.summary" in loaded["completion"]
    assert HEAVY & roots(loaded["completion"]) == {"sqlite3"}


def test_validate_loads_what_reads_specs_and_nothing_that_plans(
    loaded: Mapping[str, set[str]],
) -> None:
    """An editor and a hook of git check a few files all day."""
    assert "reconciler.specs.loading" in loaded["validate"]
    assert (HEAVY | {"httptools", "pygments", "ssl"}) & roots(loaded["validate"]) == set()
    rooms = {tuple(name.split(".")[1:3]) for name in loaded["validate"] if is_ours(name)}
    assert {room for room, *_ in rooms} & {"api", "engine", "openapi", "ports", "state"} == set()
    assert rooms & {("core", "diff"), ("core", "events"), ("core", "planning")} == set()


def test_a_plan_loads_no_page_no_schema_no_other_client_and_nothing_for_a_terminal(
    loaded: Mapping[str, set[str]],
) -> None:
    """A pipeline plans far more often than anything has changed."""
    libraries = {"asyncio", "sqlite3"}
    unwelcome = HEAVY | {"email", "html", "http", "pygments", "referencing"}
    assert unwelcome & roots(loaded["plan"]) == libraries
    unwanted = (
        "reconciler.report.html",
        "reconciler.report.machine",
        "reconciler.report.markdown",
        "reconciler.report.text.explain",
    )
    assert [name for name in loaded["plan"] if name.startswith(unwanted)] == []


def test_a_plan_loads_nothing_that_a_run_is_made_of(loaded: Mapping[str, set[str]]) -> None:
    """Without changes it sends no write, asks for no list, and compares no approval."""
    unwanted = {
        "reconciler.core.diff.three_way",
        "reconciler.core.history.events",
        "reconciler.core.history.outcome",
        "reconciler.core.review.approval",
        "reconciler.engine.journal",
        "reconciler.engine.lookup",
        "reconciler.engine.requests.live_list",
        "reconciler.engine.run",
        "reconciler.specs.schema.policyprocess",
        "reconciler.state.check",
    }
    assert loaded["plan"] & unwanted == set()


@pytest.mark.parametrize("words", ["validate", "plan", "state list"])
def test_little_of_the_standard_library_loads(loaded: Mapping[str, set[str]], words: str) -> None:
    """Some of its modules load many others, for what hardly any run needs."""
    unwanted = {"difflib", "getpass", "importlib.resources", "shutil", "subprocess", "tempfile"}
    # asyncio brings one of them itself.
    brought = {"subprocess"} & loaded[words] if "asyncio" in loaded[words] else set()
    assert loaded[words] & unwanted == brought


@pytest.mark.parametrize("words", ["validate", "plan", "state list"])
def test_without_a_sign_of_a_secret_nothing_loads_that_hides_one(
    loaded: Mapping[str, set[str]], words: str
) -> None:
    """Its expressions take as long to compile as ten specs to be read."""
    modules = {name.rpartition(".")[2] for name in loaded[words] if name.startswith(SECRETS)}
    assert modules - {"marks"} == {"hints", "names", "rules"}


def test_a_list_of_the_state_loads_nothing_that_speaks_http(
    loaded: Mapping[str, set[str]],
) -> None:
    """It reads a file on this machine."""
    unwelcome = HEAVY | {"fractions", "http", "httptools", "pygments", "socket"}
    assert unwelcome & roots(loaded["state list"]) == {"sqlite3"}


def test_a_list_of_the_state_loads_nothing_that_plans_or_checks_specs(
    loaded: Mapping[str, set[str]],
) -> None:
    """It reads the configuration of the repository, and the records."""
    rooms = {tuple(name.split(".")[1:3]) for name in loaded["state list"] if is_ours(name)}
    assert {room for room, *_ in rooms} & {"api", "engine", "kinds", "openapi"} == set()
    unwanted = {
        ("core", "diff"),
        ("core", "review"),
        ("report", "machine"),
        ("specs", "kubernetes"),
    }
    assert rooms & unwanted == set()
    assert "reconciler.core.planning.actions" not in loaded["state list"]


def roots(modules: set[str]) -> set[str]:
    """The packages of modules."""
    return {name.partition(".")[0] for name in modules}


def is_ours(module: str) -> bool:
    """Whether a module lies in a room of the program."""
    return module.startswith("reconciler.")


def test_a_late_import_keeps_something_out_of_a_usual_run(
    loaded: Mapping[str, set[str]],
) -> None:
    """Elsewhere it would only hide what a module needs."""
    needless = [
        (module, imported)
        for module, imported in late_imports()
        if not any(module in names and imported not in names for names in loaded.values())
        and (module, imported) not in TERMINAL_ONLY
    ]
    assert needless == []


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("validate",)], ids=" ".join)
def test_wrong_specs_are_told_before_anything_speaks_http(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """To load that takes longer than to read them."""
    (tmp_path / "a.yaml").write_text("metadata: {")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words, str(tmp_path)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 3
    assert {"http", "httptools", "httpx"} & set(modules) == set()

"""Imports stand at the top of a file, except where `--help` and completion would pay for them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from tests.cli.imports import HEAVY, LOADED
from tests.support.places import ROOT

PACKAGE = Path(reconciler.__file__).parent
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
def loaded_early(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """What `--help` has loaded when it ends, and what a completion of an address has."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--help"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    folder = tmp_path_factory.mktemp("completion")
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
    return set(json.loads(done.stderr)[1]), set(json.loads(completed.stderr))


def test_completion_loads_nothing_heavy_but_the_state(
    loaded_early: tuple[set[str], set[str]],
) -> None:
    """A person waits for it in the middle of a line."""
    _, completion = loaded_early
    assert "reconciler.state.summary" in completion
    roots = {name.partition(".")[0] for name in completion}
    assert HEAVY & roots == {"sqlite3"}


def test_a_late_import_keeps_something_out_of_help_or_completion(
    loaded_early: tuple[set[str], set[str]],
) -> None:
    """Elsewhere it would only hide what a module needs."""
    help_, completion = loaded_early
    needless = [
        (module, imported)
        for module, imported in late_imports()
        if not (module in help_ and imported not in help_)
        and not (module in completion and imported not in completion)
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
    assert {"httpx", "aiohttp"} & set(modules) == set()

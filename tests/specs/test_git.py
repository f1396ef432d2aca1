"""Git is started in checkouts that strangers have written: nothing of theirs may run."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path

import pytest

from reconciler.errors import InvalidInputError
from reconciler.specs.discovery.changes import changed_files
from reconciler.specs.discovery.git import checkout_top
from tests.support.git import git
from tests.support.specs import SPEC, write

SOURCES = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one committed spec in `root`, which was written again since."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    top = tmp_path / "checkout"
    write(top, {"root/a.yaml": SPEC})
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    return top


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves its environment behind where it is run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\nenv >> {tmp_path}/caught\ncat\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def touch(path: Path) -> None:
    """Write a file again, so that git has to look into it."""
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    os.utime(path, (1, 1))


def embed(repository: Path, trap: Path) -> Path:
    """Put a repository of plain files into the folder of the specs, as a pull request can."""
    root = repository / "root"
    write(root, {".gitattributes": "* filter=x\n"})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "theirs")
    for path in (root / ".git").iterdir():
        path.rename(root / path.name)
    (root / ".git").rmdir()
    settings = f'[core]\n\tbare = false\n\tworktree = .\n[filter "x"]\n\tclean = {trap}\n'
    (root / "config").write_text(settings, encoding="utf-8")
    return root


def test_a_repository_among_the_specs_is_none(repository: Path, trap: Path) -> None:
    """Plain files that look like a git directory do not decide what git runs or compares with."""
    root = embed(repository, trap)
    touch(root / "a.yaml")
    assert {"a.yaml", "HEAD", "config"} <= changed_files(root, "HEAD")
    assert not trap.with_name("caught").exists()


@pytest.mark.parametrize(
    "setting",
    [
        "filter.x.clean",
        "filter.x.process",
        "filter.a=b.clean",
        "core.fsmonitor",
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
    ],
)
def test_nothing_that_is_configured_is_run(repository: Path, trap: Path, setting: str) -> None:
    """Attributes choose among what the user configured; a pull request writes the attributes."""
    touch(repository / "root" / "a.yaml")
    name = setting.split(".")[1]
    write(repository, {".gitattributes": f"* filter={name} diff=x\n"})
    git(repository, "config", setting, str(trap))
    if setting.startswith("filter."):
        git(repository, "config", f"filter.{name}.required", "true")
    assert changed_files(repository / "root", "HEAD") == {"a.yaml"}
    assert not trap.with_name("caught").exists()


def test_what_a_partial_clone_lacks_is_not_fetched(repository: Path, trap: Path) -> None:
    """Fetching would start the transport and the helpers that are configured for a remote."""
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("core.sshCommand", str(trap)),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ssh://git@example.invalid/specs.git"),
    ):
        git(repository, "config", key, value)
    tree = git(repository, "rev-parse", "HEAD:root")
    touch(repository / "root" / "a.yaml")
    git(repository, "commit", "-qam", "second")
    (repository / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(InvalidInputError, match="git cannot list the changed files"):
        changed_files(repository / "root", "HEAD~1")
    assert not trap.with_name("caught").exists()


def test_no_hook_is_run(repository: Path, trap: Path) -> None:
    """Not even those of the checkout itself, nor where its configuration moved them to."""
    for folder in (repository / ".git" / "hooks", repository / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
            shutil.copy(trap, folder / hook)
    git(repository, "config", "core.hooksPath", str(repository / "hooks"))
    touch(repository / "root" / "a.yaml")
    assert changed_files(repository / "root", "HEAD") == {"a.yaml"}
    assert not trap.with_name("caught").exists()


def test_a_submodule_is_not_looked_into(repository: Path, trap: Path, tmp_path: Path) -> None:
    """Git would start a second git there, without our settings."""
    inner = tmp_path / "inner"
    write(inner, {"b.yaml": SPEC})
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(inner, *arguments)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    git(repository, "commit", "-qm", "second")
    git(repository / "sub", "config", "core.fsmonitor", str(trap))
    touch(repository / "sub" / "b.yaml")
    assert changed_files(repository, "HEAD") == frozenset()
    assert not trap.with_name("caught").exists()


def test_git_is_given_no_secret_and_no_order(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is made for it, whatever the job's is."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    seen = tmp_path / "seen"
    wrapper.write_text(
        f'#!/bin/sh\necho "argv $*" >> {seen}\nenv >> {seen}\nexec {real} "$@"\n', encoding="utf-8"
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    for name in (
        *("RUNAI_CLIENT_SECRET", "RUNAI_TOKEN", "RECONCILER_TOKEN_FILE", "GITHUB_TOKEN"),
        *("STATE_TOKEN", "CI_JOB_TOKEN", "GIT_DIR", "GIT_CONFIG_PARAMETERS", "GIT_EXTERNAL_DIFF"),
    ):
        monkeypatch.setenv(name, "canary")
    changed_files(repository / "root", "HEAD")
    text = seen.read_text(encoding="utf-8")
    calls = [line for line in text.splitlines() if line.startswith("argv ")]
    assert len(calls) == 5
    fixed = "argv -c safe.bareRepository=explicit -c core.hooksPath=/dev/null -c core.fsmonitor="
    assert [call for call in calls if not call.startswith(fixed)] == []
    assert "canary" not in text


def test_the_top_is_where_the_checkout_begins(repository: Path, tmp_path: Path) -> None:
    """It is found from any folder in it, through links as well, and there is none outside."""
    link = tmp_path / "link"
    link.symlink_to(repository / "root")
    assert checkout_top(repository / "root") == repository.resolve()
    assert checkout_top(link) == repository.resolve()
    assert checkout_top(tmp_path) is None


def test_only_one_module_starts_git() -> None:
    """Every other start would need the same care; what is not there cannot be forgotten."""
    starting = {
        str(path.relative_to(SOURCES))
        for folder in ("reconciler", "ci")
        for path in (SOURCES / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
        and node.elts
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "git"
    }
    assert starting == {"reconciler/specs/discovery/git.py"}

"""A folder that should hold a submodule, and stands empty."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.specs.source.deadline import Deadline
from tests.support.specs import SPEC, load, spec, write

PLAIN = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody without a configuration of their own."""
    subprocess.run(["git", *PLAIN, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository whose folder `root/team ü` is a submodule, without the submodule."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name, files in (
        ("inner", {"b.yaml": spec("b")}),
        ("outer", {"root/a.yaml": SPEC}),
    ):
        write(tmp_path / name, files)
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "add", ".")
        git(tmp_path / name, "commit", "-qm", "first")
    git(tmp_path / "outer", "submodule", "add", "-q", "../inner", "root/team ü")
    git(tmp_path / "outer", "commit", "-qm", "second")
    git(tmp_path, "clone", "-q", "outer", "clone")
    return tmp_path / "clone"


def codes(root: Path, *paths: Path) -> list[tuple[str, str]]:
    """The findings of a repository: their codes and files."""
    return [(one.code, one.where.file) for one in load(root, {}, list(paths) or None).diagnostics]


def test_a_clone_without_its_submodule(clone: Path) -> None:
    """Its folder is an error, until the submodule is there."""
    root = clone / "root"
    assert codes(root) == [("empty-submodule", "team ü")]
    git(clone, "submodule", "update", "-q", "--init")
    assert codes(root) == []
    assert len(load(root, {}).desired) == 2


def test_the_submodule_is_the_root(clone: Path) -> None:
    """Also where a run is about the submodule alone."""
    assert codes(clone / "root" / "team ü") == [("empty-submodule", ".")]


def test_a_repository_that_was_added_by_mistake(clone: Path) -> None:
    """A link to a commit without an entry in .gitmodules leaves an empty folder as well."""
    git(clone, "rm", "-q", "--cached", ".gitmodules")
    (clone / ".gitmodules").unlink()
    assert codes(clone / "root") == [("empty-submodule", "team ü")]


@pytest.mark.parametrize("listed", ["root/team ü", '"root/team ü"', "./root/team ü/"])
def test_a_copy_without_the_repository(listed: str, clone: Path) -> None:
    """An archive of a checkout, or an image made of one, has the file that names submodules."""
    (clone / ".git").rename(clone.parent / "moved")
    (clone / ".gitmodules").write_text(f'[submodule "x"]\n  path = {listed}\n  url = ../inner\n')
    assert codes(clone / "root") == []
    write(clone, {"reconciler.yaml": ""})
    assert ("empty-submodule", "root/team ü") in codes(clone)


def test_a_line_without_end_takes_no_time(tmp_path: Path) -> None:
    """Of a file that an author wrote as well as git."""
    write(tmp_path, {"reconciler.yaml": "", "a.yaml": SPEC})
    (tmp_path / "empty").mkdir()
    lines = ("path = a" + " " * 500_000 + "b", " " * 500_000 + "x", "path" + "= " * 500_000)
    (tmp_path / ".gitmodules").write_text("\n".join([*lines, "\tpath = empty", ""]))
    with Deadline.after(20).enforced():
        assert codes(tmp_path) == [("empty-submodule", "empty")]


def test_other_empty_folders(clone: Path) -> None:
    """An empty folder of one's own is none, nor one that is left out, nor a stale entry."""
    root = clone / "root"
    (root / "mine").mkdir()
    write(root, {".reconcilerignore": "team*/\n"})
    assert codes(root) == []
    (root / ".reconcilerignore").unlink()
    git(clone, "rm", "-q", "--cached", "root/team ü")
    (root / "team ü").mkdir(exist_ok=True)
    assert codes(root) == []


def test_a_submodule_inside_a_submodule(clone: Path) -> None:
    """Its folder is known to the repository that it lies in."""
    inner, deep = clone.parent / "inner", clone.parent / "deep"
    write(deep, {"c.yaml": spec("c")})
    git(deep, "init", "-q")
    git(deep, "add", ".")
    git(deep, "commit", "-qm", "first")
    git(inner, "submodule", "add", "-q", "../deep", "deep")
    git(inner, "commit", "-qm", "second")
    git(clone, "submodule", "update", "-q", "--init", "--remote")
    assert codes(clone / "root") == [("empty-submodule", "team ü/deep")]

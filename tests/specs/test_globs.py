from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.globs import BadPatternError, read_pattern, selects
from reconciler.specs.discovery.files import find_files
from tests.support.specs import write

NAMES = st.sampled_from(["a", "b", "ab", "a b", "a[b", "x.y", "c*"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/".join(names) + ".yaml")
PIECES = st.sampled_from(
    [
        *("a", "b", "x", ".", "*", "**", "?", "/", "/**/", "\\*", "\\", "[ab]", "[!a]", "[^b-z]"),
        *("[]a]", "[[:alpha:]]", "[z-a]", "[a", "]", ".yaml", " ", "!", "#", "c"),
    ]
)
LINES = st.lists(PIECES, min_size=1, max_size=5).map("".join)


def reads(line: str) -> bool:
    """Whether a line is a pattern; what is none is reported, where git says nothing."""
    # Two stars beside other characters are documented as one; followed by more stars, git's matcher
    # reads them otherwise.
    if re.search(r"[^/]\*\*.*\*\*|\*\*[^/].*\*\*", line):
        return False
    try:
        return read_pattern(line) is not None
    except BadPatternError:
        return False


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git directory for any folder: git lists no files without one."""
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    return folder


def listed_by_git(root: Path, repository: Path) -> list[str]:
    """Name the files that git's own reading of the same ignore files leaves."""
    done = subprocess.run(
        [
            *("git", f"--git-dir={repository}", "--work-tree=.", "ls-files", "--others"),
            *("--exclude-per-directory=.reconcilerignore", "-z"),
        ],
        cwd=root,
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(root)},
    )
    names = done.stdout.decode().split("\0")
    return sorted(name for name in names if name.endswith(".yaml"))


@settings(max_examples=150, deadline=None)
@given(
    paths=st.lists(PATHS, min_size=1, max_size=8),
    above=st.lists(LINES.filter(reads), max_size=4),
    below=st.lists(LINES.filter(reads), max_size=2),
)
def test_patterns_mean_what_they_mean_to_git(
    repository: Path, paths: list[str], above: list[str], below: list[str]
) -> None:
    """Of any tree, any patterns in any folder leave exactly the files that git would list."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, dict.fromkeys(paths, ""))
        write(root, {".reconcilerignore": "\n".join(above)})
        if (root / "a").is_dir():
            write(root, {"a/.reconcilerignore": "\n".join(below)})
        assert [file.name for file in find_files(root).specs] == listed_by_git(root, repository)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 120 + "b", "a" * 255),
        ("/" + "**/a/" * 200 + "b", "/".join("a" * 2000)),
        ("[" + "a" * 5000 + "]*" * 5, "a" * 255),
        ("?" * 200 + "*" * 50 + "b", "a" * 255),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    """Stars that could share a name in many ways are tried in one."""
    begun = time.perf_counter()
    read = read_pattern(pattern)
    assert read is not None
    assert not read.matches(path)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("!", "it is empty"),
        ("/", "it is empty"),
        ("a//b", "it has an empty part"),
        ("[a", "its '[' is not closed"),
        ("a\\", "it ends with a lone backslash"),
        ("[[:word:]]", "unknown class [:word:]"),
    ],
)
def test_what_is_no_pattern(line: str, problem: str) -> None:
    """A line that git would silently never match is refused with the reason."""
    with pytest.raises(BadPatternError, match="^" + problem.replace("[", "\\[") + "$"):
        read_pattern(line)


@pytest.mark.parametrize("line", ["", "  ", "# a comment", "#"])
def test_lines_without_a_pattern(line: str) -> None:
    """Blank lines and comments are none."""
    assert read_pattern(line) is None


def test_a_list_of_patterns_selects_files() -> None:
    """A file is meant by itself or by a folder that it lies in, and the last pattern decides."""
    patterns = [one for line in ("team-a/", "!team-a/b.yaml") if (one := read_pattern(line))]
    paths = ("team-a/a.yaml", "team-a/x/a.yaml", "team-a/b.yaml", "b/a.yaml", "team-a")
    assert [path for path in paths if selects(patterns, path)] == [
        "team-a/a.yaml",
        "team-a/x/a.yaml",
    ]

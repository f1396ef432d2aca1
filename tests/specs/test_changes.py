from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import InvalidInputError, UsageError
from reconciler.specs.discovery.changes import changed_files
from tests.support.git import git
from tests.support.specs import SPEC, load, spec, told, write

KIND = "{apiVersion: example.com/v1, kind: Trainer}"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit, in whose folder `root` the specs are."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    write(tmp_path, {"root/a.yaml": SPEC, "root/b.yaml": spec("b"), "README": ""})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_what_has_changed(repository: Path) -> None:
    """Edited, new, removed and renamed files count, committed or not, also beside the root."""
    root = repository / "root"
    assert changed_files(root, "HEAD") == frozenset()
    write(root, {"c/new ü.yaml": "", "a.yaml": SPEC + "# edited\n"})
    git(repository, "mv", "root/b.yaml", "root/d.yaml")
    write(repository, {"README": "edited"})
    expected = {"../README", "a.yaml", "b.yaml", "c/new ü.yaml", "d.yaml"}
    assert changed_files(root, "HEAD") == expected
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    assert changed_files(root, "HEAD") == frozenset()
    assert changed_files(root, "HEAD~1") == expected


def test_what_others_changed_meanwhile_does_not_count(repository: Path) -> None:
    """Compared is with the last common ancestor, as a pull request is shown."""
    git(repository, "switch", "-qc", "mine")
    write(repository, {"root/mine.yaml": ""})
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "mine")
    git(repository, "switch", "-q", "-")
    write(repository, {"root/theirs.yaml": ""})
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "theirs")
    git(repository, "branch", "theirs")
    git(repository, "switch", "-q", "mine")
    assert changed_files(repository / "root", "theirs") == {"mine.yaml"}


@pytest.mark.parametrize("revision", ["nope", "", "--help", "HEAD:root", "a b"])
def test_a_revision_that_is_none(revision: str, repository: Path) -> None:
    """It is wrong usage, never an option of git's."""
    with pytest.raises(UsageError) as caught:
        changed_files(repository, revision)
    assert caught.value.message == f"git knows no revision '{revision}'"


def test_no_repository(tmp_path: Path) -> None:
    """Outside of one, git's own words say why."""
    with pytest.raises(InvalidInputError, match="not a git repository") as caught:
        changed_files(tmp_path, "HEAD")
    assert caught.value.hint == "--changed-since works inside a git repository"


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git there is nothing to compare with."""
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(InvalidInputError, match="git is not installed"):
        changed_files(repository, "HEAD")


FILES = {
    "reconciler.yaml": "policies: [p.json]\n",
    "p.json": "true",
    "a/_defaults.yaml": "metadata: {priority: low}\n",
    "a/a.yaml": spec("a", manifest=KIND),
    "b/b.yaml": 'metadata: {name: b, projectId: "4501"}\nmanifestFile: m.yaml\n',
    "b/m.yaml": "apiVersion: example.com/v1\nkind: Trainer\n",
    "c/c.yaml": spec("c", manifest=KIND),
    "c/copy.yaml": spec("c", manifest=KIND),
}
A, B = "a/a.yaml", "b/m.yaml"
C = ["c/c.yaml", "c/copy.yaml", "c/copy.yaml"]


CHANGES: list[tuple[list[str], list[str], list[str]]] = [
    ([A], [A], [A]),
    (["a/_defaults.yaml"], [A], [A]),
    (["b/b.yaml"], [B], ["b/b.yaml"]),
    ([B], [B], ["b/b.yaml"]),
    (["c/c.yaml"], C, ["c/c.yaml"]),
    (["c/copy.yaml"], C[1:], ["c/copy.yaml"]),
    *(([name], [A, B, *C], [A, "b/b.yaml", *C[:2]]) for name in ("reconciler.yaml", "p.json")),
]
IGNORING = "x/.reconcilerignore"


@pytest.mark.parametrize(
    ("changed", "found", "sources"),
    [
        *CHANGES,
        ([], [], []),
        (["gone.yaml"], [], []),
        # Of another root.
        ([f"../{IGNORING}", "../reconciler.yaml"], [], []),
        ([IGNORING], [A, B, *C], [A, "b/b.yaml", *C[:2]]),
    ],
)
def test_findings_that_changed_files_have_to_do_with(
    changed: list[str], found: list[str], sources: list[str], tmp_path: Path
) -> None:
    """Theirs, those of specs made of them, and of others that clash with them.

    A change of what decides about every spec is about every spec.
    """
    loaded = load(tmp_path, FILES).narrow_to_files(changed)
    assert [one.where.file for one in loaded.diagnostics] == found
    assert list(loaded.sources) == sources
    assert {one.source.file for one in loaded.desired} == set(sources) - {"c/copy.yaml"}


def test_a_change_beside_the_root(repository: Path) -> None:
    """A spec has changed with the manifest that it takes from beside its root."""
    root = repository / "root"
    text = 'metadata: {name: c, projectId: "4501"}\nmanifestFile: ../m.yaml\n'
    write(root, {"c.yaml": text, "../m.yaml": f"{KIND}\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    write(root, {"../m.yaml": f"# edited\n{KIND}\n"})
    loaded = load(root, {}).narrow_to_files(changed_files(root, "HEAD"))
    assert [one.source.file for one in loaded.desired] == ["c.yaml"]


@pytest.mark.parametrize(("asked", "found", "sources"), [*CHANGES, (["b"], [B], ["b/b.yaml"])])
def test_findings_that_given_paths_have_to_do_with(
    asked: list[str], found: list[str], sources: list[str], tmp_path: Path
) -> None:
    """The same, for what is named on the command line: files, and folders."""
    write(tmp_path, FILES)
    loaded = load(tmp_path, {}, [tmp_path / name for name in asked]).narrow_to_targets()
    assert [one.where.file for one in loaded.diagnostics] == found
    assert list(loaded.sources) == sources


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_defaults.yaml", "metadata: {"),
        ("team/_defaults.yaml", "metadata: {nam: a}\n"),
        ("team/m.yaml", "apiVersion: {"),
        ("team/inner/b.yaml", "metadata: {"),
    ],
)
def test_what_a_given_path_is_made_of_counts(name: str, text: str, tmp_path: Path) -> None:
    """A mistake in the defaults above it, in its manifest's file or in a file below it is shown."""
    files = {
        "team/inner/a.yaml": 'metadata: {name: a, projectId: "1"}\nmanifestFile: ../m.yaml\n',
        "team/m.yaml": "apiVersion: tekton.dev/v1\nkind: TaskRun\n",
        "other/_defaults.yaml": "metadata: {",
        "other/c.yaml": spec("c"),
        name: text,
    }
    write(tmp_path, files)
    loaded = load(tmp_path, {}, [tmp_path / "team" / "inner"]).narrow_to_targets()
    assert {one.where.file for one in loaded.diagnostics} == {name}


def test_an_error_in_the_configuration_always_shows(tmp_path: Path) -> None:
    """Nothing can be relied on without it."""
    files = {**FILES, "reconciler.yaml": "stak: a\n"}
    loaded = load(tmp_path, files).narrow_to_files([])
    assert told(loaded) == [
        "reconciler.yaml:1:1-1:5 error unknown-field: unknown field 'stak' | did you mean 'stack'?"
    ]

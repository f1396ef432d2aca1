"""What `validate` remembers: that a repository was valid, and nothing that stands in it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reconciler
from reconciler.app.planning import validation_cache as checking
from reconciler.cli.main import run
from reconciler.specs import loading
from tests.cli.conftest import Cli

SECRET = "hunter-two"
JOB = """\
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: a:1}]}}}
"""
POD = f"{{apiVersion: v1, kind: Pod, spec: {{containers: [{{name: main, image: {SECRET}}}]}}}}"


def spec(name: str, project: str = '"1"') -> str:
    """A spec in two lines."""
    return f"metadata: {{name: {name}, projectId: {project}}}\nmanifest: {POD}\n"


VALID = {
    "reconciler.yaml": "policies: [policies/*.json]\n",
    "policies/p.json": '{"properties": {"metadata": {"required": ["name"]}}}',
    "_defaults.yaml": "metadata: {priority: low}\n",
    "a.yaml": spec("a"),
    "team/b.yaml": spec("b"),
    "team/c.yaml": 'metadata: {name: c, projectId: "1"}\nmanifestFile: m/job.yaml\n',
    "team/m/job.yaml": JOB,
}
NAMES = st.sampled_from(
    [*VALID, "team/_defaults.yaml", "team/.reconcilerignore", "d.yaml", "_default.yml", "team/m/x"]
)
TEXTS = st.sampled_from(
    [
        *(spec("a"), spec("b"), spec("d"), spec("a", "1"), spec("a", '"2"'), JOB, "", "a: 1\n"),
        *(
            "metadata: {priority: high}\n",
            "metadata: {priority: urgent}\n",
            "metadata: {",
            "b.yaml\n",
        ),
        *("policies: []\n", "limits: {gpus: 1}\n", "projects: {x: '1'}\n", '{"required": ["x"]}'),
        *('metadata: {name: c, projectId: "1"}\nmanifestFile: m/x\n', "projectz: 1\n"),
    ]
)
# A text to write, None to remove, or the name of another file to link to.
CHANGES = st.lists(
    st.tuples(NAMES, st.one_of(TEXTS, st.none(), st.just("original"), st.just("link"))), max_size=5
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "WORTH_A_DIGEST", 1)


def validate(*arguments: object) -> tuple[int, str, str]:
    """Run `validate`, and say how it ended."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["validate", *map(str, arguments)])
    return code, out.getvalue(), err.getvalue()


def change(root: Path, name: str, what: str | None) -> None:
    """Write, remove or link a file."""
    path = root / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "link":
        path.symlink_to(root / "team" / "b.yaml")
    elif what == "original":
        path.write_text(VALID.get(name, ""))
    elif what is not None:
        path.write_text(what)


def write_valid(root: Path) -> Path:
    """A repository without findings."""
    for name in VALID:
        change(root, name, "original")
    return root


# Each of the runs, a dozen for an example, starts a process for the repository's policy.
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=settings().max_examples // 3,
)
@given(changes=CHANGES, paths=st.sampled_from([("",), ("team",), ("a.yaml", "team/c.yaml")]))
def test_a_memory_never_changes_a_result(
    changes: list[tuple[str, str | None]], paths: tuple[str, ...]
) -> None:
    """After any change, and once more without any, the answer is that of a run without memory."""
    folder = tempfile.mkdtemp()
    root = write_valid(Path(folder))
    try:
        for name, what in [("a.yaml", "original"), *changes]:
            change(root, name, what)
            asked = [root / path for path in paths if (root / path).exists()]
            expected = validate(*asked, "--no-cache")
            assert [validate(*asked) for _ in range(2)] == [expected, expected]
    finally:
        shutil.rmtree(folder)


def test_nothing_is_read_twice_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run of a valid repository checks nothing at all; --no-cache does."""
    root = write_valid(tmp_path / "w")
    first = validate(root)
    assert first == (0, "3 workloads in 3 files: valid.\n", "")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(loading, "load_specs", fail)
    assert validate(root) == first
    assert validate(root, "-o", "json") == (0, "[]\n", "")
    assert validate(root, "--no-cache")[0] == 1
    assert validate(root, "-o", "junit")[0] == 1


def test_another_version_does_not_believe_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older program found valid is checked again."""
    root = write_valid(tmp_path / "w")
    validate(root)
    known = next((tmp_path / "cache").rglob("*.json"))
    before = known.read_text()
    monkeypatch.setattr(checking, "__version__", "99")
    validate(root)
    assert known.read_text() != before


def test_every_file_of_the_program_decides() -> None:
    """A rule that has changed since may find what the one before it did not."""
    package = Path(reconciler.__file__).parent
    modules = {str(path) for path in package.rglob("*.py")}
    assert modules <= {path for path, _, _ in checking.program_files()}


def test_only_a_digest_is_kept(tmp_path: Path) -> None:
    """For its owner alone: no name, no value, nothing that a spec holds."""
    validate(write_valid(tmp_path / "w"))
    (known,) = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    content = json.loads(known.read_text())
    assert content.keys() == {"digest", "workloads", "files", "unresolved"}
    assert [content[key] for key in ("workloads", "files", "unresolved")] == [3, 3, 0]
    assert len(bytes.fromhex(content["digest"])) == 32
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    assert SECRET not in known.read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}', "\udcff"])
def test_a_damaged_memory_is_none(text: str, tmp_path: Path) -> None:
    """It is replaced by what is true."""
    root = write_valid(tmp_path / "w")
    expected = validate(root)
    known = next((tmp_path / "cache").rglob("*.json"))
    good = known.read_text()
    known.write_text(text, errors="surrogateescape")
    assert validate(root) == expected
    assert known.read_text() == good


@pytest.mark.parametrize("place", ["/proc/nowhere", "relative", ""])
def test_a_place_that_cannot_be_written(
    place: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has no cache does without, and hears nothing of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    monkeypatch.setenv("HOME", "/proc/nowhere")
    root = write_valid(tmp_path / "w")
    result = cli("validate", root)
    assert (result.code, result.err) == (0, "")
    assert not (tmp_path / "relative").exists()

"""What `validate` remembers: its verdict on each file, and no value that stands in one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from base64 import b85decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reconciler
from reconciler.app.planning import validation_cache as checking
from reconciler.app.planning.workspace import open_workspace
from reconciler.app.settings import Flags
from reconciler.specs import judged_tree
from reconciler.specs.config import config_file, load_config
from reconciler.specs.loading import load_specs
from reconciler.specs.validating import validate_specs
from tests.cli.conftest import Cli
from tests.cli.validations import (
    SECRET,
    judged_files,
    kept_in,
    memory_in,
    spec,
    validate,
)

JOB = """\
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: a:1}]}}}
"""

VALID = {
    "reconciler.yaml": "policies: [policies/*.json]\n",
    "policies/p.json": '{"properties": {"metadata": {"required": ["name"]}}}',
    "_defaults.yaml": "metadata: {priority: low}\n",
    "a.yaml": spec("a"),
    "team/b.yaml": spec("b"),
    "team/c.yaml": 'metadata: {name: c, projectId: "1"}\nmanifestFile: m/job.yaml\n',
    "team/m/job.yaml": JOB,
}
EVERYTHING = ["a.yaml", "team/b.yaml", "team/c.yaml", "team/m/job.yaml"]
NAMES = st.sampled_from(
    [
        *VALID,
        *("team/_defaults.yaml", "team/.reconcilerignore", "d.yaml", "_default.yml", "team/m/x"),
        "_patches.yaml",
    ]
)
COMMENT = "# reconciler:ignore unknown-priority -- ours\n"
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
        *(COMMENT, COMMENT + spec("b"), COMMENT + "metadata: {priority: urgent}\n"),
        *(spec("a", '"1", priority: urgent'), f"{spec('e')}---\n{spec('f')}---\n{spec('a')}"),
        *(spec("g").replace(" v1", " batch/v1"), spec("g").replace("kind: Pod", "kind: Pod, x: 1")),
        "match: {name: a}\nset: {/metadata/priority: urgent}\n",
        "match: {name: '*'}\npatch: {metadata: {priority: high}, lifecycle: {wave: 1}}\n",
        "suppressions: [{codes: [unknown-priority], files: ['*.yaml'], reason: ours}]\n",
        "policies: [policies/*.json]\nlimits: {gpus: 0}\n",
        '{"properties": {"metadata": {"required": ["priority"]}}, "x-severity": "warning"}',
    ]
)
# A text to write, None to remove, or the name of another file to link to.
CHANGES = st.lists(
    st.tuples(NAMES, st.one_of(TEXTS, st.none(), st.just("original"), st.just("link"))), max_size=5
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(judged_tree, "WORTH_REMEMBERING", 1)


def validate_in_all_formats(folder: Path, *arguments: object) -> tuple[object, ...]:
    """Run `validate` for every reader at once, and say how it ended and what each has got."""
    outputs = {name: folder / name for name in ("json", "github", "sarif", "junit", "gitlab")}
    asked = [f"--output={name}={path}" for name, path in outputs.items()]
    result = validate(*arguments, "--output=text", *asked)
    return (*result, *(path.read_text() for path in outputs.values() if path.exists()))


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
    folder = Path(tempfile.mkdtemp())
    root = write_valid(folder / "w")
    try:
        for name, what in [("a.yaml", "original"), *changes]:
            change(root, name, what)
            asked = [root / path for path in paths if (root / path).exists()]
            expected = validate_in_all_formats(folder, *asked, "--no-cache")
            again = [validate_in_all_formats(folder, *asked) for _ in range(2)]
            assert again == [expected, expected]
    finally:
        shutil.rmtree(folder)


@settings(deadline=None, max_examples=settings().max_examples // 3)
@given(changes=CHANGES)
def test_without_keeping_any_spec_the_same_is_found(
    changes: list[tuple[str, str | None]],
) -> None:
    """`validate` finds in every tree what `plan` finds, in one process as in two."""
    folder = tempfile.mkdtemp()
    root = write_valid(Path(folder))
    try:
        for name, what in changes:
            change(root, name, what)
        config = load_config(config_file(root), root=root)
        loaded = load_specs([root], root=root, config=config)
        for least in (1, 1000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(judged_tree, "SAMPLE", 1)
                patch.setattr(judged_tree, "WORTH_A_PROCESS", least)
                checked = validate_specs([root], root=root, config=config)
            assert (checked.diagnostics, checked.sources, checked.names, checked.rules) == (
                loaded.diagnostics,
                loaded.sources,
                loaded.names,
                loaded.rules,
            )
            assert sorted(checked.workloads) == sorted(loaded.workloads)
            assert checked.own_files == loaded.own_files
            for key in loaded.own_files:
                assert checked.files_of(key) == loaded.files_of(key)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("output", ["text", "json", "github", "sarif", "junit", "gitlab"])
def test_only_what_has_changed_is_read(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changed file, a warning, an error: everything else is remembered; --no-cache is not."""
    root = write_valid(tmp_path / "w")
    judged = judged_files(monkeypatch)

    def run_and_count(*arguments: str) -> list[str]:
        judged.clear()
        validate(root, "-o", output, *arguments)
        return sorted(judged)

    assert run_and_count() == EVERYTHING
    assert run_and_count() == []
    assert run_and_count("--no-cache") == EVERYTHING
    change(root, "a.yaml", spec("a", '"1", priority: urgent'))
    assert [run_and_count(), run_and_count()] == [["a.yaml"], []]
    change(root, "team/b.yaml", spec("b").replace("Pod", "Pot"))
    assert [run_and_count(), run_and_count()] == [["team/b.yaml"], []]
    change(root, "team/m/job.yaml", JOB.replace("a:1", "a:2"))
    assert [run_and_count(), run_and_count()] == [["team/c.yaml", "team/m/job.yaml"], []]
    change(root, "team/_defaults.yaml", "lifecycle: {wave: 1}\n")
    below = [name for name in EVERYTHING if name.startswith("team/")]
    assert [run_and_count(), run_and_count()] == [below, []]
    change(root, "_defaults.yaml", "metadata: {priority: high}\n")
    assert [run_and_count(), run_and_count()] == [EVERYTHING, []]


def test_a_plan_judges_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `validate` has found before: what changes the world believes no memory."""
    root = write_valid(tmp_path / "w")
    validate(root)
    judged = judged_files(monkeypatch)
    assert open_workspace([root], Flags(), os.environ).diagnostics == ()
    assert sorted(judged) == EVERYTHING


def test_a_memory_that_others_may_write_to_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict is believed where nobody else can have written it."""
    root = write_valid(tmp_path / "w")
    validate(root)
    judged = judged_files(monkeypatch)
    known = memory_in(tmp_path)
    known.chmod(0o620)
    validate(root)
    assert sorted(judged) == EVERYTHING
    judged.clear()
    validate(root)
    assert judged == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: known.stat().st_uid + 1)
        validate(root)
    assert sorted(judged) == EVERYTHING


def test_another_version_does_not_believe_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older program found valid is checked again."""
    root = write_valid(tmp_path / "w")
    validate(root)
    known = memory_in(tmp_path)
    before = known.read_text()
    judged = judged_files(monkeypatch)
    monkeypatch.setattr(checking, "__version__", "99")
    validate(root)
    assert sorted(judged) == EVERYTHING
    assert known.read_text().partition("\n")[0] != before.partition("\n")[0]


def test_every_file_of_the_program_decides() -> None:
    """A rule that has changed since may find what the one before it did not."""
    package = Path(reconciler.__file__).parent
    modules = {str(path) for path in package.rglob("*.py")}
    assert modules <= {path for path, _, _ in checking.program_files()}


def test_no_value_is_kept(tmp_path: Path) -> None:
    """For its owner alone: addresses and kinds, and of a finding that quotes a value nothing."""
    root = write_valid(tmp_path / "w")
    change(root, "a.yaml", spec("a", f'"1", priority: {SECRET}'))
    change(root, "team/b.yaml", spec("b").replace("image:", "imagePullPolicy:"))
    said = validate(root)
    assert said[1].count(SECRET) == 2, said
    assert validate(root) == said
    (known,) = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert stat.S_IMODE(known.stat().st_mode) == 0o600
    environment, written, code = json.loads(known.read_text().partition("\n")[0])
    assert (len(bytes.fromhex(environment)), len(bytes.fromhex(code))) == (32, 32)
    assert isinstance(written, int)
    kept = kept_in(known)
    assert sorted(kept) == ["a.yaml", "team/b.yaml", "team/c.yaml", "team/m/job.yaml"]
    code, facts, sealed, references, *signature = kept["a.yaml"]
    assert len(bytes.fromhex(code)) == 32
    assert facts == [False, [0, 1, 1, "1", "a", True, "", "Pod", "a"]]
    assert (references, signature) == ([], ["", 0, 0, 0, 0, 0])
    opened = [SECRET, SECRET.encode().hex(), "priority", "urgent"]
    assert [text for text in opened if text in known.read_text()] == []
    assert [text for text in opened if text.encode() in b85decode(sealed)] == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"environment": 1}', "\udcff", "[" * 200_000])
def test_a_damaged_memory_is_none(text: str, tmp_path: Path) -> None:
    """It is replaced by what is true."""
    root = write_valid(tmp_path / "w")
    expected = validate(root)
    known = memory_in(tmp_path)
    good = kept_in(known)
    known.write_text(text, errors="surrogateescape")
    assert validate(root) == expected
    assert kept_in(known) == good


Entry = list[Any]
FORGED: Mapping[str, Callable[[Entry], object]] = {
    "no entry": lambda _: [5] * 10,
    "too little": lambda entry: entry[:9],
    "other facts": lambda entry: [entry[0], [False], *entry[2:]],
    "no findings": lambda entry: [*entry[:2], "", *entry[3:]],
    "a reference": lambda entry: [*entry[:3], [["", "x"]], *entry[4:]],
    "no code": lambda entry: [[], *entry[1:]],
    "half a surrogate pair": lambda entry: ["\ud800", *entry[1:]],
    "too deep": lambda entry: [entry[0], json.loads("[" * 500 + "]" * 500), *entry[2:]],
    "a signature": lambda entry: [*entry[:4], "x", 1, 1, 1, 1, 1],
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_an_entry_that_was_changed_is_none(forge: Callable[[Entry], Entry], tmp_path: Path) -> None:
    """No error disappears because somebody else wrote that there was none."""
    root = write_valid(tmp_path / "w")
    change(root, "a.yaml", spec("a", f'"1", priority: {SECRET}'))
    expected = validate(root)
    assert expected[1].count(SECRET) == 1
    known = memory_in(tmp_path)
    good = kept_in(known)
    header = known.read_text().partition("\n")[0]
    # The first part that an entry lacks is missing in all.
    forged = {**good, "a.yaml": forge(good["a.yaml"])}
    columns = [list(forged), *zip(*forged.values(), strict=False)]
    known.write_text(f"{header}\n{json.dumps(columns)}")
    assert validate(root) == expected
    known.write_text(f"{header}\n[]")
    assert validate(root) == expected
    assert kept_in(known) == good


def test_nobody_waits_for_a_memory(tmp_path: Path) -> None:
    """A pipe in its place is no memory."""
    root = write_valid(tmp_path / "w")
    expected = validate(root)
    known = memory_in(tmp_path)
    known.unlink()
    os.mkfifo(known)
    assert validate(root) == expected


@pytest.mark.parametrize("home", ["", "home"])
def test_without_a_home_nothing_is_kept(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one would be wherever somebody happens to be."""
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", home)
    root = write_valid(tmp_path / "w")
    assert validate(root)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]


def test_no_memory_among_the_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run would read it as a spec."""
    root = write_valid(tmp_path / "w")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    assert (validate(root)[0], validate(root)[0]) == (0, 0)
    assert not (root / "cache").exists()


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


def test_a_cache_that_is_a_link_to_itself(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a place that cannot be written, as any other."""
    (tmp_path / "cache").symlink_to("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = cli("validate", write_valid(tmp_path / "w"))
    assert (result.code, result.err) == (0, "")

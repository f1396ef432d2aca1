from __future__ import annotations

import base64
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Severity
from reconciler.core.lifecycle import (
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    Address,
    Desired,
)
from reconciler.core.projects.resolution import UNKNOWN, NameProblem, Resolution
from reconciler.errors import InvalidInputError, Where
from reconciler.specs.checked import display_name
from reconciler.specs.config import Config, config_file, load_config
from reconciler.specs.loading import load_specs
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.validating import validate_specs
from tests.support.specs import MANIFEST, SPEC, encoded, load, pointed_at, spec, told

LLM = Address(project="4501", name="llm")
CONFIG = 'projects: {team-a: "4501"}\n'
JOB = "apiVersion: egx.nvidia.io/v1\nkind: SPOTRequest\nspec: {parallelism: 2}\n"
FROM_FILE = "metadata: {name: llm, project: team-a}\nmanifestFile: manifests/job.yaml\n"


def desired(file: str = "a.yaml", line: int = 1, column: int = 1, name: str = "llm") -> Desired:
    """Return what `spec(name)` declares."""
    return Desired(
        address=Address(project="4501", name=name),
        source=Where(file=file, line=line, column=column),
        metadata={"name": name, "projectId": "4501"},
        manifest={"apiVersion": "tekton.dev/v1", "kind": "TaskRun"},
    )


def test_a_whole_spec(tmp_path: Path) -> None:
    """Every part of a spec reaches its place in the value that is planned with."""
    loaded = load(
        tmp_path,
        {
            "team-a/llm.yaml": (
                "# a comment\n"
                'metadata: {name: llm, projectId: "4501", priority: high, category: null}\n'
                "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
                "lifecycle:\n  protect: true\n  onRemove: forget\n  onMissing: fail\n"
                "  onChange: hold\n  onFailed: replace\n  wave: 3\n"
                "  ignoreChanges: [/manifest/kind]\n"
            )
        },
    )
    assert loaded.diagnostics == ()
    assert loaded.desired == (
        Desired(
            address=LLM,
            source=Where(file="team-a/llm.yaml", line=2),
            metadata={"name": "llm", "projectId": "4501", "priority": "high", "category": None},
            manifest={"apiVersion": "tekton.dev/v1", "kind": "TaskRun"},
            lifecycle=Lifecycle(
                protect=True,
                on_remove=OnRemove.FORGET,
                on_missing=OnMissing.FAIL,
                on_change=OnChange.HOLD,
                on_failed=OnFailed.REPLACE,
                wave=3,
                ignore_changes=("/manifest/kind",),
            ),
        ),
    )


def test_documents_files_and_folders(tmp_path: Path) -> None:
    """YAML and JSON, several documents and nested folders are read; hidden names are not."""
    broken = "{"
    as_json = (
        '{"metadata": {"name": "d", "projectId": "4501"},'
        ' "manifest": {"apiVersion": "tekton.dev/v1", "kind": "TaskRun"}}'
    )
    loaded = load(
        tmp_path,
        {
            "b.yml": spec("b") + "---\n" + spec("a"),
            "x/y/c.yaml": "\ufeff" + spec("c"),
            "d.json": "\t" + as_json,
            ".hidden.yaml": broken,
            ".hidden/a.yaml": broken,
            "_draft.yaml": broken,
            "_drafts/a.yaml": broken,
            "notes.txt": broken,
        },
    )
    assert loaded.diagnostics == ()
    assert loaded.files == 3
    assert loaded.desired == (
        desired("b.yml", line=4, name="a"),
        desired("b.yml", name="b"),
        desired("x/y/c.yaml", name="c"),
        desired("d.json", column=2, name="d"),
    )


def test_ignored_files(tmp_path: Path) -> None:
    """The nearest .reconcilerignore that mentions a path decides, as with gitignore."""
    broken = "{"
    loaded = load(
        tmp_path,
        {
            ".reconcilerignore": "*.tmp.yaml\n/old/\nvendored/**\n",
            "a.yaml": SPEC,
            "b.tmp.yaml": broken,
            "old/c.yaml": broken,
            "team/old/d.yaml": spec("d"),
            "vendored/x/e.yaml": broken,
            "team/.reconcilerignore": "!keep.tmp.yaml\nf.yaml\n",
            "team/keep.tmp.yaml": spec("keep"),
            "team/f.yaml": broken,
            "f.yaml": spec("f"),
        },
    )
    assert told(loaded) == []
    assert [one.source.file for one in loaded.desired] == [
        "team/old/d.yaml",
        "f.yaml",
        "team/keep.tmp.yaml",
        "a.yaml",
    ]


def test_defaults_reach_down(tmp_path: Path) -> None:
    """Defaults of every folder on the way merge, the nearest wins, lists and null replace."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "_defaults.yaml": (
                "metadata: {project: team-a, priority: low, category: Build}\n"
                "lifecycle: {protect: true, ignoreChanges: [/manifest/spec]}\n"
                "manifest: {metadata: {labels: {owner: root, tier: x}}}\n"
            ),
            "team/_defaults.yaml": (
                "metadata: {priority: high}\n"
                "lifecycle: {ignoreChanges: []}\n"
                "manifest: {metadata: {labels: {owner: team}}}\n"
            ),
            "team/a.yaml": (
                "metadata: {name: llm, category: null}\n"
                "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun, metadata: {labels: "
                "{tier: null}}}\n"
            ),
        },
    )
    assert told(loaded) == []
    assert loaded.desired == (
        Desired(
            address=LLM,
            source=Where(file="team/a.yaml"),
            metadata={
                "projectId": "4501",
                "priority": "high",
                "category": None,
                "name": "llm",
            },
            manifest={
                "metadata": {"labels": {"owner": "team", "tier": None}},
                "apiVersion": "tekton.dev/v1",
                "kind": "TaskRun",
            },
            lifecycle=Lifecycle(protect=True),
        ),
    )


def test_a_project_given_nearer_replaces_either_spelling(tmp_path: Path) -> None:
    """A spec with a projectId overrides an alias of its defaults instead of contradicting it."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "_defaults.yaml": "metadata: {project: team-a}\n",
            "a.yaml": spec(project="9"),
        },
    )
    assert told(loaded) == []
    assert [one.address for one in loaded.desired] == [Address(project="9", name="llm")]


def test_a_manifest_file(tmp_path: Path) -> None:
    """A manifest in its own file is merged over defaults and is not taken for a spec itself."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "_defaults.yaml": "manifest: {spec: {parallelism: 1, completions: 1}}\n",
            "team/a.yaml": FROM_FILE,
            "team/manifests/job.yaml": JOB,
        },
    )
    assert told(loaded) == []
    assert loaded.files == 1
    (one,) = loaded.desired
    assert one.manifest == {
        "apiVersion": "egx.nvidia.io/v1",
        "kind": "SPOTRequest",
        "spec": {"parallelism": 2, "completions": 1},
    }
    assert one.source == Where(file="team/a.yaml")


def test_a_manifest_file_named_by_defaults(tmp_path: Path) -> None:
    """A path in defaults is relative to the defaults; a spec with its own manifest ignores it."""
    loaded = load(
        tmp_path,
        {
            "_defaults.yaml": "manifestFile: manifests/job.yaml\n",
            "manifests/job.yaml": JOB,
            "team/a.yaml": 'metadata: {name: llm, projectId: "4501"}\n',
            "team/b.yaml": spec("own"),
        },
    )
    assert told(loaded) == []
    assert [one.manifest["kind"] for one in loaded.desired] == ["SPOTRequest", "TaskRun"]


def test_mistakes_inside_a_manifest_file(tmp_path: Path) -> None:
    """They are reported once, inside that file, however many specs use it."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "a.yaml": FROM_FILE,
            "b.yaml": FROM_FILE.replace("llm", "other"),
            "manifests/job.yaml": "apiVersion: batch/v1\nkind: 7\nspec: {a: 1, a: 2}\n",
        },
    )
    assert told(loaded) == [
        (
            "manifests/job.yaml:2:7-2:8 error wrong-type:"
            " 'kind' must be a string, not the number 7"
            ' | quote it: "7"'
        ),
        (
            "manifests/job.yaml:3:14-3:15 error duplicate-key:"
            " the key 'a' is already given in line 3, column 8"
            " | keep one of them"
        ),
    ]
    assert loaded.desired == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "a: 1\n---\nb: 1\n",
            "job.yaml:3:1-3:5 error many-documents: a manifest must be one document",
        ),
        ("[]\n", "job.yaml:1:1-1:3 error not-a-mapping: a manifest must be a mapping"),
        (
            "# later\n",
            (
                "job.yaml:1:1-1:1 error empty-file:"
                " the file holds no document"
                " | delete it if it is no longer wanted: an empty file may have been cut off"
            ),
        ),
        (
            spec("other"),
            (
                "a.yaml:2:15-2:23 error not-a-spec:"
                " 'job.yaml' is a spec, not a manifest"
                " | name a file with the manifest alone"
            ),
        ),
    ],
)
def test_what_is_no_manifest(content: str, said: str, tmp_path: Path) -> None:
    """A manifest file holds exactly one mapping, and not a spec: that must not disappear."""
    files = {
        "a.yaml": 'metadata: {name: llm, projectId: "1"}\nmanifestFile: job.yaml\n',
        "job.yaml": content,
    }
    loaded = load(tmp_path, files)
    assert told(loaded) == [said]


def test_specs_that_name_each_other(tmp_path: Path) -> None:
    """Two specs that take each other for manifests are both reported, neither is lost."""
    one = 'metadata: {name: one, projectId: "1"}\nmanifestFile: two.yaml\n'
    two = 'metadata: {name: two, projectId: "1"}\nmanifestFile: one.yaml\n'
    loaded = load(tmp_path, {"one.yaml": one, "two.yaml": two})
    assert told(loaded) == [
        (
            "one.yaml:2:15-2:23 error not-a-spec:"
            " 'two.yaml' is a spec, not a manifest"
            " | name a file with the manifest alone"
        ),
        (
            "two.yaml:2:15-2:23 error not-a-spec:"
            " 'one.yaml' is a spec, not a manifest"
            " | name a file with the manifest alone"
        ),
    ]


def test_symbolic_links_stay_inside(tmp_path: Path) -> None:
    """A link to a file or folder inside the root is followed, one that leads out is refused."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x.yaml").write_text(SPEC)
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to("../outside")
    (root / "x.yaml").symlink_to("../outside/x.yaml")
    (root / "readme").symlink_to("../outside/x.yaml")
    (root / "same.yaml").symlink_to("shared/a.txt")
    loaded = load(
        root,
        {
            "shared/a.txt": SPEC,
            "b.yaml": 'metadata: {name: b, projectId: "1"}\nmanifestFile: ../outside/x.yaml\n',
            "c.yaml": 'metadata: {name: c, projectId: "1"}\nmanifestFile: "a\\0b"\n',
        },
    )
    out = (
        "outside-root: the symbolic link leads out of the repository"
        " | copy it into the repository, or list it in .reconcilerignore"
    )
    assert told(loaded) == [
        (
            "b.yaml:2:15-2:32 error outside-root:"
            " '../outside/x.yaml' does not lie inside the repository"
            " | give a path relative to this file that stays inside the repository"
        ),
        "c.yaml:2:15-2:21 error unreadable: 'a\0b' cannot be read: its name holds a NUL character",
        f"linked:1:1 error {out}",
        f"x.yaml:1:1 error {out}",
    ]
    assert loaded.desired == (desired("same.yaml"),)


def test_a_base64_manifest(tmp_path: Path) -> None:
    """It is decoded for us to look at, kept apart from defaults, and marked as encoded."""
    loaded = load(
        tmp_path,
        {
            "_defaults.yaml": "manifest: {metadata: {labels: {a: b}}}\n",
            "a.yaml": encoded("apiVersion: tekton.dev/v1\nkind: TaskRun\n"),
        },
    )
    assert told(loaded) == []
    (one,) = loaded.desired
    assert one.encoded
    assert one.manifest == {"apiVersion": "tekton.dev/v1", "kind": "TaskRun"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "apiVersion: egx.nvidia.io/v1\nkind: SPOTRequest\n"
                "spec:\n  hostPID: on\n  since: 2026-01-01\n"
            ),
            [
                (
                    "ambiguous-yaml: on is the text 'on' in YAML 1.2, but true in YAML 1.1"
                    " (line 4, column 12 of the decoded text)"
                ),
                (
                    "ambiguous-yaml: 2026-01-01 is the text '2026-01-01' in YAML 1.2, but a date in"
                    " YAML 1.1 (line 5, column 10 of the decoded text)"
                ),
            ],
        ),
        (
            "apiVersion: v1\nkind: [Pod]\n",
            [
                (
                    "wrong-type: 'kind' must be a string, not a list"
                    " (line 2, column 7 of the decoded text)"
                )
            ],
        ),
        (
            "a: 1\na: 2\n",
            [
                "duplicate-key: the key 'a' is given twice (line 2, column 1 of the decoded text)",
                "missing-field: the field 'apiVersion' is missing in 'manifest'",
                "missing-field: the field 'kind' is missing in 'manifest'",
            ],
        ),
        (
            "a: {",
            [
                (
                    "yaml-syntax: not YAML: did not find expected node content, while parsing a"
                    " flow node (line 1, column 5 of the decoded text)"
                )
            ],
        ),
        (
            "a: 1\n---\nb: 2\n",
            [
                (
                    "many-documents: a manifest must be one document"
                    " (line 3, column 1 of the decoded text)"
                )
            ],
        ),
        (
            "- 1\n",
            ["not-a-mapping: a manifest must be a mapping (line 1, column 1 of the decoded text)"],
        ),
    ],
)
def test_mistakes_inside_base64(text: str, said: list[str], tmp_path: Path) -> None:
    """They point at the field, and the message tells the line of the decoded text."""
    loaded = load(tmp_path, {"a.yaml": encoded(text)})
    assert sorted(f"{one.code}: {one.message}" for one in loaded.diagnostics) == sorted(said)
    field = f'"{base64.b64encode(text.encode()).decode()}"'
    assert {pointed_at(tmp_path, one.where) for one in loaded.diagnostics} <= {
        field,
        "manifestBase64Encoded",
    }
    assert loaded.desired == ()


def test_values_from_defaults_point_into_them(tmp_path: Path) -> None:
    """A wrong default is reported once, where it is written, not in every spec below."""
    loaded = load(
        tmp_path,
        {
            "_defaults.yaml": "metadata:\n  projectId: 4501\n",
            "a.yaml": "metadata: {name: llm}\nmanifest: {apiVersion: tekton.dev/v1, kind: "
            "TaskRun}\n",
            "b.yaml": "metadata: {name: two}\nmanifest: {apiVersion: tekton.dev/v1, kind: "
            "TaskRun}\n",
        },
    )
    assert told(loaded) == [
        (
            "_defaults.yaml:2:14-2:18 error wrong-type:"
            " 'projectId' must be a string, not the number 4501"
            ' | quote it: "4501"'
        )
    ]


def test_broken_defaults_do_not_blame_the_specs(tmp_path: Path) -> None:
    """What is missing because defaults could not be read is not reported in each spec."""
    loaded = load(
        tmp_path,
        {
            "_defaults.yaml": "metadata: {projectId: [}\n",
            "a.yaml": "metadata: {name: llm, prio: 1}\nmanifest: {apiVersion: "
            "tekton.dev/v1, kind: TaskRun}\n",
        },
    )
    assert [one.code for one in loaded.diagnostics] == ["yaml-syntax", "unknown-field"]
    assert loaded.desired == ()


def test_standard_input(tmp_path: Path) -> None:
    """`-` alone takes defaults and aliases of the root, but none of its specs."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "_defaults.yaml": "metadata: {project: team-a}\n",
            "a.yaml": "{",
            "team/_defaults.yaml": "{",
        },
        [Path("-")],
        b"metadata: {name: llm}\nmanifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n---\n[]\n",
    )
    assert told(loaded) == [
        (
            "<stdin>:4:1-4:3 error not-a-mapping:"
            " a spec must be a mapping with 'metadata' and a manifest"
        )
    ]
    assert display_name(loaded.diagnostics[0].where.file, loaded.prefix) == "<stdin>"
    assert [(one.address, one.source) for one in loaded.desired] == [(LLM, Where(file="<stdin>"))]


def test_a_folder_below_the_root_is_a_target(tmp_path: Path) -> None:
    """All of the root is read and checked; what has to do with the given paths is told apart."""
    files = {"a.yaml": spec("a"), "team/b.yaml": spec("b"), "team-b/c.yaml": spec("c")}
    whole = load(tmp_path, files)
    assert whole.targets == (".",)
    assert whole.narrow_to_targets() is whole
    narrow = load(tmp_path, {}, [tmp_path / "team", tmp_path / "a.yaml"])
    assert narrow.desired == whole.desired
    assert narrow.targets == ("team", "a.yaml")
    assert [one.address.name for one in narrow.narrow_to_targets().desired] == ["a", "b"]
    assert narrow.narrow_to_targets().sources == ("a.yaml", "team/b.yaml")


def test_paths_that_cannot_be_targets(tmp_path: Path) -> None:
    """A path that does not exist or lies outside the root is an error, not an empty set."""
    root = tmp_path / "root"
    loaded = load(root, {"a.yaml": SPEC}, [root / "gone", tmp_path, root / "_defaults.yaml"])
    assert told(loaded) == [
        (
            "..:1:1 error outside-root:"
            " '..' does not lie below the root"
            " | a run reads one root: the folder that holds reconciler.yaml"
        ),
        "_defaults.yaml:1:1 error no-such-path: '_defaults.yaml' does not exist",
        "gone:1:1 error no-such-path: 'gone' does not exist",
    ]


def test_a_file_named_outright_is_a_spec(tmp_path: Path) -> None:
    """Whoever names a file means it, whatever its name; what is something else stays it."""
    files = {
        "_draft.txt": SPEC,
        "_defaults.yaml": "metadata: {priority: low}\n",
        "reconciler.yaml": "policies: [p.json]\n",
        "p.json": "{}",
        ".reconcilerignore": "old/\n",
    }
    loaded = load(tmp_path, files, [tmp_path / name for name in files])
    assert told(loaded) == []
    assert loaded.sources == ("_draft.txt",)


def test_a_missing_root(tmp_path: Path) -> None:
    """A folder that does not exist is one finding."""
    from reconciler.specs.config import Config
    from reconciler.specs.loading import load_specs

    root = tmp_path / "gone"
    loaded = load_specs([root], root=root, config=Config())
    assert told(loaded) == [".:1:1 error no-such-path: the folder does not exist"]
    assert loaded.files == 0


@pytest.mark.parametrize(
    ("here", "shown"),
    [(".", "root/team/a.yaml"), ("root", "team/a.yaml"), ("root/team", "../team/a.yaml")],
)
def test_shown_paths_open_from_the_working_directory(
    here: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values name files from the root, the same on every machine; people see paths from here."""
    root = tmp_path / "root"
    (root / "team").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / here)
    loaded = load(root, {"team/a.yaml": SPEC})
    (one,) = loaded.desired
    assert one.source.file == "team/a.yaml"
    assert display_name(one.source.file, loaded.prefix) == shown
    assert Path(shown).is_file()


def test_shown_paths_from_elsewhere_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a working directory that has nothing to do with the root, the whole path is shown."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = load(tmp_path / "root", {"a.yaml": SPEC})
    assert display_name(loaded.desired[0].source.file, loaded.prefix) == f"{tmp_path}/root/a.yaml"


def test_parts_of_a_spec_can_be_located_later(tmp_path: Path) -> None:
    """What a server refuses is found in the file that wrote it, or at the nearest part above."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": CONFIG,
            "_defaults.yaml": "metadata: {priority: low}\n",
            "a.yaml": FROM_FILE,
            "manifests/job.yaml": JOB + "args:\n  - one\n  - two\n",
        },
    )
    places = {
        pointer: pointed_at(tmp_path, loaded.locate(LLM, pointer))
        for pointer in (
            "/metadata/name",
            "/metadata/priority",
            "/manifest/spec/parallelism",
            "/manifest/args/1",
            "/manifest/spec/none/at/all",
        )
    }
    assert places == {
        "/metadata/name": "llm",
        "/metadata/priority": "low",
        "/manifest/spec/parallelism": "2",
        "/manifest/args/1": "two",
        "/manifest/spec/none/at/all": "{parallelism: 2}",
    }
    assert loaded.locate(LLM, "/metadata/priority").file == "_defaults.yaml"


def test_a_part_of_a_changed_file_has_no_place(tmp_path: Path) -> None:
    """Nobody is shown a line that says something else by now; what was loaded stays."""
    file = tmp_path / "a.yaml"
    others = (
        *("", "{", "metadata: 1\nmanifest: {}\n", f"manifest: {MANIFEST}\n"),
        spec("llm", manifest="{apiVersion: v1, kind: Pod}"),
        SPEC.replace("llm,", "llm, category: Train,"),
    )
    for text in others:
        loaded = load(tmp_path, {"a.yaml": spec("llm")})
        file.write_text(text)
        with pytest.raises(KeyError):
            loaded.locate(LLM, "/manifest/kind")
        assert loaded.written_at(LLM, "/manifest/kind") is None
        assert loaded.desired == (desired(),)
    loaded = load(tmp_path, {"a.yaml": spec("llm")})
    file.write_text("# one more line\n" + spec("llm"))
    assert loaded.locate(LLM, "/metadata/name").line == 2


PROJECTS = st.sampled_from(
    ["project: team-a", "project: team-b, cluster: c", "project: team-c", 'projectId: "1"']
)
SPECS = st.lists(st.tuples(PROJECTS, st.sampled_from(["low", "urgent", "9"])), max_size=4)
PROBLEM = NameProblem(code=UNKNOWN, message="no such project", hint="")
RESOLUTIONS = st.builds(
    Resolution,
    ids=st.dictionaries(
        st.sampled_from(["team-a", "team-b@c", "team-c"]), st.sampled_from(["1", "2"])
    ),
    problems=st.dictionaries(st.just("team-c"), st.just(PROBLEM)),
    renamed=st.dictionaries(st.just("team-a"), st.just("team-z")),
)


@given(specs=SPECS, resolution=RESOLUTIONS, policy=st.booleans())
def test_names_that_are_resolved_later_are_as_if_they_were_known(
    specs: list[tuple[str, str]], resolution: Resolution, policy: bool
) -> None:
    """Specs, findings and clashes are those of a reading that knew what each name means."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        files = {
            f"{number}.yaml": (
                f"metadata: {{name: w{number % 3}, priority: {priority}, {project}}}\n"
                f"manifest: {MANIFEST}\n"
            )
            for number, (project, priority) in enumerate(specs)
        }
        if policy:
            files["reconciler.yaml"] = "policies: [p/*.json]\n"
            files["p/a.json"] = '{"properties": {"metadata": {"required": ["category"]}}}'
        before = load(root, files)
        config = load_config(config_file(root), root=root)
        known = load_specs([root], root=root, config=replace(config, resolution=resolution))
        assert before.resolved(resolution, Deadline.after(600)) == known


def test_a_file_that_changes_while_names_are_resolved_ends_the_run(tmp_path: Path) -> None:
    """What was read and what is judged have to be one text."""
    text = f"metadata: {{name: a, project: team-a, priority: urgent}}\nmanifest: {MANIFEST}\n"
    for other in (text.replace("TaskRun", "PipelineRun"), text.replace("urgent", "high")):
        loaded = load(tmp_path, {"a.yaml": text})
        (tmp_path / "a.yaml").write_text(other)
        with pytest.raises(
            InvalidInputError, match=r"a\.yaml was changed while the specs were checked"
        ):
            loaded.resolved(Resolution(ids={"team-a": "1"}), Deadline.after(600))
    (tmp_path / "a.yaml").write_text("a: 1")
    [finding] = loaded.resolved(Resolution(ids={"team-a": "1"}), Deadline.after(600)).diagnostics
    assert (finding.code, str(finding.where)) == ("not-a-spec", "a.yaml:1:1")


def test_a_validation_tells_what_standard_input_refers_to(tmp_path: Path) -> None:
    """A manifest that only standard input names is read with it, as for a plan."""
    text = b'metadata: {name: llm, projectId: "1"}\nmanifestFile: m/job.yaml\n'
    loaded = load(tmp_path, {"m/job.yaml": "kind: {"}, [Path("-")], text)
    checked = validate_specs([Path("-")], root=tmp_path, config=Config(), stdin=BytesIO(text))
    assert loaded.diagnostics == checked.diagnostics
    assert [one.where.file for one in checked.diagnostics] == ["m/job.yaml"]


def test_the_order_of_files_and_paths_is_nothing(tmp_path: Path) -> None:
    """The same specs in other files, folders and orders declare the same workloads."""
    one = load(tmp_path / "one", {"a.yaml": spec("a") + "---\n" + spec("b"), "c.yaml": spec("c")})
    two = load(tmp_path / "two", {"c/x.yaml": spec("a"), "b.yaml": spec("c"), "a.yaml": spec("b")})
    assert [(d.address, d.spec) for d in one.desired] == [(d.address, d.spec) for d in two.desired]


def test_file_names_that_are_not_text(tmp_path: Path) -> None:
    """A name that is no UTF-8 is shown with replacement characters, and its file is read."""
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text(SPEC)
    loaded = load(tmp_path, {})
    assert [one.source.file for one in loaded.desired] == ["\ufffd.yaml"]


def test_findings_have_pointer_and_address(tmp_path: Path) -> None:
    """A finding names the workload and the place in its effective document."""
    loaded = load(
        tmp_path, {"a.yaml": SPEC + "lifecycle: {ignoreChanges: [spec, /manifest/kind]}\n"}
    )
    (one,) = loaded.diagnostics
    assert (one.severity, one.code, one.pointer, one.address) == (
        Severity.ERROR,
        "invalid-value",
        "/lifecycle/ignoreChanges/0",
        "4501/llm",
    )
    assert pointed_at(tmp_path, one.where) == "spec"


def test_rules_in_defaults_need_not_be_of_use_to_every_spec(tmp_path: Path) -> None:
    """A folder's replicas may be left to an autoscaler, and one of its specs be a job."""
    rule = "lifecycle: {ignoreChanges: [/manifest/spec/replicas]}\n"
    inherited = load(tmp_path / "one", {"_defaults.yaml": rule, "a.yaml": SPEC})
    own = load(tmp_path / "two", {"a.yaml": SPEC + rule})
    assert (told(inherited), len(own.diagnostics)) == ([], 1)


@pytest.mark.parametrize("field", ["ttl", "maxRuntime"])
def test_a_duration_without_a_unit_gets_one(tmp_path: Path, field: str) -> None:
    """Quotes alone would only lead to the next error."""
    job = "manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {}}}}\n"
    text = f'metadata: {{name: a, projectId: "4501"}}\nlifecycle: {{{field}: 24}}\n{job}'
    loaded = load(tmp_path, {"a.yaml": text})
    assert "write a number with a unit: 24h" in [d.hint for d in loaded.diagnostics]

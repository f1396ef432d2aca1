from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.specs.compose.rendering import render_documents
from reconciler.specs.discovery.changes import changed_files
from reconciler.specs.loaded import Loaded
from tests.support.specs import load, pointed_at, spec, told, write

CONFIG = 'include: [../base]\nprojects: {ml: "45"}\n'
CHAT = """metadata: {name: chat, project: ml}
manifest:
  apiVersion: apps/v1
  kind: Deployment
  spec:
    selector: {matchLabels: {app: chat}}
    template:
      metadata: {labels: {app: chat}}
      spec: {containers: [{name: main, image: "r.example.com/chat:1", args: [a, b]}]}
"""
BASE = {"../base/serving/chat.yaml": CHAT, "reconciler.yaml": CONFIG}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder `dev` of a git checkout."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


def metadata(loaded: Loaded) -> list[dict[str, Any]]:
    """The metadata of all specs, once nothing is wrong with them."""
    assert told(loaded) == []
    return [document["metadata"] for document in render_documents(loaded.desired)]


def test_an_included_spec_stands_in_the_root(root: Path) -> None:
    """It has the projects of the root that includes it, and is named by the file that it is in."""
    loaded = load(root, {**BASE, "own.yaml": spec("own", "45")})
    assert metadata(loaded) == [
        {"name": "chat", "projectId": "45"},
        {"name": "own", "projectId": "45"},
    ]
    assert loaded.sources == ("../base/serving/chat.yaml", "own.yaml")


def test_defaults_of_the_root_lie_over_those_that_are_included(root: Path) -> None:
    """A nearer folder decides, and of two at one level that of the root."""
    defaults = {
        "../base/_defaults.yaml": "metadata: {priority: low, category: Train}\n",
        "../base/serving/_defaults.yaml": "lifecycle: {wave: 1, protect: true}\n",
        "_defaults.yaml": "metadata: {priority: high}\nlifecycle: {wave: 2}\n",
        "serving/_defaults.yaml": "lifecycle: {protect: false}\n",
    }
    loaded = load(root, {**BASE, **defaults, "own.yaml": spec("own", "45")})
    assert metadata(loaded) == [
        {"priority": "high", "category": "Train", "name": "chat", "projectId": "45"},
        {"priority": "high", "name": "own", "projectId": "45"},
    ]
    chat, own = (one.lifecycle for one in loaded.desired)
    assert (chat.wave, chat.protect, own.wave, own.protect) == (1, False, 2, False)


def test_the_root_leaves_out_what_it_does_not_want(root: Path) -> None:
    """Its .reconcilerignore holds for the included folder as if it stood there."""
    files = {**BASE, "../base/other.yaml": CHAT.replace("chat", "other")}
    loaded = load(root, {**files, ".reconcilerignore": "/serving/\n"})
    assert metadata(loaded) == [{"name": "other", "projectId": "45"}]


def test_patches_of_included_folders_come_first(root: Path) -> None:
    """The root has the last word, with a warning where it takes another one's."""
    patches = {
        "../base/_patches.yaml": "match: {name: chat}\npatch: {metadata: {priority: low}}\n",
        "_patches.yaml": "match: {kind: Deployment}\npatch: {metadata: {priority: high}}\n",
    }
    loaded = load(root, {**BASE, **patches})
    assert [one.metadata["priority"] for one in loaded.desired] == ["high"]
    assert told(loaded) == [
        (
            "_patches.yaml:2:30-2:34 warning patch-overlap: the patch at "
            "../base/_patches.yaml:2:30 writes '/metadata/priority' as well; this one decides"
            " | write it once, or narrow 'match' of one of them"
        )
    ]


@pytest.mark.parametrize(
    ("match", "is_meant"),
    [
        ("{name: 'ch*'}", True),
        ("{name: chat-*}", False),
        ("{project: ml}", True),
        ("{project: '45'}", True),
        ("{project: other}", False),
        ("{kind: Deployment, name: chat}", True),
        ("{kind: Job, name: chat}", False),
    ],
)
def test_all_that_a_match_says_has_to_fit(root: Path, match: str, is_meant: bool) -> None:
    """The name by a glob, the project by alias or id, the kind as it is; else it is unused."""
    text = f"match: {match}\npatch: {{metadata: {{priority: high}}}}\n"
    loaded = load(root, {**BASE, "_patches.yaml": text})
    assert [one.metadata.get("priority") for one in loaded.desired] == [
        "high" if is_meant else None
    ]
    unused = [one.code for one in loaded.diagnostics]
    assert unused == ([] if is_meant else ["unused-patch"])


@pytest.mark.parametrize(
    ("patch", "file", "marked"),
    [
        ("patch: {manifest: {spec: {replicas: -1}}}", "_patches.yaml", "-1"),
        ("patch: {manifest: {spec: {selector: null}}}", "_patches.yaml", "selector"),
        ("patch: {manifest: {spec: {replica: 1}}}", "_patches.yaml", "replica"),
        ("patch: {manifest: {spec: {replicas: 1}}}", "../base/serving/chat.yaml", "Main"),
        (
            "set: {/manifest/spec/template/spec/containers/0/image: ''}",
            "_patches.yaml",
            "/manifest/spec/template/spec/containers/0/image",
        ),
        (
            "remove: [/manifest/spec/template/spec/containers/0/image]",
            "_patches.yaml",
            "/manifest/spec/template/spec/containers/0/image",
        ),
    ],
)
def test_a_finding_points_at_what_was_written(
    root: Path, patch: str, file: str, marked: str
) -> None:
    """Into the patch for what it wrote or took away, into the base for everything else."""
    base = CHAT.replace("name: main", "name: Main") if marked == "Main" else CHAT
    files = {**BASE, "../base/serving/chat.yaml": base}
    loaded = load(root, {**files, "_patches.yaml": f"match: {{name: chat}}\n{patch}\n"})
    (finding,) = loaded.diagnostics
    assert (finding.where.file, pointed_at(root, finding.where)) == (file, marked)
    assert finding.address == "45/chat"


def test_a_patch_reaches_into_a_manifest_in_base64(root: Path) -> None:
    """It is sent in base64 again, with the change in it."""
    import base64

    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: '1'}\n"
    data = base64.b64encode(manifest.encode()).decode()
    text = f"metadata: {{name: m, projectId: '45'}}\nmanifestBase64Encoded: {data}\n"
    patch = "match: {name: m}\npatch: {manifest: {data: {a: '2'}}}\n"
    loaded = load(root, {"m.yaml": text, "_patches.yaml": patch})
    (desired,) = loaded.desired
    assert (desired.encoded, desired.manifest["data"]) == (True, {"a": "2"})


def test_integers_of_a_patch_are_those_of_its_manifest(root: Path) -> None:
    """A number with a leading zero is octal in a manifest, also where a patch writes it."""
    patch = (
        "match: {name: chat}\n"
        "patch: {manifest: {spec: {minReadySeconds: 010}}}\n"
        "set: {/manifest/spec/revisionHistoryLimit: 011}\n"
    )
    loaded = load(root, {**BASE, "_patches.yaml": patch})
    (desired,) = loaded.desired
    written = desired.manifest["spec"]
    assert (written["minReadySeconds"], written["revisionHistoryLimit"]) == (8, 9)
    assert told(loaded) == []


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("sub", "'sub' lies in this root, which reads it anyway"),
        ("..", "'..' holds this root"),
        ("../gone", "'../gone' does not exist"),
        ("../file", "'../file' is not a folder"),
        ("../..", "'../..' does not lie inside the repository"),
        ("../base/serving", "'../base/serving' is included already, with '../base'"),
    ],
)
def test_what_cannot_be_included_is_said_where_it_is_written(
    root: Path, include: str, said: str
) -> None:
    """Nothing is read twice, and nothing from outside of the checkout."""
    config = f"include: [../base, {include}]\nprojects: {{ml: '45'}}\n"
    files = {**BASE, "reconciler.yaml": config, "../file": "", "sub/own.yaml": spec("own")}
    (finding,) = load(root, files).diagnostics
    assert (finding.code, finding.message) == ("bad-include", said)
    assert pointed_at(root, finding.where) == include


def test_an_include_needs_a_checkout(tmp_path: Path) -> None:
    """Without one, the root is all that may be read, and the way out is said."""
    (tmp_path / "dev").mkdir()
    (finding,) = load(tmp_path / "dev", BASE).diagnostics
    assert (
        finding.hint == "folders are included within one git checkout, and here is none: git init"
    )


def test_what_an_included_folder_says_of_itself_is_not_followed(root: Path) -> None:
    """Its configuration is another root's, and a warning says that it is not read."""
    loaded = load(root, {**BASE, "../base/reconciler.yaml": "stack: base\n"})
    assert told(loaded) == [
        (
            "../base/reconciler.yaml:1:1 warning nested-config: the configuration of an included "
            "folder is not read: its specs belong to this root | run in its folder to use it"
        )
    ]


def test_standard_input_is_patched_as_files_are(root: Path) -> None:
    """What another tool renders gets the root's patches, and none of them has to match it."""
    patches = "match: {name: chat}\npatch: {metadata: {priority: high}}\n"
    unmet = "---\nmatch: {name: other}\npatch: {metadata: {priority: low}}\n"
    files = {"reconciler.yaml": 'projects: {ml: "45"}\n', "_patches.yaml": patches + unmet}
    loaded = load(root, files, [Path("-")], CHAT.encode())
    assert metadata(loaded) == [{"name": "chat", "projectId": "45", "priority": "high"}]


def test_changes_in_included_folders_are_changes(tmp_path: Path) -> None:
    """Also a file that git does not know yet, and a patch, which may be for any spec."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "dev").mkdir()
    write(tmp_path / "dev", {**BASE, "_patches.yaml": ""})
    git("add", ".")
    git("commit", "-m", "a")
    write(tmp_path, {"base/new.yaml": CHAT, "dev/_patches.yaml": "# changed\n"})
    changed = changed_files(tmp_path / "dev", "HEAD", included=("../base",))
    assert changed == {"../base/new.yaml", "_patches.yaml"}

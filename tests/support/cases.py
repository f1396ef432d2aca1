"""Repositories for the codes about files, notations and the shape of specs."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.specs import SPEC, Case, encoded, spec

_TASK = (
    'metadata: {name: task, projectId: "1"}\nmanifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n'
)

NESTED = "a: " + "[" * 101 + "]" * 101
CONFIG = 'projects: {team-a: "4501"}\n'


def deep_folders(root: Path) -> None:
    """Make a path that is longer than the operating system takes in one piece."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def many_links(root: Path) -> None:
    """Let every folder hold two ways into the next, so that paths double at each."""
    for level in range(12):
        (root / f"f{level}").mkdir()
        for way in ("a", "b"):
            if level:
                (root / f"f{level - 1}" / way).symlink_to(root / f"f{level}")


CASES = {
    "no-such-path": Case(
        files={"a.yaml": 'metadata: {name: llm, projectId: "1"}\nmanifestFile: gone.yaml\n'},
        said=("a.yaml:2:15-2:24 error no-such-path: 'gone.yaml' does not exist",),
    ),
    "unreadable": Case(
        arrange=deep_folders,
        arranged="Folders inside folders, deeper than the operating system takes in one path.",
        said=(
            "/".join(["d" * 250] * 17)
            + ":1:1 error unreadable: the folder cannot be read: File name too long",
        ),
    ),
    "not-a-file": Case(
        arrange=lambda root: os.mkfifo(root / "a.yaml"),
        arranged="`a.yaml` is a named pipe.",
        said=("a.yaml:1:1 error not-a-file: the file is a pipe, not a regular file",),
    ),
    "broken-symlink": Case(
        arrange=lambda root: (root / "team-a").symlink_to("gone"),
        arranged="`team-a` is a symbolic link to `gone`.",
        said=(
            (
                "team-a:1:1 error broken-symlink:"
                " the symbolic link leads nowhere"
                " | remove it, or list it in .reconcilerignore"
            ),
        ),
    ),
    "symlink-loop": Case(
        files={"a.yaml": SPEC},
        arrange=lambda root: (root / "up").symlink_to("."),
        arranged="`up` is a symbolic link to `.`.",
        said=(
            (
                "up:1:1 error symlink-loop:"
                " the symbolic link leads back to a folder that it lies in"
                " | remove it, or list it in .reconcilerignore"
            ),
        ),
    ),
    "too-many-links": Case(
        arrange=many_links,
        arranged="Twelve folders, each with two symbolic links to the next.",
        said=(
            "f3/a/a/a/a/a/a/a/a:1:1 error too-many-links: more than 1000 symbolic links to folders",
        ),
    ),
    "outside-root": Case(
        files={"a.yaml": 'metadata: {name: llm, projectId: "1"}\nmanifestFile: /etc/hosts\n'},
        said=(
            (
                "a.yaml:2:15-2:25 error outside-root:"
                " '/etc/hosts' does not lie inside the repository"
                " | give a path relative to this file that stays inside the repository"
            ),
        ),
    ),
    "too-large": Case(
        arrange=lambda root: os.truncate(_touch(root / "a.yaml"), 16 * 1024 * 1024 + 1),
        arranged="`a.yaml` is larger than 16 MiB.",
        said=(
            (
                "a.yaml:1:1 error too-large:"
                " the file is larger than 16 MiB"
                " | split it, or list it in .reconcilerignore"
            ),
        ),
    ),
    "bad-ignore-file": Case(
        files={".reconcilerignore": "old/\n!\n"},
        said=(
            (".reconcilerignore:2:1-2:2 error bad-ignore-file: '!' is not a pattern: it is empty"),
        ),
    ),
    "misnamed-spec": Case(
        files={"a.YAML": SPEC},
        said=(
            (
                "a.YAML:1:1 error misnamed-spec:"
                " 'a.YAML' is not read: specs end in .yaml, .yml or .json"
                " | name it a.yaml, or list it in .reconcilerignore"
            ),
        ),
    ),
    "empty-submodule": Case(
        files={".gitmodules": '[submodule "team-a"]\n\tpath = team-a\n'},
        arrange=lambda root: (root / "team-a").mkdir(),
        arranged="`team-a` is an empty folder, as a clone leaves it.",
        said=(
            (
                "team-a:1:1 error empty-submodule:"
                " the git submodule is not checked out: its specs would look removed"
                " | git submodule update --init, or list the folder in .reconcilerignore"
            ),
        ),
    ),
    "unrendered-template": Case(
        files={
            "a.yaml": spec(
                manifest="{apiVersion: tekton.dev/v1, kind: TaskRun,"
                " spec: {image: 'app:{{ .tag }}'}}"
            )
        },
        said=(
            (
                "a.yaml:2:68-2:84 error unrendered-template:"
                " the image 'app:{{ .tag }}' holds a template that is not rendered"
                " | render the file first, and validate the result"
            ),
        ),
    ),
    "misnamed-defaults": Case(
        files={"_defaults.yml": SPEC},
        said=(
            (
                "_defaults.yml:1:1 warning misnamed-defaults:"
                " '_defaults.yml' is not read"
                " | name it _defaults.yaml"
            ),
        ),
    ),
    "no-configuration": Case(
        files={
            **{f"app/{number}.json": "{}" for number in range(60)},
            "workloads/reconciler.yaml": "stack: a\n",
        },
        said=(
            (
                ".:1:1 error no-configuration:"
                " no reconciler.yaml here or above, and more than 50 files that are no specs"
                " | did you mean workloads/?"
            ),
        ),
    ),
    "misplaced-patches": Case(
        files={"team-a/_patches.yaml": "match: {name: llm}\n"},
        said=(
            (
                "team-a/_patches.yaml:1:1 error misplaced-patches:"
                " '_patches.yaml' is not read"
                " | move its documents to the _patches.yaml beside reconciler.yaml"
            ),
        ),
    ),
    "bad-include": Case(
        files={"reconciler.yaml": "include: [team-a]\n", "team-a/a.yaml": SPEC},
        said=(
            (
                "reconciler.yaml:1:11-1:17 error bad-include:"
                " 'team-a' lies in this root, which reads it anyway"
            ),
        ),
    ),
    "unused-patch": Case(
        files={
            "a.yaml": SPEC,
            "_patches.yaml": "match: {name: lmm}\npatch: {metadata: {priority: high}}\n",
        },
        said=(
            (
                "_patches.yaml:1:8-1:19 warning unused-patch: the patch matches no spec"
                " | correct 'match', or remove the patch"
            ),
        ),
    ),
    "patch-overlap": Case(
        files={
            "a.yaml": SPEC,
            "_patches.yaml": (
                "match: {name: '*'}\npatch: {metadata: {priority: low}}\n---\n"
                "match: {name: llm}\nset: {/metadata/priority: high}\n"
            ),
        },
        said=(
            (
                "_patches.yaml:5:27-5:31 warning patch-overlap:"
                " the patch at _patches.yaml:2:30 writes '/metadata/priority' as well;"
                " this one decides"
                " | write it once, or narrow 'match' of one of them"
            ),
        ),
    ),
    "patch-misses": Case(
        files={
            "a.yaml": SPEC,
            "_patches.yaml": "match: {name: llm}\nremove: [/manifest/spec/replicas]\n",
        },
        said=(
            (
                "_patches.yaml:2:10-2:33 error patch-misses:"
                " the pointer leads nowhere in 'llm': there is no 'spec'"
                " | correct the pointer, or narrow 'match'"
            ),
        ),
    ),
    "nested-config": Case(
        files={"team-a/reconciler.yaml": CONFIG},
        said=(
            (
                "team-a/reconciler.yaml:1:1 warning nested-config:"
                " the configuration below the root is not read: its specs belong to this root"
                " | run in its folder to use it"
            ),
        ),
    ),
    "not-text": Case(
        files={
            "a.yaml": SPEC.encode("utf-16"),
            "b.yaml": b"a: 1\nb: \xff\n",
            "c.yaml": b"a: 1\nb: \0\n",
        },
        said=(
            "a.yaml:1:1 error not-text: the file is UTF-16 text | save it as UTF-8",
            "b.yaml:2:4-2:4 error not-text: the file is not UTF-8 text | save it as UTF-8",
            "c.yaml:2:4-2:4 error not-text: the file holds a NUL character | save it as UTF-8",
        ),
    ),
    "control-character": Case(
        files={"a.yaml": "a: \x07\n"},
        said=(
            (
                "a.yaml:1:4-1:5 error control-character:"
                " the control character U+0007 cannot stand in YAML as it is"
                " | remove it, or write it as an escape inside double quotes"
            ),
        ),
    ),
    "lone-surrogate": Case(
        files={"a.yaml": 'a: "\\ud800"\n', "b.json": '"\\ud800"'},
        said=(
            (
                "a.yaml:1:7-1:8 error lone-surrogate:"
                " this escape is not a Unicode character"
                " | write the character itself"
            ),
            "b.json:1:1-1:9 error lone-surrogate: half of a surrogate pair is not text",
            (
                "b.json:1:1-1:9 error not-a-mapping:"
                " a spec must be a mapping with 'metadata' and a manifest"
            ),
        ),
    ),
    "yaml-syntax": Case(
        files={"a.yaml": "a: b: c\n", "b.yaml": "a:\n\tb: 1\n"},
        said=(
            (
                "a.yaml:1:5-1:6 error yaml-syntax:"
                " not YAML: mapping values are not allowed in this context"
                " | quote a value that holds ': ', and check the indentation"
            ),
            (
                "b.yaml:2:1-2:1 error yaml-syntax:"
                " a tab cannot indent or separate values in YAML"
                " | use spaces"
            ),
        ),
    ),
    "json-syntax": Case(
        files={"a.json": '{"a": 1,}'},
        said=("a.json:1:9-1:10 error json-syntax: not JSON: expected a key in double quotes",),
    ),
    "duplicate-key": Case(
        files={"a.yaml": SPEC + "lifecycle: {wave: 1}\nlifecycle: {wave: 2}\n"},
        said=(
            (
                "a.yaml:4:1-4:10 error duplicate-key:"
                " the key 'lifecycle' is already given in line 3, column 1"
                " | keep one of them"
            ),
        ),
    ),
    "non-string-key": Case(
        files={
            "a.yaml": spec(
                manifest="{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, data: {80: http}}"
            )
        },
        said=(
            'a.yaml:2:68-2:70 error non-string-key: the key 80 is not a string | quote it: "80"',
        ),
    ),
    "unsupported-tag": Case(
        files={
            "a.yaml": spec(
                manifest="{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, data: !!binary aGk=}"
            )
        },
        said=(
            (
                "a.yaml:2:67-2:80 error unsupported-tag:"
                " the tag !!binary has no meaning here: a spec holds JSON values"
                " | remove the tag"
            ),
        ),
    ),
    "unsupported-number": Case(
        files={
            "a.yaml": spec(
                manifest="{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, data: [.nan, 1e999]}"
            )
        },
        said=(
            (
                "a.yaml:2:68-2:72 error unsupported-number:"
                " .nan is not a number that JSON can hold"
                " | quote it if it is meant as text"
            ),
            (
                "a.yaml:2:74-2:79 error unsupported-number:"
                " 1e999 is too large for a number"
                " | quote it if it is meant as text"
            ),
        ),
    ),
    "unknown-alias": Case(
        files={"a.yaml": spec(manifest="{apiVersion: tekton.dev/v1, kind: TaskRun, data: *gone}")},
        said=("a.yaml:2:60-2:65 error unknown-alias: the alias *gone has no anchor before it",),
    ),
    "bad-merge": Case(
        files={"a.yaml": spec(manifest="{apiVersion: tekton.dev/v1, kind: TaskRun, <<: 1}")},
        said=("a.yaml:2:58-2:59 error bad-merge: '<<' merges mappings only",),
    ),
    "too-deep": Case(
        files={"a.yaml": NESTED},
        said=("a.yaml:1:103-1:104 error too-deep: nested more than 100 levels deep",),
    ),
    "too-big": Case(
        files={"a.yaml": "a: [" + "1, " * 100_000 + "]\n"},
        said=(
            (
                "a.yaml:1:299996-1:299997 error too-big:"
                " the document has more than 100,000 values, aliases expanded"
                " | split the file, or use fewer aliases"
            ),
        ),
    ),
    "too-many-documents": Case(
        files={"a.yaml": "---\n" * 10_001},
        said=(
            (
                "a.yaml:10002:1-10002:1 error too-many-documents:"
                " the file has more than 10,000 documents"
                " | split the file"
            ),
        ),
    ),
    "too-many-findings": Case(
        # Aliases, so that all but one of the findings point at the same place.
        files={"a.yaml": SPEC + "lifecycle: {ignoreChanges: [&a 1" + ", *a" * 1000 + "]}\n"},
        said=(
            (
                "a.yaml:1:1-3:4035 error too-many-findings:"
                " more than 1,000 diagnostics; the check stopped here"
                " | check that this is the right file"
            ),
            (
                "a.yaml:3:32-3:33 error wrong-type:"
                " this must be a string, not the number 1"
                ' | quote it: "1"'
            ),
        ),
    ),
    "ambiguous-yaml": Case(
        files={
            "a.yaml": spec(manifest="{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, at: 1:30}")
        },
        said=(
            (
                "a.yaml:2:65-2:69 warning ambiguous-yaml:"
                " 1:30 is the text '1:30' in YAML 1.2, but the number 90 in YAML 1.1"
                " | quote it, or write it in a form that both versions read alike"
            ),
        ),
    ),
    "empty-file": Case(
        files={"a.yaml": "# nothing but this\n"},
        said=(
            (
                "a.yaml:1:1-1:1 error empty-file:"
                " the file holds no document"
                " | delete it if it is no longer wanted: an empty file may have been cut off"
            ),
        ),
    ),
    "empty-document": Case(
        files={"a.yaml": SPEC + "---\n"},
        said=("a.yaml:4:1-4:1 warning empty-document: this document is empty",),
    ),
    "many-documents": Case(
        files={"_defaults.yaml": "metadata: {}\n---\nmetadata: {}\n"},
        said=(
            "_defaults.yaml:3:1-3:13 error many-documents: a file of defaults must be one document",
        ),
    ),
    "not-a-mapping": Case(
        files={"a.yaml": "- 1\n- 2\n"},
        said=(
            (
                "a.yaml:1:1-2:4 error not-a-mapping:"
                " a spec must be a mapping with 'metadata' and a manifest"
            ),
        ),
    ),
    "not-a-spec": Case(
        files={"a.yaml": "apiVersion: v1\nkind: Pod\n"},
        said=(
            (
                "a.yaml:1:1-2:10 error not-a-spec:"
                " this is a Kubernetes manifest (Pod), not a spec"
                " | put it under 'manifest:' of a spec, or list the file in .reconcilerignore"
            ),
        ),
    ),
    "unknown-field": Case(
        files={"a.yaml": SPEC + "lifecycel: {}\n"},
        said=(
            (
                "a.yaml:3:1-3:10 error unknown-field:"
                " unknown field 'lifecycel'"
                " | did you mean 'lifecycle'?"
            ),
        ),
    ),
    "missing-field": Case(
        files={"a.yaml": 'metadata: {projectId: "1"}\nmanifest: {kind: Pod}\n'},
        said=(
            "a.yaml:1:1-1:9 error missing-field: the field 'name' is missing in 'metadata'",
            "a.yaml:2:1-2:9 error missing-field: the field 'apiVersion' is missing in 'manifest'",
        ),
    ),
    "wrong-type": Case(
        files={"a.yaml": SPEC + "lifecycle: {protect: yes}\n"},
        said=(
            (
                "a.yaml:3:22-3:25 error wrong-type:"
                " 'protect' must be true or false, not the string 'yes'"
                " | write true"
            ),
        ),
    ),
    "invalid-value": Case(
        files={"a.yaml": SPEC + "lifecycle: {onRemove: forgt}\n"},
        said=(
            (
                "a.yaml:3:23-3:28 error invalid-value:"
                " 'forgt' is not allowed as 'onRemove'"
                " | did you mean 'forget'?; allowed: delete, forget"
            ),
        ),
    ),
    "policy": Case(
        files={
            "reconciler.yaml": "policies: [policies/*.json]\n",
            "policies/owner.json": '{"title": "owner", "properties": {"lifecycle": {"required":'
            ' ["wave"]}}, "required": ["lifecycle"], "x-severity": "warning"}',
            "a.yaml": SPEC + "lifecycle: {protect: true}\n",
            "b.yaml": spec("other"),
        },
        said=(
            (
                "a.yaml:3:1-3:10 warning policy:"
                " the field 'wave' is missing in 'lifecycle' (policy owner)"
            ),
            "b.yaml:1:1-1:9 warning policy: the field 'lifecycle' is missing (policy owner)",
        ),
    ),
    "bad-policy": Case(
        files={
            "reconciler.yaml": "policies: [gone.json, bad.json, far.json]\n",
            "bad.json": '{"type": "tuple"}',
            "far.json": '{"$ref": "https://example.com/schema.json"}',
        },
        said=(
            (
                "bad.json:1:1 error bad-policy:"
                " not a JSON Schema: 'tuple' is not valid under any of the given schemas"
            ),
            (
                "far.json:1:1 error bad-policy:"
                " not a JSON Schema: the reference https://example.com/schema.json leads out of"
                " the file, and none is fetched"
            ),
            (
                "reconciler.yaml:1:11-1:42 error bad-policy:"
                " no policy matches 'gone.json'"
                " | patterns are relative to the folder of reconciler.yaml"
            ),
        ),
    ),
    "bad-schema": Case(
        files={
            "reconciler.yaml": "schemas: schemas\n",
            "schemas/spec.schema.json": '{"$ref": "#/$defs/Spec"}',
            "schemas/defaults.schema.json": "{}",
            "a.yaml": SPEC,
        },
        said=(
            (
                "schemas/spec.schema.json:1:1 error bad-schema:"
                " this cannot be used as a schema of specs: nothing is defined at '#/$defs/Spec'"
                " | write it with: reconciler schema import FILE --out DIR"
            ),
        ),
    ),
    "newer-version": Case(
        files={"reconciler.yaml": 'api_version: "9.1"\n', "a.yaml": SPEC},
        said=(
            (
                "reconciler.yaml:1:14-1:19 warning newer-version:"
                " version 9.1 of the API is newer than this program; it is treated as 3.0"
                " | look for a newer release of this program"
            ),
        ),
    ),
    "project-choice": Case(
        files={
            "reconciler.yaml": CONFIG,
            "a.yaml": 'metadata: {name: llm, project: team-a, projectId: "1"}\n'
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n",
        },
        said=(
            (
                "a.yaml:1:40-1:49 error project-choice:"
                " 'project' and 'projectId' exclude each other"
                " | keep one of 'projectId' or 'project'"
            ),
        ),
    ),
    "unknown-project": Case(
        files={
            "reconciler.yaml": CONFIG,
            "a.yaml": "metadata: {name: llm, project: Team-a}\n"
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n",
        },
        said=(
            (
                "a.yaml:1:32-1:38 error unknown-project:"
                " no project is called 'Team-a'; the aliases are team-a"
                " | did you mean 'team-a'?"
            ),
        ),
    ),
    "manifest-choice": Case(
        files={"a.yaml": SPEC + "manifestFile: b.yml\n"},
        said=(
            (
                "a.yaml:3:1-3:13 error manifest-choice:"
                " 'manifest' and 'manifestFile' exclude each other"
                " | keep one of 'manifest', 'manifestBase64Encoded' or 'manifestFile'"
            ),
        ),
    ),
    "empty-manifest": Case(
        files={"a.yaml": encoded(" \n")},
        said=("a.yaml:2:24-2:30 error empty-manifest: the manifest is empty",),
    ),
    "bad-base64": Case(
        files={"a.yaml": 'metadata: {name: llm, projectId: "1"}\nmanifestBase64Encoded: a b\n'},
        said=(
            (
                "a.yaml:2:24-2:27 error bad-base64:"
                " this is not strict base64"
                " | encode without line breaks: base64 -w0 FILE"
            ),
        ),
    ),
    "encoded-too-long": Case(
        arrange=lambda root: (root / "a.yaml").write_text(
            encoded(f"{{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, x: {'x' * 1_572_600}}}")
        ),
        arranged="`a.yaml` holds a manifest of a million and a half characters, in base64.",
        said=(
            (
                "a.yaml:2:1-2:22 error encoded-too-long:"
                " in base64 the manifest has 2,097,536 characters, the server takes 2,097,152"
                " | write it as `manifest` or `manifestFile`, or move data out of it"
            ),
        ),
    ),
    "unusable-field": Case(
        files={
            "a.yaml": "metadata:\n  name: llm\n  projectId: '1'\n  useGivenNameAsPrefix: true\n"
            "  clusterId: 7d1c2b3a-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n"
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
        },
        said=(
            (
                "a.yaml:4:25-4:29 error unusable-field:"
                " the server would choose the name, so the workload could not be found by its own"
                " | remove it, or write false; names are unique in their project"
            ),
            (
                "a.yaml:5:3-5:12 error unusable-field:"
                " a workload on a cluster without a project has no address, <projectId>/<name>"
                " | remove it: the project decides about the cluster, and the server takes one of"
                " both"
            ),
        ),
    ),
    "bad-duration": Case(
        files={"a.yaml": f"{_TASK}lifecycle:\n  ttl: tomorrow\n  maxRuntime: 0s\n"},
        said=(
            (
                "a.yaml:4:8-4:16 error bad-duration:"
                " 'ttl': 'tomorrow' is not a duration such as 30s, 5m or 1h30m"
                " | write a number with a unit: 45m, 24h, 7d or 1h30m"
            ),
            (
                "a.yaml:5:15-5:17 error bad-duration: 'maxRuntime' must be longer than nothing"
                " | write a number with a unit: 45m, 24h, 7d or 1h30m"
            ),
        ),
    ),
    "lifecycle-conflict": Case(
        files={
            "_defaults.yaml": "lifecycle: {afterCompletion: keep}\n",
            "a.yaml": f"{_TASK}lifecycle: {{ttl: 24h}}\n",
        },
        said=(
            (
                "a.yaml:3:13-3:16 error lifecycle-conflict:"
                " 'ttl' deletes what has completed, and 'afterCompletion: keep' does not"
                " | remove one of the two; defaults may have given the other"
            ),
        ),
    ),
    "idle-lifecycle": Case(
        files={"a.yaml": f"{_TASK}lifecycle: {{protect: true, maxRuntime: 12h}}\n"},
        said=(
            (
                "a.yaml:3:28-3:38 warning idle-lifecycle:"
                " 'maxRuntime' has no effect: a protected workload is never deleted"
                " | remove it, or 'protect: true'"
            ),
        ),
    ),
    "unknown-priority": Case(
        files={
            "a.yaml": 'metadata: {name: llm, projectId: "1", priority: High}\n'
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
        },
        said=(
            (
                "a.yaml:1:49-1:53 warning unknown-priority:"
                " not every server has the priority 'High' | did you mean 'high'?"
            ),
        ),
    ),
    "unknown-category": Case(
        files={
            "a.yaml": 'metadata: {name: llm, projectId: "1", category: Research}\n'
            "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
        },
        said=(
            (
                "a.yaml:1:49-1:57 warning unknown-category:"
                " not every server has the category 'Research'"
                " | those that it has: Build, Train, Deploy"
            ),
        ),
    ),
    "reserved-annotation": Case(
        files={
            "a.yaml": spec(
                manifest="\n  apiVersion: tekton.dev/v1\n  kind: TaskRun\n"
                "  metadata: {annotations: {workload-reconciler/op: x}}"
            )
        },
        said=(
            (
                "a.yaml:5:28-5:50 error reserved-annotation:"
                " the annotation 'workload-reconciler/op' is written by the reconciler itself"
                " | remove it; a workload that exists already is taken over with `state adopt`"
            ),
        ),
    ),
    "duplicate-address": Case(
        files={"b.yaml": SPEC, "a.yaml": SPEC},
        said=(
            (
                "b.yaml:1:18-1:21 error duplicate-address:"
                " 4501/llm is already declared at a.yaml:1:18"
                " | remove one of them, or give it another name"
            ),
        ),
    ),
    "name-mismatch": Case(
        files={
            "a.yaml": spec(
                manifest="{apiVersion: tekton.dev/v1, kind: TaskRun, metadata: {name: other}}"
            )
        },
        said=(
            (
                "a.yaml:2:71-2:76 warning name-mismatch:"
                " the manifest is named 'other', the workload 'llm'"
                " | give both the same name"
            ),
        ),
    ),
    "unused-ignore": Case(
        files={
            "a.yaml": SPEC
            + "lifecycle:\n  ignoreChanges: [/manifest/kind, /metadata/*, /manifest/spce]\n"
        },
        said=(
            (
                "a.yaml:4:48-4:62 warning unused-ignore:"
                " the spec declares nothing at '/manifest/spce'"
                " | check the pointer; what is not declared is not compared, and needs no rule"
            ),
        ),
    ),
    "unknown-kind": Case(
        files={"a.yaml": spec(manifest="{apiVersion: ray.io/v1alpha1, kind: RayJob}")},
        said=(
            (
                "a.yaml:2:24-2:39 warning unknown-kind:"
                " ray.io/v1alpha1 RayJob is not among the kinds that the platform registers out"
                " of the box"
                " | the platform registers ray.io/v1 RayJob"
            ),
        ),
    ),
}


def _touch(path: Path) -> Path:
    path.touch()
    return path

"""Where people meet validation before a pull request: the pre-commit hook and their editor.

pre-commit itself installs the hook from a package registry, which no test may need; so the hook is
run as pre-commit runs it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from reconciler.resources import schema_text
from tests.cli.conftest import PROGRAM

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
HOOK: dict[str, Any] = yaml.safe_load(HOOKS.read_text("utf-8"))[0]

SPEC = """\
# yaml-language-server: $schema=../.schemas/spec.schema.json
# Fine-tunes the support model every quarter; ask #ml-platform before you change it.
metadata:
  name: llm-finetune
  project: research
  priority: high
  category: Train
manifest:
  apiVersion: kubeflow.org/v1
  kind: PyTorchJob
  metadata:
    name: llm-finetune
    labels: {example.com/team: research}
  spec:
    pytorchReplicaSpecs:
      Master:
        replicas: 1
        restartPolicy: OnFailure
        template:
          spec:
            containers:
              - name: pytorch
                image: registry.example.com/research/finetune:2026.11.2
                args: [--config=configs/llm-13b.yaml]
                resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
lifecycle:
  onChange: hold
  wave: 2
  ignoreChanges: ["/manifest/spec/pytorchReplicaSpecs/*/replicas"]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with its specs in a folder, beside YAML that is none of ours."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    folder = tmp_path / "workloads"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text('projects: {research: "4501"}\n')
    (folder / "finetune.yaml").write_text(SPEC)
    return tmp_path


def run_hook(
    checkout: Path, changed: Sequence[str], **settings: Any
) -> subprocess.CompletedProcess[str] | None:
    """Run the hook as pre-commit does: from the top, for the changed files that it asks for."""
    hook = HOOK | settings
    names = [name for name in changed if re.search(hook["files"], name)]
    if not names:
        return None
    program, *words = shlex.split(hook["entry"])
    assert program == PROGRAM.name
    command = [PROGRAM, *words, *hook.get("args", ())]
    command += names if hook["pass_filenames"] else []
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_the_hook() -> None:
    """It is one hook, which pre-commit installs like any Python program."""
    assert (HOOK["id"], HOOK["language"]) == ("reconciler-validate", "python")
    assert HOOK.keys() == {
        *("id", "name", "description", "entry", "language", "files", "pass_filenames"),
        "additional_dependencies",
    }


def test_the_hook_installs_what_is_pinned() -> None:
    """No version that is newer than those that were tried, and all but what shared states need."""
    runtime = (HOOKS.parent / "requirements" / "runtime.txt").read_text("utf-8")
    pins = re.findall(r"^(\S+==\S+(?: ; .*\S)?) \\$", runtime, re.MULTILINE)
    shared = [pin for pin in pins if pin.startswith(("psycopg", "obstore"))]
    assert len(shared) == 3
    assert HOOK["additional_dependencies"] == [pin for pin in pins if pin not in shared]


@pytest.mark.parametrize(
    "settings", [{"args": ["workloads"]}, {"pass_filenames": True, "files": "^workloads/"}]
)
def test_the_hook_lets_a_commit_pass_or_not(checkout: Path, settings: dict[str, Any]) -> None:
    """With the folder as argument, and as well where somebody wants file names to be passed."""
    changed = ["workloads/finetune.yaml", "workloads/reconciler.yaml"]
    good = run_hook(checkout, changed, **settings)
    assert good is not None
    assert (good.returncode, good.stderr) == (0, "")
    spec = checkout / "workloads" / "finetune.yaml"
    spec.write_text(SPEC.replace("priority", "priorty"))
    bad = run_hook(checkout, changed, **settings)
    assert bad is not None
    assert bad.returncode == 3
    assert bad.stdout.startswith("workloads/finetune.yaml:6:3: error: unknown field 'priorty'")


def test_a_mistake_between_two_files_stops_a_commit(checkout: Path) -> None:
    """Also where only one of them is part of it."""
    (checkout / "workloads" / "copy.yaml").write_text(SPEC)
    done = run_hook(checkout, ["workloads/finetune.yaml"], args=["workloads"])
    assert done is not None
    assert (done.returncode, "(duplicate-address)" in done.stdout) == (3, True)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("a.yaml", True),
        ("team/a.yml", True),
        ("a.json", True),
        ("team/.reconcilerignore", True),
        ("a.yaml.txt", False),
        ("README.md", False),
        ("xreconcilerignore", False),
    ],
)
def test_the_hook_waits_for_what_it_reads(name: str, asked: bool) -> None:
    """A commit of other files does not start it."""
    assert bool(re.search(HOOK["files"], name)) is asked


EXAMPLES = Path(__file__).parents[2] / "examples" / "workloads"


def test_an_editor_takes_specs_that_lean_on_defaults() -> None:
    """The schema of defaults asks for nothing: every example goes through it, and no typo does."""
    validator = jsonschema_rs.validator_for(json.loads(schema_text("defaults")))
    files = (path for path in EXAMPLES.rglob("*.yaml") if path.name != "reconciler.yaml")
    specs = [path for path in files if path.parent.name != "manifests"]
    documents = [one for path in specs for one in yaml.safe_load_all(path.read_text("utf-8"))]
    assert len(documents) >= 15
    assert [one for one in documents if not validator.is_valid(one)] == []
    assert not any(validator.is_valid(one | {"manifst": {}}) for one in documents)


def schema_for(spec: Path) -> Any:
    """Find a file's schema as a language server does: by its first comment, from where it lies."""
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", spec.read_text("utf-8"))
    assert found is not None
    return json.loads((spec.parent / found[1]).read_text("utf-8"))


def complaints(spec: Path, text: str) -> list[tuple[str, ...]]:
    """What another implementation of JSON Schema says of a text: the places, and their keywords."""
    validator = jsonschema_rs.validator_for(schema_for(spec))
    errors = validator.iter_errors(yaml.safe_load(text))
    return [(*map(str, error.instance_path), str(error.kind.name)) for error in errors]


@pytest.fixture
def spec(checkout: Path) -> Path:
    """A realistic file whose first line names the published schema."""
    (checkout / ".schemas").mkdir()
    (checkout / ".schemas" / "spec.schema.json").write_text(schema_text("spec"), "utf-8")
    return checkout / "workloads" / "finetune.yaml"


def test_an_editor_takes_a_good_spec(spec: Path) -> None:
    """The published schema stands alone: an independent validator needs nothing but its file."""
    assert complaints(spec, SPEC) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("priority: high", "priority: 3", ("metadata", "priority", "type")),
        ("priority: high", "priorty: high", ("metadata", "additionalProperties")),
        ("name: llm-finetune", "name: LLM", ("metadata", "name", "not")),
        ("onChange: hold", "onChange: wait", ("lifecycle", "onChange", "enum")),
        ("wave: 2", "wave: second", ("lifecycle", "wave", "type")),
        ("  kind: PyTorchJob\n", "", ("manifest", "required")),
        ("lifecycle:", "manifestFile: job.yaml\nlifecycle:", ("oneOf",)),
    ],
)
def test_an_editor_marks_a_mistake(
    spec: Path, before: str, after: str, complaint: tuple[str, ...]
) -> None:
    """At the place where it is, and the command line finds the same file wrong."""
    text = SPEC.replace(before, after, 1)
    assert complaint in complaints(spec, text)
    spec.write_text(text)
    done = subprocess.run([PROGRAM, "validate", "-q", spec], capture_output=True, check=False)
    assert done.returncode == 3

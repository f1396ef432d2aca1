"""The pieces of configuration on the page about validation do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.places import ROOT
from tests.support.specs import load, told, write

PAGE = (ROOT / "docs" / "validation.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
JOB = """\
metadata: {name: NAME, projectId: "4501"}
manifest:
  apiVersion: batch/v1
  kind: Job
  metadata: {name: NAME}
  spec:
    template:
      spec: {restartPolicy: Never, containers: [{name: main, image: "train:1"}]}
"""


def block(beginning: str) -> str:
    """The only block of the page that begins like this."""
    (found,) = [str(one) for one in BLOCKS if one.startswith(beginning)]
    return found


def repository() -> dict[str, str]:
    """A repository with everything in it that the page shows."""
    settings = 'projects: {team-a: "4501"}\npolicies: [policies/*.yaml]\n'
    unknown = JOB.replace("batch/v1", "example.com/v1").replace("kind: Job", "kind: TrainJob")
    return {
        "reconciler.yaml": settings + block("# reconciler.yaml") + block("suppressions:"),
        "policies/train.schema.yaml": block("# policies/train.schema.yaml"),
        "research/a.yaml": block("# reconciler:ignore") + unknown.replace("NAME", "a"),
        "vendored/b.yaml": JOB.replace("NAME", "b").replace(
            "  spec:", "  status: {ready: 1}\n  spec:", 1
        ),
    }


def test_what_the_page_suppresses(tmp_path: Path) -> None:
    """Its policy, its suppressions and its limits are right, and each suppresses something."""
    assert told(load(tmp_path, repository())) == []


def test_what_the_policy_says(tmp_path: Path) -> None:
    """One warning, and one error in its author's words; not for the paths that it leaves out."""
    write(tmp_path, repository())
    spec = JOB + "lifecycle: {onChange: replace}\n"
    files = {
        "research/c.yaml": spec.replace("NAME", "c"),
        "research/old/d.yaml": spec.replace("NAME", "d"),
    }
    loaded = load(tmp_path, files)
    assert [(one.where.file, one.where.line, one.severity) for one in loaded.diagnostics] == [
        ("research/c.yaml", 1, "warning"),
        ("research/c.yaml", 9, "error"),
    ]
    words = "a training job is never replaced without being asked for"
    assert loaded.diagnostics[1].message.startswith(words)
    assert {one.hint for one in loaded.diagnostics} == {"see https://example.com/rules"}


def test_what_the_limits_say(tmp_path: Path) -> None:
    """A project may have an alias, and asks for no more GPUs than it may."""
    write(tmp_path, repository())
    limits = "resources: {limits: {nvidia.com/gpu: 65}}"
    spec = JOB.replace("NAME", "e").replace('"train:1"', f'"train:1", {limits}')
    (found,) = load(tmp_path, {"e.yaml": spec}).diagnostics
    assert (found.code, found.message) == (
        "gpu-budget",
        # Beside it there is a workload whose steps are told elsewhere.
        "project 4501 asks for at least 65 GPUs; its limit is 64",
    )

"""What the tests of the pipelines share: the checkout, the programs, a job's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
STATE = ".reconciler/state.db"
SPEC = """\
metadata:
  name: {name}
  projectId: "{project}"
manifest:
  apiVersion: batch/v1
  kind: Job
  metadata: {{name: {name}}}
  spec:
    template:
      spec:
        restartPolicy: Never
        containers: [{{name: main, image: {image}}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A machine that begins empty, with the variables of its job."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command as a step of the job would."""
        return subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            check=False,
            cwd=self.folder,
            env={**job_environment(), **self.variables, **variables},
            text=True,
        )

    def write_spec(self, name: str, *, image: str = "busybox:1.37", project: str = "1") -> None:
        """Declare one workload."""
        text = SPEC.format(name=name, image=image, project=project)
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def job_environment() -> dict[str, str]:
    """The programs of this checkout, and nothing that says who we are."""
    return {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "STATE_LOCK_WAIT": "0",
        "STATE_PAUSE": "0",
    }

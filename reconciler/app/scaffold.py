"""What a new repository starts with: a configuration, one spec, a check in CI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler import __version__
from reconciler.errors import InvalidInputError

CONFIG = """\
# Settings of this repository of workloads. Flags and RECONCILER_* variables go before them.

# The control plane. Credentials are never written here: see RUNAI_CLIENT_ID and
# RUNAI_CLIENT_SECRET, RUNAI_TOKEN or --token-file.
# url: https://runai.example.com

# The owner's name. It is written into every workload, so keep it once workloads exist.
stack: {stack}

# Names for project ids, so that specs can say `project: team-a`.
projects:
  team-a: "1"

# Where the ids of created workloads are remembered. Keep this file between runs.
state: .reconciler/state.db

limits:
  # Deletes and replaces that one apply may do without being told so.
  max_delete: 30%
"""

SPEC = """\
# One workload: what is sent to create it, and how it is looked after.
metadata:
  name: hello
  project: team-a
manifest:
  apiVersion: batch/v1
  kind: Job
  metadata:
    name: hello
  spec:
    backoffLimit: 0
    template:
      spec:
        restartPolicy: Never
        containers:
          - name: hello
            image: busybox:1.37
            command: ["echo", "hello"]
"""

# Pinned by commit: a tag can be moved to other code.
WORKFLOW = """\
name: workloads
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  validate:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with:
          persist-credentials: false
      - uses: actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0
        with:
          python-version: "3.13"
      - run: pip install "workload-reconciler=={version}"
      - run: reconciler validate "{folder}"
"""

IGNORE = "# The state is not source code.\n*\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What was written, and what was there already and was left alone."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def scaffold(folder: Path) -> Scaffold:
    """Write the first files of a repository into a folder; nothing that exists is touched.

    Raises InvalidInputError when the folder cannot be written.
    """
    top = _repository_of(folder)
    inside = folder.resolve().relative_to(top).as_posix()
    stack = folder.resolve().name or "workloads"
    files = {
        folder / "reconciler.yaml": CONFIG.format(stack=_plain(stack)),
        folder / "hello.yaml": SPEC,
        folder / ".reconciler" / ".gitignore": IGNORE,
        top / ".github" / "workflows" / "workloads.yml": WORKFLOW.format(
            version=__version__, folder=inside
        ),
    }
    written, kept = [], []
    try:
        for path, text in files.items():
            if path.exists():
                kept.append(path)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            hint="give a folder that this user may write to",
        ) from error
    return Scaffold(written=tuple(written), kept=tuple(kept))


def _repository_of(folder: Path) -> Path:
    """The git repository around a folder, where CI looks for its workflows; else the folder."""
    here = folder.resolve()
    return next((path for path in (here, *here.parents) if (path / ".git").exists()), here)


def _plain(name: str) -> str:
    """A folder's name as a YAML string, whatever characters it has."""
    import json

    return name if name.replace("-", "").isalnum() and name[0].isalpha() else json.dumps(name)

"""Small repositories of specs, written to a folder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from tests.support import workloads

# The sandbox outlives a test, so every test has a project of its own.
_projects = itertools.count(1000)


def new_project() -> str:
    """A project id that no other test of this process uses."""
    return str(next(_projects))


def spec(name: str, project: str, **more: Any) -> dict[str, Any]:
    """A Deployment with one GPU, and `more` beside its metadata and manifest."""
    return workloads.spec(name, project) | more


def write_specs(folder: Path, *specs: dict[str, Any]) -> Path:
    """A folder with one file for each spec."""
    folder.mkdir(exist_ok=True)
    for one in specs:
        (folder / f"{one['metadata']['name']}.json").write_text(json.dumps(one))
    return folder


def without_updates(folder: Path) -> Path:
    """The same folder, for a server that is declared to have no updates: a change is a replace."""
    (folder / "reconciler.yaml").write_text('api_version: "2.23"\n')
    return folder

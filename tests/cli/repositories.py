"""Small repositories of specs, written to a folder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

# The sandbox outlives a test, so every test has a project of its own.
_projects = itertools.count(1000)


def new_project() -> str:
    """A project id that no other test of this process uses."""
    return str(next(_projects))


def spec(name: str, project: str, **more: Any) -> dict[str, Any]:
    """A Deployment with one GPU."""
    labels = {"app": name}
    limits = {"nvidia.com/gpu": 1}
    container = {"name": "main", "image": "server:1", "resources": {"limits": limits}}
    return {
        "metadata": {"name": name, "projectId": project},
        "manifest": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [container]},
                },
            },
        },
        **more,
    }


def write_specs(folder: Path, *specs: dict[str, Any]) -> Path:
    """A folder with one file for each spec."""
    folder.mkdir(exist_ok=True)
    for one in specs:
        (folder / f"{one['metadata']['name']}.json").write_text(json.dumps(one))
    return folder

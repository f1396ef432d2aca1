"""Specs for the harnesses, written to folders as a user would keep them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def spec(name: str, project: str, *, replicas: int = 1) -> dict[str, Any]:
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
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [container]},
                },
            },
        },
    }


def write_specs(folder: Path, specs: Iterable[Mapping[str, Any]]) -> None:
    """Make a folder hold exactly these specs, one file each; anything else in it stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for one in specs:
        (folder / f"{one['metadata']['name']}.json").write_text(json.dumps(one))

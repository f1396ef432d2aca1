"""The workflows of this repository, and those that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.ci.tools import ROOT

OURS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


SHOWN = sorted((ROOT / "examples" / "ci" / "github").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    """A workflow; YAML reads the key `on` as true."""
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in loaded.items()}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow by name."""
    found: dict[str, dict[str, Any]] = load(path)["jobs"]
    return found

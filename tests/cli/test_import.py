"""`reconciler import` into a folder that is made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.sandboxes import Sandbox

WORKLOAD = {
    "metadata": {"name": "chat", "projectId": "4501"},
    "manifest": {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/chat:1"}]},
    },
}
SPEC = """\
metadata:
  name: chat
  projectId: '4501'
manifest:
  apiVersion: v1
  kind: Pod
  spec:
    containers:
    - name: main
      image: registry.example.com/chat:1
"""


def test_a_new_folder_is_made(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folders above it; a plan of what was written there is empty."""
    (tmp_path / "reconciler.yaml").write_text("stack: blue\n")
    with Sandbox.running("--sync-delay", "0s", "--control") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        server.ask("/sandbox/workloads", {"do": "plant", "by": "ann", "request": WORKLOAD})
        words = ["import", "--project", "4501", "--into", "teams/search", "--yes"]
        dry = cli(*words, "--init", "--dry-run")
        assert (dry.code, (tmp_path / "teams").exists()) == (0, False), dry.err
        assert cli(*words, "--init").code == 0
        assert (tmp_path / "teams" / "search" / "chat.yaml").read_text() == SPEC
        assert cli("plan").out.startswith("Nothing to do.\n")


def test_a_folder_that_cannot_be_made(cli: Cli, tmp_path: Path) -> None:
    """Said before anything is read."""
    (tmp_path / "reconciler.yaml").write_text("stack: blue\n")
    ended = cli("import", "--project", "4501", "--into", "reconciler.yaml/new", "--yes")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "error: the folder reconciler.yaml/new cannot be made: Not a directory\n"
        "  hint: name another one with --into\n"
    )

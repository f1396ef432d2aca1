"""How an extra is installed depends on where the program came from."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

import pytest

from reconciler import resources


class _Distribution:
    def __init__(self, origin: dict[str, Any] | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._origin is None else json.dumps(self._origin)


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'workload-reconciler[sandbox]'"),
        ({"url": "file:///src/my%20tool", "dir_info": {}}, "pip install '/src/my tool[sandbox]'"),
        (
            {"url": "file:///src/tool", "dir_info": {"editable": True}},
            "pip install -e '/src/tool[sandbox]'",
        ),
        (
            {
                "url": "https://git.example/tool.git",
                "vcs_info": {"vcs": "git", "commit_id": "a1b2"},
            },
            "pip install 'workload-reconciler[sandbox] @ git+https://git.example/tool.git@a1b2'",
        ),
        (
            {"url": "https://files.example/tool.whl", "archive_info": {}},
            "pip install 'workload-reconciler[sandbox] @ https://files.example/tool.whl'",
        ),
    ],
)
def test_the_command_names_where_the_program_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None, command: str
) -> None:
    """Only what came from an index is named alone: elsewhere anybody may own the name."""
    monkeypatch.setattr(metadata, "distribution", lambda _: _Distribution(origin))
    assert resources.install_command("sandbox") == command


def test_a_checkout_that_was_not_installed_is_named_by_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where PYTHONPATH leads to it."""

    def missing(_: str) -> _Distribution:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", missing)
    assert resources.install_command("sandbox").endswith("[sandbox]'")

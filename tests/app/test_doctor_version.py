"""What `doctor` says of the server's version and of what it can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.app.settings import Flags, resolve_settings
from reconciler.app.status.api_version import check_api_version
from reconciler.app.target import PinnedTarget
from reconciler.core.model import Target
from reconciler.core.protocol.api_results import ApiResult, ClusterVersions, Refused
from reconciler.report.text.doctor import Level
from reconciler.specs.config import load_config

ASKED = "it is asked whether it changes workloads in place once a plan depends on that"
IN_PLACE = "workloads are changed in place"


def check(
    folder: Path, config: str, clusters: ApiResult | None, *, pinned: bool = False
) -> tuple[Level, str]:
    """What is said with a configuration, beside what the server and the state say."""
    path = folder / "reconciler.yaml"
    path.write_text(config)
    settings = resolve_settings(Flags(), load_config(path), root=folder, environ={})
    pin = PinnedTarget(target=Target(url="", stack="", can_update=True)) if pinned else None
    found = check_api_version(settings, pin, clusters)
    return found.level, found.message.replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("config", "clusters", "pinned", "level", "message"),
    [
        ("", None, False, Level.OK, f"no version is declared: {ASKED}"),
        ("", Refused(status=403), False, Level.OK, f"no version is declared: {ASKED}"),
        (
            "",
            ClusterVersions(versions=("2.24.1", "2.24.1", "2.23.0")),
            True,
            Level.OK,
            (
                f"no version is declared: {IN_PLACE}, as it has shown before;"
                " its clusters are of 2.23.0, 2.24.1"
            ),
        ),
        ("api_version: '2.25'\n", None, False, Level.OK, f"2.25 (from ORIGIN): {IN_PLACE}"),
        (
            "api_version: latest\n",
            ClusterVersions(versions=("3.0.1",)),
            False,
            Level.OK,
            f"latest (from ORIGIN): {IN_PLACE}; its clusters are of 3.0.1",
        ),
        (
            "api_version: '2.23'\n",
            ClusterVersions(versions=("2.25.0",)),
            True,
            Level.WARNING,
            (
                "2.23 (from ORIGIN): a change of a workload is a delete and a create;"
                " its clusters are of 2.25.0, so the server is newer than that"
            ),
        ),
    ],
)
def test_what_is_told(  # noqa: PLR0917 - one for each column above
    config: str,
    clusters: ApiResult | None,
    pinned: bool,
    level: Level,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version with its origin, what it can do, and what the clusters say about it."""
    monkeypatch.chdir(tmp_path)
    told = check(tmp_path, config, clusters, pinned=pinned)
    assert told == (level, message.replace("ORIGIN", "reconciler.yaml:1"))

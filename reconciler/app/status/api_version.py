"""What is known of the server's version and of what it can do, as `doctor` tells it."""

from __future__ import annotations

from reconciler.app.settings import Settings
from reconciler.app.target import PinnedTarget
from reconciler.core.protocol.api_results import ApiResult, ClusterVersions
from reconciler.core.protocol.capabilities import CanUpdate, is_older_than_any
from reconciler.report.text.doctor import Check, Level

_UPDATES = {
    CanUpdate.YES: "workloads are changed in place",
    CanUpdate.NO: "a change of a workload is a delete and a create",
}


def check_api_version(
    settings: Settings, pin: PinnedTarget | None, clusters: ApiResult | None
) -> Check:
    """The declared version beside what the state and the server's clusters say.

    `clusters` is None where they were not asked for. No call tells the version of the server
    itself, which is never older than its clusters.
    """
    named = clusters.versions if isinstance(clusters, ClusterVersions) else ()
    seen = f"; its clusters are of {', '.join(sorted(set(named)))}" if named else ""
    version = settings.api_version
    if version is None:
        can = (
            _UPDATES[CanUpdate.YES] + ", as it has shown before"
            if pin is not None and pin.target.can_update
            else "it is asked whether it changes workloads in place once a plan depends on that"
        )
        message = f"no version is declared: {can}{seen}"
        return Check(name="api", level=Level.OK, message=message)
    message = (
        f"{version} (from {settings.origins['api_version']}): "
        f"{_UPDATES[settings.capabilities.can_update]}{seen}"
    )
    if is_older_than_any(version, named):
        return Check(
            name="api",
            level=Level.WARNING,
            message=f"{message}, so the server is newer than that",
            hint="declare its version in api_version, or none",
        )
    return Check(name="api", level=Level.OK, message=message)

"""What a plan reads of the server: every recorded workload, and what is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.app.planning.endings import read_what_is_over
from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.status.refresh import read_with_successors
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.diff.comparison import compare
from reconciler.core.model import Desired, Header, Live, Missing, Recorded, Remote
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.redact import Redactor
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReading:
    """What the server says of recorded workloads, and what its lists say of those that are over.

    Both are by id. `gone_projects` are those that a name has left, and that the server does not
    have; `warnings` tell what could not be looked at.
    """

    live: Mapping[str, Live] = field(default_factory=dict)
    listed: Mapping[str, LiveWorkload] = field(default_factory=dict)
    gone_projects: frozenset[str] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


async def read_server(
    desired: Collection[Desired],
    rows: Sequence[Recorded],
    projects: ServerProjects,
    left_projects: Collection[str],
    *,
    session: Session,
    workspace: Workspace,
    header: Header,
) -> ServerReading:
    """Read what is recorded; `left_projects` are those that an accepted name has left.

    Raises UnreachableError, and GuardError for a workload of another tenant.
    """
    settings = workspace.settings
    redactor = Redactor(header.lineage, settings.rules)
    specs = {spec.address: spec for spec in desired}

    # A body is compared as soon as it is read, so that a large fleet's are never all in memory.
    def keep(row: Recorded, remote: Remote) -> Remote:
        return compare(row, remote, redactor, desired=specs.get(row.address))

    gone = frozenset(await projects.find_gone(left_projects))
    read = [row for row in rows if row.address.project not in gone]
    live = await read_with_successors(read, session, settings, header, keep)
    # What was in a project that is gone is gone with it: no list can show anything there.
    lost = (row.id for row in rows if row.id and row.address.project in gone)
    live = {**live, **dict.fromkeys(lost, Missing(proven=True))}
    listed, warnings = await read_what_is_over(
        read, specs, live, session=session, settings=settings
    )
    return ServerReading(live=live, listed=listed, gone_projects=gone, warnings=tuple(warnings))

"""The row of one stack: what a state says of itself, and who holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.model import Header, Target
from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError
from reconciler.ports import Transit
from reconciler.state.postgres import statements
from reconciler.state.postgres.connection import Connection
from reconciler.state.postgres.schema import check_format
from reconciler.state.rows import read_pins
from reconciler.state.shared.holder import Holder
from reconciler.state.state_errors import refuse_transit
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """The row as it was read; `version` is that of the tables.

    `lease_left` is in seconds by the database's clock.

    Whoever takes the lock counts `epoch` up, and each commit of a holder `writes`.
    """

    id: int
    version: int
    header: Header
    rules: str
    transit: Transit
    epoch: int
    writes: int
    token: str | None
    holder: Holder
    lease_left: float

    @property
    def is_held(self) -> bool:
        """Whether somebody has the lock and may still be at work."""
        return self.token is not None and self.lease_left > 0

    def updated(self, columns: Mapping[str, Any]) -> StateRow:
        """The row after a commit has written these columns."""
        target = replace(
            self.header.target,
            url=columns.get("url", self.header.target.url),
            issuer=columns.get("issuer", self.header.target.issuer) or None,
            tenant_id=columns.get("tenant_id", self.header.target.tenant_id),
            can_update=columns.get("can_update", self.header.target.can_update),
            keeps_removed=columns.get("keeps_removed", self.header.target.keeps_removed),
            pins=read_pins(columns["pins"]) if "pins" in columns else self.header.target.pins,
        )
        header = Header(
            lineage=columns.get("lineage", self.header.lineage),
            serial=columns.get("serial", self.header.serial),
            target=target,
        )
        transit = {name: columns[name] for name in ("arriving_from", "moved_to") if name in columns}
        return replace(
            self,
            header=header,
            rules=columns.get("rules", self.rules),
            transit=replace(self.transit, **transit),
        )


def find_state_row(conn: Connection, place: PostgresPlace) -> StateRow | None:
    """The row of a stack; None where there is none, StateError where the tables are not ours."""
    query = statements.select_header(place.schema).encode()
    values = conn.execute(query, [place.stack]).fetchone()
    if values is None:
        raise StateError(
            f"the tables in schema {place.schema} are not whole: format is empty",
            hint="name another schema with ?schema=NAME; nothing was changed",
        )
    application, version, oldest_writer, *state = values
    check_format(place, application, version, oldest_writer)
    if state[0] is None:
        return None
    (id_, lineage, serial, url, issuer, tenant_id, can_update, keeps_removed, pins, *lock) = state
    (rules, arriving_from, moved_to, epoch, writes, token, holder, link, since, left) = lock
    target = Target(
        url=url,
        stack=place.stack,
        issuer=issuer or None,
        tenant_id=tenant_id,
        can_update=can_update,
        keeps_removed=keeps_removed,
        pins=read_pins(pins),
    )
    return StateRow(
        id=id_,
        version=version,
        header=Header(lineage=lineage, serial=serial, target=target),
        rules=rules,
        transit=Transit(arriving_from=arriving_from, moved_to=moved_to),
        epoch=epoch,
        writes=writes,
        token=token,
        holder=Holder(title=holder, link=link, since=since),
        lease_left=left or 0.0,
    )


def read_state_row(conn: Connection, place: PostgresPlace, *, in_transit: bool = False) -> StateRow:
    """The row of a stack; raises StateError where there is none.

    One that is not in use is a NotInUseError, unless it is read `in_transit`.
    """
    row = find_state_row(conn, place)
    if row is None:
        query = statements.select_stacks(place.schema).encode()
        stacks = ", ".join(stack for (stack,) in conn.execute(query).fetchall())
        raise StateError(
            f"there is no state {place.title}; it has: {stacks or 'none'}",
            hint="give --stack or --config; only the very first apply makes one, with --init",
        )
    if not in_transit:
        refuse_transit(place.title, row.transit)
    return row

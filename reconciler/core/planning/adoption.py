"""What would be recorded of workloads that are there already: a value, shown before it is done."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.model import Address, Recorded
from reconciler.core.planning.actions import AnyAction
from reconciler.core.protocol.marker import Marker
from reconciler.values import dataclass


class NotAdoptedReason(StrEnum):
    """Why a workload on the server is not recorded; a closed set, for programs."""

    RECORDED = "recorded"
    IN_DOUBT = "in-doubt"
    FOREIGN = "foreign"
    COPIED = "copied-marker"
    UNDECLARED = "undeclared"
    LEAVING = "leaving"
    SAME_NAME = "same-name"
    DRY_RUN = "dry-run"
    UNKNOWN = "unknown"
    NATIVE = "native"
    SENSITIVE = "sensitive"
    DECLARED = "declared"
    FILE_EXISTS = "file-exists"
    INVALID = "invalid"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """One workload that would be recorded; `then` is what the next plan does about it.

    `owner` is the marker of another stack or state that it carries and keeps.
    """

    row: Recorded
    then: AnyAction
    owner: Marker | None = None

    @property
    def address(self) -> Address:
        """Under which it is recorded."""
        return self.row.address


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdopted:
    """One workload that is left alone; the address is None where it could not be read."""

    id: str
    why: NotAdoptedReason
    message: str
    hint: str = ""
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Everything that was looked at, by address; `project` is None where one id was given."""

    adoptions: tuple[Adoption, ...]
    skipped: tuple[NotAdopted, ...] = ()
    project: str | None = None

    @property
    def rows(self) -> list[Recorded]:
        """The records that would be written."""
        return [adoption.row for adoption in self.adoptions]

"""Which workloads a run is about; the rest is neither looked at nor touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from reconciler.core.globs import matches_any
from reconciler.core.model import Address, Desired, Recorded
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Globs on the address, a project, and the folders or files given on the command line.

    `places` are relative to the repository's root, `.` for all of it.
    """

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    project: str | None = None
    places: tuple[str, ...] = (".",)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is left out."""
        return self != Selection()

    def takes(self, address: Address) -> bool:
        """Whether the address passes the globs and the project."""
        if self.project is not None and address.project != self.project:
            return False
        if self.targets and not matches_any(str(address), self.targets):
            return False
        return not matches_any(str(address), self.excludes)

    def narrow(
        self, desired: Sequence[Desired], recorded: Sequence[Recorded]
    ) -> tuple[list[Desired], list[Recorded]]:
        """The specs and records that this run is about.

        A record without a spec belongs to the folder of the file that last declared it, so a run
        over one folder never removes what another folder owns.
        """
        if not self.is_narrowed:
            return list(desired), list(recorded)
        chosen = [d for d in desired if self.takes(d.address) and self._holds(d.source.file)]
        addresses = {d.address for d in chosen}
        declared = {d.address for d in desired}
        rows = [
            r
            for r in recorded
            if r.address in addresses
            # A spec that has moved out of the folder is declared still, and none of this run.
            or (r.address not in declared and self.takes(r.address) and self._holds(r.source))
        ]
        return chosen, rows

    def _holds(self, file: str) -> bool:
        return any(p == "." or PurePosixPath(file).is_relative_to(p) for p in self.places)

"""A repository of specs as one run sees it: its root, its configuration, what it declares."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.app.repositories import InvalidSpecsError, find_repository
from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import UsageError
from reconciler.specs.loaded import Loaded
from reconciler.specs.loading import load_specs
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.fileaccess import ReadBoundary
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.model import Desired
    from reconciler.core.projects.resolution import Resolution


# For policies, in a run that has no end of its own.
_LONGEST = 1800.0
# The plan of a hundred thousand workloads; more was not written by this program.
MOST_PLAN_BYTES = 1024**3
_PLAN_BEGINS = b'{\n  "format_version"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What was read; `places` are the parts that this run is about, `.` for all of it.

    `prefix` before a file's name makes a path that can be opened from the current directory.
    Of invalid specs no more errors are shown than `max_errors`. `loaded` knows of each part of a
    spec where it was written.
    """

    settings: Settings
    desired: tuple[Desired, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: int
    places: tuple[str, ...]
    prefix: str
    max_errors: int | None = None
    loaded: Loaded = field(default_factory=Loaded, repr=False, compare=False)

    @property
    def roots(self) -> list[Path]:
        """The folders that hold the specs: the root, and what it includes."""
        root = self.settings.root
        return [root, *(root / name for name in self.loaded.included)]

    def resolved(self, resolution: Resolution) -> Workspace:
        """The same with what names of projects mean; one that means none has an error."""
        deadline = Deadline.after(min(self.settings.deadline, _LONGEST))
        loaded = self.loaded.resolved(resolution, deadline)
        return replace(self, loaded=loaded, desired=loaded.desired, diagnostics=loaded.diagnostics)

    def need_valid(self) -> None:
        """Raise InvalidSpecsError when anything has an error, whichever file it is in."""
        if has_errors(self.diagnostics):
            raise InvalidSpecsError(self.diagnostics, self.prefix, self.max_errors)


def need_folder(path: Path) -> None:
    """Raise UsageError for a saved plan in the place of the folder of the specs."""
    # Standard input, a folder or a spec are nothing that begins like a plan of ours.
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        data = ReadBoundary.around(path.parent).read(path, max_bytes=MOST_PLAN_BYTES)
        if isinstance(data, bytes) and data.lstrip().startswith(_PLAN_BEGINS):
            raise UsageError(
                f"{path} is a saved plan, not a folder of specs",
                hint=f"reconciler apply --plan {shlex.quote(str(path))}",
            )


def open_workspace(
    paths: Sequence[Path],
    flags: Flags,
    environ: Mapping[str, str],
    *,
    drafts: Mapping[str, str] = MappingProxyType({}),
    max_errors: int | None = None,
) -> Workspace:
    """Read the repository that the paths belong to, and what holds for a run in it.

    `drafts` are texts of files that are not there yet, by their names below the root. Raises
    InvalidInputError when a path does not exist, or reading takes longer than the deadline.
    """
    deadline = Deadline.after(flags.deadline)
    with deadline.enforced():
        root, config = find_repository(paths, flags.config)
        # All of it is read, whatever part is asked for: some mistakes only show between specs.
        loaded = load_specs(paths, root=root, config=config, deadline=deadline, drafts=drafts)
    settings = resolve_settings(flags, config, root=root, environ=environ)
    return Workspace(
        # The deadline is one for reading and applying together.
        settings=replace(settings, spent=deadline.spent()),
        desired=loaded.desired,
        diagnostics=loaded.diagnostics,
        files=loaded.files,
        places=loaded.targets,
        prefix=loaded.prefix,
        max_errors=max_errors,
        loaded=loaded,
    )

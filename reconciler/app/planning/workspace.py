"""A repository of specs as one run sees it: its root, its configuration, what it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import InvalidInputError
from reconciler.specs.config import Config, config_file, find_root, load_config
from reconciler.specs.loaded import Loaded
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.fileaccess import near_miss
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.model import Desired
    from reconciler.core.projects.resolution import Resolution


class InvalidSpecsError(InvalidInputError):
    """Specs or configuration have errors: all of them are in `diagnostics`.

    A person is shown so many errors as `max_errors` says, or all.
    """

    def __init__(
        self, diagnostics: Sequence[Diagnostic], prefix: str, max_errors: int | None = None
    ) -> None:
        super().__init__("the specs are not valid; nothing was sent")
        self.diagnostics = tuple(diagnostics)
        self.prefix = prefix
        self.max_errors = max_errors


# For policies, in a run that has no end of its own.
_LONGEST = 1800.0


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
    from reconciler.app.planning.validation_cache import known_verdicts
    from reconciler.specs.loading import load_specs

    deadline = Deadline.after(flags.deadline)
    with deadline.enforced():
        root, config = find_repository(paths, flags.config)
        # All of it is read, whatever part is asked for: some mistakes only show between specs.
        loaded = load_specs(
            paths,
            root=root,
            config=config,
            deadline=deadline,
            drafts=drafts,
            memory=known_verdicts(environ, root, config),
        )
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


def find_repository(paths: Sequence[Path], config: Path | None) -> tuple[Path, Config]:
    """Find the repository that the paths belong to: its root, and the configuration for it.

    `config` is the file that a flag names, if any. Raises InvalidInputError when a path does not
    exist.
    """
    for path in paths:
        if str(path) != "-" and not path.exists():
            hint = near_miss(Path(), str(path)) or "give an existing folder"
            raise InvalidInputError(f"there is nothing at {path}", hint=hint)
    # What comes by standard input lies nowhere: it belongs to the configuration that is named.
    unplaced = config.parent if config else Path()
    first = next((path for path in paths if str(path) != "-"), unplaced)
    root = find_root(first if first.is_dir() else first.parent)
    return root, _load_config(config, root)


def group_by_root(paths: Sequence[Path]) -> list[list[Path]]:
    """Group paths by the repository that each belongs to, in their order.

    Standard input belongs to the first of them.
    """
    groups: dict[Path | None, list[Path]] = {}
    for path in paths:
        is_stdin = str(path) == "-"
        root = None if is_stdin else find_root(path if path.is_dir() else path.parent)
        groups.setdefault(root, []).append(path)
    stdin = groups.pop(None, [])
    if not groups:
        return [stdin]
    first, *others = groups.values()
    return [[*first, *stdin], *others]


def settings_here(folder: Path, flags: Flags, environ: Mapping[str, str]) -> Settings:
    """The settings of the repository that a folder belongs to, without reading its specs.

    Raises InvalidSpecsError for a configuration with errors.
    """
    root, config = read_config(folder, flags)
    if has_errors(config.diagnostics):
        raise InvalidSpecsError(config.diagnostics, "")
    return resolve_settings(flags, config, root=root, environ=environ)


def read_config(folder: Path, flags: Flags) -> tuple[Path, Config]:
    """The root that a folder belongs to and its configuration, which may have errors.

    Raises InvalidInputError where a flag names a file that is not there.
    """
    root = find_root(folder)
    return root, _load_config(flags.config, root)


def _load_config(config: Path | None, root: Path) -> Config:
    if config is not None and not config.exists():
        raise InvalidInputError(f"there is no configuration at {config}", hint="check --config")
    return load_config(config or config_file(root) or config_file(Path()), root=root)

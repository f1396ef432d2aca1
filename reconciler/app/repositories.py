"""Which repository a folder belongs to, and what its configuration says, without its specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.errors import InvalidInputError
from reconciler.specs.config import Config, config_file, find_root, load_config
from reconciler.specs.source.fileaccess import near_miss


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

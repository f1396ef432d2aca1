"""Which files a run is about: those below the root, and those named on the command line."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.files import (
    CONFIG_FILE,
    DEFAULTS_FILE,
    PATCHES_FILE,
    FileTree,
    IncludedFolder,
    SourceFile,
    find_files,
)
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.discovery.including import included_folders
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.imported_schemas import imported_files
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.fileaccess import (
    ReadBoundary,
    ReadFailure,
    absolute,
    is_folder,
    near_miss,
)

STANDARD_INPUT = Path("-")
_NO_SPECS = frozenset({CONFIG_FILE, DEFAULTS_FILE, IGNORE_FILE, PATCHES_FILE})


class DiscoveredFiles(NamedTuple):
    """The files to read, the included folders, and the given paths relative to the root."""

    tree: FileTree
    targets: tuple[str, ...]
    reads_stdin: bool
    included: tuple[str, ...] = ()

    @property
    def files(self) -> list[SourceFile]:
        """Every file that is read because of where it lies."""
        return [*self.tree.specs, *self.tree.defaults, *self.tree.patches]


def discover_files(paths: Sequence[Path], root: Path, config: Config) -> DiscoveredFiles:
    """Find the files of a run; a file that is named outright is a spec whatever it is called."""
    targets = [path for path in paths if path != STANDARD_INPUT]
    reads_stdin = STANDARD_INPUT in paths
    # A policy or schema that lies among the specs is a JSON file, too.
    policies = {
        real for policy in policy_files(config) for _, real in policy.files if isinstance(real, str)
    } | set(imported_files(config))
    unusable: list[Diagnostic] = []
    included = included_folders(config, root, unusable)
    if targets or not reads_stdin:
        tree = find_files(root, included=included, skip=policies)
    else:
        tree = _files_beside_stdin(root, included)
    tree.diagnostics += unusable
    spec_names = {file.name for file in tree.specs}
    names = [_add_target(absolute(path), root, tree, spec_names, policies) for path in targets]
    tree.specs.sort(key=lambda file: file.name)
    return DiscoveredFiles(
        tree=tree,
        targets=tuple(names) or (".",),
        reads_stdin=reads_stdin,
        included=tuple(folder.name for folder in included),
    )


def display_prefix(root: Path, working_directory: Path) -> str:
    """Return what makes a path that opens from the working directory of a name below the root.

    Relative where one of the two holds the other, else absolute.
    """
    if root == working_directory:
        return ""
    if root.is_relative_to(working_directory) or working_directory.is_relative_to(root):
        return name_below(root, working_directory) + "/"
    return root.as_posix().rstrip("/") + "/"


def _files_beside_stdin(root: Path, included: Sequence[IncludedFolder]) -> FileTree:
    """What reaches a spec that is read from standard input: the root's defaults, and patches."""
    tree = FileTree()
    boundary = ReadBoundary.around(root)
    names = [(PATCHES_FILE, f"{folder.name}/{PATCHES_FILE}") for folder in included]
    names += [(PATCHES_FILE, PATCHES_FILE), (DEFAULTS_FILE, DEFAULTS_FILE)]
    for kind, name in names:
        path = root / name
        real = boundary.resolve(path)
        if isinstance(real, str):
            files = tree.defaults if kind == DEFAULTS_FILE else tree.patches
            files.append(SourceFile(name=name, real=real))
        elif os.path.lexists(path):
            tree.diagnostics.append(real.at(Where(file=name)))
    return tree


def _add_target(
    path: Path, root: Path, tree: FileTree, spec_names: set[str], policies: Collection[str]
) -> str:
    """Name a given path, and add it to the specs if it is a file that the walk left out.

    A path that cannot be read becomes a diagnostic.
    """
    name = name_below(path, root)
    where = Where(file=name)
    if path == root:
        return name
    if not os.path.lexists(path):
        hint = near_miss(root, name, ReadBoundary.around(root))
        message = f"'{name}' does not exist"
        tree.diagnostics.append(make_diagnostic("no-such-path", message, where, hint=hint))
        return name
    if name.startswith(".."):
        message = f"'{name}' does not lie below the root"
        hint = "a run reads one root: the folder that holds reconciler.yaml"
        tree.diagnostics.append(make_diagnostic("outside-root", message, where, hint=hint))
        return name
    real = ReadBoundary.around(root).resolve(path)
    if isinstance(real, ReadFailure):
        tree.diagnostics.append(real.at(where, f"'{name}'"))
    elif not (is_folder(path) or path.name in _NO_SPECS or name in spec_names or real in policies):
        # Also given twice it is read once.
        spec_names.add(name)
        tree.specs.append(SourceFile(name=name, real=real))
    return name

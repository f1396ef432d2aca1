"""Which files a run is about: what was given on the command line, and what the root holds."""

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
    FileTree,
    SourceFile,
    find_files,
)
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.fileaccess import (
    ReadBoundary,
    ReadFailure,
    absolute,
    is_folder,
    near_miss,
)

STANDARD_INPUT = Path("-")
_NO_SPECS = frozenset({CONFIG_FILE, DEFAULTS_FILE, IGNORE_FILE})


class DiscoveredFiles(NamedTuple):
    """The files to read, and the given paths relative to the root."""

    tree: FileTree
    targets: tuple[str, ...]
    reads_stdin: bool

    @property
    def files(self) -> list[SourceFile]:
        """Every file that is read because of where it lies."""
        return [*self.tree.specs, *self.tree.defaults]


def discover_files(paths: Sequence[Path], root: Path, config: Config) -> DiscoveredFiles:
    """Find the files of a run; a file that is named outright is a spec whatever it is called."""
    given = [path for path in paths if path != STANDARD_INPUT]
    reads_stdin = STANDARD_INPUT in paths
    rules = {
        real for policy in policy_files(config) for _, real in policy.files if isinstance(real, str)
    }
    tree = _defaults_only(root) if reads_stdin and not given else find_files(root, skip=rules)
    known = {file.name for file in tree.specs}
    names = [_target(absolute(path), root, tree, known, rules) for path in given]
    tree.specs.sort(key=lambda found: found.name)
    return DiscoveredFiles(tree=tree, targets=tuple(names) or (".",), reads_stdin=reads_stdin)


def display_prefix(root: Path, here: Path) -> str:
    """Return what makes a path that opens from the working directory of a name below the root.

    Relative where one of the two holds the other, else absolute.
    """
    if root == here:
        return ""
    if root.is_relative_to(here) or here.is_relative_to(root):
        return name_below(root, here) + "/"
    return root.as_posix().rstrip("/") + "/"


def _defaults_only(root: Path) -> FileTree:
    path = root / DEFAULTS_FILE
    if not os.path.lexists(path):
        return FileTree()
    real = ReadBoundary.around(root).resolve(path)
    if isinstance(real, ReadFailure):
        return FileTree(diagnostics=[real.at(Where(file=DEFAULTS_FILE))])
    return FileTree(defaults=[SourceFile(name=DEFAULTS_FILE, real=real)])


def _target(path: Path, root: Path, tree: FileTree, known: set[str], rules: Collection[str]) -> str:
    """Name a given path; one that cannot be read becomes a finding, a file yet unknown a spec."""
    name = name_below(path, root)
    where = Where(file=name)
    if path == root:
        return name
    if not os.path.lexists(path):
        hint = near_miss(root, name, ReadBoundary.around(root))
        tree.diagnostics.append(
            make_diagnostic("no-such-path", f"'{name}' does not exist", where, hint=hint)
        )
        return name
    if name.startswith(".."):
        tree.diagnostics.append(_outside(name, where))
        return name
    real = ReadBoundary.around(root).resolve(path)
    if isinstance(real, ReadFailure):
        tree.diagnostics.append(real.at(where, f"'{name}'"))
    elif not (is_folder(path) or path.name in _NO_SPECS or name in known or real in rules):
        known.add(name)
        tree.specs.append(SourceFile(name=name, real=real))
    return name


def _outside(name: str, where: Where) -> Diagnostic:
    hint = "one run is about one root: the folder that holds reconciler.yaml"
    return make_diagnostic(
        "outside-root", f"'{name}' does not lie below the root", where, hint=hint
    )

"""Finding the files of a repository: what is a spec, what are defaults, what is in the way."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.discovery.ignoring import IGNORE_FILE, IgnoreRules, is_ignored, read_rules
from reconciler.specs.discovery.submodules import Submodules
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.source.fileaccess import (
    OUTSIDE,
    ReadBoundary,
    describe_os_error,
    posix_name,
)
from reconciler.values import dataclass

CONFIG_FILE = "reconciler.yaml"
DEFAULTS_FILE = "_defaults.yaml"
PATCHES_FILE = "_patches.yaml"
SUFFIXES = (".yaml", ".yml", ".json")
MAX_LINKED_FOLDERS = 1000

# In small letters. Left out in silence, their values would be missing from every spec.
_MISNAMED = ("_defaults.yml", "_defaults.json", "_default.yaml", "_default.yml")
_MISNAMED_PATCHES = ("_patches.yaml", "_patches.yml", "_patches.json", "_patch.yaml", "_patch.yml")


class SourceFile(NamedTuple):
    """A file to read: its name relative to the root, and its real path inside the boundary."""

    name: str
    real: str


class IncludedFolder(NamedTuple):
    """A folder beside the root: its path, its name relative to the root, and its real path."""

    path: str
    name: str
    real: str


@dataclass(slots=True, kw_only=True)
class FileTree:
    """The files of a root, in the order of their names; patches in that of their use."""

    specs: list[SourceFile] = field(default_factory=list)
    defaults: list[SourceFile] = field(default_factory=list)
    patches: list[SourceFile] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


class _Folder(NamedTuple):
    """A folder still to be listed; `above` are the real paths of the folders it lies in."""

    path: str
    name: str
    real: str
    above: tuple[str, ...]
    rules: tuple[IgnoreRules, ...]
    is_top: bool = False


def find_files(
    root: Path, *, included: Sequence[IncludedFolder] = (), skip: Collection[str] = ()
) -> FileTree:
    """Look through a root and the folders that it includes; `skip` holds real paths to leave out.

    What the root's own `.reconcilerignore` lists is left out of the included folders as well.
    """
    walker = _Walker(ReadBoundary.around(root), skip)
    top = _Folder(str(root), "", os.path.realpath(root), (), (), is_top=True)
    if walker.boundary.holds(top.real):
        walker.walk(top)
    else:
        walker.tree.diagnostics.append(OUTSIDE.at(Where(file="."), "the folder"))
    tree = walker.tree
    own_patches, tree.patches = tree.patches, []
    for folder in included:
        rules = tuple(rule._replace(folder=folder.name) for rule in walker.root_rules)
        walker.walk(_Folder(folder.path, folder.name, folder.real, (), rules, is_top=True))
    # The root has the last word.
    tree.patches += own_patches
    tree.specs.sort(key=lambda file: file.name)
    tree.defaults.sort(key=lambda file: file.name)
    return tree


class _Walker:
    def __init__(self, boundary: ReadBoundary, skip: Collection[str]) -> None:
        self.boundary = boundary
        self.submodules = Submodules(boundary)
        self.skip = frozenset(skip)
        self.tree = FileTree()
        self.links = 0
        self.root_rules: tuple[IgnoreRules, ...] = ()

    def walk(self, top: _Folder) -> None:
        """Look through a folder and all below it."""
        pending = [top]
        while pending:
            pending.extend(self.enter(pending.pop()))

    def enter(self, folder: _Folder) -> Iterator[_Folder]:
        """Sort the entries of a folder into the tree; yields the folders among them."""
        try:
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            where = Where(file=posix_name(folder.name or "."))
            self.tree.diagnostics.append(describe_os_error(error).at(where, "the folder"))
            return
        if all(entry.name == ".git" for entry in entries) and self.submodules.expect(folder.real):
            message = "the git submodule is not checked out: its specs would look removed"
            hint = "git submodule update --init, or list the folder in .reconcilerignore"
            self.say("empty-submodule", message, folder.name or ".", hint)
        rules = self.rules_of(folder, entries)
        for entry in entries if rules else self.take_plain_specs(folder, entries):
            name = f"{folder.name}/{entry.name}" if folder.name else entry.name
            if entry.name.startswith("."):
                continue
            below = self.sort_in(folder, entry, name, rules)
            if below is not None:
                yield below

    def take_plain_specs(
        self, folder: _Folder, entries: list[os.DirEntry[str]]
    ) -> Iterator[os.DirEntry[str]]:
        """Take the files, no links, whose names are those of specs; yields the other entries.

        That is nearly all of them, and `sort_in` takes longer for each than to list it.
        """
        above = f"{folder.name}/" if folder.name else ""
        real_above = f"{folder.real.rstrip(os.sep)}{os.sep}"
        for entry in entries:
            name = entry.name
            if (
                name.endswith(SUFFIXES)
                and name[0] not in "._"
                and name != CONFIG_FILE
                and entry.is_file(follow_symlinks=False)
            ):
                if (real := real_above + name) not in self.skip:
                    self.tree.specs.append(SourceFile(posix_name(above + name), real))
            else:
                yield entry

    def rules_of(self, folder: _Folder, entries: list[os.DirEntry[str]]) -> tuple[IgnoreRules, ...]:
        if not any(entry.name == IGNORE_FILE for entry in entries):
            return folder.rules
        name = f"{folder.name}/{IGNORE_FILE}" if folder.name else IGNORE_FILE
        data = self.boundary.read(f"{folder.real}/{IGNORE_FILE}")
        own = read_rules(data, posix_name(name), folder.name, self.tree.diagnostics)
        if own and not folder.name:
            self.root_rules = (own,)
        return (*folder.rules, own) if own else folder.rules

    def sort_in(
        self, folder: _Folder, entry: os.DirEntry[str], name: str, rules: tuple[IgnoreRules, ...]
    ) -> _Folder | None:
        try:
            is_folder = entry.is_dir()
        except OSError:
            # A link that cannot be followed is sorted by its own name.
            is_folder = False
        if rules and is_ignored(rules, name, is_folder=is_folder):
            return None
        if entry.name == CONFIG_FILE and not folder.name and not is_folder:
            # Read already, wherever it leads to.
            return None
        is_patches = entry.name == PATCHES_FILE and folder.is_top
        is_read = not is_folder and (entry.name == DEFAULTS_FILE or is_patches)
        if entry.name.startswith("_") and not is_read:
            self.note_misnamed(entry.name, name, in_root=folder.is_top)
            return None
        real = self.real_path(folder, entry, name, is_folder=is_folder)
        if real is None:
            return None
        if is_folder:
            return self.descend(folder, entry, name, real, rules)
        self.sort_in_file(entry, name, real)
        return None

    def note_misnamed(self, entry: str, name: str, *, in_root: bool) -> None:
        lower = entry.lower()
        message = f"'{entry}' is not read"
        if lower in _MISNAMED or (lower == DEFAULTS_FILE and entry != DEFAULTS_FILE):
            self.say("misnamed-defaults", message, name, f"name it {DEFAULTS_FILE}")
        elif lower in _MISNAMED_PATCHES:
            # Left out in silence, an environment would get what is meant for another one.
            hint = f"name it {PATCHES_FILE}" if in_root else "move its documents"
            hint += "" if in_root else f" to the {PATCHES_FILE} beside reconciler.yaml"
            self.say("misplaced-patches", message, name, hint)

    def sort_in_file(self, entry: os.DirEntry[str], name: str, real: str) -> None:
        file = SourceFile(name=posix_name(name), real=real)
        if entry.name == CONFIG_FILE:
            side = "of an included folder" if name.startswith("../") else "below the root"
            message = f"the configuration {side} is not read: its specs belong to this root"
            self.say("nested-config", message, name, "run in its folder to use it")
        elif entry.name == DEFAULTS_FILE:
            self.tree.defaults.append(file)
        elif entry.name == PATCHES_FILE:
            self.tree.patches.append(file)
        elif real in self.skip:
            return
        elif entry.name.endswith(SUFFIXES):
            self.tree.specs.append(file)
        elif entry.name.lower().endswith(SUFFIXES):
            stem, dot, suffix = entry.name.rpartition(".")
            # Left out in silence, what it declares would be deleted.
            message = f"'{entry.name}' is not read: specs end in .yaml, .yml or .json"
            hint = f"name it {stem}{dot}{suffix.lower()}, or list it in .reconcilerignore"
            self.say("misnamed-spec", message, name, hint)

    def real_path(
        self, folder: _Folder, entry: os.DirEntry[str], name: str, *, is_folder: bool
    ) -> str | None:
        """Resolve an entry; None, with a diagnostic, where it leads nowhere or out."""
        if not entry.is_symlink():
            # The real path of its folder is known: asking the system again for each of ten thousand
            # files would take longer than reading them.
            return f"{folder.real.rstrip(os.sep)}{os.sep}{entry.name}"
        real = self.boundary.resolve(entry.path)
        if isinstance(real, str):
            return real
        if real.code == "no-such-path":
            hint = "remove it, or list it in .reconcilerignore"
            self.say("broken-symlink", "the symbolic link leads nowhere", name, hint)
        elif real.code != OUTSIDE.code:
            where = Where(file=posix_name(name))
            self.tree.diagnostics.append(real.at(where, "the symbolic link"))
        elif (
            is_folder
            or entry.name.endswith(SUFFIXES)
            # One that leads nowhere may have been meant as a folder of specs.
            or not os.path.exists(entry.path)  # noqa: PTH110 - a Path raises without permission
        ):
            hint = "copy it into the repository, or list it in .reconcilerignore"
            self.say("outside-root", "the symbolic link leads out of the repository", name, hint)
        return None

    def descend(
        self,
        folder: _Folder,
        entry: os.DirEntry[str],
        name: str,
        real: str,
        rules: tuple[IgnoreRules, ...],
    ) -> _Folder | None:
        above = (*folder.above, folder.real)
        if entry.is_symlink():
            self.links += 1
            if real in above:
                message = "the symbolic link leads back to a folder that it lies in"
                hint = "remove it, or list it in .reconcilerignore"
                self.say("symlink-loop", message, name, hint)
                return None
            # Without a loop, links still multiply: ten folders with ten links each to the next.
            if self.links > MAX_LINKED_FOLDERS:
                if self.links == MAX_LINKED_FOLDERS + 1:
                    message = f"more than {MAX_LINKED_FOLDERS} symbolic links to folders"
                    self.say("too-many-links", message, name, "")
                return None
        return _Folder(entry.path, name, real, above, rules)

    def say(self, code: str, message: str, name: str, hint: str) -> None:
        where = Where(file=posix_name(name))
        self.tree.diagnostics.append(make_diagnostic(code, message, where, hint=hint))

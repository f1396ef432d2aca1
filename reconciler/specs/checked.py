"""A checked repository, and how to narrow it to what was asked for."""

from __future__ import annotations

import posixpath
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import Self

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.projects.names import ProjectName, is_placeholder
from reconciler.errors import Where
from reconciler.specs.discovery.files import CONFIG_FILE, DEFAULTS_FILE
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.source.fileaccess import STDIN
from reconciler.values import dataclass

# A change here may bring in specs that have not changed themselves.
_DECIDING = frozenset({CONFIG_FILE, IGNORE_FILE})

# By its project and its name.
AddressKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSpecs:
    """The diagnostics about a repository, and what it takes to say which are about what.

    `sources` are the files read as specs, `rules` those that every spec is checked by:
    configuration, policies and patches. `included` are the folders that the root includes,
    `targets` the given paths. All are relative to the root; `prefix` goes before such a name to
    make a path from the working directory. `names` are the projects that specs give by name, each
    with its id or a placeholder for that.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    sources: tuple[str, ...] = ()
    rules: frozenset[str] = frozenset()
    included: tuple[str, ...] = ()
    targets: tuple[str, ...] = (".",)
    prefix: str = ""
    names: Mapping[ProjectName, str] = field(default_factory=dict)

    @property
    @abstractmethod
    def workloads(self) -> Collection[AddressKey]:
        """The specs without errors."""

    @property
    @abstractmethod
    def own_files(self) -> Mapping[AddressKey, str]:
        """The file of each spec, also of one with errors."""

    @abstractmethod
    def files_of(self, key: AddressKey) -> Collection[str]:
        """All files that parts of a spec come from."""

    @abstractmethod
    def _only(self, chosen: Collection[AddressKey]) -> Self:
        """The same with some of its specs."""

    @property
    def unresolved(self) -> tuple[ProjectName, ...]:
        """The names that only a server can tell the ids of, in order."""
        return tuple(sorted(name for name, id_ in self.names.items() if is_placeholder(id_)))

    @property
    def files(self) -> int:
        """How many files were read as specs."""
        return len(self.sources)

    def narrow_to_files(self, files: Collection[str]) -> Self:
        """Narrow to what some files have a part in: the specs made of them, and their diagnostics.

        A diagnostic in any file stays if it concerns such a spec, and every diagnostic does if the
        files are among those that decide about all specs.
        """
        return self if self._decides_all(files) else self.narrow(files.__contains__)

    def narrow_to_targets(self) -> Self:
        """Narrow likewise to the given paths, and to what is wrong with the defaults above them."""
        if "." in self.targets or self._decides_all(self.targets):
            return self
        return self.narrow(self._is_target)

    def narrow(self, is_chosen: Callable[[str], bool]) -> Self:
        """Narrow to the specs made of files that are chosen."""
        own_files = self.own_files
        parts = {key: self.files_of(key) for key in own_files}
        chosen = {key for key, files in parts.items() if any(map(is_chosen, files))}
        addresses = {f"{project}/{name}" for project, name in chosen}
        made_of = {file for key in chosen for file in parts[key]}.union(self.rules)
        own = {own_files[key] for key in chosen}
        projects = {project for project, _ in chosen}
        return replace(
            self._only(chosen),
            diagnostics=tuple(
                diagnostic
                for diagnostic in self.diagnostics
                if diagnostic.address in addresses
                or is_chosen(diagnostic.where.file)
                # What is not about a spec, but about a file that one is made of.
                or (not diagnostic.address and diagnostic.where.file in made_of)
            ),
            sources=tuple(file for file in self.sources if file in own or is_chosen(file)),
            names={name: project for name, project in self.names.items() if project in projects},
        )

    def _decides_all(self, files: Collection[str]) -> bool:
        # Another root beside this one has files of these names as well.
        below = (posixpath.basename(file) for file in files if not file.startswith("../"))
        return not (self.rules.isdisjoint(files) and _DECIDING.isdisjoint(below))

    def _is_target(self, file: str) -> bool:
        folder, slash, name = file.rpartition("/")
        return file == STDIN or any(
            target == file
            or file.startswith(f"{target}/")
            # Defaults hold for a target below their folder.
            or (name == DEFAULTS_FILE and target.startswith(folder + slash))
            for target in self.targets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(CheckedSpecs):
    """A repository of which only the verdicts are kept.

    `sound` are the files of the specs without errors, `declared` those of all, and `find_files`
    says of which files a spec is made.
    """

    sound: Mapping[AddressKey, str] = field(default_factory=dict)
    declared: Mapping[AddressKey, str] = field(default_factory=dict)
    find_files: Callable[[AddressKey], Collection[str]] = field(
        default=lambda _: (), repr=False, compare=False
    )

    @property
    def workloads(self) -> Collection[AddressKey]:
        """The specs without errors."""
        return self.sound

    @property
    def own_files(self) -> Mapping[AddressKey, str]:
        """The file of each spec, also of one with errors."""
        return self.declared

    def files_of(self, key: AddressKey) -> Collection[str]:
        """All files that parts of a spec come from."""
        return self.find_files(key)

    def _only(self, chosen: Collection[AddressKey]) -> Validated:
        return replace(self, sound={key: file for key, file in self.sound.items() if key in chosen})


def merge_roots(parts: Sequence[CheckedSpecs]) -> Validated:
    """Several roots as one, for showing them: each file is named from the working directory."""

    def named(where: Where, prefix: str) -> Where:
        return replace(where, file=display_name(where.file, prefix))

    # Each root may declare the same address.
    declared = {
        (f"{part.prefix}{project}", name): display_name(file, part.prefix)
        for part in parts
        for (project, name), file in part.own_files.items()
    }
    sound = [(f"{part.prefix}{key[0]}", key[1]) for part in parts for key in part.workloads]
    return Validated(
        sound={key: declared[key] for key in sound},
        declared=declared,
        diagnostics=tuple(
            replace(diagnostic, where=named(diagnostic.where, part.prefix))
            for part in parts
            for diagnostic in part.diagnostics
        ),
        sources=tuple(display_name(file, part.prefix) for part in parts for file in part.sources),
        names={name: project for part in parts for name, project in part.names.items()},
    )


def display_name(file: str, prefix: str) -> str:
    """Put a prefix before a file's name, unless it is standard input."""
    return file if file == STDIN else posixpath.normpath(prefix + file)

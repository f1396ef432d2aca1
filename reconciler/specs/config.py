"""`reconciler.yaml`: where a repository begins, and what its owner decided."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.globs import BadPatternError, Pattern, read_pattern
from reconciler.core.projects.names import ProjectName, may_be_on_server
from reconciler.core.projects.resolution import Resolution
from reconciler.core.protocol.capabilities import capabilities_of, is_newer_than_known
from reconciler.core.secrets.rules import RedactionRules, literals_of
from reconciler.errors import Where
from reconciler.specs.discovery.files import CONFIG_FILE
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.suppressions import Suppression
from reconciler.specs.rules.tree_diagnostics import violation_diagnostics
from reconciler.specs.schema.compiled_schema import find_violations, quote_value, shipped_schema
from reconciler.specs.source.documents import Document
from reconciler.specs.source.fileaccess import ReadBoundary, absolute, is_folder, posix_name
from reconciler.specs.source.nodes import Node, Step, place_of_value
from reconciler.specs.source.source_cache import read_data
from reconciler.values import dataclass

_SECRETS = frozenset({"token", "client_id", "client_secret", "clientSecret", "password", "secret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLimits:
    """Bounds of an apply; the first two are numbers or percentages, as written."""

    max_delete: str | None = None
    max_update: str | None = None
    quota: str | None = None
    allowed_projects: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuBudget:
    """The most GPUs that the specs of a project may ask for; None stands for each project."""

    project: str | None
    gpus: float
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of a configuration file; None leaves one to flags, environment and defaults.

    `path` is None where there is no file, `where` holds the place of each top-level value that the
    file sets, and a setting that has an error counts as one that is not set. `resolution` is what
    the server says of names that are no aliases, once it was asked.
    """

    path: Path | None = None
    url: str | None = None
    stack: str | None = None
    state: str | None = None
    api_version: str | None = None
    projects: Mapping[str, str] = field(default_factory=dict)
    concurrency: int | None = None
    limits: ApplyLimits = field(default_factory=ApplyLimits)
    schemas: str | None = None
    include: tuple[str, ...] = ()
    crds: str | None = None
    lenient: bool = False
    policies: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    budgets: tuple[GpuBudget, ...] = ()
    discovery: bool | None = None
    use_env_proxy: bool | None = None
    redact: tuple[str, ...] | None = None
    reveal: tuple[str, ...] | None = None
    where: Mapping[str, Where] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    resolution: Resolution = field(default_factory=Resolution)

    def find_project(self, name: ProjectName) -> str | None:
        """The id of a project: that of its alias, the server's, or a placeholder for it.

        None for what is no alias, and what no server can have as a name.
        """
        if name.name in self.projects:
            return self.projects[name.name]
        placeholder = name.placeholder if may_be_on_server(name.name) else None
        return self.resolution.ids.get(str(name), placeholder)

    @property
    def rules(self) -> RedactionRules:
        """The rules by which values are secret in this repository."""
        return RedactionRules(redact=self.redact or (), reveal=self.reveal or ())

    def included_paths(self, root: Path) -> list[Path]:
        """What `include` names, relative to the file that says so, whether it is there or not."""
        folder = self.path.parent if self.path else root
        return [folder / name for name in self.include]

    def locate(self, *path: Step) -> Where | None:
        """Where a value is written; None where the file does not give it."""
        if not (isinstance(self.where, ConfigPositions) and path[0] in self.where):
            return None
        return place_of_value(self.where.tree, path).where


class ConfigPositions(Mapping[str, Where]):
    """Where the top-level values of a document are written, which is only looked up if asked."""

    def __init__(self, document: Document) -> None:
        self._document = document

    @cached_property
    def tree(self) -> Node:
        """The document with the place of every part of it."""
        return self._document.tree()

    def __getitem__(self, key: str) -> Where:
        if key not in self._document.value:
            raise KeyError(key)
        return place_of_value(self.tree, [key]).where

    def __iter__(self) -> Iterator[str]:
        return iter(self._document.value)

    def __len__(self) -> int:
        return len(self._document.value)


def find_root(folder: Path) -> Path:
    """Return the nearest folder at or above a path that holds a reconciler.yaml, else the path."""
    start = absolute(folder)
    if os.path.lexists(start) and not is_folder(start):
        start = start.parent
    for candidate in (start, *start.parents):
        if config_file(candidate) is not None:
            return candidate
    return start


def config_file(root: Path) -> Path | None:
    """Return the configuration file of a root, if it has one."""
    path = root / CONFIG_FILE
    # A broken link or a pipe of that name is meant as one: reading it says what is wrong.
    return path if os.path.lexists(path) and not is_folder(path) else None


def load_config(path: Path | None, *, root: Path | None = None) -> Config:
    """Read and check a configuration; diagnostics name the file relative to the root.

    Without a root that is the folder of the file. One that is a link out of the checkout around
    it, or out of its folder where there is none, is not read. Nothing is raised: see
    `Config.diagnostics`.
    """
    if path is None:
        return Config()
    name = name_below(path, root or path.parent)
    reading = read_data(ReadBoundary.around(path.parent).read(path), name)
    # An empty configuration sets nothing, and its name alone already says where the root is.
    diagnostics = [one for one in reading.diagnostics if one.code != "empty-file"]
    if len(reading.documents) > 1:
        where = reading.documents[1].where
        message = "a configuration must be one document"
        diagnostics.append(make_diagnostic("many-documents", message, where))
    if len(reading.documents) != 1:
        return Config(path=path, diagnostics=sort_diagnostics(diagnostics))
    document = reading.documents[0]
    if not isinstance(document.value, dict):
        message = "a configuration must be a mapping of settings"
        diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
        return Config(path=path, diagnostics=sort_diagnostics(diagnostics))
    is_whole = not has_errors(diagnostics)
    positions = ConfigPositions(document)
    violations = find_violations(shipped_schema("config"), document.value)
    if violations:
        diagnostics += violation_diagnostics(violations, positions.tree, hints=_hint_at_secret)
    bad = {str(violation.path[0]) for violation in violations if violation.path}
    # A setting with an error is left out, so that the others can be used to say more.
    good = {k: v for k, v in document.value.items() if is_whole and k not in bad}
    if is_whole and isinstance(aliases := document.value.get("projects"), dict):
        # An alias with an error keeps the others, and is known itself: one mistake is told once.
        good["projects"] = {name: _likely_id(value) for name, value in aliases.items()}
    settings = _read_settings(good, positions, diagnostics)
    suppressions = _read_suppressions(good.get("suppressions", ()), positions, diagnostics)
    return Config(
        path=path,
        where=positions,
        suppressions=suppressions,
        budgets=_read_budgets(good, positions),
        diagnostics=sort_diagnostics(diagnostics),
        **settings,
    )


def _likely_id(value: Any) -> str:
    """The id that is meant by what stands in its place, mostly a number without its quotes."""
    return str(value) if isinstance(value, str | int) and value != "" else "?"


def name_below(path: Path, root: Path) -> str:
    """Name a path relative to a root, with forward slashes; it may begin with `..`."""
    return posix_name(os.path.relpath(absolute(path), absolute(root)))


def _read_settings(
    value: dict[str, Any], positions: ConfigPositions, diagnostics: list[Diagnostic]
) -> dict[str, Any]:
    """Return what `Config` takes of values that satisfy the schema."""
    settings = {name: value.get(name) for name in ("url", "stack", "state", "schemas", "crds")}
    settings["api_version"] = _read_version(value.get("api_version"), positions, diagnostics)
    limits = value.get("limits", {})
    allowed = limits.get("allowed_projects")
    concurrency, discovery = value.get("concurrency"), value.get("discovery")
    for name in ("redact", "reveal"):
        globs = value.get(name)
        settings[name] = None if globs is None else tuple(globs)
        for index, glob in enumerate(globs or ()):
            # It would hide, or show, the value of every name.
            if not literals_of(glob):
                message = f"{quote_value(glob)} matches every name"
                where = place_of_value(positions.tree, [name, index]).where
                hint = "write a part of the names that are meant, for example MY_KEY_*"
                diagnostics.append(make_diagnostic("invalid-value", message, where, hint=hint))
    return settings | {
        "projects": MappingProxyType(dict(value.get("projects", {}))),
        "concurrency": None if concurrency is None else int(concurrency),
        "limits": ApplyLimits(
            **{name: str(limits[name]) for name in ("max_delete", "max_update") if name in limits},
            quota="off" if limits.get("quota") is False else limits.get("quota"),
            allowed_projects=None if allowed is None else tuple(allowed),
        ),
        "include": tuple(value.get("include", ())),
        "lenient": bool(value.get("lenient")),
        "policies": tuple(value.get("policies", ())),
        # `off` is a string in YAML 1.2; other tools may have written the boolean they read.
        "discovery": None if discovery is None else discovery not in ("off", False),
        "use_env_proxy": value.get("use_env_proxy"),
    }


def _read_version(
    text: str | None, positions: ConfigPositions, diagnostics: list[Diagnostic]
) -> str | None:
    """A declared version of the API that can be worked with."""
    if text is None:
        return None
    try:
        known = capabilities_of(text)
    except ValueError as error:
        hint = "leave it out, and the server is asked for what it can do"
        where = positions["api_version"]
        diagnostics.append(make_diagnostic("invalid-value", str(error), where, hint=hint))
        return None
    if is_newer_than_known(text):
        message = (
            f"version {text} of the API is newer than this program; "
            f"it is treated as {known.version}"
        )
        hint = "look for a newer release of this program"
        where = positions["api_version"]
        diagnostics.append(make_diagnostic("newer-version", message, where, hint=hint))
    return text


def _read_budgets(value: dict[str, Any], positions: ConfigPositions) -> tuple[GpuBudget, ...]:
    gpus = value.get("limits", {}).get("gpus")
    if gpus is None:
        return ()
    path = ["limits", "gpus"]
    if not isinstance(gpus, dict):
        where = place_of_value(positions.tree, path).where
        return (GpuBudget(project=None, gpus=gpus, where=where),)
    aliases = value.get("projects", {})
    return tuple(
        GpuBudget(
            project=aliases.get(name, name),
            gpus=most,
            where=place_of_value(positions.tree, [*path, name]).where,
        )
        for name, most in gpus.items()
    )


def _read_suppressions(
    entries: Sequence[dict[str, Any]], positions: ConfigPositions, diagnostics: list[Diagnostic]
) -> tuple[Suppression, ...]:
    suppressions: list[Suppression] = []
    for index, entry in enumerate(entries):
        path: list[Step] = ["suppressions", index]
        patterns: list[Pattern] = []
        for number, line in enumerate(entry["files"]):
            try:
                pattern = read_pattern(line)
                patterns += [pattern] if pattern else []
            except BadPatternError as error:
                where = place_of_value(positions.tree, [*path, "files", number]).where
                message = f"{quote_value(line)} is not a pattern: {error}"
                diagnostics.append(make_diagnostic("invalid-value", message, where))
        suppression = Suppression(
            codes=tuple(entry["codes"]),
            files=tuple(patterns),
            reason=entry["reason"],
            where=place_of_value(positions.tree, path).where,
        )
        suppressions.append(suppression)
    return tuple(suppressions)


def _hint_at_secret(name: str) -> str:
    # The file is in a repository, which many may read.
    if name not in _SECRETS:
        return ""
    return "credentials are read from the environment (RUNAI_...) or with --token-file"

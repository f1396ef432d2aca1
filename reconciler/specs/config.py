"""`reconciler.yaml`: where a repository begins, and what its owner decided."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.globs import BadPatternError, Pattern, read_pattern
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

_SECRETS = frozenset({"token", "client_id", "client_secret", "clientSecret", "password", "secret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLimits:
    """Bounds of an apply; `max_delete` is a number or a percentage, as written."""

    max_delete: str | None = None
    allowed_projects: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuBudget:
    """The most GPUs that the specs of a project may ask for; None stands for each project."""

    project: str | None
    gpus: float
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a configuration file says; None is what it leaves to flags, environment and defaults.

    `path` is None where there is no file, `where` holds the place of each top-level value that
    is given, and a setting that has an error is treated as not given.
    """

    path: Path | None = None
    url: str | None = None
    stack: str | None = None
    state: str | None = None
    api_version: str | None = None
    projects: Mapping[str, str] = field(default_factory=dict)
    concurrency: int | None = None
    limits: ApplyLimits = field(default_factory=ApplyLimits)
    policies: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    budgets: tuple[GpuBudget, ...] = ()
    discovery: bool | None = None
    use_env_proxy: bool | None = None
    redact: tuple[str, ...] | None = None
    reveal: tuple[str, ...] | None = None
    where: Mapping[str, Where] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def rules(self) -> RedactionRules:
        """What is a secret in this repository."""
        return RedactionRules(redact=self.redact or (), reveal=self.reveal or ())

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
    here = absolute(folder)
    if os.path.lexists(here) and not is_folder(here):
        here = here.parent
    for candidate in (here, *here.parents):
        if config_file(candidate) is not None:
            return candidate
    return here


def config_file(root: Path) -> Path | None:
    """Return the configuration file of a root, if it has one."""
    path = root / CONFIG_FILE
    # A broken link or a pipe of that name is meant as one: reading it says what is wrong.
    return path if os.path.lexists(path) and not is_folder(path) else None


def load_config(path: Path | None, *, root: Path | None = None) -> Config:
    """Read and check a configuration; findings name the file relative to the root.

    Without a root that is the folder of the file. One that is a link out of the checkout around
    it, or out of its folder where there is none, is not read. Nothing is raised: see
    `Config.diagnostics`.
    """
    if path is None:
        return Config()
    name = name_below(path, root or path.parent)
    reading = read_data(ReadBoundary.around(path.parent).read(path), name)
    found = [one for one in reading.diagnostics if one.code != "empty-file"]
    if len(reading.documents) > 1:
        where = reading.documents[1].where
        found.append(make_diagnostic("many-documents", "a configuration is one document", where))
    if not reading.documents or len(reading.documents) > 1:
        return Config(path=path, diagnostics=sort_diagnostics(found))
    return _check(path, reading.documents[0], found)


def name_below(path: Path, root: Path) -> str:
    """Name a path relative to a root, with forward slashes; it may begin with `..`."""
    return posix_name(os.path.relpath(absolute(path), absolute(root)))


def _check(path: Path, document: Document, found: list[Diagnostic]) -> Config:
    value = document.value
    if not isinstance(value, dict):
        message = "a configuration is a mapping of settings"
        found.append(make_diagnostic("not-a-mapping", message, document.where))
        return Config(path=path, diagnostics=sort_diagnostics(found))
    is_whole = not has_errors(found)
    places = ConfigPositions(document)
    breaches = find_violations(shipped_schema("config"), value)
    found.extend(
        violation_diagnostics(breaches, places.tree, hints=_hint_at_secret) if breaches else ()
    )
    spoilt = {str(breach.path[0]) for breach in breaches if breach.path}
    good = {key: given for key, given in value.items() if is_whole and key not in spoilt}
    found.extend(_say_endless(good, places))
    return Config(
        path=path,
        where=places,
        suppressions=_suppressions(good.get("suppressions", ()), places, found),
        budgets=_budgets(good, places),
        diagnostics=sort_diagnostics(found),
        **_settings(good),
    )


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value.get(key) for key in ("url", "stack", "state", "api_version")}
    concurrency = value.get("concurrency")
    return plain | {
        "projects": MappingProxyType(dict(value.get("projects", {}))),
        "concurrency": None if concurrency is None else int(concurrency),
        "limits": _limits(value.get("limits", {})),
        "policies": tuple(value.get("policies", ())),
        "discovery": _discovery(value),
        "use_env_proxy": value.get("use_env_proxy"),
        "redact": _globs(value, "redact"),
        "reveal": _globs(value, "reveal"),
    }


def _globs(value: dict[str, Any], name: str) -> tuple[str, ...] | None:
    return tuple(value[name]) if name in value else None


def _say_endless(value: dict[str, Any], places: ConfigPositions) -> Iterator[Diagnostic]:
    """A glob without a letter would hide, or show, the value of every name."""
    for name in ("redact", "reveal"):
        for index, glob in enumerate(value.get(name, ())):
            if not literals_of(glob):
                message = f"{quote_value(glob)} matches every name"
                where = place_of_value(places.tree, [name, index]).where
                hint = "write a part of the names that are meant, for example MY_KEY_*"
                yield make_diagnostic("invalid-value", message, where, hint=hint)


def _limits(value: dict[str, Any]) -> ApplyLimits:
    most = value.get("max_delete")
    projects = value.get("allowed_projects")
    return ApplyLimits(
        max_delete=None if most is None else str(most),
        allowed_projects=None if projects is None else tuple(projects),
    )


def _budgets(value: dict[str, Any], places: ConfigPositions) -> tuple[GpuBudget, ...]:
    given = value.get("limits", {}).get("gpus")
    if given is None:
        return ()
    tree = places.tree
    path = ["limits", "gpus"]
    if not isinstance(given, dict):
        return (GpuBudget(project=None, gpus=given, where=place_of_value(tree, path).where),)
    aliases = value.get("projects", {})
    return tuple(
        GpuBudget(
            project=aliases.get(name, name),
            gpus=gpus,
            where=place_of_value(tree, [*path, name]).where,
        )
        for name, gpus in given.items()
    )


def _suppressions(
    given: Sequence[dict[str, Any]], places: ConfigPositions, found: list[Diagnostic]
) -> tuple[Suppression, ...]:
    return tuple(
        Suppression(
            codes=tuple(one["codes"]),
            files=tuple(_patterns(one["files"], places, ("suppressions", index, "files"), found)),
            reason=one["reason"],
            where=place_of_value(places.tree, ["suppressions", index]).where,
        )
        for index, one in enumerate(given)
    )


def _patterns(
    lines: Sequence[str], places: ConfigPositions, path: Sequence[Step], found: list[Diagnostic]
) -> Iterator[Pattern]:
    for index, line in enumerate(lines):
        try:
            pattern = read_pattern(line)
        except BadPatternError as error:
            where = place_of_value(places.tree, [*path, index]).where
            found.append(
                make_diagnostic(
                    "invalid-value", f"{quote_value(line)} is not a pattern: {error}", where
                )
            )
            continue
        if pattern is not None:
            yield pattern


def _discovery(value: dict[str, Any]) -> bool | None:
    # `off` is a string in YAML 1.2; other tools may have written the boolean they read.
    given = value.get("discovery")
    return None if given is None else given not in ("off", False)


def _hint_at_secret(name: str) -> str:
    if name not in _SECRETS:
        return ""
    return "credentials are read from the environment (RUNAI_...) or with --token-file"

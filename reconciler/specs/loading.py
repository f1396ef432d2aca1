"""A repository of specs, read and checked as a whole."""

from __future__ import annotations

import gc
import posixpath
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.model import Address, Desired
from reconciler.core.projects.names import ProjectName
from reconciler.core.projects.resolution import Resolution
from reconciler.errors import Where
from reconciler.specs.compose.composed_spec import ComposedSpec, compose, looks_like_spec
from reconciler.specs.compose.defaults import Defaults
from reconciler.specs.compose.patches import Patches
from reconciler.specs.compose.to_desired import to_desired
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.files import CONFIG_FILE, FileTree, SourceFile
from reconciler.specs.discovery.ignoring import IGNORE_FILE
from reconciler.specs.discovery.spec_files import discover_files, display_prefix
from reconciler.specs.kubernetes.imported_kinds import load_object_schemas
from reconciler.specs.kubernetes.object_schemas import ObjectSchemas
from reconciler.specs.loaded import Loaded
from reconciler.specs.rules.checks import check, identify, named_project
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS, make_diagnostic
from reconciler.specs.rules.cross_checks import CrossChecks
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.imported_schemas import imported_files, load_schemas
from reconciler.specs.schema.policies import Policy, load_policies
from reconciler.specs.schema.policychecks import PolicyChecks
from reconciler.specs.schema.spec_schemas import SpecSchemas
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Document, Reading
from reconciler.specs.source.fileaccess import STDIN, absolute, read_stream
from reconciler.specs.source.nodes import follow
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_cache import SourceCache, read_data

_MANY = 1000
# So many files that are no specs are enough to know that this is no repository of them.
MOST_FOREIGN = 50
# What any spec or manifest has, and hardly any other file.
_OURS = frozenset({"metadata", "lifecycle", "apiVersion", "kind"})
# Fewer files are read again before a digest could tell that they need not be.
WORTH_A_DIGEST = 100
_POLICY_SECONDS = 1800.0


def load_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    digests: MutableMapping[str, bytes] | None = None,
    deadline: Deadline | None = None,
    drafts: Mapping[str, str] = MappingProxyType({}),
) -> Loaded:
    """Read every spec below the root; `-` among the paths reads standard input.

    With `-` alone the root's files are not specs, while its defaults and manifests still are used.
    Nothing is raised for what files hold or are: see `Loaded.diagnostics`. `digests` is filled with
    the SHA-256 of each file that is read, by its name, where they are enough to be worth it.
    Policies are applied until the `deadline`, by default for half an hour. `drafts` are texts of
    files that are not there yet, by their names below the root: they are read as if they were.
    """
    deadline = deadline or Deadline.after(_POLICY_SECONDS)
    # Thousands of documents hold no cycles, and looking for some takes as long as reading them.
    with _garbage_collector_paused():
        read = _read(paths, absolute(root), config, stdin, digests, drafts=drafts)
        loaded = _check(read, deadline, config.resolution)
        if loaded.files > _MANY:
            # Nor does it pay ever to look at them again.
            gc.freeze()
        return loaded


class _CandidateSpec(NamedTuple):
    """A document that may be a spec, with the diagnostics of composing it."""

    file: SourceFile
    reading: Reading
    spec: ComposedSpec | None
    diagnostics: Sequence[Diagnostic]


class _ReadRepository(NamedTuple):
    """Everything that files and configuration hold, before any spec of it is checked."""

    root: Path
    config: Config
    policies: Sequence[Policy]
    schemas: SpecSchemas
    objects: ObjectSchemas
    candidates: Sequence[_CandidateSpec]
    sources: tuple[str, ...]
    rules: frozenset[str]
    included: tuple[str, ...]
    targets: tuple[str, ...]
    diagnostics: Sequence[Diagnostic]
    unused: Sequence[Diagnostic]


def _read(
    paths: Sequence[Path],
    root: Path,
    config: Config,
    stdin: BinaryIO | None,
    digests: MutableMapping[str, bytes] | None,
    *,
    drafts: Mapping[str, str],
) -> _ReadRepository:
    diagnostics = list(config.diagnostics)
    policies = load_policies(config, root, diagnostics)
    schemas = load_schemas(config, root, diagnostics)
    objects = load_object_schemas(config, root, diagnostics)
    discovered = discover_files(paths, root, config)
    sources = SourceCache(root, digests if len(discovered.tree.specs) >= WORTH_A_DIGEST else None)
    defaults = Defaults(discovered.tree.defaults, sources, schemas, discovered.included)
    patches = Patches(discovered.tree.patches, sources)
    readings = _read_specs(discovered.tree, sources, config)
    if readings is None:
        diagnostics.append(_no_configuration(discovered.tree))
        # Nothing of what was read is said: it is about other people's files.
        discovered.tree.diagnostics.clear()
        sources, readings = SourceCache(root), []
    if discovered.reads_stdin:
        reading = read_data(read_stream(stdin or sys.stdin.buffer), STDIN)
        readings.append((SourceFile(name=STDIN, real=""), reading))
        # The cache knows the diagnostics of files only.
        diagnostics += reading.diagnostics
    for name, text in drafts.items():
        reading = read_data(text.encode(), name)
        readings.append((SourceFile(name=name, real=""), reading))
        diagnostics += reading.diagnostics
    candidates = [
        candidate
        for file, reading in readings
        for candidate in _compose_file(
            file, reading, defaults, sources, patches=patches, config=config
        )
    ]
    # A file that a spec names as its manifest is not a spec itself. So nothing is checked before
    # everything is composed.
    specs = (candidate.spec for candidate in candidates if candidate.spec is not None)
    manifests = {spec.manifest_path for spec in specs} - {""}
    diagnostics += [*discovered.tree.diagnostics, *sources.diagnostics()]
    diagnostics += [*defaults.diagnostics, *patches.diagnostics]
    rules = {policy.file for policy in policies}
    if config.path is not None:
        rules.add(name_below(config.path, root))
    rules.update(name_below(Path(real), root) for real in imported_files(config))
    # A patch that was taken out of its file has a part in specs that no longer know of it.
    rules.update(file.name for file in discovered.tree.patches)
    rules.update(f"{folder}/{IGNORE_FILE}" for folder in discovered.included)
    return _ReadRepository(
        root=root,
        config=config,
        policies=policies,
        schemas=schemas,
        objects=objects,
        candidates=[c for c in candidates if c.file.real not in manifests],
        sources=tuple(file.name for file, _ in readings if file.real not in manifests),
        rules=frozenset(rules),
        included=discovered.included,
        targets=discovered.targets,
        diagnostics=diagnostics,
        unused=tuple(patches.unused()) if discovered.tree.specs else (),
    )


def _check(read: _ReadRepository, deadline: Deadline, resolution: Resolution) -> Loaded:
    """Check what was read, with what the names of projects in it mean."""
    config = replace(read.config, resolution=resolution)
    suppressions = Suppressions(configured=config.suppressions)
    checks = _SpecChecks(
        config=config,
        schemas=read.schemas,
        objects=read.objects,
        diagnostics=list(read.diagnostics),
        suppressions=suppressions,
        policy_checks=PolicyChecks(policies=read.policies, suppressions=suppressions),
    )
    for candidate in read.candidates:
        checks.add(candidate)
    checks.apply_policies(deadline)
    if not has_errors(checks.diagnostics):
        checks.diagnostics += read.unused
    checks.check_together()
    return Loaded(
        desired=tuple(checks.desired[address] for address in sorted(checks.desired)),
        diagnostics=_distinct(checks.diagnostics),
        sources=read.sources,
        rules=read.rules,
        included=read.included,
        targets=read.targets,
        prefix=display_prefix(read.root, absolute(Path())),
        composed=checks.composed,
        names=checks.names,
        check_again=partial(_check, read),
    )


def _read_specs(
    tree: FileTree, sources: SourceCache, config: Config
) -> list[tuple[SourceFile, Reading]] | None:
    """Read the files of a tree; None, early, where they are hardly a repository of specs."""
    readings, foreign = [], 0
    for file in tree.specs:
        reading = sources.read(file)
        readings.append((file, reading))
        # Without a configuration nobody has said that these are specs.
        foreign += config.path is None and not any(map(_may_be_ours, reading.documents))
        if foreign > MOST_FOREIGN:
            return None
    return readings


def _may_be_ours(document: Document) -> bool:
    """Whether a document is a spec, or a manifest that one may be made of."""
    value = document.value
    return isinstance(value, dict) and (
        looks_like_spec(value) or "metadata" in value or {"apiVersion", "kind"} <= value.keys()
    )


def _no_configuration(tree: FileTree) -> Diagnostic:
    """Say once what thousands of findings in other people's files would say."""
    nested = (one.where.file for one in tree.diagnostics if one.code == "nested-config")
    below = next((posixpath.dirname(file) for file in nested), "")
    tree.diagnostics.clear()
    message = (
        f"no {CONFIG_FILE} here or above, and more than {MOST_FOREIGN} files that are no specs"
    )
    hint = f"did you mean {below}/?" if below else "give the folder that holds the specs"
    return make_diagnostic("no-configuration", message, Where(file="."), hint=hint)


@contextmanager
def _garbage_collector_paused() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True, kw_only=True)
class _SpecChecks:
    """Checks composed specs, each by itself and beside those before it."""

    config: Config
    schemas: SpecSchemas
    objects: ObjectSchemas
    diagnostics: list[Diagnostic]
    suppressions: Suppressions
    policy_checks: PolicyChecks
    desired: dict[Address, Desired] = field(default_factory=dict)
    composed: dict[Address, ComposedSpec] = field(default_factory=dict)
    names: dict[ProjectName, str] = field(default_factory=dict)

    def add(self, candidate: _CandidateSpec) -> None:
        self.diagnostics += candidate.diagnostics
        if (spec := candidate.spec) is None:
            return
        for document in spec.documents:
            self.suppressions.read(document.source)
        own = check(spec, self.config, self.schemas, self.suppressions, self.objects)
        address = identify(spec.value, self.config)
        if address is not None and (name := named_project(spec.value)) is not None:
            self.names[name] = address.project
        # A policy is written for specs of the right shape, and would fail on others in odd ways.
        if address is not None and not (spec.broken or has_errors(own)):
            self.policy_checks.add(spec, address)
        if address is not None and self.composed.setdefault(address, spec) is not spec:
            own.append(_duplicate(address, self.composed[address], spec))
        self.diagnostics += own
        is_sound = not (spec.broken or candidate.reading.broken or has_errors(own))
        if address is not None and is_sound:
            self.desired[address] = to_desired(spec, address)

    def apply_policies(self, deadline: Deadline) -> None:
        """Apply the policies to what has no error of its own."""
        for case, diagnostic in self.policy_checks.run(deadline):
            self.diagnostics.append(diagnostic)
            is_error = case is not None and has_errors([diagnostic])
            # Of two specs with one address, only the first is the one that may be desired.
            if case and is_error and self.composed[case.address] is case.composed:
                self.desired.pop(case.address, None)

    def check_together(self) -> None:
        """Check the specs beside each other, and what suppressions were good for."""
        self.diagnostics += islice(self.suppressions.diagnostics(), MOST_DIAGNOSTICS)
        projects = {str(name): project for name, project in self.names.items()}
        budgets = [
            replace(budget, project=projects.get(budget.project or "", budget.project))
            for budget in self.config.budgets
        ]
        self.diagnostics += CrossChecks(self.desired, self.composed).check(budgets)
        if not has_errors(self.diagnostics):
            # Behind an error, rules may not have looked at all.
            self.diagnostics += self.suppressions.unused()


def _compose_file(
    file: SourceFile,
    reading: Reading,
    defaults: Defaults,
    sources: SourceCache,
    *,
    patches: Patches,
    config: Config,
) -> Iterator[_CandidateSpec]:
    for document in reading.documents:
        value, spec = document.value, None
        diagnostics: list[Diagnostic] = []
        if not isinstance(value, dict):
            message = "a spec must be a mapping with 'metadata' and a manifest"
            diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
        elif value and not (looks_like_spec(value) or _OURS & value.keys()):
            message = "this is no spec: it has neither 'metadata' nor a manifest"
            hint = "list the file in .reconcilerignore, or give the folder that holds the specs"
            diagnostics.append(make_diagnostic("not-a-spec", message, document.where, hint=hint))
        elif {"apiVersion", "kind"} <= value.keys() and not looks_like_spec(value):
            message = f"this is a Kubernetes manifest ({quote(str(value['kind']))}), not a spec"
            hint = "put it under 'manifest:' of a spec, or list the file in .reconcilerignore"
            where = document.where
            diagnostics.append(make_diagnostic("not-a-spec", message, where, hint=hint))
        else:
            spec = compose(document, defaults.reaching(document.folder), sources, diagnostics)
            if not spec.broken:
                spec = patches.lay_over(spec, identify(spec.value, config), diagnostics)
        yield _CandidateSpec(file=file, reading=reading, spec=spec, diagnostics=diagnostics)


def _duplicate(address: Address, first: ComposedSpec, second: ComposedSpec) -> Diagnostic:
    places = []
    for spec in (first, second):
        _, name = follow(spec.tree(), ["metadata", "name"])
        # A name that defaults give stands in one place for both.
        is_own = name.source.file == spec.document.source.file
        places.append(name.where if is_own else spec.document.where)
    return make_diagnostic(
        "duplicate-address",
        f"{address} is already declared at {places[0]}",
        places[1],
        hint="remove one of them, or give it another name",
        pointer="/metadata/name",
        address=str(address),
    )


def _distinct(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics, and keep one of those that many specs share through defaults or a file."""
    distinct: dict[tuple[object, ...], Diagnostic] = {}
    for diagnostic in sorted(diagnostics, key=attrgetter("address", "pointer")):
        distinct.setdefault((diagnostic.where, diagnostic.code, diagnostic.message), diagnostic)
    return sort_diagnostics(distinct.values())

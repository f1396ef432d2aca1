"""A repository of specs, read and checked as a whole."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address
from reconciler.core.projects.resolution import Resolution
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.compose.to_desired import to_desired
from reconciler.specs.config import Config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.discovery.spec_files import display_prefix
from reconciler.specs.judging import CandidateSpec, is_foreign
from reconciler.specs.loaded import Loaded
from reconciler.specs.repository import MOST_FOREIGN, Repository
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import STDIN, ReadFailure, absolute, read_stream
from reconciler.specs.source.source_cache import SourceCache, read_data
from reconciler.specs.tree_checks import TreeChecks
from reconciler.specs.verdicts import SpecFacts

_MANY = 1000
POLICY_SECONDS = 1800.0


def load_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    deadline: Deadline | None = None,
    drafts: Mapping[str, str] = MappingProxyType({}),
) -> Loaded:
    """Read every spec below the root; `-` among the paths reads standard input.

    With `-` alone the root's files are not specs, while its defaults and manifests still are used.
    Nothing is raised for what files hold or are: see `Loaded.diagnostics`. Policies are applied
    until the `deadline`, by default for half an hour. `drafts` are texts of files that are not
    there yet, by their names below the root: they are read as if they were.
    """
    deadline = deadline or Deadline.after(POLICY_SECONDS)
    # Thousands of documents hold no cycles, and looking for some takes as long as reading them.
    with garbage_collector_paused():
        read = _read(paths, absolute(root), config, stdin, drafts=drafts)
        loaded = _check(read, deadline, config.resolution)
        if loaded.files > _MANY:
            # Nor does it pay ever to look at them again.
            gc.freeze()
        return loaded


class _ReadRepository(NamedTuple):
    """Everything that files and configuration hold, before any spec of it is checked."""

    repository: Repository
    candidates: Sequence[CandidateSpec]
    sources: tuple[str, ...]
    diagnostics: Sequence[Diagnostic]


def _read(
    paths: Sequence[Path],
    root: Path,
    config: Config,
    stdin: BinaryIO | None,
    *,
    drafts: Mapping[str, str],
) -> _ReadRepository:
    repository = Repository.of(paths, root, config)
    diagnostics = repository.diagnostics
    readings = _read_specs(repository)
    if readings is None:
        diagnostics.append(repository.without_configuration())
        repository, readings = repository._replace(sources=SourceCache(root)), []
    given: list[tuple[str, bytes | ReadFailure]] = []
    if repository.discovered.reads_stdin:
        given.append((STDIN, read_stream(stdin or sys.stdin.buffer)))
    given += [(name, text.encode()) for name, text in drafts.items()]
    for name, data in given:
        reading = read_data(data, name)
        readings.append((SourceFile(name=name, real=""), reading))
        # The cache knows the diagnostics of files only.
        diagnostics += reading.diagnostics
    composer, patches = repository.composer(), repository.patches
    candidates = [
        candidate for file, reading in readings for candidate in composer.compose(file, reading)
    ]
    specs = [candidate.spec for candidate in candidates if candidate.spec is not None]
    for spec in specs:
        patches.note_use(patches.numbers_of(spec.patches))
    # A file that a spec names as its manifest is not a spec itself. So nothing is checked before
    # everything is composed.
    manifests = {spec.manifest_path for spec in specs} - {""}
    diagnostics += repository.sources.diagnostics()
    diagnostics += [*repository.discovered.tree.diagnostics, *patches.diagnostics]
    return _ReadRepository(
        repository=repository,
        candidates=[c for c in candidates if c.file.real not in manifests],
        sources=tuple(file.name for file, _ in readings if file.real not in manifests),
        diagnostics=diagnostics,
    )


def _check(read: _ReadRepository, deadline: Deadline, resolution: Resolution) -> Loaded:
    """Check what was read, with what the names of projects in it mean."""
    repository = read.repository
    config = replace(repository.config, resolution=resolution)
    judge = repository.judge(config)
    judged = [judge.judge(candidate) for candidate in read.candidates]
    policy_findings, unusable = judge.apply_policies(deadline)
    specs: dict[tuple[str, int], ComposedSpec] = {}

    def open_spec(facts: SpecFacts) -> ComposedSpec:
        return specs[facts.key]

    checks = TreeChecks(
        config=config, open_spec=open_spec, diagnostics=[*read.diagnostics, *unusable]
    )
    for candidate, (facts, findings) in zip(read.candidates, judged, strict=True):
        if facts is not None and candidate.spec is not None:
            specs[facts.key] = candidate.spec
        key = candidate.file.name, candidate.number
        checks.add(facts, findings.joined(policy_findings.get(key)))
    diagnostics = checks.finish(repository.unused_patches)
    composed = {
        Address(project=project, name=name): specs[facts.key]
        for (project, name), facts in checks.declared.items()
    }
    return Loaded(
        desired=tuple(
            to_desired(composed[address], address)
            for address in sorted(composed)
            if (address.project, address.name) in checks.sound
        ),
        diagnostics=diagnostics,
        sources=read.sources,
        rules=repository.rules,
        included=repository.discovered.included,
        targets=repository.discovered.targets,
        prefix=display_prefix(repository.root, absolute(Path())),
        composed=composed,
        names=checks.names,
        check_again=partial(_check, read),
    )


def _read_specs(repository: Repository) -> list[tuple[SourceFile, Reading]] | None:
    """Read the files of a tree; None, early, where they are hardly a repository of specs."""
    readings, foreign = [], 0
    for file in repository.discovered.tree.specs:
        reading = repository.sources.read(file)
        readings.append((file, reading))
        # Without a configuration nobody has said that these are specs.
        foreign += repository.config.path is None and is_foreign(reading)
        if foreign > MOST_FOREIGN:
            return None
    return readings


@contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Do without the collector for as long as the block lasts."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

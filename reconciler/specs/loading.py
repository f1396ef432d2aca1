"""A repository of specs, read and checked as a whole."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.model import Address, Desired
from reconciler.specs.compose.composed_spec import ComposedSpec, compose, looks_like_spec
from reconciler.specs.compose.defaults import Defaults
from reconciler.specs.compose.to_desired import to_desired
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.spec_files import DiscoveredFiles, discover_files, display_prefix
from reconciler.specs.loaded import Loaded
from reconciler.specs.rules.checks import check, identify
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS, make_diagnostic
from reconciler.specs.rules.cross_checks import CrossChecks
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.policies import Policy, load_policies
from reconciler.specs.schema.policychecks import PolicyChecks
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Document, Reading
from reconciler.specs.source.fileaccess import STDIN, absolute, read_stream
from reconciler.specs.source.nodes import follow
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_cache import SourceCache, read_data

_MANY = 1000
# Fewer files are read again before a digest could tell that it need not be.
WORTH_A_DIGEST = 100
_JUDGING_SECONDS = 1800.0


def load_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    digests: MutableMapping[str, bytes] | None = None,
    deadline: Deadline | None = None,
) -> Loaded:
    """Read every spec below the root; `-` among the paths reads standard input.

    With `-` alone the root's files are not specs, while its defaults and manifests still are used.
    Nothing is raised for what files hold or are: see `Loaded.diagnostics`. `digests` is filled with
    the SHA-256 of each file that is read, by its name, where they are enough to be worth it.
    Policies judge until the `deadline`, by default for half an hour.
    """
    deadline = deadline or Deadline.after(_JUDGING_SECONDS)
    # Thousands of documents hold no cycles, and looking for some takes as long as reading them.
    with _collector_at_rest():
        loaded = _load(paths, absolute(root), config, stdin, digests, deadline=deadline)
        if loaded.files > _MANY:
            # Nor does it pay ever to look at them again.
            gc.freeze()
        return loaded


def _load(
    paths: Sequence[Path],
    root: Path,
    config: Config,
    stdin: BinaryIO | None,
    digests: MutableMapping[str, bytes] | None,
    *,
    deadline: Deadline,
) -> Loaded:
    found = list(config.diagnostics)
    policies = load_policies(config, root, found)
    suppressions = Suppressions(configured=config.suppressions)
    checks = PolicyChecks(policies=policies, suppressions=suppressions)
    bench = _SpecChecks(config=config, found=found, suppressions=suppressions, policy_checks=checks)
    discovered = discover_files(paths, root, config)
    library = SourceCache(root, digests if len(discovered.tree.specs) >= WORTH_A_DIGEST else None)
    defaults = Defaults(discovered.tree.defaults, library)
    files = _read_all(discovered, library, stdin)
    candidates = [one for file in files for one in _compose_file(file, defaults, library)]
    pulled = {one.draft.pulled for one in candidates if one.draft is not None} - {""}
    for candidate in candidates:
        if candidate.file.real not in pulled:
            bench.take(candidate)
    bench.judge(deadline)
    bench.found += [*discovered.tree.diagnostics, *defaults.diagnostics, *library.diagnostics()]
    bench.found += [one for file in files if file.name == STDIN for one in file.reading.diagnostics]
    bench.compare()
    return Loaded(
        desired=tuple(bench.desired[address] for address in sorted(bench.desired)),
        diagnostics=_distinct(bench.found),
        sources=tuple(file.name for file in files if file.real not in pulled),
        rules=_rules(config, policies, root),
        targets=discovered.targets,
        prefix=display_prefix(root, absolute(Path())),
        composed=bench.drafts,
    )


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _File(NamedTuple):
    """A file of specs, read; standard input has no real path."""

    name: str
    real: str
    reading: Reading


class _CandidateSpec(NamedTuple):
    """A document that may be a spec, with what was found while composing it."""

    file: _File
    draft: ComposedSpec | None
    found: tuple[Diagnostic, ...]


@dataclass(slots=True, kw_only=True)
class _SpecChecks:
    """Where drafts are checked, each by itself and against those before it."""

    config: Config
    found: list[Diagnostic]
    suppressions: Suppressions
    policy_checks: PolicyChecks
    desired: dict[Address, Desired] = field(default_factory=dict)
    drafts: dict[Address, ComposedSpec] = field(default_factory=dict)

    def take(self, candidate: _CandidateSpec) -> None:
        self.found += candidate.found
        if (draft := candidate.draft) is None:
            return
        for document in draft.documents:
            self.suppressions.read(document.source)
        own = check(draft, self.config, self.suppressions)
        address = identify(draft.value, self.config)
        if address is not None and not (draft.broken or has_errors(own)):
            self.policy_checks.add(draft, address)
        if address is not None and self.drafts.setdefault(address, draft) is not draft:
            own.append(_say_duplicate(address, self.drafts[address], draft))
        self.found += own
        is_sound = not (draft.broken or candidate.file.reading.broken or has_errors(own))
        if address is not None and is_sound:
            self.desired[address] = to_desired(draft, address)

    def judge(self, deadline: Deadline) -> None:
        """Ask the policies about what has no error of its own."""
        for case, one in self.policy_checks.run(deadline):
            self.found.append(one)
            is_unsound = case is not None and has_errors([one])
            if case and is_unsound and self.drafts[case.address] is case.composed:
                self.desired.pop(case.address, None)

    def compare(self) -> None:
        """Check the specs beside each other, and what suppressions were good for."""
        self.found += islice(self.suppressions.diagnostics(), MOST_DIAGNOSTICS)
        self.found += CrossChecks(self.desired, self.drafts).check(self.config.budgets)
        if not has_errors(self.found):
            # Behind an error, rules may not have looked at all.
            self.found += self.suppressions.unused()


def _read_all(
    discovered: DiscoveredFiles, library: SourceCache, stdin: BinaryIO | None
) -> list[_File]:
    files = [
        _File(name=file.name, real=file.real, reading=library.read(file))
        for file in discovered.tree.specs
    ]
    if discovered.reads_stdin:
        data = read_stream(stdin or sys.stdin.buffer)
        files.append(_File(name=STDIN, real="", reading=read_data(data, STDIN)))
    return files


def _rules(config: Config, policies: Iterable[Policy], root: Path) -> frozenset[str]:
    own = () if config.path is None else (name_below(config.path, root),)
    return frozenset((*own, *(policy.file for policy in policies)))


def _compose_file(
    file: _File, defaults: Defaults, library: SourceCache
) -> Iterable[_CandidateSpec]:
    for document in file.reading.documents:
        found: list[Diagnostic] = []
        problem = _no_spec(document)
        if problem is not None:
            yield _CandidateSpec(file=file, draft=None, found=(problem,))
            continue
        draft = compose(document, defaults.reaching(document.folder), library, found)
        yield _CandidateSpec(file=file, draft=draft, found=tuple(found))


def _no_spec(document: Document) -> Diagnostic | None:
    value = document.value
    if not isinstance(value, dict):
        message = "a spec is a mapping with 'metadata' and a manifest"
        return make_diagnostic("not-a-mapping", message, document.where)
    if {"apiVersion", "kind"} <= value.keys() and not looks_like_spec(value):
        message = f"this is a Kubernetes manifest ({quote(str(value['kind']))}), not a spec"
        hint = "put it under 'manifest:' of a spec, or list the file in .reconcilerignore"
        return make_diagnostic("not-a-spec", message, document.where, hint=hint)
    return None


def _say_duplicate(address: Address, first: ComposedSpec, second: ComposedSpec) -> Diagnostic:
    (_, one), (_, two) = (follow(draft.tree(), ["metadata", "name"]) for draft in (first, second))
    there = one.where if one.source.file == first.document.source.file else first.document.where
    here = two.where if two.source.file == second.document.source.file else second.document.where
    return make_diagnostic(
        "duplicate-address",
        f"{address} is already declared at {there}",
        here,
        hint="remove one of them, or give it another name",
        pointer="/metadata/name",
        address=str(address),
    )


def _distinct(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort findings, and keep one of those that many specs share through defaults or a file."""
    kept: dict[tuple[object, ...], Diagnostic] = {}
    for one in sorted(found, key=lambda one: (one.address, one.pointer)):
        kept.setdefault((one.where, one.code, one.message), one)
    return sort_diagnostics(kept.values())

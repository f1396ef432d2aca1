"""Validation alone: each file is read, judged and let go of, and only what is known of it stays."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import InvalidInputError
from reconciler.specs.checked import Validated
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.config import Config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.discovery.spec_files import display_prefix
from reconciler.specs.judging import CandidateSpec, is_foreign
from reconciler.specs.loading import POLICY_SECONDS, garbage_collector_paused
from reconciler.specs.memory import (
    Entry,
    FileIdentities,
    FileIdentity,
    VerdictMemory,
    read_entry,
    write_entry,
    write_references,
)
from reconciler.specs.processes import share, usable_processes
from reconciler.specs.repository import MOST_FOREIGN, Repository
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import (
    STDIN,
    ReadFailure,
    absolute,
    read_bytes,
    read_stream,
)
from reconciler.specs.source.source_cache import FileReference, read_data
from reconciler.specs.tree_checks import TreeChecks
from reconciler.specs.verdicts import FileVerdict, SpecFacts, read_verdict, write_verdict

# Fewer files are read again before a digest could tell that they need not be.
WORTH_REMEMBERING = 100
# Beginning with so many files more, another process pays for itself.
WORTH_A_PROCESS = 250
# Manifests that many specs share are read once, as long as they come close to each other.
_MOST_READINGS = 256


def validate_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    deadline: Deadline | None = None,
    memory: VerdictMemory | None = None,
) -> Validated:
    """Find what `load_specs` finds, and keep no spec.

    Files that the `memory` knows are not parsed again; it never changes what is found.
    """
    deadline = deadline or Deadline.after(POLICY_SECONDS)
    # Trees of thousands of documents hold no cycles.
    with garbage_collector_paused():
        repository = Repository.of(paths, absolute(root), config, most=_MOST_READINGS)
        discovered = repository.discovered
        if discovered.reads_stdin or len(discovered.tree.specs) < WORTH_REMEMBERING:
            memory = None
        return _Validation(repository, memory).run(stdin or sys.stdin.buffer, deadline)


class _JudgedFile(NamedTuple):
    """What is known of a file, and what it takes to remember that: nothing where it cannot be."""

    verdict: FileVerdict
    identity: FileIdentity | None = None
    references: Sequence[Any] = ()
    entry: Entry | None = None

    def make_entry(self) -> Entry | None:
        """What to remember of it, if anything."""
        return self.identity and write_entry(self.verdict, self.identity, self.references)

    def written(self) -> list[Any]:
        """The same for JSON."""
        plain, quoting = write_verdict(self.verdict)
        identity = self.identity and [self.identity.key, self.identity.seal.hex()]
        return [plain, quoting, identity, self.references]

    @classmethod
    def read(cls, file: SourceFile, written: Sequence[Any]) -> _JudgedFile:
        """What another process has written of a file."""
        plain, quoting, identity, references = written
        if identity is not None:
            key, seal = identity
            identity = FileIdentity(key, bytes.fromhex(seal))
        return cls(read_verdict(file.name, plain, quoting), identity, references)


class _NoRepositoryError(Exception):
    """There is no configuration, and hardly any file is a spec."""


class _Validation:
    """One run over the files of a repository."""

    def __init__(self, repository: Repository, memory: VerdictMemory | None) -> None:
        self.repository = repository
        self.memory = memory
        self.composer = repository.composer()
        self.judge = repository.judge(repository.config)
        self.identities: dict[str, FileIdentities] = {}
        # Those of standard input, which cannot be read again.
        self.stdin_candidates: dict[str, list[CandidateSpec]] = {}
        self.reopen = lru_cache(maxsize=64)(self.compose_again)

    def run(self, stdin: BinaryIO, deadline: Deadline) -> Validated:
        """Judge what is not known, and then all files together."""
        repository, discovered = self.repository, self.repository.discovered
        # Before any other file is read: what these say holds for all.
        diagnostics = [*repository.diagnostics, *repository.sources.diagnostics()]
        remembered = self.memory.recall() if self.memory else {}
        files = discovered.tree.specs
        try:
            judged = self.judge_tree(files, remembered, deadline)
        except _NoRepositoryError:
            diagnostics = [*repository.diagnostics, repository.without_configuration()]
            self.memory, files, judged = None, [], []
        if discovered.reads_stdin:
            file, reading = SourceFile(STDIN, ""), read_data(read_stream(stdin), STDIN)
            self.stdin_candidates[STDIN] = list(self.composer.compose(file, reading))
            files = [*files, file]
            judged.append(_JudgedFile(self.verdict_on(reading, self.stdin_candidates[STDIN])))
        findings, unusable = self.judge.apply_policies(deadline)
        if unusable and any(judged_file.entry for judged_file in judged):
            # Where a policy fails depends on all specs before that.
            return _Validation(repository, None).run(stdin, deadline)
        if findings:
            judged = [
                judged_file._replace(verdict=judged_file.verdict.joined(file.name, findings))
                for file, judged_file in zip(files, judged, strict=True)
            ]
        if self.memory and not unusable:
            self.remember(files, judged, remembered)
        return self.check_together(
            files, [judged_file.verdict for judged_file in judged], [*diagnostics, *unusable]
        )

    def judge_tree(
        self, files: Sequence[SourceFile], remembered: dict[str, Entry], deadline: Deadline
    ) -> list[_JudgedFile]:
        """Judge the files that are not known as they are."""
        known = {
            file.name: recalled
            for file in files
            if (entry := remembered.get(file.name)) and (recalled := self.recall(file, entry))
        }
        pending = [file for file in files if file.name not in known]
        # The first ones show whether this is a repository at all.
        first, others = pending[:WORTH_A_PROCESS], pending[WORTH_A_PROCESS:]
        known.update((file.name, self.judge_file(file)) for file in first)
        self.need_specs(known)
        # A policy is asked about all specs, and in this process.
        count = usable_processes(0 if self.repository.policies else len(pending) // WORTH_A_PROCESS)
        if count == 1:
            known.update((file.name, self.judge_file(file)) for file in others)
        else:
            written = share(
                others, count, lambda file: self.judge_file(file).written(), deadline.left()
            )
            known.update(
                (file.name, _JudgedFile.read(file, line))
                for file, line in zip(others, written, strict=True)
            )
        self.need_specs(known)
        return [known[file.name] for file in files]

    def need_specs(self, judged: Mapping[str, _JudgedFile]) -> None:
        """Raise where nobody has said that these are specs, and they do not look like some."""
        if self.repository.config.path is None:
            foreign = sum(judged_file.verdict.is_foreign for judged_file in judged.values())
            if foreign > MOST_FOREIGN:
                raise _NoRepositoryError

    def recall(self, file: SourceFile, entry: Entry) -> _JudgedFile | None:
        """What is remembered of a file, if that and all that it depends on is as it was."""
        identities = self.identities_of(file)
        data = read_bytes(file.real)
        if identities is None or isinstance(data, ReadFailure):
            return None
        identity = identities.of(file.name, data)
        verdict = read_entry(file.name, entry, identity, self.repository.sources)
        return verdict and _JudgedFile(verdict, entry=entry)

    def judge_file(self, file: SourceFile) -> _JudgedFile:
        """Read a file, and check each spec in it by itself."""
        sources = self.repository.sources
        data = read_bytes(file.real)
        reading = read_data(data, file.name)
        sources.references.clear()
        candidates = list(self.composer.compose(file, reading))
        references = sources.references.copy()
        verdict = self.verdict_on(reading, candidates, references)
        identities = self.identities_of(file) if self.memory else None
        # What is broken may depend on more than the files that it found.
        is_whole = all(
            candidate.spec is None or not candidate.spec.broken for candidate in candidates
        )
        if identities is None or isinstance(data, ReadFailure) or not is_whole:
            return _JudgedFile(verdict)
        written = write_references(references, sources)
        return _JudgedFile(verdict, identities.of(file.name, data), written)

    def verdict_on(
        self,
        reading: Reading,
        candidates: Sequence[CandidateSpec],
        references: Sequence[FileReference] = (),
    ) -> FileVerdict:
        """What the checks say of a file by itself, policies aside."""
        read = [
            reading,
            *(self.repository.sources.read(reference.file) for reference in references),
        ]
        judged = [self.judge.judge(candidate) for candidate in candidates]
        return FileVerdict(
            text=[diagnostic for each in read for diagnostic in each.diagnostics],
            facts=[facts for facts, _ in judged],
            findings=[findings for _, findings in judged],
            is_foreign=is_foreign(reading),
        )

    def identities_of(self, file: SourceFile) -> FileIdentities | None:
        """What tells files of one folder apart; None where its defaults cannot be relied on."""
        folder = file.name.rpartition("/")[0]
        if folder not in self.identities:
            repository = self.repository
            chain = repository.defaults.reaching(folder)
            if chain.broken or self.memory is None:
                return None
            names = [layer.source.file for layer in chain.layers]
            names += [patch.name for patch in repository.discovered.tree.patches]
            self.identities[folder] = FileIdentities(
                self.memory.environment,
                [(name, repository.sources.digest(name)) for name in names],
            )
        return self.identities[folder]

    def remember(
        self,
        files: Sequence[SourceFile],
        judged: Sequence[_JudgedFile],
        remembered: Mapping[str, Entry],
    ) -> None:
        """Keep what will be found again; nothing is written where that is as it was."""
        entries = {
            file.name: entry
            for file, judged_file in zip(files, judged, strict=True)
            if (entry := judged_file.entry or judged_file.make_entry())
        }
        if self.memory and entries != remembered:
            self.memory.keep(entries)

    def check_together(
        self,
        files: Sequence[SourceFile],
        verdicts: Sequence[FileVerdict],
        diagnostics: list[Diagnostic],
    ) -> Validated:
        """Check the specs beside each other, by what is known of each."""
        repository, patches = self.repository, self.repository.patches
        specs = [facts for verdict in verdicts for facts in verdict.facts if facts]
        # A file that a spec names as its manifest is not a spec itself.
        manifests = {facts.manifest[1] for facts in specs if facts.manifest}
        if len(patches):
            for facts in specs:
                patches.note_use(facts.patches)
        diagnostics += [*repository.discovered.tree.diagnostics, *patches.diagnostics]
        checks = TreeChecks(
            config=repository.config, open_spec=self.open_spec, diagnostics=diagnostics
        )
        sources = []
        for file, verdict in zip(files, verdicts, strict=True):
            diagnostics += verdict.text
            if file.real not in manifests:
                sources.append(file.name)
                for document in zip(verdict.facts, verdict.findings, strict=True):
                    checks.add(*document)
        declared = checks.declared
        return Validated(
            diagnostics=checks.finish(repository.unused_patches),
            sources=tuple(sources),
            rules=repository.rules,
            included=repository.discovered.included,
            targets=repository.discovered.targets,
            prefix=display_prefix(repository.root, absolute(Path())),
            names=checks.names,
            sound={key: facts.file for key, facts in checks.sound.items()},
            declared={key: facts.file for key, facts in declared.items()},
            find_files=lambda key: self.files_of(declared[key]),
        )

    def files_of(self, facts: SpecFacts) -> set[str]:
        """The names of all files that parts of a spec come from."""
        repository = self.repository
        layers = repository.defaults.reaching(facts.file.rpartition("/")[0]).layers
        patches = [repository.patches[number].document for number in facts.patches]
        files = {document.source.file for document in (*layers, *patches)}
        return files.union((facts.file, *facts.manifest[:1]))

    def open_spec(self, facts: SpecFacts) -> ComposedSpec:
        """Read a spec again: only one with a finding beside others has to say where it stands."""
        candidates = self.stdin_candidates.get(facts.file) or self.reopen(facts.file)
        spec = candidates[facts.number].spec if facts.number < len(candidates) else None
        if spec is None:
            message = f"{facts.file} was changed while the specs were checked"
            raise InvalidInputError(message, hint="run it again")
        return spec

    def compose_again(self, name: str) -> list[CandidateSpec]:
        """Compose the specs of a file once more."""
        file = next(
            source for source in self.repository.discovered.tree.specs if source.name == name
        )
        return list(self.composer.compose(file, read_data(read_bytes(file.real), name)))

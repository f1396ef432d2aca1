"""The files of a repository: each is read, judged and let go of, and what is known of it stays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address
from reconciler.core.projects.names import ProjectName
from reconciler.specs.compose.to_desired import SpecContent
from reconciler.specs.config import Config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.discovery.spec_files import display_prefix
from reconciler.specs.file_outlines import FileOutlines
from reconciler.specs.judging import CandidateSpec, is_foreign
from reconciler.specs.memory import (
    Entry,
    FileIdentities,
    VerdictMemory,
    read_entry,
    sign_entry,
    write_entry,
    write_references,
)
from reconciler.specs.opening import SpecOpener, changed_meanwhile
from reconciler.specs.processes import share, usable_processes
from reconciler.specs.repository import MOST_FOREIGN
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import ReadFailure, absolute
from reconciler.specs.source.source_cache import FileReference, read_data
from reconciler.specs.tree_checks import TreeChecks
from reconciler.specs.verdicts import (
    NO_FINDINGS,
    FileVerdict,
    SpecFacts,
    read_verdict,
    write_verdict,
)

# Fewer files are read again before a digest could tell that they need not be.
WORTH_REMEMBERING = 100
# Fewer files are judged before it is known what they have in common.
WORTH_COMPARING = 100
# So many files show whether those of a tree are alike.
SAMPLE = 50
# Beginning with so many files more, another process pays for itself: what one takes to start and
# to send its results is little beside judging files, and much beside finding their outlines.
WORTH_A_PROCESS, WORTH_A_PROCESS_ALIKE = 250, 10_000


class JudgedFile(NamedTuple):
    """What is known of a file, and what it takes to remember that: nothing where it cannot be.

    `contents` are those of its specs without errors, where a run asks for them.
    """

    file: SourceFile
    verdict: FileVerdict
    contents: Sequence[SpecContent | None] = ()
    seal: bytes | None = None
    references: Sequence[Any] = ()
    entry: Entry | None = None

    def make_entry(self) -> Entry | None:
        """What to remember of it, if anything."""
        return write_entry(self.verdict, self.seal, self.references) if self.seal else None

    def written(self) -> list[Any]:
        """The same for JSON."""
        plain, quoting = write_verdict(self.verdict)
        seal = self.seal and self.seal.hex()
        contents = [content and content.written() for content in self.contents]
        return [plain, quoting, contents, seal, self.references]

    @classmethod
    def read(cls, file: SourceFile, written: Sequence[Any]) -> JudgedFile:
        """What another process has written of a file."""
        plain, quoting, contents, seal, references = written
        read = [content and SpecContent.read(content) for content in contents]
        verdict = read_verdict(file.name, plain, quoting)
        return cls(file, verdict, read, seal and bytes.fromhex(seal), references)


class JudgedTree(NamedTuple):
    """All files of a run; `diagnostics` are about the repository, `unusable` about policies."""

    files: Sequence[JudgedFile]
    diagnostics: Sequence[Diagnostic]
    unusable: Sequence[Diagnostic] = ()


class CheckedTree(NamedTuple):
    """What the specs are beside each other, and what every view of a checked repository has."""

    checks: TreeChecks
    view: Mapping[str, Any]


class _NoRepositoryError(Exception):
    """There is no configuration, and hardly any file is a spec."""


class TreeJudge:
    """One run over the files of a repository, by a configuration with what names mean.

    What the `memory` knows is not judged again. With `keeps` the contents of specs stay.
    """

    def __init__(
        self,
        opener: SpecOpener,
        config: Config,
        *,
        memory: VerdictMemory | None = None,
        keeps: bool = False,
    ) -> None:
        self.opener = opener
        self.config = config
        self.repository = opener.repository
        is_small = len(self.repository.discovered.tree.specs) < WORTH_REMEMBERING
        self.memory = None if is_small or opener.given else memory
        self.keeps = keeps
        self.judge = self.repository.judge(config)
        self.outlines = None
        if (
            len(self.repository.discovered.tree.specs) >= WORTH_COMPARING
            and self.repository.is_plain
        ):
            self.outlines = FileOutlines(
                self.repository.defaults, opener.compose, self.judge, keeps=keeps
            )
        self.foreign = 0
        self.identities: dict[str, FileIdentities | None] = {}
        self.remembered: Mapping[str, Entry] = self.memory.recall() if self.memory else {}

    def run(self, deadline: Deadline) -> JudgedTree:
        """Judge each file by itself, and have the policies judge the specs in all of them."""
        repository = self.repository
        # Before any other file is read: what these say holds for all.
        diagnostics = [*repository.diagnostics, *repository.sources.diagnostics()]
        try:
            judged = self.judge_tree(deadline)
        except _NoRepositoryError:
            diagnostics = [*repository.diagnostics, repository.without_configuration()]
            self.memory, judged = None, []
        judged += [self.judge_file(SourceFile(name, "")) for name in self.opener.given]
        tree = self.with_policies(JudgedTree(judged, diagnostics), deadline)
        if tree.unusable and any(judged_file.entry for judged_file in judged):
            # Where a policy fails depends on all specs before that.
            return TreeJudge(self.opener, self.config, keeps=self.keeps).run(deadline)
        return tree

    def judge_again(self, tree: JudgedTree, deadline: Deadline) -> JudgedTree:
        """The same with what names of projects mean now; read again is what depends on that."""
        judged = [self.resolve_file(judged_file) for judged_file in tree.files]
        return self.with_policies(tree._replace(files=judged), deadline)

    def check_together(self, tree: JudgedTree) -> CheckedTree:
        """Check the specs beside each other, by what is known of each."""
        repository, patches = self.repository, self.repository.patches
        specs = [facts for judged in tree.files for facts in judged.verdict.facts if facts]
        # A file that a spec names as its manifest is not a spec itself.
        manifests = {facts.manifest[1] for facts in specs if facts.manifest}
        if len(patches):
            for facts in specs:
                patches.note_use(facts.patches)
        diagnostics = [*tree.diagnostics, *tree.unusable]
        diagnostics += [*repository.discovered.tree.diagnostics, *patches.diagnostics]
        checks = TreeChecks(
            config=self.config, open_spec=self.opener.reopen, diagnostics=diagnostics
        )
        sources = []
        for judged in tree.files:
            diagnostics += judged.verdict.text
            if judged.file.real not in manifests:
                sources.append(judged.file.name)
                for document in zip(judged.verdict.facts, judged.verdict.findings, strict=True):
                    checks.add(*document)
        view = {
            "diagnostics": checks.finish(repository.unused_patches),
            "sources": tuple(sources),
            "rules": repository.rules,
            "included": repository.discovered.included,
            "targets": repository.discovered.targets,
            "prefix": display_prefix(repository.root, absolute(Path())),
            "names": checks.names,
        }
        return CheckedTree(checks, view)

    def judge_tree(self, deadline: Deadline) -> list[JudgedFile]:
        """Judge the files that are not known as they are."""
        files = self.repository.discovered.tree.specs
        known = {file.name: recalled for file in files if (recalled := self.recall(file))}
        pending = [file for file in files if file.name not in known]
        first, others = pending[:SAMPLE], pending[SAMPLE:]
        known.update((file.name, self.judge_ours(file)) for file in first)
        are_alike = self.outlines is not None and self.outlines.are_common
        worth = WORTH_A_PROCESS_ALIKE if are_alike else WORTH_A_PROCESS
        # A policy is asked about all specs, and in this process.
        count = usable_processes(0 if self.repository.policies else len(others) // worth)
        if count == 1:
            known.update((file.name, self.judge_ours(file)) for file in others)
        else:
            # Files that differ in a few texts have about the same size: one process judges them.
            others.sort(key=_size_of)
            written = share(
                others, count, lambda file: self.judge_ours(file).written(), deadline.left()
            )
            known.update(
                (file.name, JudgedFile.read(file, line))
                for file, line in zip(others, written, strict=True)
            )
        self.need_specs(sum(judged.verdict.is_foreign for judged in known.values()))
        return [known[file.name] for file in files]

    def judge_ours(self, file: SourceFile) -> JudgedFile:
        """Judge a file, as long as this is a repository for all that this process has seen."""
        judged = self.judge_file(file)
        self.foreign += judged.verdict.is_foreign
        self.need_specs(self.foreign)
        return judged

    def need_specs(self, foreign: int) -> None:
        """Raise where nobody has said that these are specs, and they do not look like some."""
        if foreign > MOST_FOREIGN and self.config.path is None:
            raise _NoRepositoryError

    def recall(self, file: SourceFile) -> JudgedFile | None:
        """What is remembered of a file, if that and all that it depends on is as it was."""
        entry = self.remembered.get(file.name)
        if entry is None or self.memory is None:
            return None
        identities = self.identities_beside(file)
        if identities is None:
            return None
        signatures, layers = self.memory.signatures, identities.layers
        if entry.layers == layers and entry.signature == signatures.look(file.real):
            return JudgedFile(file, read_verdict(file.name, entry.facts, ()), entry=entry)
        data, signature = signatures.read(file.real)
        if isinstance(data, ReadFailure):
            return None
        seal, sources = identities.of(file.name, data), self.repository.sources
        if verdict := read_entry(file.name, entry, seal, sources):
            return JudgedFile(file, verdict, entry=sign_entry(entry, layers, signature))
        return None

    def judge_file(self, file: SourceFile) -> JudgedFile:
        """Read a file, and check each spec in it by itself."""
        sources = self.repository.sources
        data = self.opener.read(file)
        if self.outlines and (known := self.outlines.find(file, data)):
            return JudgedFile(file, *known, self.identify(file, data))
        reading = read_data(data, file.name)
        sources.references.clear()
        candidates = self.opener.compose(file, reading)
        references = sources.references.copy()
        seal = self.identify(file, data)
        written = write_references(references, sources) if seal else []
        verdict = self.verdict_on(reading, candidates, references)
        # What is broken may depend on more than the files that it found.
        if any(candidate.spec is not None and candidate.spec.broken for candidate in candidates):
            seal = None
        return JudgedFile(file, verdict, self.contents_of(verdict, candidates), seal, written)

    def verdict_on(
        self,
        reading: Reading,
        candidates: Sequence[CandidateSpec],
        references: Sequence[FileReference],
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

    def contents_of(
        self, verdict: FileVerdict, candidates: Sequence[CandidateSpec]
    ) -> Sequence[SpecContent | None]:
        """The contents of the specs of a file that have no errors by themselves."""
        if not self.keeps:
            return ()
        return [
            SpecContent.of(candidate.spec, address_of(facts))
            if facts and facts.is_sound and candidate.spec
            else None
            for facts, candidate in zip(verdict.facts, candidates, strict=True)
        ]

    def resolve_file(self, judged: JudgedFile) -> JudgedFile:
        """The same file by what names of projects mean now, as `judge_again`."""
        # What a policy says may depend on the project that a name turns out to be.
        if self.repository.policies:
            return self.judge_unchanged(judged)
        verdict, resolution = judged.verdict, self.config.resolution
        facts: list[SpecFacts | None] = []
        contents: list[SpecContent | None] = []
        documents = zip(verdict.facts, verdict.findings, judged.contents, strict=True)
        for spec, findings, content in documents:
            if spec and spec.named:
                name = ProjectName(name=spec.named[0], cluster=spec.named[1])
                project = self.config.find_project(name)
                is_questioned = str(name) in resolution.problems or str(name) in resolution.renamed
                # Whatever is said of a spec names its address, and the place of its project.
                if findings != NO_FINDINGS or is_questioned or project is None:
                    return self.judge_unchanged(judged)
                resolved = spec._replace(project=project)
                facts.append(resolved)
                contents.append(content and content.resolved(address_of(resolved)))
            else:
                facts.append(spec)
                contents.append(content)
        return judged._replace(verdict=verdict._replace(facts=facts), contents=contents)

    def judge_unchanged(self, judged: JudgedFile) -> JudgedFile:
        """Read a file again; raises InvalidInputError where its specs are others by now."""
        again = self.judge_file(judged.file)
        is_same = len(judged.contents) == len(again.contents) and all(
            now is None or before is None or before.resolved(address_of(facts)).declares_same(now)
            for before, now, facts in zip(
                judged.contents, again.contents, again.verdict.facts, strict=True
            )
            if facts
        )
        if not is_same:
            raise changed_meanwhile(judged.file.name)
        return again

    def with_policies(self, tree: JudgedTree, deadline: Deadline) -> JudgedTree:
        """The same with what policies find in the specs that were judged."""
        findings, unusable = self.judge.apply_policies(deadline)
        files = tree.files
        if findings:
            files = [
                judged._replace(verdict=judged.verdict.joined(judged.file.name, findings))
                for judged in files
            ]
        return tree._replace(files=files, unusable=unusable)

    def identify(self, file: SourceFile, data: bytes | ReadFailure) -> bytes | None:
        """The digest that a file is known by; None where nothing is remembered of it."""
        identities = self.identities_beside(file)
        if identities is None or isinstance(data, ReadFailure):
            return None
        return identities.of(file.name, data)

    def identities_beside(self, file: SourceFile) -> FileIdentities | None:
        """What tells the files of a folder apart; None where nothing is remembered of them."""
        folder = file.name.rpartition("/")[0]
        if self.memory and folder not in self.identities:
            self.identities[folder] = self.identities_in(folder, self.memory)
        return self.identities.get(folder)

    def identities_in(self, folder: str, memory: VerdictMemory) -> FileIdentities | None:
        """The same, made of all that reaches the files of a folder."""
        repository = self.repository
        chain = repository.defaults.reaching(folder)
        # What cannot be relied on may be read otherwise next time.
        if chain.broken:
            return None
        names = [layer.source.file for layer in chain.layers]
        names += [patch.name for patch in repository.discovered.tree.patches]
        layers = [(name, repository.sources.digest(name)) for name in names]
        return FileIdentities(memory.environment, layers)

    def remember(self, tree: JudgedTree) -> None:
        """Keep what will be found again; nothing is written where that is as it was."""
        if self.memory is None or tree.unusable:
            return
        entries = {
            judged.file.name: entry
            for judged in tree.files
            if (entry := judged.entry or judged.make_entry())
        }
        if entries != self.remembered:
            self.memory.keep(entries)


def address_of(facts: SpecFacts) -> Address:
    """The address of a spec that has one."""
    return Address(project=facts.project, name=facts.name)


def _size_of(file: SourceFile) -> int:
    try:
        return os.stat(file.real).st_size  # noqa: PTH116 - Path.stat is slower
    except (OSError, ValueError):
        return 0

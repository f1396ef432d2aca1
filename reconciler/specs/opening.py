"""Reads a spec once more: thousands are let go of, and few have to say where a part was written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO, Self

from reconciler.errors import InvalidInputError
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.config import Config
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.judging import CandidateSpec
from reconciler.specs.repository import Repository
from reconciler.specs.source.documents import Reading
from reconciler.specs.source.fileaccess import (
    STDIN,
    ReadFailure,
    absolute,
    read_bytes,
    read_stream,
)
from reconciler.specs.source.source_cache import read_data
from reconciler.specs.verdicts import SpecFacts


class SpecOpener:
    """Opens the specs of a repository; `given` are the texts of those that lie in no file of it."""

    def __init__(self, repository: Repository, given: Mapping[str, bytes | ReadFailure]) -> None:
        self.repository = repository
        self.given = given
        self._composer = repository.composer()
        self._candidates = lru_cache(maxsize=64)(self._compose_again)

    @classmethod
    def of(
        cls,
        paths: Sequence[Path],
        root: Path,
        config: Config,
        *,
        stdin: BinaryIO | None = None,
        drafts: Mapping[str, str] | None = None,
    ) -> Self:
        """Find the files of a repository, and read standard input where the paths name it."""
        repository = Repository.of(paths, absolute(root), config)
        given: dict[str, bytes | ReadFailure] = {}
        if repository.discovered.reads_stdin:
            given[STDIN] = read_stream(stdin or sys.stdin.buffer)
        given |= {name: text.encode() for name, text in (drafts or {}).items()}
        return cls(repository, given)

    def reopen(self, facts: SpecFacts) -> ComposedSpec:
        """The composed spec; raises InvalidInputError where its file does not hold it any more."""
        candidates = self._candidates(facts.file)
        spec = candidates[facts.number].spec if facts.number < len(candidates) else None
        if spec is None:
            raise changed_meanwhile(facts.file)
        return spec

    def files_of(self, facts: SpecFacts) -> set[str]:
        """The names of all files that parts of a spec come from."""
        layers = self.repository.defaults.reaching(facts.file.rpartition("/")[0]).layers
        patches = [self.repository.patches[number].document for number in facts.patches]
        files = {document.source.file for document in (*layers, *patches)}
        return files.union((facts.file, *facts.manifest[:1]))

    def read(self, file: SourceFile) -> bytes | ReadFailure:
        """The bytes of a file, or of what was given under its name."""
        data = self.given.get(file.name)
        return read_bytes(file.real) if data is None else data

    def compose(self, file: SourceFile, reading: Reading) -> list[CandidateSpec]:
        """Each document of a file, with what reaches it laid into it."""
        return list(self._composer.compose(file, reading))

    @cached_property
    def _files(self) -> Mapping[str, SourceFile]:
        return {file.name: file for file in self.repository.discovered.tree.specs}

    def _compose_again(self, name: str) -> list[CandidateSpec]:
        file = self._files.get(name, SourceFile(name, ""))
        return self.compose(file, read_data(self.read(file), name))


def changed_meanwhile(file: str) -> InvalidInputError:
    """What ends a run that has seen two contents of a file."""
    message = f"{file} was changed while the specs were checked"
    return InvalidInputError(message, hint="run it again")

"""A validation in this process, what it judges, and what is in its memory."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.specs import repository
from reconciler.specs.discovery.files import SourceFile
from reconciler.specs.judging import CandidateSpec, SpecComposer
from reconciler.specs.source.documents import Reading

SECRET = "hunter-two"
POD = f"{{apiVersion: v1, kind: Pod, spec: {{containers: [{{name: main, image: {SECRET}}}]}}}}"


def spec(name: str, project: str = '"1"') -> str:
    """A spec in two lines."""
    return f"metadata: {{name: {name}, projectId: {project}}}\nmanifest: {POD}\n"


def validate(*arguments: object) -> tuple[int, str, str]:
    """Run `validate`, and say how it ended."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["validate", *map(str, arguments)])
    return code, out.getvalue(), err.getvalue()


def memory_in(tmp_path: Path) -> Path:
    """The file with what is remembered of most files."""
    return next((tmp_path / "cache").rglob("????????.jsonl"))


def kept_in(memory: Path) -> dict[str, list[Any]]:
    """What a memory has of each file: the code, facts, findings, references, layers, signature."""
    _, text = memory.read_text().split("\n")
    names, *columns = json.loads(text)
    return dict(zip(names, map(list, zip(*columns, strict=True)), strict=True))


def judged_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed and checked from now on."""
    judged: list[str] = []

    class Counting(SpecComposer):
        def compose(self, file: SourceFile, reading: Reading) -> Iterator[CandidateSpec]:
            judged.append(file.name)
            return super().compose(file, reading)

    monkeypatch.setattr(repository, "SpecComposer", Counting)
    return judged

"""The folders beside a root whose specs are taken as if they stood in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.files import IncludedFolder
from reconciler.specs.discovery.git import checkout_top
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.fileaccess import OUTSIDE, ReadBoundary, ReadFailure, is_folder


def included_folders(
    config: Config, root: Path, diagnostics: list[Diagnostic]
) -> tuple[IncludedFolder, ...]:
    """Resolve what `include` names; a folder that cannot be included is a diagnostic instead."""
    folders: list[IncludedFolder] = []
    for index, (text, path) in enumerate(
        zip(config.include, config.included_paths(root), strict=True)
    ):
        where = config.locate("include", index) or Where(file=".")
        folder = _resolve(path, root)
        if isinstance(folder, IncludedFolder):
            overlap = next(_overlaps(folder, root, folders), "")
            if not overlap:
                folders.append(folder)
                continue
            folder = ReadFailure(code="bad-include", message=overlap)
        message, hint = folder.message, folder.hint
        if folder == OUTSIDE and checkout_top(root) is None:
            hint = "folders are included within one git checkout, and here is none: git init"
        message = f"{quote_value(text)} {message}"
        diagnostics.append(make_diagnostic("bad-include", message, where, hint=hint))
    return tuple(folders)


def _resolve(path: Path, root: Path) -> IncludedFolder | ReadFailure:
    real = ReadBoundary.around(root).resolve(path)
    if isinstance(real, ReadFailure):
        return real
    if not is_folder(path):
        return ReadFailure(code="bad-include", message="is not a folder")
    return IncludedFolder(path=os.path.normpath(path), name=name_below(path, root), real=real)


def _overlaps(
    folder: IncludedFolder, root: Path, others: Sequence[IncludedFolder]
) -> Iterator[str]:
    own = Path(folder.real)
    top = root.resolve()
    if own.is_relative_to(top):
        yield "lies in this root, which reads it anyway"
    elif top.is_relative_to(own):
        yield "holds this root"
    for other in others:
        if own.is_relative_to(other.real) or Path(other.real).is_relative_to(own):
            yield f"is included already, with '{other.name}'"

"""One trial: a repository is read, everything is done with what comes of it, and timed."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proof.fuzz.documents import make_repository
from proof.fuzz.trees import build_tree
from reconciler.report.machine.documents import diagnostics_document, to_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.diagnostics_text import DiagnosticsText
from reconciler.specs.config import config_file, find_root, load_config
from reconciler.specs.loading import load_specs

Kind = Literal["document", "tree"]

SECONDS = 1.0
MEGABYTES = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one went. `seconds` are those of a processor, `grown` megabytes at the most so far."""

    kind: Kind
    number: int
    seconds: float = 0.0
    grown: float = 0.0
    accepted: bool = False
    problem: str = ""


def lay_out(kind: Kind, root: Path, seed: int, number: int) -> None:
    """Write the repository of one trial."""
    if kind == "tree":
        build_tree(root, seed, number)
        return
    for name, data in make_repository(seed, number).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def try_one(kind: Kind, seed: int, number: int, base: float) -> Trial:
    """Read one repository; `base` is the memory that this process had before all trials."""
    root = Path(tempfile.mkdtemp(prefix="reconciler-fuzz-"))
    try:
        lay_out(kind, root, seed, number)
        begun = time.process_time()
        accepted, problem = _guarded(lambda: _read(root, may_be_empty=kind == "tree"))
        seconds = time.process_time() - begun
        grown = peak() - base
    finally:
        _remove(root)
    if not problem and seconds > SECONDS:
        problem = f"it took {seconds:.2f} s of a processor"
    if not problem and grown > MEGABYTES:
        problem = f"it took {grown:.0f} MB"
    return Trial(
        kind=kind, number=number, seconds=seconds, grown=grown, accepted=accepted, problem=problem
    )


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _guarded(read: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    try:
        return read()
    except (Exception, MemoryError):
        return False, traceback.format_exc()


def _read(root: Path, *, may_be_empty: bool) -> tuple[bool, str]:
    """Read a repository as `validate` does; says what is wrong with the answer, if anything."""
    top = find_root(root)
    loaded = load_specs([root], root=top, config=load_config(config_file(top), root=top))
    DiagnosticsText(ColorWriter()).diagnostics(loaded.diagnostics).encode()
    to_text(diagnostics_document(loaded.diagnostics)).encode()
    for one in loaded.desired:
        loaded.locate(one.address, "/manifest/spec/template/spec/containers/0/image")
    if not (loaded.desired or loaded.diagnostics or (may_be_empty and not loaded.sources)):
        return False, "neither a spec nor a finding"
    nameless = [one for one in loaded.diagnostics if not one.where.file or one.where.line < 1]
    return bool(loaded.desired), f"a finding without a place: {nameless[0]}" if nameless else ""


def _remove(root: Path) -> None:
    """Remove a tree, also what its owner may not look into."""
    for folder, names, _ in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)

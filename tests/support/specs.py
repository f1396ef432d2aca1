"""Repositories of specs made in a line, and findings written so that they compare in a line."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.config import config_file, load_config
from reconciler.specs.loaded import Loaded
from reconciler.specs.loading import load_specs

Files = Mapping[str, str | bytes]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A repository, and everything that is said about it; `arranged` is what no file shows."""

    files: Files = field(default_factory=dict)
    arrange: Callable[[Path], object] = lambda _root: None
    arranged: str = ""
    said: tuple[str, ...]


MANIFEST = "{apiVersion: tekton.dev/v1, kind: TaskRun}"
SPEC = f'metadata: {{name: llm, projectId: "4501"}}\nmanifest: {MANIFEST}\n'


def spec(name: str = "llm", project: str = "4501", manifest: str = MANIFEST) -> str:
    """Return a spec in two lines; `manifest` is YAML for its value."""
    return f'metadata: {{name: {name}, projectId: "{project}"}}\nmanifest: {manifest}\n'


def encoded(text: str) -> str:
    """Return a spec whose manifest is a text in base64."""
    data = base64.b64encode(text.encode()).decode()
    return f'metadata: {{name: llm, projectId: "4501"}}\nmanifestBase64Encoded: "{data}"\n'


def write(root: Path, files: Files) -> Path:
    """Write files below a root, folders included."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def load(
    root: Path, files: Files, paths: Sequence[Path] | None = None, stdin: bytes | None = None
) -> Loaded:
    """Write files and load them as one repository."""
    write(root, files)
    config = load_config(config_file(root), root=root)
    stream = None if stdin is None else BytesIO(stdin)
    return load_specs([root] if paths is None else paths, root=root, config=config, stdin=stream)


def tell(found: Diagnostic) -> str:
    """Write a finding as one line, the end of its place included if it has one."""
    where = found.where
    end = "" if where.end_line is None else f"-{where.end_line}:{where.end_column}"
    hint = f" | {found.hint}" if found.hint else ""
    return f"{where}{end} {found.severity} {found.code}: {found.message}{hint}"


def told(loaded: Loaded) -> list[str]:
    """Write all findings, a line each."""
    return [tell(found) for found in loaded.diagnostics]


def pointed_at(root: Path, where: Where) -> str:
    """Return the text that a place marks, for a person who opens the file there."""
    lines = (root / where.file).read_text().split("\n")
    assert where.end_line is not None
    chosen = lines[where.line - 1 : where.end_line]
    chosen[-1] = chosen[-1][: (where.end_column or 1) - 1]
    chosen[0] = chosen[0][where.column - 1 :]
    return "\n".join(chosen)

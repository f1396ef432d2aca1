"""No file of a repository is read but through the one guarded reader."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import reconciler

PACKAGE = Path(reconciler.__file__).parent
READERS = {"open", "fdopen", "read_text", "read_bytes", "open_code"}

# What opens a file by itself, and why it may.
ALLOWED = {
    ("regularfiles.py", "os.open"): "the guarded reader itself",
    # What the program brings with it.
    ("resources.py", "file.read_text"): "a shipped schema",
    ("specs/kubernetes/structure.py", "file.read_text"): "a shipped schema",
    ("report/html/document.py", "folder.joinpath(STYLE_SHEET).read_text"): "a shipped style sheet",
    ("openapi/files.py", "file.read_bytes"): "a derived schema, compared and never quoted",
    ("app/scaffold.py", "file.read_text"): "a shipped template",
    ("app/scaffold.py", "metadata.distribution(DISTRIBUTION).read_text"): "the installer's note",
    ("resources.py", "distribution('workload-reconciler').read_text"): "the installer's note",
    # What the user names for this very purpose: a pipe is welcome there.
    ("api/login/tokens.py", "self._path.open"): "--token-file, read up to a limit",
    (
        "api/connection/client_certificate.py",
        "candidate.open",
    ): "--client-cert and --client-key, opened and not read",
    (
        "api/connection/client_certificate.py",
        "path.read_bytes",
    ): "--client-cert, searched for a line",
    (
        "cli/commands/sandbox.py",
        "path.read_text",
    ): "--fault @FILE and a local sandbox's secret",
    # The state's own files, and what the system says of where they lie.
    ("state/locking/lock.py", "os.open"): "the state and its lock, opened and not read",
    ("state/database.py", "os.open"): "a new state, and the folder that is synced",
    ("state/locking/mounts.py", "table.read_text"): "the kernel's table of mounts",
    ("specs/signatures.py", "open"): "the same table, and what the kernel calls its start",
    # What is written.
    ("app/wholefiles.py", "os.open"): "written, and new",
    ("app/wholefiles.py", "os.fdopen"): "written, and new",
    ("app/scaffold.py", "path.open"): "written, and new",
    ("cli/appended_file.py", "os.open"): "written",
    ("cli/output/console.py", "output.path.open"): "written",
    ("cli/output/github_files.py", "path.open"): "written, and its last character looked at",
    ("cli/main.py", "os.open"): "the null device",
    ("cli/main.py", "os.fdopen"): "the null device",
    # No files.
    ("specs/processes.py", "open"): "the pipe between a copy and this process",
    ("specs/source/yamlreader.py", "self.open"): "a node",
    ("api/connection/pool.py", "self._opener.open"): "a connection",
    ("app/state/beside_server.py", "self.open"): "a state, by its own module",
    ("app/state/adopting.py", "self.state.open"): "a state, by its own module",
    **{
        (f"app/{name}.py", "state.open"): "a state, by its own module"
        for name in (
            "state/beside_server",
            "state/claiming",
            "status/workload_status",
        )
    },
}


def _opened() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        # The sandbox shares no code with the client, and reads the data that it wrote.
        if name.startswith("sandbox/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in READERS:
                yield name, ast.unparse(called)
            elif isinstance(called, ast.Name) and called.id in ("open", "fdopen"):
                yield name, called.id


def test_files_are_opened_where_it_is_said_why() -> None:
    """Nothing reads a file but the guarded reader, and what stands above with its reason."""
    assert set(_opened()) == set(ALLOWED)

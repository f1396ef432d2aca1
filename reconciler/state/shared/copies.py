"""Copies of a state that machines share: packed beside it, or as a SQLite file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.core.model import Header
from reconciler.errors import StateError
from reconciler.ports import ActionEntry, RunEntry
from reconciler.state import database, history
from reconciler.state.filenames import unfinished_path
from reconciler.state.rows import COLUMNS, UPSERT
from reconciler.state.state_errors import explain_errors


def pack(rows: Sequence[Sequence[Any]]) -> bytes:
    """Values of records as a small blob."""
    content = {"columns": list(COLUMNS), "rows": rows}
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def unpack(blob: bytes) -> list[list[Any]]:
    """The values of `pack`; raises StateError for a damaged blob, or one of other columns."""
    try:
        content = json.loads(zlib.decompress(blob))
        if content["columns"] != list(COLUMNS):
            raise ValueError("it has other columns")
        rows: list[list[Any]] = content["rows"]
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise StateError(f"a copy of the state cannot be read: {error}") from error
    return rows


def write_file(
    path: Path,
    *,
    header: Header,
    rows: Sequence[Sequence[Any]],
    runs: Sequence[tuple[RunEntry, Sequence[ActionEntry]]],
) -> None:
    """Write a state to a new SQLite file, whole or not at all; raises StateError."""
    unfinished = unfinished_path(path)
    with explain_errors(path, f"the backup {path} cannot be made"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            database.build(unfinished, header.target)
            with closing(database.connect(unfinished)) as conn, database.transaction(conn):
                meta = database.read_meta(conn, unfinished)
                identity = {"lineage": header.lineage, "serial": str(header.serial)}
                database.write_meta(conn, {**meta, **identity})
                conn.executemany(UPSERT, rows)
                for run, actions in runs:
                    history.put_run(conn, run)
                    history.put_actions(conn, run.id, actions)
            os.link(unfinished, path)
        except FileExistsError:
            raise StateError(
                f"there is already a file at {path}", hint="give the backup another name"
            ) from None
        finally:
            unfinished.unlink(missing_ok=True)
        database.sync(path.parent)

"""How the file came to its present form, one function per step; old steps are never edited."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from sqlite_utils import Database, Migrations

from reconciler.state.rows import COLUMNS, checksum

migrations = Migrations("reconciler")


@migrations()
def m001_first_release(db: Database) -> None:
    """Meta data, the record of operations, and who holds the state."""
    db.table("meta").create({"key": str, "value": str}, pk="key", strict=True)
    operations = db.table("operations")
    operations.create(
        {name: kind for name, kind in COLUMNS.items() if name != "memory"},
        pk="op",
        not_null={"project", "name", "own", "seen", "digest", "spec", "checksum"},
        strict=True,
    )
    operations.create_index(["project", "name"])
    operations.create_index(["own"])
    holder = {"host": str, "pid": int, "user": str, "command": str, "since": str}
    db.table("holder").create({"slot": int, **holder}, pk="slot", strict=True)


@migrations()
def m002_history(db: Database) -> None:
    """The history of runs, and what makes a row cheaper to write: its checksum, and one index."""
    runs = {
        "id": str,
        "command": str,
        "user": str,
        "host": str,
        "started": str,
        "finished": str,
        "took": float,
        "stopped_by": str,
        "exit_code": int,
        "counts": str,
    }
    db.table("runs").create(
        runs, pk="id", not_null={"command", "user", "host", "started", "counts"}, strict=True
    )
    db.table("runs").create_index(["started"])
    actions = {
        "run": str,
        "number": int,
        "address": str,
        "action": str,
        "reason": str,
        "outcome": str,
        "message": str,
        "id": str,
        "seconds": float,
    }
    db.table("run_actions").create(
        actions, pk=("run", "number"), not_null={"address", "action", "outcome"}, strict=True
    )
    db.execute("DROP INDEX IF EXISTS idx_operations_own")
    names = [name for name in COLUMNS if name != "memory"]
    for values in db.execute(f"SELECT {', '.join(names)} FROM operations").fetchall():  # noqa: S608 - our own columns
        row = dict(zip(names, values, strict=True))
        # A row that was damaged before stays so: a fresh checksum would make it believable.
        if row["checksum"] == _checksum_of_format_1(row):
            db.execute(
                "UPDATE operations SET checksum = ? WHERE op = ?",
                [_checksum_of_format_2(row), row["op"]],
            )


@migrations()
def m003_saved_plans(db: Database) -> None:
    """Which saved plan a run carried out, so that it is carried out once."""
    db.table("runs").add_column("plan", str, not_null_default="")


@migrations()
def m004_updates(db: Database) -> None:
    """What an update has to remember gets a column, and two states of a record plain names.

    `onChange: replace` was the default and may have been written down: nobody can tell, so that
    neither is a change of the spec.
    """
    db.table("operations").add_column("memory", str)
    names = [name for name in COLUMNS if name != "memory"]
    for values in db.execute(f"SELECT {', '.join(names)} FROM operations").fetchall():  # noqa: S608 - our own columns
        row = dict(zip(names, values, strict=True))
        try:
            # As in format 2: a row that was damaged before stays so.
            if row["checksum"] != _checksum_of_format_2(row):
                continue
            lifecycle = json.loads(row["lifecycle"])
            memory = lifecycle.pop("memory", None)
            if lifecycle["on_change"] == "replace":
                lifecycle["on_change"] = None
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            # Checksums have no key: somebody made one for something that is no record.
            continue
        row["lifecycle"] = _encode(lifecycle)
        row["memory"] = _encode(memory) if memory else None
        row["own"] = _OWN_OF_FORMAT_4.get(row["own"], row["own"])
        db.execute(
            "UPDATE operations SET own = ?, lifecycle = ?, memory = ?, checksum = ? WHERE op = ?",
            [row["own"], row["lifecycle"], row["memory"], checksum(row), row["op"]],
        )


@migrations()
def m005_links(db: Database) -> None:
    """Which CI job a run was: on another machine, the number of a process says nothing."""
    db.table("runs").add_column("link", str, not_null_default="")


_OWN_OF_FORMAT_4 = {"SUSPECT": "UNCONFIRMED", "HAUNTED": "LATE_CREATE_POSSIBLE"}
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _checksum_of_format_2(row: dict[str, Any]) -> str:
    """A row's checksum in the formats 2 and 3: long columns stand behind the short ones."""
    # Not `rows.checksum`, which follows the columns of today: an old file has to be judged as the
    # version that wrote it did.
    values = [row[name] for name in COLUMNS if name not in ("memory", "checksum")]
    spec, echo = row["spec"], row["echo"] or ""
    at = list(COLUMNS).index("spec")
    short = (*values[:at], len(spec), row["echo"] and len(echo), *values[at + 2 :])
    return "sha256:" + sha256((ascii(short) + spec + echo).encode()).hexdigest()


def _checksum_of_format_1(row: dict[str, Any]) -> str | None:
    columns = {key: value for key, value in row.items() if key != "checksum"}
    try:
        text = json.dumps(columns, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except TypeError:
        # A damaged text may have become a blob.
        return None
    return "sha256:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

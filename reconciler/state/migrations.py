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
        dict(COLUMNS),
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
    names = [*COLUMNS]
    for values in db.execute(f"SELECT {', '.join(names)} FROM operations").fetchall():  # noqa: S608 - our own columns
        row = dict(zip(names, values, strict=True))
        # A row that was damaged before stays so: a fresh checksum would make it believable.
        if _is_whole_in_format_1(row):
            db.execute(
                "UPDATE operations SET checksum = ? WHERE op = ?", [checksum(row), row["op"]]
            )


@migrations()
def m003_saved_plans(db: Database) -> None:
    """Which saved plan a run carried out, so that it is carried out once."""
    db.table("runs").add_column("plan", str, not_null_default="")


@migrations()
def m004_plain_words(db: Database) -> None:
    """Two states of a record get the words that are published now."""
    names = [*COLUMNS]
    for before, after in (("SUSPECT", "UNCONFIRMED"), ("HAUNTED", "LATE_CREATE_POSSIBLE")):
        query = f"SELECT {', '.join(names)} FROM operations WHERE own = ?"  # noqa: S608 - our own columns
        for values in db.execute(query, [before]).fetchall():
            row = dict(zip(names, values, strict=True))
            # As in format 2: a row that was damaged before stays so.
            if row["checksum"] == checksum(row):
                row["own"] = after
                db.execute(
                    "UPDATE operations SET own = ?, checksum = ? WHERE op = ?",
                    [after, checksum(row), row["op"]],
                )


def _is_whole_in_format_1(row: dict[str, Any]) -> bool:
    rest = {key: value for key, value in row.items() if key != "checksum"}
    try:
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except TypeError:
        return False
    found = "sha256:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return bool(row["checksum"] == found)

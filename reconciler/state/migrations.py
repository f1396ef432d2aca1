"""How the file came to its present form, one function per step; old steps are never edited."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from reconciler.state.rows import COLUMNS

# "RcWl", so that `file` and we can tell our states from other people's databases.
APPLICATION_ID = 0x5263576C
SCHEMA_VERSION = 1

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

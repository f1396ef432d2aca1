from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.core.model import Header, Own, Target
from reconciler.core.states.inspection import Inspection, StateFlaw
from reconciler.core.states.places import PostgresPlace, parse_place
from reconciler.errors import ReconcilerError, StateError, UnreachableError
from reconciler.resources import install_command
from reconciler.state.places import (
    create_state,
    inspect_state,
    is_there,
    open_state,
    summarize_state,
    try_lock,
)
from reconciler.state.postgres.connection import connection_string
from reconciler.state.postgres.schema import sql_text, upgrade_text
from reconciler.state.rows import COLUMNS
from reconciler.state.shared.timings import DEFAULT
from tests.state.runs import begun
from tests.support.factories import make_recorded, make_target
from tests.support.postgres import PostgresServer, free_port

STACK = make_target().stack
FIXTURES = Path(__file__).parent / "fixtures"


def place(url: str, stack: str = STACK) -> PostgresPlace:
    """The place that a URL names."""
    found = parse_place(url, stack=stack, may_hold_password=True)
    assert isinstance(found, PostgresPlace)
    return found


@pytest.fixture
def roles(postgres: PostgresServer, schema: str) -> Iterator[str]:
    """The tables as a DBA makes them, and two accounts `SCHEMA_anna` (reads) and `SCHEMA_ci`."""
    with postgres.connect() as conn:
        conn.execute(sql_text(schema).encode())
    for account, role in (("anna", "reader"), ("ci", "writer"), ("nobody", "")):
        postgres.query(f"CREATE ROLE {schema}_{account} LOGIN")
        if role:
            postgres.query(f"GRANT {schema}_{role} TO {schema}_{account}")
    yield schema
    postgres.query(f"DROP SCHEMA {schema} CASCADE")
    for name in ("anna", "ci", "nobody", "reader", "writer"):
        postgres.query(f"DROP ROLE {schema}_{name}")


def test_accounts_of_the_dba_can_do_what_their_roles_say(
    postgres: PostgresServer, roles: str
) -> None:
    """A writer makes a stack's state and writes it; a reader sees it, and is told what it lacks."""
    writer = place(postgres.url(roles, user=f"{roles}_ci"))
    reader = place(postgres.url(roles, user=f"{roles}_anna"))
    with closing(create_state(writer, make_target())) as store:
        store.hold("reconciler apply")
        store.write([make_recorded(op="a")])
        store.begin_run(begun("1"))
        store.back_up()
    with closing(open_state(reader)) as store:
        assert [one.op for one in store.read()] == ["a"]
        assert list(store.runs()) == [begun("1")]
        with pytest.raises(StateError) as caught:
            store.hold("reconciler apply")
    assert says(caught.value) == (
        (
            f"this account may not use the state of stack {STACK} ({postgres.address}/postgres, "
            f"schema {roles}) (permission denied for table states)"
        ),
        (
            f"GRANT {roles}_writer TO the account, or {roles}_reader where it only reads; "
            "'reconciler state sql' prints all tables, roles and grants for whoever owns the "
            "database"
        ),
        1,
    )


def test_who_may_not_even_read_is_told_which_grant_is_missing(
    postgres: PostgresServer, roles: str
) -> None:
    """Not that there were no state."""
    with pytest.raises(StateError, match=f"permission denied for schema {roles}") as caught:
        open_state(place(postgres.url(roles, user=f"{roles}_nobody")))
    assert f"{roles}_reader" in caught.value.hint


def test_tables_are_made_by_whoever_may(postgres: PostgresServer, roles: str) -> None:
    """Somebody who may not is told of the command for whoever owns the database."""
    other = f"{roles}_b"
    with pytest.raises(StateError, match="permission denied for database"):
        create_state(place(postgres.url(other, user=f"{roles}_ci")), make_target())
    postgres.query(f"CREATE SCHEMA {other} AUTHORIZATION {roles}_ci")
    create_state(place(postgres.url(other, user=f"{roles}_ci")), make_target()).close()
    assert is_there(place(postgres.url(other)))
    postgres.query(f"DROP SCHEMA {other} CASCADE")


def test_a_state_that_is_not_there_is_told_from_one_that_is(
    postgres: PostgresServer, schema: str
) -> None:
    """By the schema first, and by the stacks that it has."""
    here = place(postgres.url(schema))
    assert not is_there(here)
    with pytest.raises(StateError) as caught:
        open_state(here)
    message, hint, code = says(caught.value)
    assert message.startswith(f"there are no tables of a state in schema {schema}")
    assert "--init" in hint
    assert code == 1
    create_state(here, make_target()).close()
    other = place(postgres.url(schema), stack="team-b")
    assert not is_there(other)
    with pytest.raises(StateError) as caught:
        open_state(other)
    assert says(caught.value) == (
        (
            f"there is no state of stack team-b ({postgres.address}/postgres, schema {schema}); it "
            f"has: {STACK}"
        ),
        "give --stack or --config; only the very first apply makes one, with --init",
        1,
    )


def test_stacks_in_one_schema_do_not_meet(postgres: PostgresServer, schema: str) -> None:
    """Each has its own records, lineage and lock."""
    places = [place(postgres.url(schema), stack=stack) for stack in ("a", "b")]
    stores = [create_state(one, make_target(stack=one.stack)) for one in places]
    for store, op in zip(stores, "xy", strict=True):
        store.hold("reconciler apply")
        store.write([make_recorded(op=op)])
    assert [[one.op for one in store.read()] for store in stores] == [["x"], ["y"]]
    assert len({store.header.lineage for store in stores}) == 2
    for store in stores:
        store.close()


def test_tables_of_a_newer_version_are_left_alone(postgres: PostgresServer, schema: str) -> None:
    """Unless they say that this version may still write."""
    here = place(postgres.url(schema))
    create_state(here, make_target()).close()
    postgres.query(f"UPDATE {schema}.format SET version = 3")
    open_state(here).close()
    postgres.query(f"UPDATE {schema}.format SET oldest_writer = 3")
    with pytest.raises(StateError, match="newer version of this program"):
        open_state(here)


def test_tables_of_format_1_are_read_and_written_after_their_upgrade(
    postgres: PostgresServer, schema: str
) -> None:
    """Tables and records as the program before made them; whoever owns them runs one command."""
    here = place(postgres.url(schema))
    make_format_1(postgres, schema)
    target = Target(url="https://old.example.com", stack=STACK, tenant_id=7, can_update=True)
    with closing(open_state(here)) as store:
        before = store.content()
        assert before.header == Header(lineage="lin", serial=3, target=target)
        assert [(row.address.name, row.own) for row in store.read()] == [
            ("chat", Own.ACCEPTED),
            ("train", Own.ACCEPTED),
        ]
        assert (inspect_state(here).format, summarize_state(here).owned[Own.ACCEPTED]) == (1, 2)
        with pytest.raises(StateError) as caught:
            store.hold("reconciler apply")
    with pytest.raises(StateError, match="format 1, and this version of the program writes 2"):
        create_state(place(postgres.url(schema), stack="another"), make_target())
    assert says(caught.value) == (
        (
            f"the tables of the state of stack {STACK} ({postgres.address}/postgres, schema "
            f"{schema}) are of format 1, and this version of the program writes 2"
        ),
        "as their owner: reconciler state sql --upgrade | psql; nothing was changed",
        1,
    )
    # A second time it changes nothing.
    for _ in range(2):
        with postgres.connect() as conn:
            conn.execute(upgrade_text(schema).encode())
        with closing(open_state(here)) as store:
            store.hold("reconciler apply")
            assert store.content() == before
    with closing(open_state(here)) as store:
        store.hold("reconciler apply")
        store.pin(replace(target, pins={"team-a": "4501"}))
        assert store.header.target.pins == {"team-a": "4501"}
    assert postgres.query(f"SELECT version, oldest_writer FROM {schema}.format") == [(2, 2)]


def make_format_1(postgres: PostgresServer, schema: str) -> None:
    """The tables of format 1 with the records of a file of that time."""
    tables = (FIXTURES / "postgresql-1.sql").read_text("utf-8").partition("-- Who may what")[0]
    names = ", ".join(COLUMNS)
    with closing(sqlite3.connect(FIXTURES / "format-5" / "state.db")) as conn:
        rows = conn.execute(f"SELECT {names} FROM operations").fetchall()
    with postgres.connect() as conn:
        conn.execute((tables.replace('"team_a"', schema) + "COMMIT;").encode())
        conn.execute(
            f"INSERT INTO {schema}.states (stack, lineage, serial, nonce, url, tenant_id, "
            "can_update, created_at) VALUES (%s, 'lin', 3, 'n', %s, 7, true, 'then')".encode(),
            [STACK, "https://old.example.com"],
        )
        marks = ", ".join(["%s"] * len(COLUMNS))
        query = f"INSERT INTO {schema}.operations (state, {names}) VALUES (1, {marks})"
        conn.cursor().executemany(query.encode(), rows)


def test_a_damaged_record_is_found(postgres: PostgresServer, schema: str) -> None:
    """Reading names it, and a check of the whole state says everything that is wrong."""
    here = place(postgres.url(schema))
    with closing(create_state(here, make_target())) as store:
        store.hold("reconciler apply")
        store.write([make_recorded(op="a"), make_recorded(op="b", own=Own.UNCONFIRMED)])
        store.begin_run(begun("1"))
        store.back_up()
    summary = summarize_state(here)
    assert (summary.owned[Own.ACCEPTED], summary.in_doubt, summary.is_held) == (1, 1, False)
    postgres.query(f"UPDATE {schema}.operations SET name = 'other' WHERE op = 'a'")
    with closing(open_state(here)) as store, pytest.raises(StateError, match="its checksum does"):
        store.read()
    lineage = inspect_state(here).lineage
    assert inspect_state(here) == Inspection(
        path=str(here),
        format=2,
        lineage=lineage,
        records=1,
        in_doubt=1,
        runs=1,
        backups=1,
        flaws=(
            StateFlaw(
                message="the record of 4501/other is damaged: its checksum does not match",
                hint="'reconciler state restore' takes back a copy; 'reconciler state recover' "
                "rebuilds it",
            ),
        ),
    )


def test_a_lock_can_be_tried(postgres: PostgresServer, schema: str) -> None:
    """It is free afterwards."""
    here = place(postgres.url(schema))
    create_state(here, make_target()).close()
    try_lock(here, "reconciler doctor")
    with closing(open_state(here)) as store:
        assert store.writer() == ""
        store.hold("reconciler apply")
        with pytest.raises(ReconcilerError, match="is in use by") as caught:
            try_lock(here, "reconciler doctor")
        assert caught.value.exit_code == 6


def test_what_is_long_over_is_forgotten(postgres: PostgresServer, schema: str) -> None:
    """Runs and ended records of more than ninety days ago go when a run begins."""
    here = place(postgres.url(schema))
    with closing(create_state(here, make_target())) as store:
        store.hold("reconciler apply")
        old, new = "2026-08-21T08:59:59.000+00:00", "2026-08-23T00:00:00.000+00:00"
        store.write(
            [
                make_recorded(op="old", own=Own.GONE, last_sent_at=old),
                make_recorded(op="new", own=Own.GONE, last_sent_at=new),
                make_recorded(op="alive", last_sent_at=old),
            ]
        )
        store.begin_run(begun("1"))
    ops = postgres.query(f"SELECT op FROM {schema}.operations ORDER BY op")
    assert ops == [("alive",), ("new",)]


def test_a_server_that_only_reads_says_so(postgres: PostgresServer, roles: str) -> None:
    """As a standby does: it can be read, and the lock is not taken there."""
    ci = f"{roles}_ci"
    with closing(create_state(place(postgres.url(roles, user=ci)), make_target())):
        pass
    postgres.query(f"ALTER ROLE {ci} SET default_transaction_read_only = on")
    with closing(open_state(place(postgres.url(roles, user=ci)))) as store:
        assert list(store.read()) == []
        with pytest.raises(UnreachableError) as caught:
            store.hold("reconciler apply")
    assert caught.value.hint == (
        "this server is read-only: name all hosts; the program finds the primary"
    )


def test_a_database_that_is_not_there_ends_with_9() -> None:
    """The message has no password, and nothing of the address but where it leads."""
    port = free_port()
    here = place(f"postgresql://me:secret@127.0.0.1:{port}/db")
    for way in (open_state, is_there, summarize_state, inspect_state):
        with pytest.raises(UnreachableError) as caught:
            way(here)
        message, hint, code = says(caught.value)
        assert message.startswith(
            f"the database of the state of stack {STACK} (127.0.0.1:{port}/db, schema "
            "reconciler) cannot be reached: "
        )
        assert "secret" not in message + hint
        assert code == 9


def test_an_unknown_parameter_is_named(postgres: PostgresServer) -> None:
    """Libpq's own are all taken."""
    with pytest.raises(UnreachableError, match="sslmod"):
        open_state(place(f"postgresql://{postgres.address}/postgres?sslmod=require"))


def test_without_the_driver_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files need none of it."""
    for name in list(sys.modules):
        if name.split(".")[0] == "psycopg" or name.startswith("reconciler.state.postgres"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StateError, match="in PostgreSQL needs a library") as caught:
        open_state(place("postgresql://db/x"))
    assert caught.value.hint == install_command("postgres")


VERIFIED = {"sslmode": "verify-full", "sslrootcert": "system"}


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("postgresql://db.example.com/x", {}, VERIFIED),
        ("postgresql://127.0.0.1,db.example.com/x", {}, VERIFIED),
        ("postgresql:///x", {"PGHOST": "db.example.com"}, VERIFIED),
        ("postgresql://db/x?sslrootcert=ca.pem", {}, {**VERIFIED, "sslrootcert": "ca.pem"}),
        ("postgresql://db/x", {"PGSSLROOTCERT": "ca.pem"}, {"sslmode": "verify-full"}),
        # What somebody has chosen is what is done.
        ("postgresql://db/x?sslmode=require", {}, {"sslmode": "require"}),
        ("postgresql://db/x", {"PGSSLMODE": "require"}, {}),
        # Nothing of these leaves the machine.
        ("postgresql://localhost/x", {}, {}),
        ("postgresql://127.0.0.2:5433/x", {}, {}),
        ("postgresql://[::1]/x", {}, {}),
        ("postgresql:///x", {}, {}),
        ("postgresql://%2Fvar%2Frun/x", {}, {}),
        ("postgresql:///x?host=/var/run", {}, {}),
    ],
)
def test_a_connection_is_encrypted_and_verified_by_default(
    url: str, environ: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libpq's own default is silent plain text; loopback and sockets need nothing."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    given = parameters(url)
    assert {name: given[name] for name in ("sslmode", "sslrootcert") if name in given} == expected


def test_what_a_service_file_says_of_encryption_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our default stands below it: in the environment, and in no parameter."""
    for name in ("PGSSLMODE", "PGSSLROOTCERT"):
        # So that what is set below goes with the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert "sslmode" not in parameters("postgresql:///?service=prod")
    assert (os.environ["PGSSLMODE"], os.environ["PGSSLROOTCERT"]) == ("verify-full", "system")


def test_the_password_goes_to_the_driver_alone() -> None:
    """With parameters that notice a dead connection, which an address may change."""
    here = place("postgresql://me:s3cret@db/x?keepalives_idle=60")
    assert "s3cret" not in f"{here} {here!r} {here.title}"
    given = parameters("postgresql://me:s3cret@db/x?keepalives_idle=60")
    names = ("password", "keepalives_idle", "keepalives_count", "tcp_user_timeout", "options")
    assert [given.get(name) for name in names] == ["s3cret", "60", "3", "10000", None]
    assert given["application_name"] == "workload-reconciler"


def parameters(url: str) -> dict[str, Any]:
    """What libpq is told of a place."""
    return conninfo_to_dict(connection_string(place(url), DEFAULT, writes=False))


def says(error: ReconcilerError) -> tuple[str, str, int]:
    """Everything that a person sees of an error."""
    return error.message, error.hint, error.exit_code

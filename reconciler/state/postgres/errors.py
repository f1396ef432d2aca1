"""What PostgreSQL refuses, by SQLSTATE: what may be tried again, and the sentence for the rest."""

from __future__ import annotations

import psycopg

from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError, UnreachableError

_UNDEFINED = frozenset({"42P01", "3F000"})
_DENIED = "42501"
_READ_ONLY = "25006"
# Connections that broke or were ended, a server that is busy or was demoted: the same statement
# may succeed later, and a commit that was carried out already counts once.
_TRANSIENT = frozenset(
    {"57P01", "57P02", "57P03", "53300", "40001", "40P01", "57014", "55P03", _READ_ONLY}
)
_CONNECTION = "08"
_NO_ROOM = "53"
_SQL = "'reconciler state sql' prints all tables, roles and grants for whoever owns the database"


def may_be_repeated(error: psycopg.Error) -> bool:
    """Whether the same statement may succeed on another connection, or a little later."""
    state = error.sqlstate
    if state is None:
        # No answer at all: the connection broke, or could not be made.
        return isinstance(error, psycopg.OperationalError)
    return state in _TRANSIENT or state.startswith(_CONNECTION)


def unreachable(place: PostgresPlace, error: psycopg.Error) -> UnreachableError:
    """The error for a database that could not be reached before anything was begun."""
    return UnreachableError(
        f"the database of the state {place.title} cannot be reached: {_first_line(error)}",
        hint=_way_in(error),
    )


def to_state_error(place: PostgresPlace, error: psycopg.Error) -> StateError:
    """The error for a statement that the database did not carry out."""
    state = error.sqlstate or ""
    message = _first_line(error)
    if state == _DENIED:
        return StateError(
            f"this account may not use the state {place.title} ({message})",
            hint=f"GRANT {place.schema}_writer TO the account, or {place.schema}_reader where it "
            f"only reads; {_SQL}",
        )
    if state in _UNDEFINED:
        return StateError(
            f"there are no tables of a state in schema {place.schema} ({message})",
            hint=f"only the very first apply makes them, with --init; {_SQL}",
        )
    if state == _READ_ONLY:
        return StateError(
            f"the database server of the state {place.title} is read-only (a standby)",
            hint="name all hosts in the state's address; the program finds the primary",
        )
    if state.startswith(_NO_ROOM):
        return StateError(
            f"the database of the state {place.title} has no room: {message}",
            hint="make room on its disk; what is recorded so far is safe",
        )
    return StateError(
        f"the state {place.title} cannot be used: {message}",
        hint="nothing was changed; ask the operator of the database",
    )


def _first_line(error: psycopg.Error) -> str:
    # The lines after it repeat the statement, or are the same for each address of a host.
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:")


def _way_in(error: psycopg.Error) -> str:
    text = str(error).lower()
    if "password" in text or "authentication" in text:
        return "set PGPASSWORD, or PGPASSFILE for a file that holds it"
    if "certificate" in text or "ssl" in text:
        return (
            "give the authority that signed the server's certificate with sslrootcert=FILE in the "
            "state's address; sslmode=verify-full is the default"
        )
    if "read-only" in text or "read-write" in text or "standby" in text:
        return "this server is read-only: name all hosts; the program finds the primary"
    return "check the state's address and the network; nothing was changed"

"""Mistakes in the fence of a shared state, as a plugin of pytest: the tests must notice each.

`STORE_MUTANT` names the one to make; `python -m proof.postgres --mutants` makes them one by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

from reconciler.engine.requests.sending import SendGuard
from reconciler.state.postgres import connection, statements

VARIABLE = "STORE_MUTANT"
_COMMIT = statements.commit_statement
_RENEWAL = statements.renew_lease


def _change_commit(*changes: tuple[str, str]) -> Callable[[], None]:
    def commit(*arguments: Any) -> tuple[str, dict[str, Any]]:
        text, values = _COMMIT(*arguments)
        for old, new in changes:
            if old not in text:
                raise AssertionError(f"the statement has no {old}")
            text = text.replace(old, new)
        return text, values

    return lambda: _patch(statements, "commit_statement", commit)


def _steal_back() -> None:
    upsert = (
        "epoch = %(epoch)s, token = %(token)s::uuid, lease_until",
        "WHERE id = %(state)s",
    )

    def renew(schema: str) -> str:
        before, after = _RENEWAL(schema).split("WHERE")
        return (
            before.replace("lease_until", upsert[0], 1) + upsert[1] + after[after.index(" RET") :]
        )

    _patch(statements, "renew_lease", renew)


def _send_first() -> None:
    async def before_send(guard: SendGuard) -> None:
        """Send whatever is on record, however old that is."""

    _patch(SendGuard, "before_send", before_send)


def _wait_for_ever() -> None:
    _patch(connection._Watchdog, "_watch", lambda _: None)


def _patch(owner: Any, name: str, value: Any) -> None:
    mock.patch.object(owner, name, value).start()


_MARK = " AND token = %(token)b::uuid"
_NUMBER = "AND writes IN (%(n)b - 1, %(n)b)"

MUTANTS: Mapping[str, Callable[[], None]] = {
    "no epoch and no token": _change_commit((" AND epoch = %(epoch)b" + _MARK, "")),
    "an epoch without a token": _change_commit((_MARK, "")),
    "a gap between commits is not looked for": _change_commit((_NUMBER, "AND writes < %(n)b + 1")),
    "a repeated commit is refused": _change_commit((_NUMBER, "AND writes = %(n)b - 1")),
    "a repeated commit counts twice": _change_commit(
        ("SET writes = %(n)b", "SET writes = writes + 1"), (_NUMBER, "")
    ),
    "a renewal takes the lock back": _steal_back,
    "what stood still sends without another look": _send_first,
    "nobody watches the socket": _wait_for_ever,
}


def pytest_configure() -> None:
    """Make the mistake that is named."""
    MUTANTS[os.environ[VARIABLE]]()

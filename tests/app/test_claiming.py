"""What settles a doubt by hand: an id, another look, or giving it up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from reconciler.app.state.claiming import abandon
from reconciler.errors import ReconcilerError, RefusedError
from tests.app.commands import StateCommands, _words_of_rows, lose_answer
from tests.support.worlds import wish


def test_a_doubt_is_settled_by_the_id_of_what_became_of_it(tmp_path: Path) -> None:
    """Without a list this is the one command that is needed; the marker is checked."""
    commands = StateCommands(tmp_path, listing=False)
    lose_answer(commands.world)
    assert commands.world.apply(wish("a")).exit_code == 8

    settled = commands.resolve("4501/a", commands.world.id_of("a"))
    after = commands.world.apply(wish("a"))

    assert settled == ["a ACCEPTED"]
    assert (after.exit_code, after.summary) == (0, {})
    assert commands.world.changes() == ["created a"]
    assert commands.history() == ["resolved"]


def test_a_doubt_is_not_settled_by_what_another_operation_made(tmp_path: Path) -> None:
    """The marker is stronger than anybody's word."""
    commands = StateCommands(tmp_path, listing=False)
    lose_answer(commands.world)
    row = commands.world.row("a")
    commands.world.record(dataclasses.replace(row, op="another"))
    commands.world.record(dataclasses.replace(row, own=row.own.GONE))

    with pytest.raises(RefusedError, match=f"was made by operation {row.op}, and 1 other"):
        commands.resolve("4501/a", commands.world.id_of("a"))


def test_a_recheck_finds_what_the_list_shows_by_now(tmp_path: Path) -> None:
    """It only reads; what it finds is recorded, what it does not find stays in doubt."""
    commands = StateCommands(tmp_path)
    lose_answer(commands.world)
    posts = len(commands.world.ledger("POST"))

    found = commands.recheck("4501/a")

    assert (found, commands.world.state()) == (0, ["a ACCEPTED Synced"])
    assert len(commands.world.ledger("POST")) == posts


def test_a_doubt_can_be_given_up(tmp_path: Path) -> None:
    """Somebody has looked, and says that there is nothing; the state remembers who."""
    commands = StateCommands(tmp_path, listing=False)
    lose_answer(commands.world)
    commands.world.sandbox.store.vanish(commands.world.id_of("a"))

    dropped = abandon(commands.settings, commands.request("4501/a"))
    after = commands.world.apply(wish("a"))

    assert _words_of_rows(dropped.dropped) == ["a GONE"]
    assert after.summary == {"created": 1}
    assert commands.history() == ["abandoned"]


def test_what_is_not_in_doubt_has_nothing_to_settle(tmp_path: Path) -> None:
    """A recorded workload is left alone."""
    commands = StateCommands(tmp_path)
    commands.world.apply(wish("a"))

    with pytest.raises(ReconcilerError, match="4501/a is not in doubt"):
        abandon(commands.settings, commands.request("4501/a"))

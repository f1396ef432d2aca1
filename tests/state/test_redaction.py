"""A state that was written when less was taken for a secret."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.applying.applying import ApplyRequest, ApplyResult, carry_out
from reconciler.app.planning.planning import PlanRequest, PlanResult, make
from reconciler.app.planning.workspace import Workspace, open_workspace
from reconciler.app.session import Connector
from reconciler.app.settings import Flags
from reconciler.core.planning.plan import Plan
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import RedactionRules
from reconciler.engine.requests.clock import SystemClock
from reconciler.engine.run import ApplyOptions
from reconciler.errors import StateError
from reconciler.state.backups import list_backups
from reconciler.state.check import inspect_state
from reconciler.state.sqlite import open_state

FIXTURE = Path(__file__).parent / "fixtures" / "redaction-1"
ANSWERS = json.loads((FIXTURE / "answers.json").read_text("utf-8"))
SECRETS = [
    *("made-up-0123456789abcdef", "made-up-kaggle-0123456789", "made-up-1,made-up-2"),
    *("bWFkZS11cC1mZXJuZXQta2V5LTAxMjM0NTY3ODkwMTI=", "made-up-webhook", "made-up-token"),
]


def serve(request: httpx.Request) -> httpx.Response:
    """The server as it was when the fixture was made; whatever is no GET is a mistake."""
    assert request.method == "GET", request
    for answer in ANSWERS:
        if request.url.path.endswith(answer["workload"]["metadata"]["id"]):
            return httpx.Response(200, json=answer)
    return httpx.Response(404, json={"code": 404, "message": "not found"})


CONNECTOR = Connector(
    environ={"RUNAI_TOKEN": "token"},
    clock=SystemClock(),
    transport=lambda: httpx.MockTransport(serve),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the state."""
    return Path(shutil.copy(FIXTURE / "state.db", tmp_path / "state.db"))


def workspace(path: Path, rules: RedactionRules | None = None) -> Workspace:
    """The specs of the fixture, all but the one that was removed."""
    flags = Flags(state=str(path), url="http://127.0.0.1:8080")
    found = open_workspace([FIXTURE / "specs"], flags, {})
    settings = found.settings
    if rules:
        settings = dataclasses.replace(settings, redact=rules.redact, reveal=rules.reveal)
    desired = tuple(one for one in found.desired if one.address.name != "old")
    return dataclasses.replace(found, settings=settings, desired=desired)


def plan(path: Path, rules: RedactionRules | None = None) -> Plan:
    """What an apply would do."""
    found = workspace(path, rules)
    return asyncio.run(make(found, PlanRequest(), connector=CONNECTOR, say=lambda _: None)).plan


def apply(path: Path, rules: RedactionRules | None = None) -> ApplyResult:
    """Carry it out."""

    def agree(_: PlanResult) -> bool:
        return True

    request = ApplyRequest(plan=PlanRequest(), options=ApplyOptions(), command="reconciler apply")
    main = carry_out(
        workspace(path, rules), request, connector=CONNECTOR, confirm=agree, say=lambda _: None
    )
    return asyncio.run(main)


def summary(found: Plan) -> dict[str, Any]:
    """The counts that are not zero."""
    counts = found.summary()
    counts.pop("gpus")
    return {name: count for name, count in counts.items() if count}


def secrets_in(path: Path) -> list[str]:
    """Those that stand anywhere in the bytes of a file, its free pages included."""
    data = path.read_bytes()
    return [secret for secret in SECRETS if secret.encode() in data]


def test_records_of_other_rules_are_written_anew_and_nothing_is_sent(path: Path) -> None:
    """One `record`, no replace; then the file holds no secret, and there is nothing to do."""
    assert secrets_in(path) == SECRETS[:-1]
    before = plan(path)
    assert summary(before) == {"record": 1}
    assert [action.detail for action in before.changes] == [
        "the rules for secrets have changed; its record is rewritten, and nothing is sent"
    ]

    applied = apply(path)

    assert applied.exit_code == 0
    assert secrets_in(path) == []
    assert summary(plan(path)) == {"unchanged": 1}
    assert inspect_state(path).flaws == ()


def test_the_backup_before_it_is_whole(path: Path) -> None:
    """One before the new format, one before the new rules: both are as private as the state."""
    apply(path)
    backups = list_backups(path)
    assert [secrets_in(backup) for backup in backups] == [SECRETS[:-1]] * 2
    assert [backup.stat().st_mode & 0o777 for backup in backups] == [0o600] * 2


def test_rows_that_have_ended_and_the_history_follow(tmp_path: Path) -> None:
    """Nothing reads them any more but a person with the file."""
    path = Path(shutil.copy(FIXTURE / "after.db", tmp_path / "state.db"))
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE run_actions SET message = 'serve --wandb-key made-up-1,made-up-2'")
        conn.execute("DELETE FROM operations WHERE own = 'ACCEPTED'")
        conn.commit()
    assert secrets_in(path) == SECRETS[:-1]
    with contextlib.closing(open_state(path)) as store:
        store.hold("reconciler apply")
        store.renew(Redactor(store.header.lineage))
        header = store.header
    assert secrets_in(path) == []
    assert inspect_state(path).flaws == ()
    with contextlib.closing(open_state(path)) as store:
        assert store.header == header


def test_a_damaged_row_is_left_alone(path: Path) -> None:
    """Who wrote it, and what it said, cannot be told; it is still damaged afterwards."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE operations SET id = 'stolen' WHERE name = 'chat'")
        conn.commit()
    with contextlib.closing(open_state(path)) as store:
        store.hold("reconciler apply")
        store.renew(Redactor(store.header.lineage))
        with pytest.raises(StateError, match="4501/chat is damaged"):
            store.read()


def test_a_file_that_follows_the_rules_is_not_written(path: Path) -> None:
    """It says by which rules it was written; others begin again."""
    apply(path)
    with contextlib.closing(open_state(path)) as store:
        store.hold("reconciler apply")
        lineage = store.header.lineage
        before = path.read_bytes()
        store.renew(Redactor(lineage))
        assert path.read_bytes() == before
        store.renew(Redactor(lineage, RedactionRules(redact=("MODEL",))))
        assert b"org/llama-3-8b" not in path.read_bytes()


@pytest.mark.parametrize("reveal", [("KAGGLE_KEY", "HF_TOKEN"), ("*_key", "api_keys", "hf_*")])
def test_laxer_rules_are_a_record_as_well(path: Path, reveal: tuple[str, ...]) -> None:
    """What was a mark is the text again that its mark names, and nobody's workload is replaced."""
    apply(path)
    rules = RedactionRules(reveal=reveal)
    assert summary(plan(path, rules)) == {"record": 1}
    assert apply(path, rules).exit_code == 0
    assert "made-up-kaggle-0123456789" in secrets_in(path)
    assert summary(plan(path, rules)) == {"unchanged": 1}
    assert summary(plan(path)) == {"record": 1}
